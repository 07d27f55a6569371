"""Builds that are killed, stopped, starved or met by another never leave a lie."""

import concurrent.futures
import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import pytest
import tensorflow_datasets as tfds
from apache_beam.runners.direct.direct_runner import (
    BundleBasedDirectRunner,
    DirectPipelineResult,
)

import mpii_pose
from mpii_pose import workplace
from mpii_pose.shards import plan as shards
from mpii_pose.shards.images import ImageError
from tests import builds

SPLITS = ("train", "validation", "validation_others", "test")

# Code for a build to run first: it kills itself, as the system does, at some point.
DIE = "import os, signal; die = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)"
DEATHS = {
    "planning": "from mpii_pose.shards import builder; builder.plan_split = die",
    "a shard": """
from mpii_pose.shards.encoding import ExampleEncoder
encode, calls = ExampleEncoder.__call__, []
def encode_or_die(self, example):
    calls.append(1)
    return encode(self, example) if len(calls) < 25 else die()
ExampleEncoder.__call__ = encode_or_die
""",
    "finalization": """
import tensorflow_datasets as tfds
write = tfds.core.DatasetInfo.write_to_directory
tfds.core.DatasetInfo.write_to_directory = lambda *args: (write(*args), die())
""",
}
# Dies once the dataset stands under its name.
DIE_AFTER_ALL = "from mpii_pose.shards import builder as b; " + (
    "b.PlannedShardsBuilder._post_download_and_prepare_hook = die"
)
# Makes a build one of another host, which sees no locks of this one.
ON_ANOTHER_HOST = "import fcntl; fcntl.flock = lambda *_: None"
# A build that stops in the middle of a shard: it makes a file, and waits for another.
PAUSE = """
import pathlib, time
from mpii_pose.shards.encoding import ExampleEncoder
encode, calls = ExampleEncoder.__call__, []
def encode_or_wait(self, example):
    calls.append(1)
    if len(calls) == 25:
        pathlib.Path({here!r}).touch()
        while not pathlib.Path({go_on!r}).exists():
            time.sleep(0.05)
    return encode(self, example)
ExampleEncoder.__call__ = encode_or_wait
"""


def start_build(data_dir, manual_dir, *first: str, beam="") -> subprocess.Popen:
    """Builds in another process, which runs some code first; `beam` names a runner."""
    options = f"{str(data_dir)!r}, {str(manual_dir)!r}, num_shards=4"
    options += f", beam_runner={beam!r}" if beam else ""
    code = "\n".join([*first, "from tests import builds", f"builds.build({options})"])
    return subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=builds.ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def temporary(data_dir) -> list[pathlib.Path]:
    """Returns temporary folders, files and locks."""
    patterns = ("incomplete.*", "*.lock")
    return [p for x in patterns for p in (data_dir / "mpii_pose").rglob(x)]


def wait_for(condition):
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(scope="module")
def expected(drawn_release, tmp_path_factory):
    """What an undisturbed build writes, by file name."""
    folder = tmp_path_factory.mktemp("undisturbed")
    builds.build(folder, drawn_release, num_shards=4)
    return files(folder)


def files(data_dir):
    paths = (data_dir / "mpii_pose").rglob("*")
    return {path.name: path.read_bytes() for path in paths if path.is_file()}


@pytest.mark.parametrize(
    "point",
    [
        "planning",
        pytest.param("a shard", marks=pytest.mark.slow),
        pytest.param("finalization", marks=pytest.mark.slow),
    ],
)
def test_killed_build_is_named_by_the_next_and_changes_nothing_in_it(
    point, drawn_release, tmp_path, expected, log
):
    process = start_build(tmp_path, drawn_release, DIE, DEATHS[point])
    process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL
    (left,) = (path for path in temporary(tmp_path) if path.is_dir())
    with pytest.raises(AssertionError, match="could not find data"):
        tfds.load("mpii_pose/person", data_dir=tmp_path, download=False)

    builds.build(tmp_path, drawn_release, num_shards=4)

    assert f"{left} was left behind by a build that was killed" in log.text
    assert f"rm -r {left}" in log.text
    shutil.rmtree(left)
    assert files(tmp_path) == expected
    assert not temporary(tmp_path)


@pytest.mark.slow
def test_build_killed_after_its_dataset_appeared_leaves_it_whole(
    drawn_release, tmp_path, expected
):
    process = start_build(tmp_path, drawn_release, DIE, DIE_AFTER_ALL)
    process.communicate(timeout=120)

    assert process.returncode == -signal.SIGKILL
    assert not [path for path in temporary(tmp_path) if path.is_dir()]
    assert builds.read(builds.build(tmp_path, drawn_release), "train")
    assert expected.items() <= files(tmp_path).items()


@pytest.mark.slow
def test_second_build_waits_for_the_first_and_takes_its_dataset(
    drawn_release, tmp_path, expected, log
):
    here, go_on = tmp_path / "here", tmp_path / "go_on"
    pause = PAUSE.format(here=str(here), go_on=str(go_on))
    first = start_build(tmp_path, drawn_release, pause)
    wait_for(here.exists)

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        second = pool.submit(builds.build, tmp_path, drawn_release, num_shards=1)
        wait_for(lambda: "Waiting for" in log.text)
        go_on.touch()
        builder = second.result()

    output, _ = first.communicate(timeout=120)
    assert first.returncode == 0, output
    assert f"Waiting for another build at work in {tmp_path}" in log.text
    assert files(tmp_path) == expected
    assert builder.info.splits["train"].num_shards == 4
    assert builds.read(builder, "train")
    assert builder.info.metadata["people"]["train"] > 0


@pytest.mark.slow
def test_two_builds_started_together_both_succeed(drawn_release, tmp_path, expected):
    processes = [start_build(tmp_path, drawn_release) for _ in range(2)]

    outputs = [process.communicate(timeout=120)[0] for process in processes]

    assert [process.returncode for process in processes] == [0, 0], outputs
    assert files(tmp_path) == expected


@pytest.mark.parametrize("shared", [False, True], ids=["two_builders", "one_builder"])
def test_two_threads_build_once(drawn_release, tmp_path, expected, log, shared):
    options = {
        "download_config": tfds.download.DownloadConfig(
            manual_dir=drawn_release, num_shards=4
        )
    }
    builders = [mpii_pose.Builder(data_dir=tmp_path, config="person") for _ in "ab"]
    if shared:
        builders = builders[:1] * 2

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(b.download_and_prepare, **options) for b in builders]
    for run in runs:
        run.result()

    assert log.text.count("Reading people") == 1
    assert files(tmp_path) == expected
    for builder in builders:
        assert builds.read(builder, "train")


@pytest.mark.slow
@pytest.mark.parametrize("slower", ["this_host", "another_host"])
def test_two_hosts_that_see_no_locks_of_each_other_leave_one_whole_dataset(
    slower, drawn_release, tmp_path, expected
):
    here, go_on = tmp_path / "here", tmp_path / "go_on"
    pause = PAUSE.format(here=str(here), go_on=str(go_on))
    hosts = ["", ON_ANOTHER_HOST] if slower == "this_host" else [ON_ANOTHER_HOST, ""]
    slow = start_build(tmp_path, drawn_release, hosts[0], pause)
    wait_for(here.exists)
    (unfinished,) = (path for path in temporary(tmp_path) if path.is_dir())
    written = {path.name: path.stat().st_size for path in unfinished.iterdir()}

    fast = start_build(tmp_path, drawn_release, hosts[1])
    fast_output, _ = fast.communicate(timeout=120)
    left = {path.name: path.stat().st_size for path in unfinished.iterdir()}
    folder = tmp_path / "mpii_pose" / "person" / "1.0.0"
    built = {path.name: path.read_bytes() for path in folder.iterdir()}
    go_on.touch()
    slow_output, _ = slow.communicate(timeout=120)

    assert fast.returncode == 0, fast_output
    assert f"{unfinished} was left behind by a build that was killed" in fast_output
    assert "unless another host is writing it" in fast_output
    assert written, "the slow build was not in the middle of writing"
    assert left == written
    assert slow.returncode == 0, slow_output
    assert "Another process has built" in slow_output
    assert built == {path.name: path.read_bytes() for path in folder.iterdir()}
    assert files(tmp_path) == expected
    assert not temporary(tmp_path)


def test_dataset_that_appears_while_ours_is_renamed_is_taken(
    drawn_release, tmp_path, log, monkeypatch
):
    rename = os.rename

    def rename_too_late(source, target):
        if str(target) == str(tmp_path / "mpii_pose" / "person" / "1.0.0"):
            shutil.copytree(source, target)
        rename(source, target)

    monkeypatch.setattr(os, "rename", rename_too_late)

    builder = builds.build(tmp_path, drawn_release)

    assert "Another process has built" in log.text
    assert builds.read(builder, "train")
    assert not temporary(tmp_path)


def test_dataset_that_another_host_builds_meanwhile_is_taken(
    drawn_release, tmp_path, log, monkeypatch
):
    monkeypatch.setattr(workplace, "_acquire", lambda *args: None)
    write, theirs = shards.Shard.write, []

    def write_after_another_build(self, *args):
        if not theirs:
            theirs.append(None)
            theirs[0] = builds.build(tmp_path, drawn_release, num_shards=1)
        write(self, *args)

    monkeypatch.setattr(shards.Shard, "write", write_after_another_build)

    builder = builds.build(tmp_path, drawn_release, num_shards=4)

    assert "Another process has built" in log.text
    assert builder.info.splits["train"].num_shards == 1
    builds.assert_same_examples(
        builds.read(builder, "train"), builds.read(theirs[0], "train")
    )
    assert not temporary(tmp_path)


def test_interrupted_call_raises_what_it_was_sent_and_is_tidy(
    drawn_release, tmp_path, monkeypatch
):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(shards.Shard, "write", interrupt)

    with pytest.raises(KeyboardInterrupt, match="Stopped building mpii_pose"):
        builds.build(tmp_path, drawn_release)

    assert not builds.prepared(tmp_path)
    assert not temporary(tmp_path)


@pytest.mark.parametrize("cancels", [True, False])
def test_interrupt_cancels_the_job_on_beam_or_says_that_it_may_go_on(
    cancels, drawn_release, tmp_path, monkeypatch, log
):
    def interrupt(self):
        raise KeyboardInterrupt

    def cancel(self):
        log.clear()
        if not cancels:
            raise ValueError("Cannot invoke RPC on closed channel!")

    monkeypatch.setattr(DirectPipelineResult, "wait_until_finish", interrupt)
    monkeypatch.setattr(DirectPipelineResult, "cancel", cancel)

    with pytest.raises(KeyboardInterrupt, match="Stopped building mpii_pose"):
        builds.build(tmp_path, drawn_release, beam_runner=BundleBasedDirectRunner())

    assert ("may go on, as it is not cancelled: Cannot invoke" in log.text) != cancels
    assert not builds.prepared(tmp_path)


def test_interrupt_after_the_dataset_appeared_does_not_call_it_removed(
    drawn_release, tmp_path, monkeypatch
):
    def interrupt(self):
        raise KeyboardInterrupt

    name = "_post_download_and_prepare_hook"
    monkeypatch.setattr(mpii_pose.Builder, name, interrupt)

    with pytest.raises(KeyboardInterrupt, match=r"in .*/1\.0\.0 is whole"):
        builds.build(tmp_path, drawn_release)

    assert builds.read(builds.build(tmp_path, drawn_release), "train")
    assert not temporary(tmp_path)


@pytest.mark.slow
def test_interrupted_build_is_tidy_and_brief(drawn_release, tmp_path):
    here = tmp_path / "here"
    code = PAUSE.format(here=str(here), go_on=str(tmp_path / "never"))
    # Where the tests run in the background, Ctrl-C is ignored, by what they start too.
    code += "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code += "from tensorflow_datasets.scripts.cli import main; main.launch_cli()"
    options = ["--config", "person", "--data_dir", tmp_path]
    options += ["--manual_dir", drawn_release]
    process = subprocess.Popen(
        [sys.executable, "-c", code, "build", "mpii_pose", *options],
        cwd=builds.ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(here.exists)

    process.send_signal(signal.SIGINT)

    _, errors = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    last = errors.splitlines()[-1]
    assert last.startswith("KeyboardInterrupt: Stopped building mpii_pose")
    assert "shards/plan.py" not in errors, "where it was stopped is of no use"
    assert not temporary(tmp_path)


@contextlib.contextmanager
def mounted(folder, *options):
    """Mounts a file system in memory, where this machine lets us."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", *options, "tmpfs", folder]
    try:
        result = subprocess.run(mount, capture_output=True, text=True, check=False)
    except OSError as error:
        pytest.skip(f"cannot mount: {error}")
    if result.returncode:
        pytest.skip(f"cannot mount: {result.stderr}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def test_small_disk_is_noticed_before_anything_is_written(drawn_release, tmp_path):
    with mounted(tmp_path / "disk", "-o", "size=300k"):
        with pytest.raises(OSError, match=r"Not enough disk space for mpii_pose"):
            builds.build(tmp_path / "disk", drawn_release)

        assert not builds.prepared(tmp_path / "disk")
        assert not temporary(tmp_path / "disk")


@pytest.mark.parametrize("file_format", ["tfrecord", "array_record", "parquet"])
def test_disk_that_fills_up_stops_the_build(
    file_format, drawn_release, tmp_path, monkeypatch
):
    # As if another process took the space after it was looked at.
    monkeypatch.setattr(mpii_pose.Builder, "_check_disk_space", lambda *args: None)
    with mounted(tmp_path / "disk", "-o", "size=300k"):
        with pytest.raises(Exception, match=r"(?i)no space left"):
            builds.build(tmp_path / "disk", drawn_release, file_format=file_format)

        assert not builds.prepared(tmp_path / "disk")
        assert not temporary(tmp_path / "disk")


def test_read_only_data_dir_is_named(drawn_release, tmp_path):
    with mounted(tmp_path / "disk", "-o", "ro"):
        with pytest.raises(OSError, match="Read-only file system") as caught:
            builds.build(tmp_path / "disk", drawn_release)

        assert str(tmp_path / "disk") in str(caught.value)


@pytest.mark.parametrize("change", ["removed", "changed"])
def test_image_that_changes_after_planning_stops_the_build(
    change, drawn_release, tmp_path, monkeypatch
):
    release = tmp_path / "release"
    release.mkdir()
    for path in drawn_release.iterdir():
        (release / path.name).symlink_to(path)
    (release / "images").unlink()
    (release / "images").mkdir()
    for path in (drawn_release / "images").iterdir():
        os.link(path, release / "images" / path.name)
    write = shards.Shard.write

    def change_then_write(self, *args):
        for path in (release / "images").iterdir():
            path.unlink()
            if change == "changed":
                path.write_bytes(b"another")
        write(self, *args)

    monkeypatch.setattr(shards.Shard, "write", change_then_write)

    message = "No such file" if change == "removed" else "changed during the build"
    with pytest.raises(ImageError, match=rf"Person .*/\d: .*{message}"):
        builds.build(tmp_path / "data", release)

    assert not builds.prepared(tmp_path / "data")
    assert not temporary(tmp_path / "data")


def test_missing_network_is_told_at_once(tmp_path):
    without_network = ["unshare", "--net"]
    try:
        allowed = subprocess.run([*without_network, "true"], capture_output=True)
    except OSError as error:
        pytest.skip(f"cannot take the network away: {error}")
    if allowed.returncode:
        pytest.skip(f"cannot take the network away: {allowed.stderr!r}")

    code = (
        "from mpii_pose.release import official\n"
        "from tests import builds\n"
        "official.ARCHIVE_BYTES, official.IMAGES_BYTES = {}, 1  # For any disk.\n"
        f"builds.build({str(tmp_path)!r})"
    )

    process = subprocess.run(
        [*without_network, sys.executable, "-c", code],
        cwd=builds.ROOT,
        capture_output=True,
        text=True,
        timeout=100,
    )

    assert process.returncode == 1
    assert "Cannot download MPII Human Pose" in process.stderr
    assert "Put the release into a folder" in process.stderr
    assert not temporary(tmp_path)
