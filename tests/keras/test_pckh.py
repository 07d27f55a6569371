import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from mpii_pose.evaluation.pckh import AUC_THRESHOLDS, pckh, pckh_curve
from mpii_pose.evaluation.scores import DIALECTS
from mpii_pose.keras.pckh import PCKh
from mpii_pose.transforms import geometry
from mpii_pose.transforms.augmentation import Augmentation
from mpii_pose.transforms.pose_transform import PoseTransform
from tests.transforms import scenes
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


@pytest.mark.parametrize("threshold", [0.5, 0.2])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_metric_equals_the_pure_function_however_the_data_is_cut(dialect, threshold):
    inputs = people()
    metric = PCKh(threshold=threshold, dialect=dialect)

    updated(metric, *inputs, slices=[slice(0, 7), slice(7, 8), slice(8, 50)])

    expected = pckh(*inputs, threshold=threshold, dialect=dialect)
    scores = metric.scores()
    assert float(metric.result()) == pytest.approx(expected.total)
    assert scores.total == pytest.approx(expected.total)
    assert scores.groups == pytest.approx(expected.groups)
    assert (scores.threshold, scores.dialect) == (threshold, dialect)
    np.testing.assert_array_equal(scores.per_keypoint, expected.per_keypoint)
    np.testing.assert_array_equal(scores.num_labelled, expected.num_labelled)


def test_curve_equals_the_pure_function():
    inputs = people()

    curve = updated(PCKh(), *inputs).curve()

    assert [scores.threshold for scores in curve] == list(AUC_THRESHOLDS)
    for ours, expected in zip(curve, pckh_curve(*inputs), strict=True):
        np.testing.assert_array_equal(ours.per_keypoint, expected.per_keypoint)


@pytest.mark.parametrize(("dialect", "score"), [("official", 100), ("mmpose", 0)])
def test_errors_at_the_threshold_are_counted_as_the_dialect_says(dialect, score):
    truth = np.random.default_rng(1).integers(0, 500, (1, 16, 2)).astype(np.float32)
    predicted = truth + np.float32([3.0, 4.0])

    metric = updated(
        PCKh(dialect=dialect), predicted, truth, np.ones((1, 16)), np.array([10.0])
    )

    assert float(metric.result()) == score


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


def test_merged_metrics_equal_one_that_saw_everything():
    inputs = people()
    halves = [
        updated(PCKh(), *inputs, slices=[part])
        for part in (slice(0, 20), slice(20, 50))
    ]

    merged = PCKh()
    merged.merge_state(halves)

    whole = updated(PCKh(), *inputs).scores()
    np.testing.assert_array_equal(merged.scores().per_keypoint, whole.per_keypoint)
    np.testing.assert_array_equal(merged.scores().num_labelled, whole.num_labelled)


@pytest.mark.parametrize("other", [{"threshold": 0.1}, {"dialect": "hrnet"}])
def test_different_metrics_refuse_to_merge(other):
    with pytest.raises(ValueError, match="one threshold and dialect can be merged"):
        PCKh().merge_state([PCKh(**other)])


def test_reset_forgets():
    inputs = people()
    metric = updated(PCKh(), *people(seed=3))

    metric.reset_state()
    updated(metric, *inputs)

    assert float(metric.result()) == pytest.approx(pckh(*inputs).total)


def test_crop_pixels_are_taken_to_the_image():
    predicted, truth, visibility, head_size = people()
    random = np.random.default_rng(4)
    crop_to_image = geometry.crop_to_image_matrix(
        tf.constant(random.uniform(0, 500, (50, 2)), tf.float32),
        tf.constant(random.uniform(50, 900, 50), tf.float32),
        image_size=(256, 256),
        alignment=geometry.ALIGNMENTS["half_pixel"],
        rotation=tf.constant(random.uniform(-1, 1, 50), tf.float32),
    )
    image_to_crop = geometry.invert_affine(crop_to_image)
    batch = batch_of(
        geometry.apply_affine(image_to_crop, truth), visibility, head_size
    ) | {"crop_to_image": crop_to_image}

    metric = PCKh()
    metric.update_state(batch, geometry.apply_affine(image_to_crop, predicted))

    expected = pckh(predicted, truth, visibility, head_size)
    np.testing.assert_allclose(metric.scores().per_keypoint, expected.per_keypoint)


def test_predicted_heatmaps_are_decoded():
    cells = random_cells((6, 16))
    half_pixel = geometry.ALIGNMENTS["half_pixel"]
    truth = half_pixel.heatmap_to_crop(
        cells, image_size=(128, 128), heatmap_size=(64, 64)
    )
    metric = PCKh(image_size=(128, 128), threshold=0.05)

    metric.update_state(batch_of(truth, np.ones((6, 16)), np.ones(6)), gaussians(cells))

    assert float(metric.result()) == 100.0


@pytest.mark.parametrize("alignment", geometry.ALIGNMENTS)
def test_true_heatmaps_of_turned_scaled_and_flipped_crops_are_right(alignment):
    examples = [
        scenes.example(scenes.noise(200, 300), scale=scale, index=index)
        for index, scale in enumerate([1.0, 1.5, 2.0, 1.2])
    ]
    transform = PoseTransform(
        augmentation=Augmentation.hrnet(),
        image_size=(128, 96),
        heatmap_size=(64, 48),
        alignment=alignment,
        seed=3,
    )
    crops = [transform(example) for example in examples]
    batch = {name: tf.stack([crop[name] for crop in crops]) for name in crops[0]}
    inside = batch["weights"] > 0

    metric = PCKh(threshold=0.02, image_size=(128, 96), alignment=alignment)
    metric.update_state(batch, batch["heatmaps"], inside)

    assert metric.scores().num_labelled.sum() > 50
    assert float(metric.result()) == 100.0


@pytest.mark.parametrize("alignment", geometry.ALIGNMENTS)
@pytest.mark.parametrize(("move", "score"), [(3.1, 100.0), (3.3, 0.0)])
def test_heatmaps_are_compared_by_a_head_of_a_tenth_of_their_side(
    alignment, move, score
):
    cells = random_cells((4, 16), margin=12.0)
    moved = cells + np.float32([0.0, move])  # half a head is 3.2 of 64 cells

    metric = PCKh(alignment=alignment)
    metric.update_state(gaussians(cells), gaussians(moved))

    assert float(metric.result()) == score


def test_empty_true_heatmaps_are_not_counted():
    cells = random_cells((4, 16))
    truth = gaussians(cells)
    truth[0, ..., 5] = 0.0

    metric = PCKh()
    metric.update_state(truth, gaussians(cells))

    assert metric.scores().num_labelled.tolist() == [4] * 5 + [3] + [4] * 10


@pytest.mark.parametrize("shape", [(50,), (50, 16)])
def test_weights_of_zero_leave_keypoints_out_and_others_count_once(shape):
    predicted, truth, visibility, head_size = people()
    weight = np.random.default_rng(5).integers(0, 3, shape) * 0.7

    metric = PCKh()
    metric.update_state(batch_of(truth, visibility, head_size), predicted, weight)

    expected = pckh(predicted, truth, visibility, head_size, where=weight > 0)
    np.testing.assert_array_equal(metric.scores().per_keypoint, expected.per_keypoint)
    np.testing.assert_array_equal(metric.scores().num_labelled, expected.num_labelled)


def test_metric_runs_in_a_graph_with_batches_of_unknown_size():
    predicted, *truth = people()
    metric = PCKh()
    names = ("keypoints", "visibility", "head_size")
    dataset = tf.data.Dataset.from_tensor_slices(
        (dict(zip(names, truth, strict=True)), predicted)
    ).batch(16)

    update = tf.function(metric.update_state)
    for batch, predictions in dataset:
        update(batch, predictions)

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


def test_metric_is_saved_with_its_options_and_without_its_counts():
    metric = updated(
        PCKh(threshold=0.2, dialect="hrnet", image_size=(128, 96), name="mine"),
        *people(),
    )

    config = tf.keras.metrics.serialize(metric)
    restored = tf.keras.metrics.deserialize(config)

    assert restored.get_config() == metric.get_config()
    assert isinstance(restored, PCKh)
    assert np.isnan(restored.result())


def test_replicas_count_together():
    code = """
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

    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )

    assert ended.returncode == 0, ended.stderr


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
    with pytest.raises(ValueError, match=r"takes heatmaps \[batch"):
        PCKh().update_state(np.zeros(shape), np.zeros(shape))


@pytest.mark.parametrize(
    ("name", "shape"),
    [("keypoints", (5, 14, 2)), ("visibility", (5, 14)), ("head_size", (5, 1))],
)
def test_truth_of_other_shapes_is_refused(name, shape):
    predicted, *truth = people(5)
    batch = batch_of(*truth)
    batch[name] = np.ones(shape, np.float32)

    with pytest.raises((ValueError, tf.errors.InvalidArgumentError), match=r"[Ss]hape"):
        PCKh().update_state(batch, predicted)
