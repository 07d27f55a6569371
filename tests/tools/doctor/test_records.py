"""The doctor names the images of a prepared dataset that cannot be decoded."""

import pytest

import mpii_pose
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
    def build():
        return builds.build(tmp_path, drawn_release).data_path

    return build


def test_a_dataset_as_built_is_fine(build):
    texts = [str(diagnosis) for diagnosis in files.check_path(build())]

    assert len(texts) == 4
    assert all(text.startswith("ok") for text in texts)
    assert any("4 examples of validation are readable" in text for text in texts)


def test_an_image_that_cannot_be_decoded_is_named(build, drawn_release, monkeypatch):
    person = mpii_pose.read_people(drawn_release)["validation"][0]
    read = ImageFile.read

    def read_damaged(self):
        data = read(self)
        return damage_header(data) if self.path.endswith(person.image_name) else data

    monkeypatch.setattr(ImageFile, "read", read_damaged)
    folder = build()

    found = [d.text for d in files.check_path(folder) if d.state is State.PROBLEM]

    (text,) = found
    assert text.startswith("TensorFlow cannot decode")
    assert f"{person.image_name} (index {person.index})" in text


def test_a_record_whose_bytes_changed_is_found(build):
    folder = build()
    (shard,) = folder.glob("*-validation.tfrecord*")
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)

    found = [d.text for d in files.check_path(folder) if d.state is State.PROBLEM]

    (text,) = found
    assert text.startswith("Split validation of")
    assert "damaged record" in text
