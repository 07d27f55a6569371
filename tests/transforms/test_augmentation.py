import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from mpii_pose.transforms import augmentation
from mpii_pose.transforms.augmentation import Augmentation
from tests.transforms.scenes import ALL_CHANGES

# Center and side of the whole body's square.
WHOLE = np.float32([1, 2]), np.float32(1000)


def draws(options, count=2000):
    seeds = tf.stack([tf.range(count), tf.fill([count], 7)], axis=-1)
    drawn = tf.data.Dataset.from_tensor_slices(seeds).map(
        lambda seed: options.draw(seed=seed)
    )
    batch = drawn.batch(count).get_single_element()
    return augmentation.Draw(*(values.numpy() for values in batch))


def draws_of_arrays(options, count=2000):
    drawn = [options.draw(seed=[7, number]) for number in range(count)]
    return augmentation.Draw(*map(np.array, zip(*drawn, strict=True)))


def test_all_options_at_zero_change_nothing():
    drawn = draws(Augmentation(), count=3)

    for found, neutral in zip(drawn, augmentation.no_change(), strict=True):
        np.testing.assert_array_equal(found, np.broadcast_to(neutral, found.shape))


@pytest.mark.parametrize("library", [draws, draws_of_arrays])
def test_hrnet_draws_as_published(library):
    drawn = library(Augmentation.hrnet())

    degrees = np.rad2deg(drawn.rotation)
    rotated = degrees != 0
    assert np.mean(rotated) == pytest.approx(0.6, abs=0.04)
    assert np.std(degrees[rotated]) == pytest.approx(28.8, abs=1.5)  # 30, clipped
    assert np.abs(degrees).max() == pytest.approx(60.0, abs=1e-3)
    assert (drawn.scale.min(), drawn.scale.max()) == (0.75, 1.25)
    assert np.mean(drawn.scale == 0.75) == pytest.approx(0.159, abs=0.03)
    assert np.mean(drawn.flip) == pytest.approx(0.5, abs=0.04)
    np.testing.assert_array_equal(drawn.gain, 1.0)


def test_hourglass_draws_as_published():
    drawn = draws(Augmentation.hourglass())

    assert np.mean(drawn.rotation != 0) == pytest.approx(0.4, abs=0.04)
    assert drawn.scale.min() == pytest.approx(2**-0.5, abs=1e-4)
    assert drawn.scale.max() == pytest.approx(2**0.5, abs=1e-4)
    assert np.median(drawn.scale) == pytest.approx(1.0, abs=0.02)
    assert drawn.gain.min() >= 0.6
    assert drawn.gain.max() <= 1.4
    assert drawn.gain.std(axis=1).mean() > 0.1


@pytest.mark.parametrize("library", [draws, draws_of_arrays])
def test_every_option_moves_its_own_decision_only(library):
    full = library(ALL_CHANGES, count=50)
    for name in ("rotation", "scale", "flip", "translation", "half_body"):
        drawn = library(dataclasses.replace(ALL_CHANGES, **{name: 0.0}), count=50)

        for field in full._fields:
            same = np.array_equal(getattr(drawn, field), getattr(full, field))
            assert same != (field in (name, name.replace("half", "upper"))), field


def test_square_follows_the_draw():
    draw = augmentation.no_change()._replace(
        scale=np.float32(2.0), translation=np.float32([0.1, -0.2])
    )
    place = np.float32([10, 20]), np.float32(50)

    center, side = augmentation.apply_to_square(np, draw, *place, *pose())

    np.testing.assert_allclose(center, [20.0, 0.0], atol=1e-5)
    assert side == 100.0


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("rotation", -1.0, r"rotation must be in \[0, 180.0\], got -1.0"),
        ("scale", 1.0, r"scale must be in \[0, 0.99\], got 1.0"),
        ("flip", 1.5, r"flip must be in \[0, 1.0\], got 1.5"),
        ("channel_gain", float("nan"), r"channel_gain must be in .* got nan"),
        ("scale_law", "cubic", "linear, exponential, got 'cubic'"),
    ],
)
def test_option_out_of_range_says_name_range_and_value(option, value, message):
    with pytest.raises(ValueError, match=message):
        Augmentation(**{option: value})


def pose(seed=0):
    rng = np.random.default_rng(seed)
    keypoints = rng.uniform(0, 600, (16, 2)).astype(np.float32)
    return keypoints, np.full(16, 2, np.int8)


def half_body(keypoints, visibility, upper):
    return augmentation.half_body_square(np, keypoints, visibility, upper, *WHOLE)


def expected_square(keypoints, labelled, upper):
    """HRNet's `half_body_transform`, in plain NumPy."""
    in_half = labelled & ((np.arange(16) >= 7) == upper)  # Its list of the upper body.
    points = keypoints[in_half]
    return points.mean(axis=0), 1.5 * np.ptp(points, axis=0).max()


@pytest.mark.parametrize("unlabelled", [0, -1])
@pytest.mark.parametrize(
    ("missing", "wanted_upper", "upper"),
    [
        ([1, 12], True, True),
        ([1, 12], False, False),
        # Of the lower body, left ankle and pelvis are left: too few.
        (range(5), False, True),
    ],
)
def test_square_is_around_the_labelled_keypoints_of_a_half(
    missing, wanted_upper, upper, unlabelled
):
    keypoints, visibility = pose()
    visibility[[*missing]], keypoints[[*missing]] = unlabelled, -1
    visibility[7] = 1

    center, side = half_body(keypoints, visibility, wanted_upper)

    expected = expected_square(keypoints, visibility > 0, upper)
    np.testing.assert_allclose(center, expected[0], rtol=1e-5)
    np.testing.assert_allclose(side, expected[1], rtol=1e-5)


@pytest.mark.parametrize("labels", [0, 1, 8])
def test_whole_body_stays_where_few_keypoints_are_labelled(labels):
    keypoints, visibility = pose()
    visibility[labels:] = 0

    center, side = half_body(keypoints, visibility, True)

    np.testing.assert_array_equal(center, WHOLE[0])
    assert float(side) == 1000.0


def test_coincident_keypoints_still_give_a_square():
    visibility = np.full(16, 2, np.int8)

    _, side = half_body(np.full((16, 2), 5.0, np.float32), visibility, True)

    assert float(side) == 250.0
