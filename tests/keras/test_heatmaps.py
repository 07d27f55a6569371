import numpy as np
import pytest
import tensorflow as tf

from mpii_pose.keras.heatmaps import HeatmapEncoder, HeatmapLoss
from mpii_pose.transforms.heatmaps import encode_heatmaps

OPTIONS = {"image_size": (128, 96), "heatmap_size": (32, 24), "sigma": 1.5}


def people(count=4):
    rng = np.random.default_rng(0)
    keypoints = rng.uniform(-20, 140, (count, 16, 2)).astype(np.float32)
    return keypoints, rng.integers(0, 3, (count, 16)).astype(np.int8)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("encoding", ["unbiased", "msra"])
def test_layer_equals_the_host(jit_compile, encoding):
    layer = HeatmapEncoder(**OPTIONS, encoding=encoding)
    expected = encode_heatmaps(*people(), **OPTIONS, encoding=encoding)

    found = tf.function(layer, jit_compile=jit_compile)(*people())

    np.testing.assert_allclose(found[0], expected[0], atol=1e-6)
    np.testing.assert_array_equal(found[1], expected[1])


def test_layer_stays_in_float32_under_mixed_precision():
    tf.keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        found, _ = HeatmapEncoder(**OPTIONS)(*people())
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")

    assert found.dtype == tf.float32
    expected, _ = encode_heatmaps(*people(), **OPTIONS)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_wrong_option_is_refused_when_the_layer_is_made():
    with pytest.raises(ValueError, match="half_pixel, udp, legacy, got 'dark'"):
        HeatmapEncoder(alignment="dark")


def test_loss_counts_each_keypoint_by_its_weight():
    truth = np.zeros((2, 8, 8, 16), np.float32)
    predicted = np.zeros_like(truth)
    predicted[..., 3] = 2.0
    predicted[..., 4] = 100.0
    weights = np.ones((2, 16), np.float32)
    weights[:, 4] = 0.0

    loss = HeatmapLoss()(truth, predicted, sample_weight=weights)

    assert float(loss) == pytest.approx(4.0 / 16)


@pytest.mark.parametrize("shape", [(2,), (2, 16)])
def test_maps_of_weight_zero_make_no_nan_in_loss_or_gradient(shape):
    truth, predicted = np.zeros((2, 2, 8, 8, 16), np.float32)
    truth[0], predicted[0, 0, 0], predicted[1] = np.nan, np.inf, 2.0
    weights = np.ones(shape, np.float32)
    weights[0] = 0.0
    predicted = tf.Variable(predicted)

    with tf.GradientTape() as tape:
        loss = HeatmapLoss()(truth, predicted, sample_weight=weights)

    assert float(loss) == pytest.approx(4.0 / 2)
    assert np.isfinite(tape.gradient(loss, predicted)).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("encoding", ["unbiased", "msra"])
def test_missing_keypoints_leave_loss_and_gradients_finite(value, encoding):
    keypoints, visibility = people()
    visibility[0, :4] = [0, -1, 0, -1]
    keypoints[0, :3], keypoints[0, 3, 0] = value, value
    keypoints = tf.Variable(keypoints)
    predicted = tf.Variable(np.full((4, 32, 24, 16), 0.5, np.float32))

    with tf.GradientTape() as tape:
        maps, weights = HeatmapEncoder(**OPTIONS, encoding=encoding)(
            keypoints, visibility
        )
        loss = HeatmapLoss()(maps, predicted, sample_weight=weights)
    gradients = tape.gradient(
        loss, [predicted, keypoints], unconnected_gradients="zero"
    )

    np.testing.assert_array_equal(maps[0, ..., :4], 0.0)
    np.testing.assert_array_equal(weights[0, :4], 0.0)
    for number in (loss, *gradients):
        assert np.isfinite(number).all()


def test_loss_of_half_precision_is_computed_in_float32():
    predicted = np.full((1, 8, 8, 16), 300.0, np.float16)  # its square is no float16

    loss = HeatmapLoss()(np.zeros((1, 8, 8, 16), np.float32), predicted)

    assert loss.dtype == tf.float32
    assert float(loss) == pytest.approx(9e4)


@pytest.mark.parametrize("shape", [(2, 8, 8, 17), (2, 4, 4, 16), (2, 16)])
def test_loss_refuses_maps_of_other_shapes(shape):
    with pytest.raises(ValueError, match="of one shape"):
        HeatmapLoss()(np.zeros((2, 8, 8, 16)), np.zeros(shape))
