"""The doctor names what is wrong with an installation, a copy of MPII or a dataset."""

import importlib.metadata
import itertools
import os
import pathlib
import shutil
import subprocess
import time
import types
from unittest import mock

import PIL.Image
import pytest

import mpii_pose
from mpii_pose.files import JPEG_END
from mpii_pose.release import download, official
from mpii_pose.shards.images import ImageFile
from mpii_pose.tools import doctor
from mpii_pose.tools.doctor import State
from mpii_pose.tools.main import main
from tests import builds
from tests.releases import ANNOTATIONS, MATLAB_PATH

IMAGES_URL = official.URLS[official.IMAGES_ARCHIVE]


def problems(diagnoses):
    return [each.text for each in diagnoses if each.state is State.PROBLEM]


# The installation.


@pytest.mark.parametrize(
    ("requirement", "words"),
    [
        ("numpy>=99", "is not supported: mpii_pose needs >=99"),
        ("no-such-package>=1", "not installed: pip install 'no-such-package>=1'"),
        ('numpy>=99; extra == "plot"', "is not supported"),
        ("Python<3.11", "Python 3."),
        ("numpy>=1.26", None),
        ("in-the-place-of-numpy>=1", None),
        ("Python>=3.11", None),
        ('no-such-package; python_version < "3"', None),
        ('no-such-package; extra == "plot"', None),
    ],
)
def test_versions_are_compared_with_the_required_ones(requirement, words, monkeypatch):
    packages = {"in_the_place_of_numpy": ["numpy"]}
    monkeypatch.setattr(importlib.metadata, "packages_distributions", lambda: packages)

    diagnoses = list(doctor.check_requirements([requirement]))

    assert len(diagnoses) == (words is not None)
    assert all(words in text for text in problems(diagnoses))
    assert len(problems(diagnoses)) == len(diagnoses)


def test_packages_that_arrays_do_not_need_may_be_missing(monkeypatch):
    monkeypatch.setattr(doctor, "_installed_version", lambda name: None)

    *notes, last = doctor.check_requirements([*doctor.NOT_FOR_ARRAYS, "numpy"])

    assert {each.state for each in notes} == {State.NOTE}
    assert last.state is State.PROBLEM
    assert "tensorflow is not installed; for input_pipeline, Ker" in notes[0].text


def test_a_package_that_is_not_installed_is_noted(monkeypatch):
    missing = mock.Mock(side_effect=importlib.metadata.PackageNotFoundError)
    monkeypatch.setattr(importlib.metadata, "metadata", missing)

    first = next(doctor.check_environment())

    assert first.state is State.NOTE
    assert "is not installed" in first.text


def test_doctor_works_where_tensorflow_does_not(drawn_release, tmp_path):
    for name in ("tensorflow", "tensorflow_datasets"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('gencode')")
    path = os.pathsep.join([str(tmp_path), str(builds.ROOT)])

    command = ["python", "-m", "mpii_pose", "doctor", str(drawn_release)]
    process = builds.run(*command, PYTHONPATH=path)

    assert process.returncode == 1
    assert "Traceback" not in process.stderr
    for name in ("tensorflow", "tensorflow_datasets"):
        assert f"PROBLEM  import {name} fails: RuntimeError: genc" in process.stdout
    assert "images with people are in" in process.stdout
    assert doctor.check_import("numpy").state is State.FINE


def test_a_dataset_is_not_read_where_tfds_cannot_be(build, monkeypatch):
    folder = build()
    broken = doctor.problem("import tensorflow_datasets fails")
    monkeypatch.setattr(doctor, "check_import", lambda name: broken)

    assert problems(doctor.check_path(folder)) == [
        f"{folder} was not read, as import tensorflow_datasets fails"
    ]


# The disk.


@pytest.mark.parametrize(
    ("free", "state"), [(1e9, State.NOTE), (4e10, State.NOTE), (1e11, State.FINE)]
)
def test_free_disk_is_compared_with_the_needed(tmp_path, monkeypatch, free, state):
    usage = types.SimpleNamespace(free=free)
    monkeypatch.setattr(download.shutil, "disk_usage", lambda path: usage)

    diagnosis = doctor.check_disk(tmp_path / "not" / "there" / "yet")

    assert diagnosis.state is state
    figures = [download.in_gb(n) for n in official.DATASET_BYTES.values()]
    assert all(f"about {figure}" in diagnosis.text for figure in figures)
    assert f"= 47.2 GB; {download.in_gb(free)} are free in {tmp_path}" in diagnosis.text
    assert ("--data_dir" in diagnosis.text) == (state is State.NOTE)


def write(path, num_bytes):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.truncate(path, num_bytes)


@pytest.fixture
def data_dir(tmp_path):
    """Downloads and what is in them, of which only `synthetic` is built."""
    write(tmp_path / "downloads" / "mpii_pose" / "archive.tar.gz", 2_000_000)
    extracted = tmp_path / "downloads" / "extracted" / "mpii_pose" / "archive.0"
    write(extracted / "images" / "1.jpg", 3_000_000)
    write(tmp_path / "mpii_pose" / "synthetic" / "1.0.0" / "dataset_info.json", 2)
    return tmp_path


def test_images_that_are_there_are_not_downloaded(tmp_path, drawn_release, capsys):
    (tmp_path / "empty").mkdir()
    for arguments, words in (
        ([], "downloading"),
        ([str(tmp_path / "empty")], "extracting"),  # Of archives that are there.
        ([str(drawn_release)], "building"),
    ):
        main(["doctor", *arguments, "--data_dir", str(tmp_path / "data")])

        assert f"MPII on disk: {words}" in capsys.readouterr().out


def test_disk_is_told_of_what_is_not_built_yet(data_dir):
    for name, other in itertools.pairwise([*official.DATASET_BYTES, ""]):
        write(data_dir / "mpii_pose" / name / "1.0.0" / "dataset_info.json", 2)

        text = doctor.check_disk(data_dir).text

        assert f"mpii_pose/{name} " not in text
        assert f"mpii_pose/{other}" in text or "All configs of MPII are built" in text


def test_downloads_of_a_finished_build_are_named_with_their_removal(data_dir):
    assert not list(doctor.check_leftovers(data_dir))
    write(data_dir / "mpii_pose" / "person" / "1.0.0" / "dataset_info.json", 2)

    (diagnosis,) = doctor.check_leftovers(data_dir)

    assert diagnosis.state is State.NOTE
    assert diagnosis.text.startswith("mpii_pose/person/1.0.0 can be read without")
    assert download.bytes_in(data_dir / "downloads") == 5_000_000
    part = data_dir / "downloads" / "mpii_pose" / "archive.tar.gz.part"
    write(part, 2)
    assert not list(doctor.check_leftovers(data_dir))  # Somebody may be writing it.
    part.unlink()
    subprocess.run(diagnosis.text.splitlines()[-1], shell=True, check=True)
    assert download.bytes_in(data_dir / "downloads") == 0
    assert list(data_dir.glob("mpii_pose/*/1.0.0/dataset_info.json"))
    assert not list(doctor.check_leftovers(data_dir))


@pytest.mark.parametrize(
    "folder",
    [
        "mpii_pose/person/incomplete.0a1b2c_1.0.0",
        "downloads/mpii_pose/incomplete.0a1b2c_drawn people",
        "downloads/extracted/mpii_pose/incomplete.0a1b2c_archive.0",
    ],
)
def test_unfinished_folders_are_named_with_their_removal(data_dir, folder):
    write(data_dir / "mpii_pose" / "image" / "1.0.0" / "dataset_info.json", 2)
    write(data_dir / folder / "images" / "1.jpg", 300_000_000)
    written = time.time() - 2.5 * 3600
    for path in (data_dir / folder, *(data_dir / folder).rglob("*")):
        os.utime(path, (written, written))
        written -= 3600

    (diagnosis,) = doctor.check_leftovers(data_dir)

    assert diagnosis.state is State.NOTE
    assert diagnosis.text.startswith(
        f"{data_dir / folder} (0.3 GB, last written 2.5 hours ago) is not finished"
    )
    subprocess.run(diagnosis.text.splitlines()[-1], shell=True, check=True)
    assert not (data_dir / folder).exists()
    assert "can be read without" in str(*doctor.check_leftovers(data_dir))


# A copy of MPII.


def images_with_people(release):
    people = mpii_pose.read_people(release)
    names = {person.image_name for group in people.values() for person in group}
    return sorted(release / "images" / name for name in names)


def pack_images(release):
    shutil.make_archive(release / "mpii_human_pose_v1", "gztar", release, "images")
    shutil.rmtree(release / "images")
    return release / official.IMAGES_ARCHIVE


def pack_annotations(release):
    shutil.make_archive(release / ANNOTATIONS, "zip", release, ANNOTATIONS)
    shutil.rmtree(release / ANNOTATIONS)
    return release / official.ANNOTATIONS_ARCHIVE


def cut(path, num_bytes):
    path.write_bytes(path.read_bytes()[:-num_bytes])


def test_doctor_begins_with_its_problems_and_fails_on_them(tmp_path, capsys):
    code = main(["doctor", str(tmp_path), "--data_dir", str(tmp_path)])

    assert code == 1
    printed = capsys.readouterr()
    first, *others = printed.out.splitlines()
    found = [line for line in others if line.startswith("PROBLEM")]
    assert first == f"{len(found)} problem{'s' * (len(found) > 1)} found"
    assert others[0] == found[0]
    assert "No annotations of MPII Human Pose" in printed.out
    assert "human-pose.mpi-inf.mpg.de" in printed.out
    assert printed.err == f"Reading {tmp_path} ...\n"
    (none,) = problems(doctor.check_path(tmp_path / "none"))
    assert "there is no such" in none


def test_a_whole_drawn_release_is_fine(drawn_release, monkeypatch, capsys):
    monkeypatch.setattr(doctor, "check_environment", lambda *_: [doctor.fine("x")])

    assert main(["doctor", str(drawn_release)]) == 0

    first, *lines = capsys.readouterr().out.splitlines()
    assert first == "No problems found"
    assert [line.split()[0] for line in lines] == ["note", "ok", "ok", "ok", "ok"]
    text = "\n".join(lines)
    assert "ok       x\n" in text
    assert "Found the official .mat" in text
    assert "(drawn ones)" in text
    assert "images with people are in" in text


def test_the_original_is_known_by_its_git_blob(release, monkeypatch):
    (release / ANNOTATIONS / "validation_people.csv").unlink()

    found = problems(doctor.check_path(release))

    assert any("this is not the original" in text for text in found)
    assert any("train has" in text and "22,246" in text for text in found)

    blob = official.git_blob_id((release / MATLAB_PATH).read_bytes())
    monkeypatch.setattr(official, "MATLAB_GIT_BLOB", blob)

    texts = [str(diagnosis) for diagnosis in doctor.check_path(release)]

    assert any(f"is the original (git blob {blob})" in text for text in texts)


def test_archives_are_compared_with_what_is_published(release, monkeypatch):
    archive = pack_images(release)
    pack_annotations(release)

    *others, last = doctor.check_path(release)
    assert problems([*others, last]) == []
    assert "is not the original" in last.text
    assert last.state is State.NOTE

    monkeypatch.setattr(official, "IMAGES_MD5", official.md5(archive))
    *_, last = doctor.check_path(release)
    assert "is the original" in last.text
    assert last.state is State.FINE


def damaged_images(release):
    truncated, empty, text, *_ = images_with_people(release)
    cut(truncated, 9)
    empty.write_bytes(b"")
    text.write_bytes(b"no image" + JPEG_END)


def png_and_trailing_bytes(release):
    png, trailing, *_ = images_with_people(release)
    PIL.Image.open(png).save(png, "PNG")
    trailing.write_bytes(trailing.read_bytes() + b"behind the end")


def missing_image(release):
    images_with_people(release)[0].unlink()


def image_lacking_in_the_archive(release):
    missing_image(release)
    pack_images(release)


def stray_image_beside_the_archive(release):
    kept = images_with_people(release)[0]
    data = kept.read_bytes()
    pack_images(release)
    (release / "images").mkdir()
    kept.write_bytes(data)


def self_linked_image(release):
    path = images_with_people(release)[0]
    path.unlink()
    path.symlink_to(path)


@pytest.mark.parametrize(
    ("arrange", "words"),
    [
        (lambda mpii: None, None),
        (missing_image, "1 of {count} images with people are missing in {}: {first}"),
        (lambda mpii: shutil.rmtree(mpii / "images"), f"fetch {IMAGES_URL}"),
        (damaged_images, "3 images in {} are damaged"),
        (png_and_trailing_bytes, None),
        (lambda mpii: cut(pack_images(mpii), 3000), IMAGES_URL),
        (image_lacking_in_the_archive, "is not the original: {first}; fetch https:"),
        (stray_image_beside_the_archive, None),
        (self_linked_image, "Too many levels of symbolic links: '{}/{first}'"),
        (lambda mpii: cut(mpii / MATLAB_PATH, 9000), "truncated"),
        (lambda mpii: cut(pack_annotations(mpii), 3000), official.ANNOTATIONS_ARCHIVE),
        (lambda mpii: mpii / ANNOTATIONS, None),
    ],
)
def test_doctor_and_build_agree(release, tmp_path, arrange, words):
    images = images_with_people(release)
    folder = arrange(release) or release

    found = problems(doctor.check_path(folder))

    if words is None:
        assert not found
        assert "train" in builds.build(tmp_path / "data", folder).info.splits
        return
    names = {"count": len(images), "first": images[0].name}
    assert words.format(release / "images", **names) in found[0]
    with pytest.raises((ValueError, OSError)):
        builds.build(tmp_path / "data", folder)


def test_counts_are_compared_with_mpiis(real_people):
    texts = [str(line) for line in doctor.check_counts(real_people, is_drawn=False)]

    assert texts[0] == "ok       People: 22,246 train, 2,958 validation"
    starts = [" ".join(text.split()[:2]) for text in texts[1:]]
    assert starts == ["note validation_others", "note test"]
    fewer = {**real_people, "validation": real_people["validation"][1:]}
    (found,) = problems(doctor.check_counts(fewer, is_drawn=False))
    assert "validation has 2,957 people and MPII's has 2,958" in found


# Datasets that were built.


FORMATS = ("tfrecord", "array_record")


@pytest.fixture(scope="module")
def built(drawn_release, tmp_path_factory):
    """Folders of one dataset in each file format."""
    folder = tmp_path_factory.mktemp("built")
    return {
        name: builds.build(folder / name, drawn_release, file_format=name).data_path
        for name in FORMATS
    }


@pytest.fixture
def build(built, tmp_path):
    """Copies a dataset to where TFDS would keep it below `tmp_path`."""
    folder = tmp_path / "mpii_pose" / "person" / "1.0.0"
    return lambda name="tfrecord": shutil.copytree(built[name], folder)


def test_datasets_below_a_folder_are_found_and_told_apart(built, tmp_path):
    tmp_path /= "mpii_pose"  # As the parent of a clone, or TFDS with data_dir=".", is.
    folder = tmp_path / "mpii_pose" / "person" / "1.0.0"
    shutil.copytree(built["tfrecord"], folder)
    shutil.copytree(built["array_record"], folder.parent / "0.9.0")
    write(tmp_path / "mnist" / "3.0.1" / "dataset_info.json", 2)

    assert doctor.data_dir_of(None) is None
    assert doctor.find_datasets(folder / "features.json") == []
    for above in (folder.parent, tmp_path / "mpii_pose", tmp_path):
        datasets = [str(folder) for folder in doctor.find_datasets(above)]
        assert datasets == [str(folder.parent / name) for name in ("0.9.0", "1.0.0")]
        assert doctor.data_dir_of(above) == tmp_path
    texts = [str(diagnosis) for diagnosis in doctor.check_path(tmp_path)]
    assert len(texts) == 2 * 4
    assert all(text.startswith("ok") for text in texts)
    assert all("of mpii_pose/person/" in text for text in texts)
    assert any("reads the images of all 4 in validation" in text for text in texts)


def flip_a_bit(data):
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


@pytest.mark.parametrize(
    ("file_format", "damage"),
    [
        *((name, None) for name in FORMATS),
        *((name, lambda data: b"") for name in FORMATS),
        *((name, lambda data: data[: len(data) // 2]) for name in FORMATS),
        ("tfrecord", flip_a_bit),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_a_damaged_shard_is_a_problem(build, file_format, damage):
    folder = build(file_format)
    (shard,) = folder.glob("*-validation.*record*")
    if damage is None:
        shard.unlink()
    else:
        shard.write_bytes(damage(shard.read_bytes()))

    (text,) = problems(doctor.check_path(folder))

    assert text.startswith(f"Split validation of {folder} has a damaged record or")
    assert "build the dataset again" in text


@pytest.mark.parametrize("name", ["dataset_info.json", "features.json"])
def test_a_broken_description_is_a_problem(build, name):
    folder = build()
    for content in ("", "{", '{"name": 5}'):
        (folder / name).write_text(content)
        (text,) = problems(doctor.check_path(folder))
        assert text.startswith(f"{folder} cannot be opened (")

    (folder / name).unlink()
    (text,) = problems(doctor.check_path(folder))
    assert text.startswith(str(folder))
    assert "cannot be opened" in text or "has no dataset_info.json" in text


def test_damaged_images_are_named(drawn_release, drawn_people, tmp_path, monkeypatch):
    people = drawn_people["validation"]
    first, second = dict.fromkeys(person.image_name for person in people[:2])
    damages = {
        # Hides the marker with which the frame begins: its size, its colors.
        first: lambda data: data.replace(b"\xff\xc0", b"\xff\x00", 1),
        second: lambda data: data[: len(data) // 2] + JPEG_END,
    }
    read = ImageFile.read

    def read_damaged(self):
        damage = damages.get(pathlib.Path(self.path).name, bytes)
        return damage(read(self))

    monkeypatch.setattr(ImageFile, "read", read_damaged)
    folder = builds.build(tmp_path, drawn_release).data_path

    found = problems(doctor.check_path(folder))

    assert all(text.startswith("libjpeg finds damage in ") for text in found)
    (text,) = (t for t in found if f"images of split validation of {folder}" in t)
    for person in people:
        named = f"{person.image_name} (index {person.index})" in text
        assert named == (person.image_name in damages)
