import numpy as np
import pytest
import tensorflow as tf

from mpii_pose import skeleton
from mpii_pose.transforms.half_body import half_body_square

WHOLE = {"center": tf.constant([1.0, 2.0]), "side": tf.constant(1000.0)}


def pose(seed=0):
    rng = np.random.default_rng(seed)
    keypoints = rng.uniform(0, 600, (16, 2)).astype(np.float32)
    return keypoints, np.full(16, 2, np.int8)


def expected_square(keypoints, labelled, upper):
    """HRNet's `half_body_transform`, in plain NumPy."""
    in_half = labelled & (
        np.isin(skeleton.MPII.keypoints, skeleton.MPII.upper_body) == upper
    )
    points = keypoints[in_half]
    return points.mean(axis=0), 1.5 * np.ptp(points, axis=0).max()


def test_upper_body_is_hrnets_list():
    assert set(skeleton.MPII.upper_body) == set(skeleton.KEYPOINTS[7:])


@pytest.mark.parametrize("upper", [True, False])
def test_square_is_around_the_labelled_keypoints_of_the_half(upper):
    keypoints, visibility = pose()
    visibility[[1, 12]] = 0
    keypoints[[1, 12]] = -1
    visibility[3] = 1

    center, side = half_body_square(keypoints, visibility, upper=upper, **WHOLE)

    expected = expected_square(keypoints, visibility > 0, upper)
    np.testing.assert_allclose(center, expected[0], rtol=1e-5)
    np.testing.assert_allclose(side, expected[1], rtol=1e-5)


def test_other_half_is_taken_where_the_wanted_one_has_two_labels():
    keypoints, visibility = pose()
    visibility[:5] = 0  # leaves left ankle and pelvis of the lower body

    center, _ = half_body_square(keypoints, visibility, upper=False, **WHOLE)

    expected = expected_square(keypoints, visibility > 0, upper=True)
    np.testing.assert_allclose(center, expected[0], rtol=1e-5)


@pytest.mark.parametrize("labels", [0, 1, 8])
def test_whole_body_stays_where_few_keypoints_are_labelled(labels):
    keypoints, visibility = pose()
    visibility[labels:] = 0

    center, side = half_body_square(keypoints, visibility, upper=True, **WHOLE)

    np.testing.assert_array_equal(center, WHOLE["center"])
    assert float(side) == 1000.0


def test_coincident_keypoints_still_give_a_square():
    visibility = np.full(16, 2, np.int8)

    _, side = half_body_square(
        np.full((16, 2), 5.0, np.float32), visibility, upper=True, **WHOLE
    )

    assert float(side) == 250.0


@pytest.mark.parametrize("upper", [True, False])
def test_unknown_visibility_counts_as_missing(upper):
    keypoints, visibility = pose()
    visibility[[1, 8, 12]] = 0
    unknown = np.where(visibility == 0, -1, visibility)

    found = half_body_square(keypoints, unknown, upper=upper, **WHOLE)

    expected = half_body_square(keypoints, visibility, upper=upper, **WHOLE)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])
