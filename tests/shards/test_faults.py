"""Builds that are killed, stopped, starved or met by another leave nothing half-done.

Builds in other processes write ArrayRecord, which needs no TensorFlow: they start fast.
"""

import concurrent.futures
import contextlib
import errno
import itertools
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
import unittest.mock
from collections.abc import Callable

import pytest
import tensorflow_datasets as tfds
from absl import logging
from apache_beam.runners.direct import direct_runner

import mpii_pose
from mpii_pose import workplace
from mpii_pose.shards.plan import Shard
from tests import builds

# Windows has neither such limits, nor pipes in folders, nor SIGSTOP.
resource = pytest.importorskip("resource")

JOB = direct_runner.DirectPipelineResult
BUILD = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from tests import builds; builds.build(*sys.argv[1:], file_format='array_record',"
    " num_shards=4)"
)


@pytest.fixture
def start_build(tmp_path):
    """Starts builds into `tmp_path` in other processes, which end with the test."""
    processes = []

    def start(release) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-c", BUILD, tmp_path, release],
            cwd=builds.ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def expected(drawn_release, tmp_path_factory):
    """What an undisturbed build writes, by file name."""
    folder = tmp_path_factory.mktemp("undisturbed")
    builds.build(folder, drawn_release, num_shards=4, file_format="array_record")
    return files(folder)


def dataset(data_dir) -> pathlib.Path:
    return data_dir / "mpii_pose" / "person" / "1.0.0"


def files(data_dir):
    return {path.name: path.read_bytes() for path in dataset(data_dir).iterdir()}


def unfinished(data_dir) -> list[pathlib.Path]:
    """Returns the temporary folders of builds, and files of shards."""
    return list((data_dir / "mpii_pose").rglob("incomplete.*"))


def temporary_folders(data_dir) -> list[pathlib.Path]:
    return list((data_dir / "mpii_pose" / "person").glob("incomplete.*_1.0.0"))


def wait_for(condition):
    deadline = time.monotonic() + 120
    while not (result := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.002)
    return result


def block(release) -> pathlib.Path:
    """Makes an image a pipe, whose reader waits; train is written before."""
    person = mpii_pose.read_people(release)["test"][0]
    path = release / "images" / person.image_name
    path.unlink()
    os.mkfifo(path)
    return path


def half_done(data_dir, pipe):
    """Opens the pipe if a build waits at its other end and has written train."""
    with contextlib.suppress(OSError):
        end = os.fdopen(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK), "w")
        if list((data_dir / "mpii_pose").rglob("*train*")):
            return end
        end.close()  # It plans, and asks for the size of the image.


@pytest.mark.parametrize("between_shards", [False, True])
def test_killed_build_leaves_no_trace_in_the_next(
    start_build, release, drawn_release, tmp_path, expected, log, between_shards
):
    pipe = block(release)
    process = start_build(release)
    with contextlib.ExitStack() as stack:
        if between_shards:
            stack.enter_context(wait_for(lambda: half_done(tmp_path, pipe)))
        else:
            wait_for(lambda: temporary_folders(tmp_path))
        process.kill()
        process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
    (left,) = temporary_folders(tmp_path)
    assert bool(list(left.glob("*train*"))) >= between_shards, "half was written"
    with pytest.raises(AssertionError, match="could not find data"):
        tfds.load("mpii_pose/person", data_dir=tmp_path, download=False)
    assert not dataset(tmp_path).exists()

    builds.build(tmp_path, drawn_release, num_shards=4, file_format="array_record")

    assert str(left) in log.text
    assert left.exists()  # It could be another host's, at work.
    assert files(tmp_path) == expected


@pytest.mark.parametrize("shared", [False, True], ids=["two_builders", "one_builder"])
def test_two_threads_build_once(drawn_release, tmp_path, log, shared):
    config = tfds.download.DownloadConfig(manual_dir=drawn_release)
    builders = [mpii_pose.Builder(data_dir=tmp_path, config="person") for _ in "ab"]
    if shared:
        builders = builders[:1] * 2

    def build(builder):
        builder.download_and_prepare(download_config=config)

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(build, builders))

    assert log.text.count("Reading people") == 1
    for builder in builders:
        assert builds.read(builder, "train")


def test_slower_host_takes_the_first_dataset(drawn_release, tmp_path, log, monkeypatch):
    monkeypatch.setattr(workplace, "lock", lambda folder: contextlib.nullcontext())
    write, faster = Shard.write, []

    def write_after_another_build(self, *args):
        if not faster:
            faster.append(None)
            faster[0] = builds.build(tmp_path, drawn_release, num_shards=1)
        write(self, *args)

    monkeypatch.setattr(Shard, "write", write_after_another_build)

    builder = builds.build(tmp_path, drawn_release, num_shards=4)

    assert "Another process has built" in log.text
    assert builder.info.splits["train"].num_shards == 1
    found, others = (builds.read(each, "train") for each in (builder, faster[0]))
    builds.assert_same_examples(found, others)
    assert not unfinished(tmp_path)


def interrupt(*args):
    raise KeyboardInterrupt("1.2 MB are kept")


def stop(*args):
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("owner", "name", "end"),
    [
        (Shard, "write", "what was written of it is removed"),
        # TFDS calls this hook last.
        (mpii_pose.Builder, "_post_download_and_prepare_hook", r"/1\.0\.0 is whole"),
    ],
)
def test_interrupted_build_says_whether_its_dataset_is_whole(
    owner, name, end, drawn_release, tmp_path, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, interrupt)
        with pytest.raises(KeyboardInterrupt, match=f"Stopped building.*{end}") as stop:
            builds.build(tmp_path, drawn_release)

    assert "1.2 MB are kept" in str(stop.value)
    assert bool(builds.prepared(tmp_path)) == ("whole" in end)
    assert not unfinished(tmp_path)
    assert builds.read(builds.build(tmp_path, drawn_release), "train")


@pytest.fixture
def build_while_workers_write(tmp_path, drawn_release, monkeypatch):
    """Builds on Beam: workers write for as long as they can, while `wait` waits."""

    def write_on(self, *args):
        folder = pathlib.Path(self.path).parent
        for number in itertools.count():
            (folder / f"busy_{number}").touch()

    def build(wait: Callable[[], object]) -> None:
        def wait_until_finish(self):
            wait_for(lambda: list(tmp_path.rglob("busy_*")))
            wait()

        monkeypatch.setattr(JOB, "wait_until_finish", wait_until_finish)
        runner = direct_runner.BundleBasedDirectRunner()
        builds.build(tmp_path, drawn_release, beam_runner=runner)

    monkeypatch.setattr(Shard, "write", write_on)
    yield build
    assert not unfinished(tmp_path)
    assert not builds.prepared(tmp_path)


@pytest.fixture
def ctrl_c():
    """Sends Ctrl-C to this process, which may have been started to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield lambda: os.kill(os.getpid(), signal.SIGINT)
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("cancels", [True, False])
def test_interrupt_cancels_the_job_on_beam_or_says_that_it_may_go_on(
    cancels, build_while_workers_write, monkeypatch, log, ctrl_c
):
    ended = threading.Event()

    def cancel(self):
        if not cancels:
            raise ValueError("Cannot invoke RPC on closed channel!")
        threading.Timer(0.5, lambda: (logging.info("CANCELLED"), ended.set())).start()

    monkeypatch.setattr(JOB, "cancel", cancel)

    with pytest.raises(KeyboardInterrupt, match="Stopped building mpii_pose"):
        build_while_workers_write(lambda: (ctrl_c(), ended.wait()))

    assert ("may go on, as it is not cancelled: Cannot invoke" in log.text) != cancels
    assert ("CANCELLED" in log.text) == cancels, "it logs first"


def test_ctrl_c_in_a_step_on_beam_is_told(drawn_release, tmp_path, monkeypatch):
    monkeypatch.setattr(Shard, "write", stop)

    with pytest.raises(KeyboardInterrupt, match="Stopped building mpii_pose"):
        builds.build(tmp_path, drawn_release, beam_runner="DirectRunner")


def test_error_on_beam_is_told_while_other_workers_write(build_while_workers_write):
    with pytest.raises(ZeroDivisionError):
        build_while_workers_write(lambda: 1 / 0)


def test_build_stopped_by_ctrl_c_is_tidy_and_brief(start_build, release, tmp_path):
    pipe = block(release)
    process = start_build(release)
    with wait_for(lambda: half_done(tmp_path, pipe)):
        process.send_signal(signal.SIGINT)
        time.sleep(1)  # A thread reads on until the pipe is closed.

    output, _ = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    last = output.splitlines()[-1]
    assert last.startswith("KeyboardInterrupt: Stopped building mpii_pose")
    assert "shards/plan.py" not in output, "where it was stopped is of no use"
    assert not unfinished(tmp_path)
    assert not dataset(tmp_path).exists()


@pytest.fixture
def small_files():
    """Lets this process write 50 kB into a file: no more than a full disk would."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("file_format", ["tfrecord", "array_record", "parquet"])
def test_full_disk_stops_the_build(file_format, drawn_release, tmp_path, small_files):
    with pytest.raises(Exception, match=r"(?i)file too large"):
        builds.build(tmp_path, drawn_release, file_format=file_format)

    assert not builds.prepared(tmp_path)
    assert not unfinished(tmp_path)


def test_full_disk_is_named(drawn_release, tmp_path, monkeypatch):
    error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    monkeypatch.setattr(Shard, "write", unittest.mock.Mock(side_effect=error))

    with pytest.raises(OSError, match=f"No space left on device: '{tmp_path}/mpii_po"):
        builds.build(tmp_path, drawn_release)


def test_data_dir_that_cannot_be_written_is_named(drawn_release, tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(OSError, match="Not a directory") as caught:
        builds.build(tmp_path / "file", drawn_release)

    assert str(tmp_path / "file") in str(caught.value)
