"""People and image sizes are read from files of all kinds; damage is one line."""

import json
import shutil

import pytest

import mpii_pose
from mpii_pose.tools import people
from mpii_pose.tools.main import main
from tests import builds, releases


def test_sizes_come_from_the_files_else_from_the_annotations(drawn_release, tmp_path):
    by_split = mpii_pose.read_people(drawn_release)
    releases.write_cpm(tmp_path / "mpii_annotations.json", by_split)
    records = json.loads((tmp_path / "mpii_annotations.json").read_text())
    for record in records[1:]:
        record |= {"img_height": 123.0, "img_width": 45.0}
    (tmp_path / "mpii_annotations.json").write_text(json.dumps(records))

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


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (
            "*-validation.tfrecord*",
            "Split validation of {} has a damaged record or lack",
        ),
        ("dataset_info.json", "{} cannot be opened"),
    ],
)
def test_a_damaged_dataset_is_one_line(file, words, dataset, tmp_path, capsys):
    path = next(dataset.glob(file))
    path.write_bytes(path.read_bytes()[:200])

    for command in (["export", "coco"], ["export", "croissant"], ["audit"]):
        out = [] if command == ["audit"] else [str(tmp_path / "out")]
        assert main([*command, str(dataset), *out]) == 1

        error = capsys.readouterr().err
        assert f"error: {words.format(dataset)}" in error
        assert "build the dataset again" in error
        assert not (tmp_path / "out").exists()


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
