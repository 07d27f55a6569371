"""A download goes on where it was cut, and never mixes two versions."""

import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from mpii_pose.release.download import fetch
from tests.builds import ROOT
from tests.servers import Server, serving

SIZE = 2_000_000
CUTS = [500_003, 1_200_000, 1_999_999]
# What may be fetched again of what had arrived at a cut.
AGAIN = 1 << 17


def content(seed=0):
    return b"\x1f\x8b" + np.random.default_rng(seed).bytes(SIZE - 2)


@pytest.fixture
def server():
    with serving(Server(content())) as running:
        yield running


@pytest.fixture
def pauses(monkeypatch):
    """Pauses before connections, which are not made here."""
    made = []
    monkeypatch.setattr(time, "sleep", made.append)
    return made


@pytest.fixture
def part(tmp_path):
    return tmp_path / "archive.tar.gz.part"


@pytest.mark.parametrize("validator", ["etag", "modified"])
def test_cuts_fetch_almost_nothing_again(server, part, pauses, log, validator):
    server.cuts = list(CUTS)
    if validator == "modified":
        server.etag, server.modified = None, "Tue, 03 Nov 2015 08:00:00 GMT"

    fetch(server.url, part)

    assert part.read_bytes() == server.content
    assert len(server.sent) == 4
    assert sum(server.sent) <= SIZE + len(CUTS) * AGAIN
    assert [("If-Range" in headers) for headers in server.asked] == [False, *[True] * 3]
    assert log.text.count("Connection broken") == 3
    for kept in ("0.5", "1.2", "2.0"):
        assert f"{kept} MB are here; trying again" in log.text


@pytest.mark.parametrize("etag", ['"one"', None])
def test_later_call_goes_on_where_an_earlier_was_stopped(server, part, pauses, etag):
    server.cuts, server.etag = [CUTS[1]], etag
    server.on_cut = lambda: server.statuses.extend([404])
    kept = f"1.2 MB are kept in {part}: the same command goes on there"
    with pytest.raises(ConnectionError, match="404 Not Found") as caught:
        fetch(server.url, part)
    assert str(caught.value).endswith(kept if etag else "Nothing of it is kept")

    fetch(server.url, part)

    assert part.read_bytes() == server.content
    assert sum(server.sent) <= SIZE + (AGAIN if etag else CUTS[1])


def test_killed_download_goes_on(server, part):
    server.cuts = [CUTS[1]]
    server.on_cut = lambda: server.statuses.extend([(503, {"Retry-After": "60"})])
    code = "import sys; from mpii_pose.release import download"
    code += "; download.fetch(*sys.argv[1:])"
    command = [sys.executable, "-c", code, server.url, str(part)]
    with subprocess.Popen(command, cwd=ROOT) as process:
        while len(server.asked) < 2:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)

    fetch(server.url, part)

    assert part.read_bytes() == server.content
    assert sum(server.sent) <= SIZE + AGAIN


def test_whole_part_is_not_asked_for_again(server, part):
    fetch(server.url, part)

    fetch(server.url, part)

    assert part.read_bytes() == server.content
    (request,) = server.asked
    assert request["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("size", [SIZE, SIZE // 2], ids=["same_size", "smaller"])
@pytest.mark.parametrize("heeds_if_range", [True, False])
def test_changed_file_is_never_mixed(server, part, pauses, log, heeds_if_range, size):
    server.cuts = [CUTS[1]]
    server.heeds_if_range = heeds_if_range

    def change():
        server.content, server.etag = content(seed=1)[:size], '"two"'

    server.on_cut = change

    fetch(server.url, part)

    assert part.read_bytes() == content(seed=1)[:size]
    if heeds_if_range:
        assert "the server has another version of the file now" in log.text
        assert "without 1.2 MB of it" in log.text
    else:
        assert "the file has changed on the server. 1.2 MB are here" in log.text


def test_old_bytes_go_before_a_note_of_new_ones(server, part, pauses, monkeypatch):
    """Killed in between, a download must not take old bytes for the new version's."""
    server.cuts = [CUTS[1]]
    server.on_cut = lambda: server.statuses.extend([404])
    with pytest.raises(ConnectionError):
        fetch(server.url, part)
    server.content, server.etag = content(seed=1), '"two"'
    write_text, sizes = type(part).write_text, []

    def write_note(path, text):
        sizes.append(part.stat().st_size)
        write_text(path, text)

    monkeypatch.setattr(type(part), "write_text", write_note)

    fetch(server.url, part)

    assert sizes == [0]
    assert part.read_bytes() == server.content


@pytest.mark.parametrize(
    ("change", "cuts"),
    [
        ({"etag": None}, CUTS[:1]),
        ({"etag": 'W/"weak"'}, CUTS[:1]),
        ({"knows_range": False}, CUTS[:2]),
    ],
)
def test_what_cannot_go_on_is_fetched_anew(server, part, pauses, log, change, cuts):
    vars(server).update(change, cuts=list(cuts))

    fetch(server.url, part)

    assert part.read_bytes() == server.content
    assert server.sent == [*cuts, SIZE]
    lost = "or sends no parts of files: downloading it anew" in log.text
    assert lost == ("knows_range" in change)


def test_server_that_always_cuts_at_one_place_is_given_up(server, part, pauses):
    server.cuts, server.knows_range = [CUTS[0]] * 50, False

    with pytest.raises(ConnectionError, match=r"500003 bytes read"):
        fetch(server.url, part)

    assert len(server.sent) < 15


def test_busy_server_is_asked_again_after_growing_pauses(server, part, pauses, log):
    after = [(503, {"Retry-After": seconds}) for seconds in ("7", "999999")]
    server.statuses = [503, 502, 503, 429, *after]

    fetch(server.url, part)

    assert part.read_bytes() == server.content
    assert pauses == [0, 2, 4, 8, 7, 120]
    assert "the server answered 503 Service Unavailable" in log.text
    assert "0.0 MB are here; trying again in 2 s, 9 times more" in log.text


def test_server_that_stays_busy_is_given_up_and_the_part_kept(server, part, pauses):
    server.cuts = [CUTS[1]]
    server.on_cut = lambda: server.statuses.extend([503] * 100)

    with pytest.raises(ConnectionError, match=r"503 Service.*MB are kept in .*\.part"):
        fetch(server.url, part)

    assert part.stat().st_size == CUTS[1]
    assert pauses == [0, *[2, 4, 8, 16, 32, 64], *[120] * 3]


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_refusal_is_an_error_at_once(server, part, pauses, status):
    server.statuses = [status]

    with pytest.raises(ConnectionError, match=f"the server answered {status}"):
        fetch(server.url, part)

    assert not pauses
    assert not part.exists()


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/gzip"])
@pytest.mark.parametrize("midway", [False, True])
def test_login_page_costs_none_of_what_is_here(server, part, pauses, kind, midway):
    def log_out():
        server.page = kind

    if midway:
        server.cuts, server.on_cut = [CUTS[1]], log_out
    else:
        log_out()

    with pytest.raises(ConnectionError, match="a web page instead of the file"):
        fetch(server.url, part)

    assert part.exists() == midway
    if midway:
        assert part.read_bytes() == server.content[: CUTS[1]]
        server.page = None
        fetch(server.url, part)
        assert part.read_bytes() == server.content
        assert sum(server.sent) <= SIZE + AGAIN


def test_unreachable_server_is_an_error_soon(part, pauses):
    with serving(Server(b"")) as server:
        pass  # Nobody listens there any more.

    with pytest.raises(ConnectionError, match=r"refused.*Nothing of it is kept"):
        fetch(server.url, part)

    assert pauses == [0, 2, 4]


@pytest.mark.parametrize("midway", [False, True])
def test_name_of_no_server_is_an_error(server, part, pauses, monkeypatch, midway):
    def fail(*address):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    def disconnect():
        monkeypatch.setattr(socket, "getaddrinfo", fail)

    if midway:
        server.cuts, server.on_cut = [CUTS[1]], disconnect
    else:
        disconnect()

    with pytest.raises(ConnectionError, match=r"Name or service not known"):
        fetch(server.url, part)

    assert len(pauses) == (10 if midway else 0)
