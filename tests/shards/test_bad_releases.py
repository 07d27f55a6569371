"""A build that cannot be right stops, says why, and leaves nothing that looks built."""

import shutil
import traceback

import pytest
import tensorflow_datasets as tfds
from apache_beam.runners.direct.direct_runner import BundleBasedDirectRunner

import mpii_pose
from mpii_pose.shards.images import ImageError
from tests import builds


@pytest.fixture
def victim(release):
    """A person of the release."""
    return mpii_pose.read_people(release)["train"][3]


def assert_refused(tmp_path, manual_dir, error, message, **options):
    data_dir = tmp_path / "data"
    with pytest.raises(error, match=message) as caught:
        builds.build(data_dir, manual_dir, **options)
    assert not builds.prepared(data_dir)
    if not options.get("beam_runner"):  # Beam's traceback is long.
        assert "".join(traceback.format_exception(caught.value)).count("Trace") == 1
        last = traceback.extract_tb(caught.value.__traceback__)[-1]
        assert last.name == "download_and_prepare"
    with pytest.raises(AssertionError, match="could not find data"):
        tfds.load("mpii_pose/person", data_dir=data_dir, download=False)
    return str(caught.value)


def test_missing_image_is_named_before_anything_is_written(tmp_path, release, victim):
    (release / "images" / victim.image_name).unlink()

    message = r"1 of \d+ images are missing in .*images"
    text = assert_refused(tmp_path, release, ImageError, message)

    assert victim.image_name in text


@pytest.mark.parametrize("runner", [None, BundleBasedDirectRunner()])
def test_truncated_image_is_named_with_its_person(tmp_path, release, victim, runner):
    path = release / "images" / victim.image_name
    path.write_bytes(path.read_bytes()[:-100])

    # Beam wraps errors of its workers, keeping their text.
    text = assert_refused(
        tmp_path, release, Exception, "cannot be decoded", beam_runner=runner
    )

    assert f"Person {victim.image_name}/" in text
    assert str(path) in text


def test_max_examples_of_zero_prepares_no_split(tmp_path, release):
    builder = builds.build(tmp_path / "data", release, max_examples_per_split=0)

    assert not builder.info.splits


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("missing", "there is no such file or folder"),
        ("empty", "it holds nothing"),
        ("wrong", "it holds holiday.jpg"),
    ],
)
def test_manual_dir_without_a_release_is_refused(tmp_path, name, found):
    folder = tmp_path / name
    if name != "missing":
        folder.mkdir()
    if name == "wrong":
        (folder / "holiday.jpg").write_bytes(b"")

    text = assert_refused(tmp_path, folder, FileNotFoundError, "No annotations of MP")

    assert f"{folder}: {found}" in text
    for hint in ("mpii_human_pose_v1.tar.gz", "mpii_pose/synthetic"):
        assert (hint in text) == (name != "missing")


def test_full_disk_is_foretold(tmp_path, release, monkeypatch):
    free = shutil.disk_usage(tmp_path)._replace(free=100_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: free)
    # TFDS asks for the unknown size before it asks us.
    assert_refused(tmp_path, release, OSError, r"Not enough disk space for mpii_pose")
