"""The doctor says what a copy of the release lacks."""

import shutil

import pytest

from mpii_pose.release import download, sources
from mpii_pose.tools.doctor import files
from mpii_pose.tools.doctor.diagnosis import State, count_problems

ANNOTATIONS = "mpii_human_pose_v1_u12_2"


@pytest.fixture
def copy(drawn_release, tmp_path):
    """A copy of the drawn release that may be changed."""
    shutil.copytree(drawn_release, tmp_path / "mpii")
    return tmp_path / "mpii"


def images_with_people(copy):
    people = sources.read_people(copy)
    names = {person.image_name for group in people.values() for person in group}
    return sorted(copy / "images" / name for name in names)


def problems(path):
    return [d.text for d in files.check_files(path) if d.state is State.PROBLEM]


def test_a_whole_drawn_release_is_fine(copy):
    diagnoses = list(files.check_files(copy))

    assert count_problems(diagnoses) == 0
    texts = "\n".join(map(str, diagnoses))
    assert "Found the official .mat" in texts
    assert "train has" in texts
    assert "images with people are in" in texts


def test_a_drawn_release_that_poses_as_mpii_is_not_the_original(copy):
    (copy / ANNOTATIONS / "validation_people.csv").unlink()

    found = problems(copy)

    assert any("this is not the original" in text for text in found)
    assert any("train has" in text and "22,246" in text for text in found)


def test_the_original_is_known_by_its_git_blob(copy, monkeypatch):
    (copy / ANNOTATIONS / "validation_people.csv").unlink()
    matlab_file = copy / ANNOTATIONS / sources.MATLAB_FILE
    blob = download.git_blob_id(matlab_file)
    monkeypatch.setattr(download, "MATLAB_GIT_BLOB", blob)

    texts = [str(diagnosis) for diagnosis in files.check_files(copy)]

    assert any(f"is the original (git blob {blob})" in text for text in texts)


def test_missing_images_are_counted_and_named(copy):
    image, *others = images_with_people(copy)
    image.unlink()

    (found,) = problems(copy)

    assert f"1 of {len(others) + 1} images" in found
    assert image.name in found


def test_truncated_images_are_named(copy):
    image, empty, *_ = images_with_people(copy)
    image.write_bytes(image.read_bytes()[:-9])
    empty.write_bytes(b"")

    (found,) = problems(copy)

    assert "2 images" in found
    assert image.name in found
    assert empty.name in found


def test_no_images_at_all_is_a_problem_that_names_the_download(copy):
    shutil.rmtree(copy / "images")

    (found,) = problems(copy)

    assert download.URLS[download.IMAGES_ARCHIVE] in found


def test_damaged_annotations_are_a_problem(copy):
    path = copy / ANNOTATIONS / sources.MATLAB_FILE
    path.write_bytes(path.read_bytes()[:1000])

    assert any("truncated" in text for text in problems(copy))


def test_an_empty_folder_and_none_are_problems(tmp_path):
    (empty,) = problems(tmp_path)
    (none,) = problems(tmp_path / "none")

    assert "no annotations found" in empty
    assert "human-pose.mpi-inf.mpg.de" in empty
    assert "does not exist" in none


def test_archives_are_compared_with_what_is_published(tmp_path, monkeypatch):
    archive = tmp_path / download.IMAGES_ARCHIVE
    archive.write_bytes(b"images")
    (tmp_path / download.ANNOTATIONS_ARCHIVE).write_bytes(b"annotations")

    (damaged,) = problems(tmp_path)
    monkeypatch.setattr(download, "IMAGES_MD5", download.md5(archive))

    assert "the download is damaged" in damaged
    assert problems(tmp_path) == []


def test_real_people_have_mpiis_counts(real_mpii):
    people = sources.read_people(real_mpii / "cpm_annotations.json.gz")

    states = {
        diagnosis.text.split()[0]: diagnosis.state
        for diagnosis in files.check_counts(people, is_drawn=False)
    }

    assert states == {
        "train": State.FINE,
        "validation": State.FINE,
        "validation_others": State.NOTE,
        "test": State.NOTE,
    }


def test_one_person_less_is_a_problem(real_mpii):
    people = dict(sources.read_people(real_mpii / "cpm_annotations.json.gz"))
    people["validation"] = people["validation"][1:]

    diagnoses = files.check_counts(people, is_drawn=False)

    (found,) = [d.text for d in diagnoses if d.state is State.PROBLEM]
    assert "validation has 2,957 people and MPII's has 2,958" in found
