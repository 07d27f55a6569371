import numpy as np
import pytest
import tensorflow as tf

from mpii_pose.evaluation.pckh import AUC_THRESHOLDS, DIALECTS, pckh, pckh_curve
from mpii_pose.keras.pckh import PCKh
from mpii_pose.transforms import geometry
from mpii_pose.transforms.decoding import decode_heatmaps
from mpii_pose.transforms.heatmaps import encode_heatmaps
from mpii_pose.transforms.simcc import decode_simcc, encode_simcc
from mpii_pose.transforms.spec import CropSpec
from tests import builds
from tests.transforms.gaussians import gaussians, random_cells


def people(count=50, seed=0):
    random = np.random.default_rng(seed)
    truth = random.uniform(0, 500, (count, 16, 2)).astype(np.float32)
    predicted = truth + random.normal(0, 8, truth.shape).astype(np.float32)
    predicted[0, 3] = np.nan
    visibility = random.integers(0, 3, (count, 16)).astype(np.int8)
    head_size = random.uniform(10, 40, count).astype(np.float32)
    return predicted, truth, visibility, head_size


def batch_of(truth, visibility, head_size):
    return {"keypoints": truth, "visibility": visibility, "head_size": head_size}


def updated(metric, predicted, *truth, slices=(slice(None),)):
    for part in slices:
        metric.update_state(batch_of(*(x[part] for x in truth)), predicted[part])
    return metric


def assert_same_scores(found, expected):
    np.testing.assert_array_equal(found.per_keypoint, expected.per_keypoint)
    np.testing.assert_array_equal(found.num_labelled, expected.num_labelled)
    assert found.rows == pytest.approx(expected.rows)
    assert (found.threshold, found.dialect) == (expected.threshold, expected.dialect)


@pytest.mark.parametrize("threshold", [0.5, 0.2])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_metric_equals_the_pure_function_however_the_data_is_cut(dialect, threshold):
    inputs, options = people(), {"threshold": threshold, "dialect": dialect}
    cuts = [slice(0, 7), slice(7, 8), slice(8, 50)]
    parts = [updated(PCKh(**options), *inputs, slices=[part]) for part in cuts]
    merged = PCKh(**options)
    metric = updated(PCKh(**options), *people(seed=3))

    metric.reset_state()
    updated(metric, *inputs, slices=cuts)
    merged.merge_state(parts)

    expected = pckh(*inputs, **options)
    assert float(metric.result()) == pytest.approx(expected.total)
    for each in (metric, merged):
        assert_same_scores(each.scores(), expected)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_ties_at_every_threshold_are_counted_as_in_the_pure_function(dialect):
    truth = np.zeros((51, 16, 2))
    predicted = truth.copy()
    head_size = np.linspace(3.1, 97.3, 51)
    predicted[..., 0] = (np.array(AUC_THRESHOLDS) * head_size)[:, np.newaxis]
    data = predicted, truth, np.ones((51, 16)), head_size

    curve = updated(PCKh(dialect=dialect), *data).curve()

    for ours, expected in zip(curve, pckh_curve(*data, dialect=dialect), strict=True):
        assert_same_scores(ours, expected)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_nothing_counted_is_nan_and_one_missing_keypoint_is_left_out(dialect):
    truth = np.zeros((1, 16, 2), np.float32)
    metric = PCKh(dialect=dialect)

    updated(metric, truth, truth, np.zeros((1, 16)), np.zeros(1))
    assert np.isnan(metric.result())

    all_but_one = np.arange(16)[np.newaxis] > 0
    updated(metric, truth, truth, all_but_one, np.ones(1))
    assert float(metric.result()) == 100.0
    assert np.isnan(metric.scores().per_keypoint[0])


@pytest.mark.parametrize("other", [{"threshold": 0.1}, {"dialect": "hrnet"}])
def test_different_metrics_refuse_to_merge(other):
    with pytest.raises(ValueError, match="one threshold and dialect can be merged"):
        PCKh().merge_state([PCKh(**other)])


@pytest.mark.parametrize("shape", [(50,), (50, 16)])
def test_weights_of_zero_leave_keypoints_out_and_others_count_once(shape):
    predicted, truth, visibility, head_size = people()
    weight = np.random.default_rng(5).integers(0, 3, shape) * 0.7
    visibility[3] = -1
    # What does not count may be unknown.
    truth[weight == 0] = np.nan
    unknown = (visibility < 1) | (weight.reshape(50, -1) == 0)
    head_size[unknown.all(axis=1)] = -1.0

    metric = PCKh()
    metric.update_state(batch_of(truth, visibility, head_size), predicted, weight)

    assert head_size[3] == -1
    expected = pckh(predicted, truth, visibility, head_size, where=weight > 0)
    assert_same_scores(metric.scores(), expected)


def test_metric_runs_in_a_graph_with_batches_of_unknown_size():
    predicted, *truth = people()
    metric = PCKh()
    examples = batch_of(*truth), predicted

    update = tf.function(metric.update_state)
    for batch in tf.data.Dataset.from_tensor_slices(examples).batch(16):
        update(*batch)

    assert float(metric.result()) == pytest.approx(pckh(predicted, *truth).total)


def test_compiled_model_reports_the_score_of_its_heatmaps():
    heatmaps = gaussians(random_cells((6, 16)))
    weights = np.ones((6, 16), np.float32)
    weights[:2] = 0.0
    wrong = np.concatenate([heatmaps[:2, ::-1], heatmaps[2:]])
    model = tf.keras.Sequential([tf.keras.layers.Identity()])
    model.compile(
        loss=lambda y_true, y_pred: tf.reduce_mean(y_true - y_pred, axis=(1, 2)),
        metrics=[PCKh()],
        weighted_metrics=[PCKh(name="weighted")],
    )

    results = model.evaluate(wrong, heatmaps, sample_weight=weights, return_dict=True)

    assert results["weighted"] == 100.0
    assert 60.0 < results["pckh"] < 100.0


_REPLICAS = """
import numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_visible_devices([], "GPU")
tf.config.set_logical_device_configuration(
    cpu, [tf.config.LogicalDeviceConfiguration()] * 2
)
from mpii_pose.keras.pckh import PCKh
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    metric = PCKh()
truth = np.zeros((8, 16, 2), np.float32)
predicted = truth + np.repeat([0.0, 1.0], [6, 2])[:, None, None].astype(np.float32)
batch = {"keypoints": truth, "visibility": np.ones((8, 16)), "head_size": np.ones(8)}
dataset = tf.data.Dataset.from_tensor_slices((batch, predicted)).batch(4)
@tf.function
def step(inputs):
    strategy.run(metric.update_state, args=inputs)
for inputs in strategy.experimental_distribute_dataset(dataset):
    step(inputs)
assert float(metric.result()) == 75.0, metric.result()
assert metric.scores().num_labelled.tolist() == [8] * 16, metric.scores()
"""


@pytest.mark.slow
def test_replicas_count_together():
    builds.output_of(_REPLICAS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dialect": "coco"}, "dialect must be one of"),
        ({"threshold": -1}, "threshold must be 0 or more"),
        ({"method": "mean"}, "method must be one of"),
        ({"alignment": "none"}, "alignment must be one of"),
    ],
)
def test_wrong_options_are_refused_when_the_metric_is_made(options, message):
    with pytest.raises(ValueError, match=message):
        PCKh(**options)


@pytest.mark.parametrize("shape", [(2, 16), (2, 3, 4, 5, 16)])
def test_predictions_of_other_ranks_are_refused(shape):
    with pytest.raises(ValueError, match=r"takes heatmaps \[batch.*got shape \(2, "):
        PCKh().update_state(np.zeros(shape), np.zeros(shape))


@pytest.mark.parametrize(
    ("name", "shape"),
    [("keypoints", (5, 14, 2)), ("visibility", (5, 14)), ("head_size", (5, 1))],
)
def test_truth_of_other_shapes_is_refused(name, shape):
    predicted, *truth = people(5)
    batch = batch_of(*truth) | {name: np.ones(shape, np.float32)}

    with pytest.raises(ValueError, match=rf"{name} must have shape .* got \(5, 1"):
        PCKh().update_state(batch, predicted)


def crops(spec, count=6, seed=2):
    """Batches as of `PoseTransform` with the heatmaps of a nearly right network."""
    rng = np.random.default_rng(seed)
    height, width = spec.image_size
    keypoints = rng.uniform(0.2, 0.8, (count, 16, 2)) * [width, height]
    keypoints = keypoints.astype(np.float32)
    guesses = keypoints + rng.normal(0, width / 30, keypoints.shape).astype(np.float32)
    maps, _ = encode_heatmaps(guesses, np.full((count, 16), 2), spec=spec)
    side = rng.uniform(100, 900, count).astype(np.float32)
    batch = {
        "image": np.zeros((count, height, width, 3), np.uint8),
        "keypoints": keypoints,
        "visibility": np.ones((count, 16), np.int8),
        "head_size": side / 10,
        "crop_to_image": geometry.crop_to_image_matrix(
            rng.uniform(0, 900, (count, 2)).astype(np.float32),
            side,
            image_size=spec.image_size,
            alignment=geometry.Alignment.named(spec.alignment),
            rotation=side,
        ),
        "heatmap_to_crop": np.stack([spec.heatmap_to_crop] * count),
    }
    return batch, maps


def by_hand(spec, batch, maps):
    """The score of a user who decodes with the right options."""
    in_crop, _ = decode_heatmaps(maps, spec=spec)
    matrix = batch["crop_to_image"]
    return pckh(
        geometry.crop_to_frame(in_crop, matrix),
        geometry.crop_to_frame(batch["keypoints"], matrix),
        batch["visibility"],
        batch["head_size"],
    ).total


SPECS = {
    "256 x 256": CropSpec(),
    "256 x 192": CropSpec(image_size=(256, 192), heatmap_size=(64, 48)),
    "udp": CropSpec(alignment="udp"),
    "legacy": CropSpec(alignment="legacy", image_size=(192, 256)),
    "128 px": CropSpec(image_size=(128, 128)),
    "128 px of 32 cells": CropSpec(image_size=(128, 128), heatmap_size=(32, 32)),
}


@pytest.mark.parametrize("in_graph", [False, True])
@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_heatmaps_lie_where_the_batch_or_the_spec_says(spec, in_graph):
    batch, maps = crops(spec)
    expected = by_hand(spec, batch, maps)
    without = {name: batch[name] for name in batch if name != "heatmap_to_crop"}

    for metric, truth, predicted in (
        (PCKh(), batch, maps),
        (PCKh(spec=spec), without, maps),
        (PCKh(), without, decode_heatmaps(maps, spec=spec)[0]),
    ):
        update = tf.function(metric.update_state) if in_graph else metric.update_state
        update(truth, predicted)

        assert 5.0 < expected < 95.0
        assert float(metric.result()) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    ("left_out", "options", "message"),
    [
        ("heatmap_to_crop", {}, r"pass the spec .* PCKh\(spec=...\), or bat"),
        ("", {"alignment": "udp"}, r"image must have shape \[batch, 256, 256, \."),
        ("", {"spec": SPECS["128 px of 32 cells"]}, r"32, 32, 16\].* \(6, 64, 64"),
        ("", {"image_size": (128, 128), "alignment": "udp"}, "that of the metric"),
    ],
)
def test_batches_without_or_against_the_spec_are_refused(left_out, options, message):
    batch, maps = crops(SPECS["128 px"])
    batch.pop(left_out, None)

    with pytest.raises(ValueError, match=message):
        PCKh(**options).update_state(batch, maps)


@pytest.mark.parametrize("in_graph", [False, True])
@pytest.mark.parametrize("kind", [tuple, list])
@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_distributions_of_x_and_y_are_scored_as_their_keypoints(spec, kind, in_graph):
    batch, maps = crops(spec)
    guesses, _ = decode_heatmaps(maps, spec=spec)
    pair = encode_simcc(guesses, np.full((6, 16), 2), spec=spec)[:2]
    metric, expected = PCKh(spec=spec), PCKh(spec=spec)

    update = tf.function(metric.update_state) if in_graph else metric.update_state
    update(batch, kind(map(tf.constant, pair)))

    expected.update_state(batch, decode_simcc(*pair, spec=spec)[0])
    assert 5.0 < float(expected.result()) < 95.0
    assert_same_scores(metric.scores(), expected.scores())


def test_distributions_without_a_spec_of_theirs_are_refused():
    spec = SPECS["256 x 192"]
    batch, _ = crops(spec)
    x, y = np.ones((6, 16, 384), np.float32), np.ones((6, 16, 512), np.float32)
    for metric, truth, pair, message in (
        (PCKh(), batch, (x, y), r"PCKh\(spec=\.\.\.\), .* got spec None and a dict"),
        (PCKh(spec=spec), (x, y), (x, y), "against a batch of Pose.* and a tuple"),
        (PCKh(spec=spec), batch, (y, x), r"x must have .* 16, 384\].* order is x, y"),
        (PCKh(spec=spec), batch, (x, y[..., 1:]), r"y must have .*, got \(6, 16, 511"),
        (PCKh(image_size=(512, 384), simcc_ratio=1), batch, (x, y), "image must have"),
    ):
        with pytest.raises(ValueError, match=message):
            metric.update_state(truth, pair)


def test_predicted_heatmaps_of_another_size_than_the_true_ones_are_refused():
    batch, maps = crops(CropSpec())
    finer = np.zeros((6, 128, 128, 16), np.float32)

    for truth in (maps, batch | {"heatmaps": maps}):
        with pytest.raises(ValueError, match=r"batch, 64, 64, .* got \(6, 128"):
            PCKh().update_state(truth, finer)


@pytest.mark.parametrize("alignment", geometry.ALIGNMENTS)
@pytest.mark.parametrize("size", [(64, 64), (64, 48), (32, 40)])
def test_heatmaps_of_a_spec_are_scored_as_their_keypoints(alignment, size):
    spec = CropSpec(
        image_size=(4 * size[0], 4 * size[1]), heatmap_size=size, alignment=alignment
    )
    batch, maps = crops(spec)
    visibility = np.ones((6, 16))
    visibility[0, 5] = 0  # Its true map is empty, and not counted.
    true_maps, _ = encode_heatmaps(batch["keypoints"], visibility, spec=spec)
    decoded = [decode_heatmaps(x, spec=spec)[0] for x in (maps, true_maps)]
    head = min(geometry.ALIGNMENTS[alignment].spans(spec.image_size)) / 10

    expected = pckh(*decoded, visibility, np.full(6, head))
    for metric in (PCKh(spec=spec), PCKh()):
        metric.update_state(true_maps, maps)

        # The square of udp spans a cell less than there are: that is in the spec.
        if metric.spec or alignment != "udp":
            assert_same_scores(metric.scores(), expected)


@pytest.mark.parametrize("size", [-1.0, 0.0, np.nan, np.inf])
def test_unknown_head_size_is_refused_by_person_and_left_out_by_xla(size):
    predicted, truth, visibility, head_size = people(5)
    others = np.arange(5) != 3
    wrong = batch_of(truth, visibility, np.where(others, head_size, size))

    with pytest.raises(ValueError, match=r"head_size must be .* person 3 of the batch"):
        PCKh().update_state(wrong, predicted)
    with pytest.raises(tf.errors.InvalidArgumentError, match="head_size must be"):
        tf.function(PCKh().update_state)(wrong, predicted)
    metric = PCKh()
    tf.function(metric.update_state, jit_compile=True)(wrong, predicted)

    expected = pckh(predicted, truth, visibility, head_size, where=others)
    assert_same_scores(metric.scores(), expected)


def test_truth_that_is_not_finite_is_refused_as_in_the_pure_function():
    predicted, truth, visibility, head_size = people(5)
    visibility[1, 2], truth[1, 2] = 1, np.nan

    for score in (pckh, lambda *data: updated(PCKh(), *data)):
        with pytest.raises(ValueError, match=r"truth must be finite .* person 1"):
            score(predicted, truth, visibility, head_size)


@pytest.mark.parametrize("with_crop", [False, True])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int32, np.int64])
def test_keypoints_and_weights_of_any_dtype_are_scored(dtype, with_crop):
    predicted, truth, visibility, head_size = people(30)
    predicted = np.nan_to_num(predicted).astype(dtype)
    truth = truth.round().astype(dtype)
    batch = batch_of(truth, visibility, head_size.astype(np.float64))
    if with_crop:
        batch["crop_to_image"] = np.tile(np.eye(2, 3, dtype=np.float32), (30, 1, 1))

    metric = PCKh()
    metric.update_state(batch, predicted, np.ones(30, dtype))

    assert_same_scores(metric.scores(), pckh(predicted, truth, visibility, head_size))
