"""An archive is read as it is, or refused with nothing of it left anywhere."""

import gzip
import io
import os
import pathlib
import random
import tarfile
import tracemalloc
import types
import zipfile

import pytest

from mpii_pose.release import archives
from mpii_pose.release.archives import ArchiveError, extract, find_in_zip

FILES = {"images/1.jpg": bytes(range(256)) * 99, "images/2.jpg": b"", "a.csv": b"1,2"}


def make_tar(path, entries, **options):
    """Writes a tar of (name, content, attributes of its `TarInfo`)."""
    mode = "w:gz" if path.suffix == ".gz" else "w"
    with tarfile.open(path, mode, **options) as archive:
        for name, content, attributes in entries:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for key, value in attributes.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(content))


def make_zip(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)


@pytest.fixture(params=["r.tar.gz", "r.tar"])
def path(request, tmp_path):
    """Where to write an archive, of each kind."""
    return tmp_path / request.param


@pytest.fixture
def archive(path):
    """A whole archive of each kind."""
    make_tar(path, [(name, data, {}) for name, data in FILES.items()])
    return path


@pytest.fixture
def target(tmp_path):
    """A folder to extract to, deep enough for ../.. to lead somewhere."""
    return tmp_path / "data" / "extracted"


def below(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in pathlib.Path(folder).rglob("*")
        if path.is_file()
    }


def assert_refused(path, target, message):
    before = below(path.parent)

    with pytest.raises(ArchiveError, match=message) as caught:
        extract(path, target)

    assert str(path) in str(caught.value)
    assert below(path.parent) == before
    assert not target.exists() or not list(target.iterdir())


def test_archive_is_extracted_once_as_it_is(archive, target, monkeypatch):
    folder = extract(archive, target)

    assert below(folder) == FILES
    assert list(target.iterdir()) == [folder]
    monkeypatch.setattr(archives, "_members", None)
    os.utime(archive, (1, 1))
    assert extract(archive, target) == folder


def test_large_files_are_extracted_in_pieces(tmp_path, target):
    noise = random.Random(0).randbytes(12_000_000)
    make_tar(tmp_path / "r.tar.gz", [("noise", noise, {})], compresslevel=1)

    tracemalloc.start()
    folder = extract(tmp_path / "r.tar.gz", target)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 6_000_000
    assert (folder / "noise").read_bytes() == noise


def test_archive_made_of_a_folder_is_extracted(tmp_path, target):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "1.jpg").write_bytes(b"1")
    with tarfile.open(tmp_path / "r.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "images", "./images")
        archive.add(tmp_path / "images", "./images", recursive=False)

    assert below(extract(tmp_path / "r.tar.gz", target)) == {"images/1.jpg": b"1"}


def test_other_archive_of_the_same_name_and_size_is_extracted(archive, target):
    first = extract(archive, target)
    files = {name: data[::-1] for name, data in FILES.items()}
    make_tar(archive, [(name, data, {}) for name, data in files.items()])

    second = extract(archive, target)

    assert below(first) == FILES
    assert below(second) == files


@pytest.mark.parametrize("name", ["../evil", "images/../../evil", ".."])
def test_name_outside_the_folder_is_refused(path, target, name):
    make_tar(path, [("fine", b"1", {}), (name, b"2", {})])

    assert_refused(path, target, "outside")


@pytest.mark.parametrize(
    "name",
    ["/tmp/evil", "//evil", "a/..\\..\\evil", "C:evil", "evil\n", "\x1b[2Jevil"],
)
def test_unusual_name_stays_in_the_folder(tmp_path, target, name):
    make_tar(tmp_path / "r.tar", [(name, b"2", {})])

    folder = extract(tmp_path / "r.tar", target)

    assert list(below(folder).values()) == [b"2"]
    assert not pathlib.Path("/tmp/evil").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"r.tar", "data"}


@pytest.mark.parametrize(
    "kind",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, b"6", b"S"],
)
def test_what_is_no_plain_file_is_refused(tmp_path, target, kind):
    link = {"type": kind, "linkname": "/etc/passwd"}
    make_tar(tmp_path / "r.tar.gz", [("link", b"", link), ("link/file", b"1", {})])

    assert_refused(tmp_path / "r.tar.gz", target, "link or device, 'link'")


@pytest.mark.parametrize("names", [("a", "a/b"), ("a/b", "a"), ("e" * 300,)])
def test_name_that_cannot_be_is_refused(path, target, names):
    make_tar(path, [(name, b"1", {}) for name in names])

    assert_refused(path, target, "truncated or damaged")


@pytest.mark.parametrize(
    "kind",
    [tarfile.REGTYPE, tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, None],
    ids=["file", "header", "name", "behind_the_end"],
)
def test_a_gigabyte_of_zeros_is_refused(tmp_path, target, kind):
    start = bytes(1024)
    if kind is not None:
        info = tarfile.TarInfo("zeros")
        info.type, info.size = kind, 1_000_000_000
        start = info.tobuf()
    zeros = gzip.compress(bytes(10_000_000)) * 100
    (tmp_path / "r.tar.gz").write_bytes(gzip.compress(start) + zeros)

    assert_refused(tmp_path / "r.tar.gz", target, "more than 100 times its size")


def test_truncated_archive_is_refused_wherever_it_ends(archive, target):
    rng = random.Random(0)
    data = archive.read_bytes()
    # A tar ends with zeros, up to a multiple of 10,240; without some it is whole.
    whole = len(data.rstrip(b"\0")) + 512 if archive.suffix == ".tar" else len(data)

    for length in [*(rng.randrange(whole) for _ in range(10)), 0, whole - 1]:
        archive.write_bytes(data[:length])
        assert_refused(archive, target, "truncated or damaged")


def test_tar_that_ends_between_two_files_is_refused(tmp_path, target):
    make_tar(tmp_path / "r.tar", [("a", b"1" * 512, {}), ("b", b"2" * 512, {})])
    (tmp_path / "r.tar").write_bytes((tmp_path / "r.tar").read_bytes()[:1024])

    assert_refused(tmp_path / "r.tar", target, "the end is missing")


def test_changed_byte_is_noticed(tmp_path, target):
    noise = random.Random(0).randbytes(5000)
    make_tar(tmp_path / "r.tar.gz", [("noise", noise, {})])
    data = bytearray((tmp_path / "r.tar.gz").read_bytes())
    data[3000] ^= 255
    (tmp_path / "r.tar.gz").write_bytes(data)

    assert_refused(tmp_path / "r.tar.gz", target, "truncated or damaged")


@pytest.mark.parametrize("data", [b"<html>404</html>", b"PK", b"\x1f\x8b", bytes(5)])
def test_file_that_is_no_archive_is_refused(tmp_path, target, data):
    (tmp_path / "r.tar.gz").write_bytes(data)

    assert_refused(tmp_path / "r.tar.gz", target, "truncated or damaged")


def test_full_disk_is_told_from_a_damaged_archive(archive, target, monkeypatch):
    full = types.SimpleNamespace(free=archive.stat().st_size - 1)
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda path: full)

    with pytest.raises(OSError, match="Not enough disk space to extract"):
        extract(archive, target)

    assert not list(target.iterdir())


@pytest.mark.parametrize("name", ["a.mat", "folder/a.mat", "../a.mat", "/etc/a.mat"])
def test_file_in_a_zip_is_read_and_nothing_is_written(tmp_path, name):
    make_zip(tmp_path / "r.zip", {"b.mat": b"2", name: b"1"})

    file = find_in_zip(tmp_path / "r.zip", "a.mat")

    assert file.name == "a.mat"
    assert file.read_bytes() == b"1"
    assert list(tmp_path.iterdir()) == [tmp_path / "r.zip"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"b.mat": b"1"}, "holds no a.mat"),
        ({"a.mat": bytes(5_000_000)}, "more than 100 times its size"),
        (b"", "truncated or damaged"),
        (b"<html>404</html>", "truncated or damaged"),
        (b"PK\3\4" + bytes(99), "truncated or damaged"),
    ],
    ids=["other", "zeros", "empty", "html", "cut"],
)
def test_bad_zip_is_refused(tmp_path, content, message):
    path = tmp_path / "r.zip"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        make_zip(path, content)

    with pytest.raises(ArchiveError, match=message) as caught:
        find_in_zip(path, "a.mat")

    assert str(path) in str(caught.value)
