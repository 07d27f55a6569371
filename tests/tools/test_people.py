"""People and image sizes are read from files of all kinds; damage is one line."""

import json
import shutil
from unittest import mock

import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

import mpii_pose
from mpii_pose.checks import MpiiPoseError
from mpii_pose.tools import doctor, people
from mpii_pose.tools.main import main
from tests import builds, releases


def test_sizes_come_from_files_else_annotations(drawn_release, drawn_people, tmp_path):
    file = tmp_path / "mpii_annotations.json"
    releases.write_cpm(file, drawn_people)
    records = json.loads(file.read_text())
    for record in records[1:]:
        record |= {"img_height": 123.0, "img_width": 45.0}
    file.write_text(json.dumps(records))

    alone = people.read_people_of(tmp_path)
    images = drawn_release / "images"
    beside = people.read_people_of(tmp_path, image_folder=images)

    assert alone.image_folder is None
    assert set(alone.image_sizes.values()) == {(123, 45)}
    assert set(beside.image_sizes) == {person.image_name for person in alone.everybody}
    assert (123, 45) not in beside.image_sizes.values()
    with pytest.raises(FileNotFoundError, match="no such folder of images"):
        people.read_people_of(tmp_path, image_folder=tmp_path / "none")


@pytest.fixture
def dataset(drawn_release, tmp_path):
    return builds.build(tmp_path / "data", drawn_release).data_path


def test_a_damaged_dataset_is_one_line(dataset, tmp_path, capsys):
    path = next(dataset.glob("*-validation.tfrecord*"))
    path.write_bytes(path.read_bytes()[:200])

    for command in (["export", "coco"], ["export", "croissant"], ["audit"]):
        out = [] if command == ["audit"] else [str(tmp_path / "out")]
        assert main([*command, str(dataset), *out]) == 1

        (error,) = capsys.readouterr().err.splitlines()[-1:]
        assert f"error: Split validation of {dataset} has a damaged record" in error
        assert "build the dataset again" in error
        assert not (tmp_path / "out").exists()


class Digits(tfds.testing.DummyMnist):
    """Another dataset, with `image` and without `image_name`."""


def test_a_dataset_of_somebody_else_is_called_so(tmp_path, capsys):
    builder = Digits(data_dir=tmp_path / "mpii_pose")
    builder.download_and_prepare()
    words = f"{builder.data_path} has digits/3.0.1, not mpii_pose: expected"

    assert main(["audit", str(builder.data_path)]) == 1
    assert f"error: {words} features image, image_name" in capsys.readouterr().err
    for path in (builder.data_path, tmp_path / "mpii_pose"):
        (diagnosis,) = doctor.check_path(path)
        assert diagnosis.state is doctor.State.NOTE
        assert diagnosis.text.startswith(words)


def test_a_dataset_that_may_not_be_read_is_not_called_damaged(dataset):
    denied = tf.errors.PermissionDeniedError(None, None, "x; Permission denied")
    builder = people.open_dataset(dataset)

    for error in (PermissionError(13, "Permission denied"), denied):
        builder.as_dataset = mock.Mock(side_effect=error)
        with pytest.raises(OSError, match=r"denied.*: ask its owner") as raised:
            next(people.read_examples(builder, "train"))
        assert "damaged" not in str(raised.value)


@pytest.mark.parametrize("config", ["person", "person_crop"])
def test_a_dataset_is_read_with_its_images(config, drawn_release, tmp_path, capsys):
    path = builds.build(tmp_path / "data", drawn_release, config=config).data_path
    images = drawn_release / "images"

    assert main(["audit", str(path)]) == 0
    text = capsys.readouterr().out
    assert ("No whole images were found, so" in text) == (config == "person_crop")
    assert "missing" not in text
    release = people.read_people_of(path, image_folder=images)
    whole = people.read_people_of(drawn_release)
    assert release.image_folder == images
    assert release.image_sizes == {n: whole.image_sizes[n] for n in release.image_names}
    with pytest.raises(FileNotFoundError, match="no such folder of images"):
        people.read_people_of(path, image_folder=tmp_path / "none")
    points, pred = [p.keypoints for p in whole.people["validation"]], tmp_path / "a.mat"
    mpii_pose.write_predictions(pred, points)
    assert main(["evaluate", str(pred), str(path.parent)]) == 0
    assert capsys.readouterr().out.count("100.00 |\n") > 4
    words = ["export", "yolo", str(tmp_path / "data"), str(tmp_path / "yolo")]
    assert main(words) == 1
    assert "name their folder with --images" in capsys.readouterr().err
    assert main([*words, "--images", str(images)]) == 0
    shutil.copytree(path, path.parents[1] / "image" / path.name)
    with pytest.raises(MpiiPoseError, match="several datasets: name one of /"):
        people.read_people_of(tmp_path / "data")


def test_a_record_that_nobody_wrote_is_missed(dataset):
    """A split with fewer records than its description has."""
    builder = people.open_dataset(dataset)
    shorter = shutil.copytree(dataset, dataset.parent / "0.9.0") / "dataset_info.json"
    description = json.loads(shorter.read_text())
    for split in description["splits"]:
        split["shardLengths"] = [str(int(split["shardLengths"][0]) - 1)]
    shorter.write_text(json.dumps(description))

    assert len(list(people.read_examples(builder, "train"))) == 34
    with pytest.raises(OSError, match="of 33"):
        list(people.read_examples(people.open_dataset(shorter.parent), "train"))
