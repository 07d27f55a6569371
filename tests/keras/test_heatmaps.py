import numpy as np
import pytest
import tensorflow as tf

from mpii_pose.keras.heatmaps import HeatmapEncoder, HeatmapLoss, SimCCLoss
from mpii_pose.transforms.heatmaps import encode_heatmaps
from mpii_pose.transforms.simcc import encode_simcc

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


@pytest.mark.parametrize(
    ("shape", "left_out", "share"),
    [((2,), 0, 1 / 2), ((2, 16), 0, 1 / 2), ((2, 16), (..., 4), 15 / 16)],
)
def test_maps_of_weight_zero_make_no_nan_in_loss_or_gradient(shape, left_out, share):
    truth, predicted = np.zeros((2, 2, 8, 8, 16), np.float32)
    predicted += 2.0
    truth[left_out], predicted[left_out] = np.nan, np.inf
    weights = np.full(shape, 0.5, np.float32)
    weights[left_out] = 0.0
    predicted = tf.Variable(predicted)

    with tf.GradientTape() as tape:
        loss = HeatmapLoss()(truth, predicted, sample_weight=weights)

    assert float(loss) == pytest.approx(4.0 * 0.5 * share)
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
        encoder = HeatmapEncoder(**OPTIONS, encoding=encoding)
        maps, weights = encoder(keypoints, visibility)
        loss = HeatmapLoss()(maps, predicted, sample_weight=weights)
    sources = [predicted, keypoints]
    gradients = tape.gradient(loss, sources, unconnected_gradients="zero")

    np.testing.assert_array_equal(maps[0, ..., :4], 0.0)
    np.testing.assert_array_equal(weights[0, :4], 0.0)
    for number in (loss, *gradients):
        assert np.isfinite(number).all()


def test_loss_of_half_precision_is_computed_in_float32():
    predicted = np.full((1, 8, 8, 16), 300.0, np.float16)  # its square is no float16

    loss = HeatmapLoss()(np.zeros((1, 8, 8, 16), np.float32), predicted)

    assert loss.dtype == tf.float32
    assert float(loss) == pytest.approx(9e4)


@pytest.mark.parametrize(
    ("loss", "true", "shape"),
    [
        (HeatmapLoss, (2, 8, 8, 16), (2, 8, 8, 17)),
        (HeatmapLoss, (2, 8, 8, 16), (2, 4, 4, 16)),
        (HeatmapLoss, (2, 8, 8, 16), (2, 16)),
        (SimCCLoss, (2, 16, 8), (2, 16, 9)),
        (SimCCLoss, (2, 2, 16, 8), (2, 2, 16, 8)),
    ],
)
def test_loss_refuses_targets_of_other_shapes(loss, true, shape):
    with pytest.raises(ValueError, match=rf"{loss.__name__} takes two .* of one shape"):
        loss()(np.zeros(true), np.zeros(shape))


@pytest.mark.parametrize("beta", [0, -1.0, np.inf, np.nan])
def test_beta_that_is_no_positive_number_is_refused(beta):
    with pytest.raises(ValueError, match="beta must be a positive number, got"):
        SimCCLoss(beta=beta)


def plain_rtmpose_loss(pairs, weights, beta):
    """RTMPose's loss of two targets and predictions [N, K, bins], float64."""

    def softmax(values):
        powers = np.exp(beta * values.astype(np.float64))
        return powers / powers.sum(axis=-1, keepdims=True)

    total = 0.0
    for true, predicted in pairs:
        p, q = softmax(true), softmax(predicted)
        total += ((p * np.log(p / q)).mean(axis=-1) * weights).sum() / true.shape[1]
    return total


@pytest.mark.parametrize("beta", [1.0, 10.0])
def test_model_of_two_outputs_has_rtmposes_loss_of_the_mean_person(beta):
    keypoints, visibility = people(6)
    *targets, weights = encode_simcc(keypoints, visibility, image_size=(128, 96))
    rng = np.random.default_rng(1)
    logits = [rng.normal(size=target.shape).astype(np.float32) for target in targets]
    inputs = [tf.keras.Input(part.shape[1:]) for part in logits]
    model = tf.keras.Model(inputs, [tf.keras.layers.Identity()(x) for x in inputs])
    model.compile(loss=SimCCLoss(beta=beta))
    for part in logits:
        part[weights == 0] = np.nan

    batch = tf.data.Dataset.from_tensors((tuple(logits), tuple(targets), weights))
    loss, *_ = model.evaluate(batch, verbose=0)

    pairs = [(t, np.nan_to_num(p)) for t, p in zip(targets, logits, strict=True)]
    expected = plain_rtmpose_loss(pairs, weights, beta) / 6
    assert 0 < np.mean(weights) < 1
    assert loss == pytest.approx(expected, rel=1e-4)
