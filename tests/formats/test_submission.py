"""The submission is a copy of the test images' structs, with points."""

import numpy as np
import pytest
import scipy.io

import mpii_pose
from mpii_pose.formats.submission import write_submission
from mpii_pose.release.matlab import UNRELEASED_IMAGES
from tests import releases

# Files are read as MATLAB shows them.
AS_IN_MATLAB = {"squeeze_me": True, "struct_as_record": False}


@pytest.fixture(scope="module")
def matlab_file(drawn_release):
    return drawn_release / releases.MATLAB_PATH


@pytest.fixture(scope="module")
def people(drawn_people):
    return drawn_people["test"]


@pytest.fixture
def predicted(people):
    """Points around the centers, each of its own."""
    centers = np.array([p.center for p in people], np.float64)
    noise = np.random.default_rng(0).normal(size=(len(people), 16, 2))
    return centers[:, None] + 5 * noise


def read_back(path, matlab_file):
    """Reads by the toolkit's README: {(image, person, 0-based): [16, 2], 1-based}.

    Asserts that all else is as in the annotations.
    """
    release = scipy.io.loadmat(matlab_file, **AS_IN_MATLAB)["RELEASE"]
    expected = np.atleast_1d(release.annolist)[np.atleast_1d(release.img_train) == 0]
    pred = np.atleast_1d(scipy.io.loadmat(path, **AS_IN_MATLAB)["pred"])
    assert [image.image.name for image in pred] == [e.image.name for e in expected]
    found = {}
    for image, original in zip(pred, expected, strict=True):
        rects = np.atleast_1d(image.annorect)
        originals = np.atleast_1d(original.annorect)
        assert len(rects) == len(originals)
        for j, (rect, before) in enumerate(zip(rects, originals, strict=True)):
            for name in getattr(before, "_fieldnames", ()):
                if name in ("scale", "x1"):
                    assert np.all(getattr(rect, name) == getattr(before, name))
            points = getattr(getattr(rect, "annopoints", None), "point", None)
            if points is not None:
                assert [point.id for point in points] == list(range(16))
                pose = [(point.x, point.y) for point in points]
                found[image.image.name, j] = np.array(pose)
    return found


def assert_poses(found, people, predicted):
    assert len(found) == len(people)
    for person, pose in zip(people, predicted, strict=True):
        at = person.image_name, person.person_index
        np.testing.assert_allclose(found[at], pose + 1)


def test_poses_stand_where_the_toolkit_looks_for_them(
    matlab_file, people, predicted, tmp_path, monkeypatch
):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "release.mat").symlink_to(matlab_file)

    problems = write_submission("~/out.mat", predicted, matlab_file="~/release.mat")

    assert problems == []
    assert_poses(read_back(tmp_path / "out.mat", matlab_file), people, predicted)


def test_only_separated_need_predictions(matlab_file, people, predicted, tmp_path):
    separated = {(p.image_name, p.person_index) for p in people if p.separated == 1}
    assert 0 < len(separated) < len(people)
    predicted[[person.separated != 1 for person in people]] = np.nan
    path = tmp_path / "pred.mat"

    assert write_submission(path, predicted, matlab_file=matlab_file) == []

    assert read_back(path, matlab_file).keys() == separated


def test_people_of_unreleased_images_are_left_out(matlab_file, people, tmp_path):
    path, renamed_file = tmp_path / "pred.mat", tmp_path / "renamed.mat"
    names = list(dict.fromkeys(person.image_name for person in people))
    assert len(names) > len(UNRELEASED_IMAGES)
    unreleased = dict(zip(names[1:], sorted(UNRELEASED_IMAGES), strict=False))
    release = scipy.io.loadmat(matlab_file)["RELEASE"]
    for image in release["annolist"][0, 0].ravel()["image"]:
        name = image[0, 0]["name"].item()
        image[0, 0]["name"] = np.array([unreleased.get(name, name)])
    scipy.io.savemat(renamed_file, {"RELEASE": release})
    released = mpii_pose.read_people(renamed_file)["test"]
    assert 0 < len(released) < len(people)
    points = np.array([[person.center] * 16 for person in released], np.float64)
    points += np.arange(len(points))[:, None, None]

    write_submission(path, points, matlab_file=renamed_file, force=True)

    assert_poses(read_back(path, renamed_file), released, points)
