"""The released test truth, on a drawn replica of the file the toolkit loads."""

import numpy as np
import pytest
import scipy.io

import mpii_pose
from mpii_pose.formats import released_truth
from mpii_pose.formats.predictions import PredictionError


@pytest.fixture(scope="module")
def poses(people):
    """What the replica says of each test person, 0-based."""
    noise = np.random.default_rng(0).normal(size=(len(people), 16, 2))
    return np.array([p.center for p in people], np.float64)[:, None] + 20 * noise


@pytest.fixture(scope="module")
def truth_file(matlab_file, people, poses, tmp_path_factory):
    """`annolist` as RELEASE's, with 1-based points and head boxes of 30 x 40 px."""
    release = scipy.io.loadmat(matlab_file)["RELEASE"][0, 0]
    annolist = release["annolist"]
    found = {(p.image_name, p.person_index): k for k, p in enumerate(people)}
    for image, is_train in zip(
        annolist.ravel(), release["img_train"].ravel(), strict=True
    ):
        if is_train or not image["annorect"].size:
            continue
        name = image["image"]["name"][0, 0].item()
        # Names of the real file may have folders; the toolkit does not look at them.
        image["image"]["name"][0, 0] = np.array(["/somewhere/" + name])
        rects = image["annorect"]
        names = [*rects.dtype.names, "x1", "y1", "x2", "y2", "annopoints"]
        names = list(dict.fromkeys(names))
        new = np.empty(rects.shape, [(field, object) for field in names])
        for j, (old, rect) in enumerate(zip(rects.flat, new.flat, strict=True)):
            for field in names:
                rect[field] = np.zeros((0, 0))
            for field in rects.dtype.names:
                rect[field] = old[field]
            if (name, j) not in found:
                continue
            rect["x1"], rect["y1"], rect["x2"], rect["y2"] = 11.0, 11.0, 41.0, 51.0
            point = np.empty((1, 15), [(f, object) for f in ("x", "y", "id")])
            pose = poses[found[name, j]] + 1
            for k in range(15):  # The last keypoint is nobody's.
                point[0, 14 - k] = pose[k, 0], pose[k, 1], float(k)
            annopoints = np.empty((1, 1), [("point", object)])
            annopoints[0, 0]["point"] = point
            rect["annopoints"] = annopoints
        image["annorect"] = new
    path = tmp_path_factory.mktemp("truth") / released_truth.TRUTH_FILE
    scipy.io.savemat(path, {"annolist": annolist})
    return path


@pytest.fixture(scope="module")
def truth(truth_file, matlab_file):
    return released_truth.read_test_truth(truth_file, matlab_file=matlab_file)


def test_test_people_get_their_keypoints_and_keep_their_index(truth, people, poses):
    assert [p.index for p in truth] == [p.index for p in people]
    for person, withheld in zip(truth, people, strict=True):
        assert person.image_name == withheld.image_name
        assert person.separated == withheld.separated
        assert person.head_size == pytest.approx(0.6 * 50)
        np.testing.assert_array_equal(person.visibility, [2] * 15 + [0])
        np.testing.assert_allclose(
            person.keypoints[:15], poses[person.index, :15], atol=1e-3
        )


def test_only_separated_people_are_scored(truth, poses):
    predicted = poses.copy()
    for person in truth:
        if person.separated != 1:
            predicted[person.index] = np.nan
    assert np.isnan(predicted).any()

    assert released_truth.pckh_of_test(predicted, truth).total == 100

    first = next(person for person in truth if person.separated == 1)
    predicted[first.index] = np.nan
    count = sum(person.separated == 1 for person in truth)

    total = released_truth.pckh_of_test(predicted, truth).total

    assert total == pytest.approx(100 * (count - 1) / count)


def test_predictions_of_too_few_people_are_refused(truth, poses):
    with pytest.raises(PredictionError, match="all test people in index order"):
        released_truth.pckh_of_test(poses[:1], truth)


def test_a_truth_of_other_images_is_refused(truth_file, matlab_file, tmp_path):
    annolist = scipy.io.loadmat(truth_file)["annolist"]
    scipy.io.savemat(tmp_path / "short.mat", {"annolist": annolist[:, :3]})

    with pytest.raises(mpii_pose.AnnotationError, match=r"short\.mat: .*found 3"):
        released_truth.read_test_truth(tmp_path / "short.mat", matlab_file=matlab_file)


def test_the_release_itself_has_no_truth(matlab_file, tmp_path):
    release = scipy.io.loadmat(matlab_file)["RELEASE"][0, 0]
    scipy.io.savemat(tmp_path / "a.mat", {"annolist": release["annolist"]})

    with pytest.raises(mpii_pose.AnnotationError, match="no test person has keypoints"):
        released_truth.read_test_truth(tmp_path / "a.mat", matlab_file=matlab_file)
