"""Commands say in a line what is wrong with a dataset."""

import shutil

import pytest

from mpii_pose.tools.main import main
from tests import builds


@pytest.fixture(scope="module")
def built(drawn_release, tmp_path_factory):
    return builds.build(tmp_path_factory.mktemp("data"), drawn_release).data_dir


def flip_a_byte(dataset):
    path = next(dataset.glob("*-validation.tfrecord*"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)


def cut_off_the_description(dataset):
    path = dataset / "dataset_info.json"
    path.write_bytes(path.read_bytes()[:200])


@pytest.mark.parametrize("command", [["export", "coco"], ["export", "croissant"]])
@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (flip_a_byte, "Split validation of {} has a damaged record or lacks one"),
        (cut_off_the_description, "{} cannot be opened"),
    ],
)
def test_a_damaged_dataset_is_one_line(command, damage, words, built, tmp_path, capsys):
    dataset = tmp_path / "dataset"
    shutil.copytree(built, dataset)
    damage(dataset)

    assert main([*command, str(dataset), str(tmp_path / "out")]) == 1

    error = capsys.readouterr().err
    assert f"error: {words.format(dataset)}" in error
    assert "build the dataset again" in error
    assert not (tmp_path / "out").exists()
