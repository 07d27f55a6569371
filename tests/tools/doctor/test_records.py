"""The doctor names the images of a prepared dataset that cannot be decoded."""

import pathlib
import shutil

import pytest

import mpii_pose
from mpii_pose.files import JPEG_END
from mpii_pose.shards.images import ImageFile
from mpii_pose.tools.doctor import files
from mpii_pose.tools.doctor.diagnosis import State
from tests import builds


def damage_header(data):
    """Hides the marker with which the frame begins: its size, its colors."""
    at = data.index(b"\xff\xc0")
    return data[:at] + b"\xff\x00" + data[at + 2 :]


@pytest.fixture
def build(drawn_release, tmp_path):
    def build(file_format=None):
        options = {"file_format": file_format}
        return builds.build(tmp_path, drawn_release, **options).data_path

    return build


def problems(folder):
    return [d.text for d in files.check_path(folder) if d.state is State.PROBLEM]


def test_an_array_record_dataset_is_read(build):
    texts = [str(diagnosis) for diagnosis in files.check_path(build("array_record"))]

    assert len(texts) == 4
    assert all(text.startswith("ok") for text in texts)


@pytest.mark.parametrize("levels", [1, 2, 3], ids=["configs", "dataset", "all"])
def test_datasets_below_a_folder_are_found_and_told_apart(build, tmp_path, levels):
    folder = build()
    shutil.copytree(folder, folder.parent / "0.9.0")
    foreign = tmp_path / "mnist" / "3.0.1"
    foreign.mkdir(parents=True)
    (foreign / "dataset_info.json").write_text("{}")
    above = pathlib.Path(folder).parents[levels - 1]

    texts = [str(diagnosis) for diagnosis in files.check_path(above)]

    assert len(texts) == 2 * 4
    assert files.data_dir_of(above) == tmp_path
    assert all(text.startswith("ok") for text in texts)
    assert all("of mpii_pose/person/" in text for text in texts)


def test_a_folder_that_holds_only_a_release_is_looked_at_as_one(drawn_release):
    texts = [str(diagnosis) for diagnosis in files.check_path(drawn_release)]

    assert texts[0].startswith("ok       Found the official .mat")


@pytest.mark.parametrize("damage", ["removed", "emptied", "cut"])
@pytest.mark.parametrize("file_format", ["tfrecord", "array_record"])
def test_a_damaged_shard_is_a_problem(build, damage, file_format):
    folder = build(file_format)
    (shard,) = folder.glob("*-validation.*record*")
    if damage == "removed":
        shard.unlink()
    else:
        data = shard.read_bytes()
        shard.write_bytes(data[: len(data) // 2] if damage == "cut" else b"")

    (text,) = problems(folder)

    assert text.startswith("Split validation of")
    assert "build the dataset again" in text


@pytest.mark.parametrize("name", ["dataset_info.json", "features.json"])
@pytest.mark.parametrize("content", [None, "", "{", '{"name": 5}'])
def test_a_broken_description_is_a_problem(build, name, content):
    folder = build()
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_text(content)

    (text,) = problems(folder)

    assert "cannot be opened" in text


def test_a_dataset_as_built_is_fine(build):
    texts = [str(diagnosis) for diagnosis in files.check_path(build())]

    assert len(texts) == 4
    assert all(text.startswith("ok") for text in texts)
    assert any("reads the images of all 4 in validation" in text for text in texts)


def cut_short(data):
    return data[: len(data) // 2] + JPEG_END


@pytest.mark.parametrize("damage", [damage_header, cut_short])
def test_a_damaged_image_is_named(build, drawn_release, monkeypatch, damage):
    person = mpii_pose.read_people(drawn_release)["validation"][0]
    read = ImageFile.read

    def read_damaged(self):
        data = read(self)
        return damage(data) if self.path.endswith(person.image_name) else data

    monkeypatch.setattr(ImageFile, "read", read_damaged)
    folder = build()

    (text,) = problems(folder)

    assert text.startswith("libjpeg finds damage in 1 images of split validation")
    assert f"{person.image_name} (index {person.index})" in text


def test_a_record_whose_bytes_changed_is_found(build):
    folder = build()
    (shard,) = folder.glob("*-validation.tfrecord*")
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)

    (text,) = problems(folder)

    assert text.startswith("Split validation of")
    assert "damaged record" in text


@pytest.mark.slow
def test_nothing_but_what_is_read_is_said_before_the_result(build):
    process = builds.run(
        *("python", "-m", "mpii_pose", "doctor", str(build())), TF_CPP_MIN_LOG_LEVEL="2"
    )

    assert process.stderr.startswith("Reading ")
    assert process.stderr.count("\n") == 1
    assert process.stdout.splitlines()[0] in ("All well", "1 problem found")
