"""The dataset is the same on every engine, and with a worker killed in the middle."""

import contextlib
import dataclasses
import pathlib
import signal
import time

import pytest

from tests import releases
from tests.clusters.build import build_on, kill_worker
from tests.clusters.engines import ENGINES
from tests.clusters.parts import PartMissingError

pytestmark = pytest.mark.slow

COPIES = 60  # Of 34 people for training and 4 for validation.
# beam-pyspark-runner makes one task of up to 100 shards.
SHARDS = 120


@pytest.fixture(scope="module")
def large_release(drawn_release, drawn_people, tmp_path_factory):
    """A release of more than 2,000 people: the drawn one over and over."""
    folder = tmp_path_factory.mktemp("large")
    (folder / "images").mkdir()

    people = {
        split: [
            dataclasses.replace(person, image_name=f"{copy}_{person.image_name}")
            for copy in range(COPIES)
            for person in drawn_people[split]
        ]
        for split in ("train", "validation")
    }
    for name in {person.image_name for split in people.values() for person in split}:
        source = drawn_release / "images" / name.partition("_")[2]
        (folder / "images" / name).hardlink_to(source)
    releases.write_cpm(folder / "mpii_annotations.json", people)
    assert sum(map(len, people.values())) >= 2000
    return folder


@pytest.fixture(scope="module")
def options(large_release):
    return [f"--manual_dir={large_release}", f"--num_shards={SHARDS}"]


@pytest.fixture(scope="module")
def expected(options, tmp_path_factory):
    """What this machine builds without any engine."""
    folder = tmp_path_factory.mktemp("in_process")
    build = build_on(None, folder, options, log=folder / "log")
    assert build.returncode == 0, build.stdout
    return files(folder)


@pytest.fixture
def start(tmp_path):
    """Starts an engine by name; skips the test where a part of it cannot be had."""
    with contextlib.ExitStack() as stack:

        def start(name):
            (tmp_path / name).mkdir()
            try:
                return stack.enter_context(ENGINES[name](tmp_path / name))
            except PartMissingError as error:
                pytest.skip(f"{name}: {error}")

        yield start


def files(data_dir: pathlib.Path) -> dict[str, bytes]:
    """Everything that was built, by name."""
    return {
        path.name: path.read_bytes()
        for path in (data_dir / "mpii_pose" / "person").glob("*/*")
    }


def assert_same_files(data_dir, expected):
    found = files(data_dir)
    assert found.keys() == expected.keys()
    assert sum("tfrecord" in name for name in found) == 2 * SHARDS
    for name in found:
        # Shard lengths stand in dataset_info.json.
        assert found[name] == expected[name], name


@pytest.mark.parametrize("kills", [False, True])
@pytest.mark.parametrize("name", ENGINES)
def test_engine_writes_our_bytes(name, kills, start, options, expected, tmp_path):
    engine, killed = start(name), []
    data_dir, log = tmp_path / "data", tmp_path / "log"

    def kill(process):
        killed.append(kill_worker(engine))

    build = build_on(engine, data_dir, options, log=log, midway=kill if kills else None)

    assert bool(killed) == kills
    if name == "prism" and kills:  # It gives up, and leaves nothing.
        assert build.returncode != 0
        assert "SDK worker disconnected" in build.stdout
        assert not files(tmp_path / "data")
        return
    assert build.returncode == 0, build.stdout
    assert_same_files(tmp_path / "data", expected)


# beam-pyspark-runner has an error of Spark's in the place of Ctrl-C.
@pytest.mark.parametrize("name", sorted(ENGINES.keys() - {"pyspark"}))
def test_interrupted_build_stops_and_leaves_nothing(name, start, options, tmp_path):
    engine, data_dir, log = start(name), tmp_path / "data", tmp_path / "log"

    def interrupt(process):
        process.send_signal(signal.SIGINT)

    build = build_on(engine, data_dir, options, log=log, midway=interrupt)

    assert build.returncode == -signal.SIGINT, build.stdout
    assert "Stopped building mpii_pose" in build.stdout.splitlines()[-1]
    time.sleep(2)  # What goes on would write again by now.
    assert not list((tmp_path / "data" / "mpii_pose" / "person").iterdir())
