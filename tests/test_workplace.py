"""Folders are made once, by one at a time; what another may write is not deleted."""

import concurrent.futures
import dataclasses
import os
import shutil
import subprocess
import sys
import threading
import time

import pytest

from mpii_pose import workplace


def gone(**changes):
    """The owner note of a process of this host that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    owner = dataclasses.replace(workplace.Owner.this_process(), pid=process.pid)
    return dataclasses.replace(owner, **changes)


def leave(folder, owner):
    """Leaves a temporary folder as a build of `owner` would."""
    path = folder / "incomplete.ABC123_1.0.0"
    path.mkdir()
    (path / "shard").write_text("half")
    if owner is not None:
        path.with_name(f"{path.name}.owner").write_text(owner.to_json())
    return path


def test_second_thread_waits_for_the_first(tmp_path, log):
    folder, calls, started = tmp_path / "a" / "made", [], threading.Event()

    def make(partial):
        calls.append(partial)
        started.set()
        time.sleep(0.3)
        (partial / "file").write_text("whole")

    def make_and_read():
        return (workplace.make_once(folder, make) / "file").read_text()

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        first = pool.submit(make_and_read)
        started.wait()
        second = pool.submit(make_and_read)

    assert first.result() == second.result() == "whole"
    assert len(calls) == 1
    assert f"Waiting for process {os.getpid()} on host" in log.text
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
    with (
        subprocess.Popen(command, **pipes) as first,
        concurrent.futures.ThreadPoolExecutor(1) as pool,
    ):
        assert first.stdout.readline() == b"locked\n"
        second = pool.submit(workplace.make_once, tmp_path / "made", lambda _: None)
        while "Waiting for" not in log.text and not second.done():
            time.sleep(0.01)
        if end == "killed":
            first.kill()
        first.stdin.close()

        assert second.result().exists()
    assert f"Waiting for process {first.pid} on host" in log.text
    assert list(tmp_path.iterdir()) == [tmp_path / "made"]


def test_many_threads_hold_the_lock_one_at_a_time(tmp_path):
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


def test_folder_that_fails_is_not_there(tmp_path):
    def fail(partial):
        (partial / "file").write_text("half")
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        workplace.make_once(tmp_path / "made", fail)

    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("reused", [False, True], ids=["ended", "pid_used_again"])
def test_folder_of_an_ended_process_of_this_host_is_removed(tmp_path, log, reused):
    # An id that is used again: this process has it, but started at another time.
    owner = gone(pid=os.getpid(), started=1.0) if reused else gone()
    left = leave(tmp_path, owner)

    with workplace.lock(tmp_path):
        pass

    assert f"Removed {left}" in log.text
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("owner", "named"),
    [
        (gone(host="elsewhere"), "elsewhere"),
        (gone(boot="of another host of this name"), "on host"),
        (workplace.Owner.this_process(), f"process {os.getpid()}"),
        (None, "an unknown host"),
    ],
    ids=["other_host", "same_name", "running", "no_note"],
)
def test_folder_that_another_may_be_writing_is_left_and_named(
    tmp_path, log, owner, named
):
    left = leave(tmp_path, owner)

    with workplace.lock(tmp_path):
        pass

    assert (left / "shard").read_text() == "half"
    assert named in log.text
    assert f"rm -r {left}*" in log.text


def test_process_in_a_container_of_its_own_is_not_taken_for_an_ended_one(tmp_path):
    # Containers may share the name and kernel of their host, but number processes anew.
    contained = ["unshare", "--pid", "--fork", "--mount-proc"]
    allowed = subprocess.run([*contained, "true"], capture_output=True)
    if allowed.returncode:
        pytest.skip(f"cannot number processes anew: {allowed.stderr!r}")
    left = leave(tmp_path, workplace.Owner.this_process())
    code = f"from mpii_pose import workplace; workplace.lock({str(tmp_path)!r})"
    command = [*contained, sys.executable, "-c", f"{code}.__enter__()"]

    subprocess.run(command, check=True)

    assert (left / "shard").exists()


def test_folder_that_may_not_be_removed_is_named_and_stops_nobody(
    tmp_path, log, monkeypatch
):
    left, rmtree = leave(tmp_path, gone()), shutil.rmtree

    def refuse(path):
        if path == str(left):
            raise PermissionError(f"not allowed: {path}")
        rmtree(path)

    monkeypatch.setattr(shutil, "rmtree", refuse)

    made = workplace.make_once(tmp_path / "made", lambda partial: None)

    assert made.exists()
    assert left.exists()
    assert f"Cannot remove {left}" in log.text
    assert "not allowed" in log.text


def test_folder_that_appears_while_ours_is_renamed_is_taken(tmp_path, monkeypatch):
    rename = os.rename

    def rename_too_late(source, target):
        shutil.copytree(source, target)
        rename(source, target)

    monkeypatch.setattr(os, "rename", rename_too_late)

    made = workplace.make_once(
        tmp_path / "made", lambda partial: (partial / "file").write_text("whole")
    )

    assert (made / "file").read_text() == "whole"
    assert list(tmp_path.iterdir()) == [made]


def test_where_nothing_can_be_locked_nothing_is_removed(tmp_path, log, monkeypatch):
    left = leave(tmp_path, gone())
    monkeypatch.setitem(sys.modules, "fcntl", None)

    with workplace.lock(tmp_path):
        pass

    assert left.exists()
    assert "No lock" in log.text


def test_folder_that_another_host_makes_meanwhile_is_taken(tmp_path):
    def make(partial):
        (partial / "file").write_text("ours")
        (tmp_path / "made").mkdir()
        (tmp_path / "made" / "file").write_text("theirs")

    made = workplace.make_once(tmp_path / "made", make)

    assert (made / "file").read_text() == "theirs"
    assert list(tmp_path.iterdir()) == [made]
