"""The doctor says what a copy of the release lacks."""

import shutil

import PIL.Image
import pytest

import mpii_pose
from mpii_pose.release import official
from mpii_pose.tools.doctor import files
from mpii_pose.tools.doctor.diagnosis import State
from tests import builds, releases

ANNOTATIONS = "mpii_human_pose_v1_u12_2"


@pytest.fixture
def copy(drawn_release, tmp_path):
    """A copy of the drawn release that may be changed."""
    shutil.copytree(drawn_release, tmp_path / "mpii")
    return tmp_path / "mpii"


def images_with_people(copy):
    people = mpii_pose.read_people(copy)
    names = {person.image_name for group in people.values() for person in group}
    return sorted(copy / "images" / name for name in names)


def problems(path):
    return [d.text for d in files.check_files(path) if d.state is State.PROBLEM]


def test_a_whole_drawn_release_is_fine(copy):
    texts = [str(diagnosis) for diagnosis in files.check_files(copy)]

    assert len(texts) == 4
    assert texts[0].startswith("ok       Found the official .mat")
    assert texts[1].startswith("note     ")
    assert texts[2].endswith("(drawn ones)")
    assert "images with people are in" in texts[3]


def test_a_drawn_release_that_poses_as_mpii_is_not_the_original(copy):
    (copy / ANNOTATIONS / "validation_people.csv").unlink()

    found = problems(copy)

    assert any("this is not the original" in text for text in found)
    assert any("train has" in text and "22,246" in text for text in found)


def test_the_original_is_known_by_its_git_blob(copy, monkeypatch):
    (copy / ANNOTATIONS / "validation_people.csv").unlink()
    matlab_file = copy / ANNOTATIONS / official.MATLAB_FILE
    blob = official.git_blob_id(matlab_file.read_bytes())
    monkeypatch.setattr(official, "MATLAB_GIT_BLOB", blob)

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
    assert image.name in found or empty.name in found


def test_no_images_at_all_is_a_problem_that_names_the_download(copy):
    shutil.rmtree(copy / "images")

    (found,) = problems(copy)

    assert official.URLS[official.IMAGES_ARCHIVE] in found


def test_damaged_annotations_are_a_problem(copy):
    path = copy / ANNOTATIONS / official.MATLAB_FILE
    path.write_bytes(path.read_bytes()[:1000])

    assert "truncated" in problems(copy)[0]


def test_an_empty_folder_and_none_are_problems(tmp_path):
    (empty,) = problems(tmp_path)
    (none,) = problems(tmp_path / "none")

    assert "No annotations of MPII Human Pose" in empty
    assert "human-pose.mpi-inf.mpg.de" in empty
    assert "there is no such" in none


def pack_images(copy, images="images"):
    shutil.make_archive(copy / "mpii_human_pose_v1", "gztar", copy, images)
    shutil.rmtree(copy / "images")
    return copy / official.IMAGES_ARCHIVE


def pack_annotations(copy):
    shutil.make_archive(copy / ANNOTATIONS, "zip", copy, ANNOTATIONS)
    shutil.rmtree(copy / ANNOTATIONS)
    return copy / official.ANNOTATIONS_ARCHIVE


def test_archives_are_compared_with_what_is_published(copy, monkeypatch):
    archive = pack_images(copy)
    pack_annotations(copy)

    assert problems(copy) == []
    assert "is not the original" in str([*files.check_files(copy)][-1])

    monkeypatch.setattr(official, "IMAGES_MD5", official.md5(archive))
    assert "is the original" in str([*files.check_files(copy)][-1])


def nothing(copy):
    pass


def no_images(copy):
    pack_annotations(copy)
    shutil.rmtree(copy / "images")


def cut_annotations(copy):
    path = pack_annotations(copy)
    path.write_bytes(path.read_bytes()[:-3000])


def json_beside_the_archive(copy):
    releases.write_cpm(copy / "mpii_annotations.json", mpii_pose.read_people(copy))
    pack_annotations(copy)


def annotations_folder(copy):
    return copy / ANNOTATIONS


def no_image_but_its_end(copy):
    images_with_people(copy)[0].write_bytes(b"no image" + b"\xff\xd9")


def png_and_trailing_bytes(copy):
    png, trailing, *_ = images_with_people(copy)
    PIL.Image.open(png).save(png, "PNG")
    trailing.write_bytes(trailing.read_bytes() + b"behind the end")


def cut_images(copy):
    path = pack_images(copy)
    path.write_bytes(path.read_bytes()[:-3000])


def image_lacking_in_the_archive(copy):
    images_with_people(copy)[0].unlink()
    pack_images(copy)


def stray_image_beside_the_archive(copy):
    kept = images_with_people(copy)[0]
    data = kept.read_bytes()
    pack_images(copy)
    (copy / "images").mkdir()
    kept.write_bytes(data)


def empty_images_beside_the_archive(copy):
    pack_images(copy)
    (copy / "images").mkdir()


def two_validations(copy):
    people = mpii_pose.read_people(copy)
    shutil.rmtree(copy / ANNOTATIONS)
    for name, part in (("valid.json", people["train"]), ("val.json", people["test"])):
        releases.write_hrnet(copy, {"validation": part}, {"validation": name})


@pytest.mark.parametrize(
    ("arrange", "is_fine"),
    [
        (nothing, True),
        (no_images, False),
        (cut_annotations, False),
        (json_beside_the_archive, True),
        (annotations_folder, True),
        (no_image_but_its_end, False),
        (png_and_trailing_bytes, True),
        (cut_images, False),
        (image_lacking_in_the_archive, False),
        (stray_image_beside_the_archive, True),
        (empty_images_beside_the_archive, True),
        (two_validations, False),
    ],
)
def test_doctor_and_build_agree(copy, tmp_path, arrange, is_fine):
    folder = arrange(copy) or copy

    found = problems(folder)

    assert (not found) == is_fine, found
    if is_fine:
        assert "train" in builds.build(tmp_path / "data", folder).info.splits
    else:
        with pytest.raises((ValueError, FileNotFoundError)):
            builds.build(tmp_path / "data", folder)


def test_counts_are_compared_with_mpiis(real_mpii):
    people = mpii_pose.read_people(real_mpii / "cpm_annotations.json.gz")

    texts = [str(line) for line in files.check_counts(people, is_drawn=False)]

    assert texts[0] == "ok       People: 22,246 train, 2,958 validation"
    assert [text.split()[:2] for text in texts[1:]] == [
        ["note", "validation_others"],
        ["note", "test"],
    ]

    fewer = {**people, "validation": people["validation"][1:]}
    diagnoses = files.check_counts(fewer, is_drawn=False)

    (found,) = [d.text for d in diagnoses if d.state is State.PROBLEM]
    assert "validation has 2,957 people and MPII's has 2,958" in found
