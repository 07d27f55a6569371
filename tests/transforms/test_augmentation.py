import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from mpii_pose.transforms import augmentation
from mpii_pose.transforms.augmentation import Augmentation

EVERYTHING = Augmentation(
    rotation=30.0,
    scale=0.25,
    flip=0.5,
    translation=0.1,
    half_body=0.3,
    channel_gain=0.2,
    contrast=0.2,
    brightness=0.1,
)


def draws(options, count=2000):
    seeds = tf.stack([tf.range(count), tf.fill([count], 7)], axis=-1)
    drawn = tf.data.Dataset.from_tensor_slices(seeds).map(
        lambda seed: options.draw(seed=seed)
    )
    batch = drawn.batch(count).get_single_element()
    return augmentation.Draw(*(values.numpy() for values in batch))


def test_all_options_at_zero_change_nothing():
    drawn = draws(Augmentation(), count=3)

    for found, neutral in zip(drawn, augmentation.no_change(), strict=True):
        np.testing.assert_array_equal(found, np.broadcast_to(neutral, found.shape))


def test_hrnet_draws_as_published():
    drawn = draws(Augmentation.hrnet())

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


def test_every_option_moves_its_own_decision_only():
    full = draws(EVERYTHING, count=50)
    for name in ("rotation", "scale", "flip", "translation", "half_body"):
        drawn = draws(dataclasses.replace(EVERYTHING, **{name: 0.0}), count=50)

        for field in full._fields:
            same = np.array_equal(getattr(drawn, field), getattr(full, field))
            assert same != (field in (name, name.replace("half", "upper"))), field


def test_same_seed_same_draw_and_other_seeds_differ():
    one, again, other = (
        EVERYTHING.draw(seed=tf.constant(seed)) for seed in ([1, 2], [1, 2], [2, 2])
    )

    assert all(np.array_equal(a, b) for a, b in zip(one, again, strict=True))
    assert float(one.rotation) != float(other.rotation)


def test_square_follows_the_draw():
    draw = augmentation.no_change()._replace(
        scale=tf.constant(2.0), translation=tf.constant([0.1, -0.2])
    )

    center, side = augmentation.apply_to_square(
        draw,
        tf.constant([10.0, 20.0]),
        tf.constant(50.0),
        keypoints=tf.zeros([16, 2]),
        visibility=tf.zeros([16], tf.int8),
    )

    np.testing.assert_allclose(center, [20.0, 0.0], atol=1e-5)
    assert float(side) == 100.0


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("rotation", -1.0),
        ("scale", 1.0),
        ("flip", 1.5),
        ("channel_gain", float("nan")),
    ],
)
def test_option_out_of_range_says_name_range_and_value(option, value):
    with pytest.raises(ValueError, match=rf"{option} must be in \[0, .*got {value}"):
        Augmentation(**{option: value})


def test_unknown_scale_law_lists_the_valid_ones():
    with pytest.raises(ValueError, match="linear, exponential, got 'cubic'"):
        Augmentation(scale_law="cubic")
