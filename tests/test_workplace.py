"""Folders are made once, by one at a time; nothing of another process is deleted."""

import concurrent.futures
import subprocess
import sys
import threading
import time

import pytest
from etils import epath

from mpii_pose import workplace


def write_whole(partial):
    (partial / "file").write_text("whole")


def test_second_thread_waits_for_the_first(tmp_path, log):
    folder, calls, started = tmp_path / "a" / "made", [], threading.Event()

    def make(partial):
        calls.append(partial)
        started.set()
        time.sleep(0.3)
        write_whole(partial)

    def make_and_read():
        return (workplace.make_once(folder, make) / "file").read_text()

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        first = pool.submit(make_and_read)
        started.wait()
        second = pool.submit(make_and_read)

    assert first.result() == second.result() == "whole"
    assert len(calls) == 1
    assert f"Waiting for another build at work in {folder.parent}" in log.text
    assert "left behind" not in log.text
    assert list(folder.parent.iterdir()) == [folder]


HOLD = """
import sys
from mpii_pose import workplace
with workplace.lock(sys.argv[1]):
    print("locked", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("end", ["released", "killed"])
def test_second_process_waits_for_the_first(tmp_path, log, end):
    command = [sys.executable, "-c", HOLD, tmp_path]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    pool = concurrent.futures.ThreadPoolExecutor(1)
    with subprocess.Popen(command, **pipes) as first, pool:
        assert first.stdout.readline() == b"locked\n"
        second = pool.submit(workplace.make_once, tmp_path / "made", lambda _: None)
        while "Waiting for" not in log.text and not second.done():
            time.sleep(0.01)
        if end == "killed":
            first.kill()
        first.stdin.close()

        assert second.result().exists()
    assert "Waiting for" in log.text
    assert list(tmp_path.iterdir()) == [tmp_path / "made"]


def test_many_threads_lock_a_folder_one_at_a_time(tmp_path):
    inside = []

    def work(_):
        with workplace.lock(tmp_path):
            inside.append(1)
            assert len(inside) == 1
            time.sleep(0.01)
            inside.pop()

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(24)))

    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("error", [ValueError, FileExistsError])
def test_folder_that_fails_is_not_there(tmp_path, error):
    def fail(partial):
        (partial / "file").write_text("half")
        raise error("no more")

    with pytest.raises(error, match="no more"):
        workplace.make_once(tmp_path / "made", fail)

    assert not list(tmp_path.iterdir())


def test_what_a_killed_build_left_is_named_with_how_to_remove_it(tmp_path, log):
    left = tmp_path / "a b" / "incomplete.ABC123_1.0.0"
    left.mkdir(parents=True)
    (left / "shard").write_text("half")

    workplace.make_once(tmp_path / "a b" / "made", write_whole)

    assert (left / "shard").read_text() == "half"
    (record,) = log.records
    assert record.levelname == "WARNING"
    assert record.message.startswith(f"{left} was left behind by a build")
    assert record.message.endswith(f"remove it: rm -r '{left}'")


def test_lock_file_of_another_user_is_warned_of(tmp_path, log, without_rights):
    path = tmp_path / ".mpii_pose.lock"
    with workplace.lock(tmp_path):
        assert path.stat().st_mode & 0o777 == 0o666
    path.touch()
    without_rights(path)

    with workplace.lock(tmp_path):
        pass

    (record,) = log.records
    assert record.levelname == "WARNING"
    assert record.message.startswith(f"Cannot lock {path} ([Errno 13] Permission den")
    assert record.message.endswith("build there one at a time")


def test_places_without_locks_are_not_locked(tmp_path, log, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bucket = epath.Path("gs://bucket")
    monkeypatch.setattr(type(bucket), "glob", lambda *args: [])

    with workplace.lock(bucket):
        assert not list(tmp_path.iterdir())

    assert "No locks on gs://bucket" in log.text


def test_folder_that_another_host_makes_meanwhile_is_taken(tmp_path):
    def make(partial):
        (partial / "file").write_text("ours")
        (tmp_path / "made").mkdir()
        (tmp_path / "made" / "file").write_text("theirs")

    made = workplace.make_once(tmp_path / "made", make)

    assert (made / "file").read_text() == "theirs"
    assert list(tmp_path.iterdir()) == [made]
