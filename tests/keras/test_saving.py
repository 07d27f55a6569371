"""Models with our layer, loss and metric are saved, loaded, cloned; on each backend."""

import importlib.util

import keras
import numpy as np
import pytest

import mpii_pose
from tests import builds
from tests.keras import programs

_PROGRAM = """
import sys
import keras
import numpy as np
import mpii_pose.keras
from mpii_pose.evaluation.pckh import DIALECTS
from tests.keras import programs

to_numpy = keras.ops.convert_to_numpy
keypoints, visibility = programs.people()
model = keras.models.load_model(sys.argv[2])
saved = np.load(sys.argv[3])
found = to_numpy(model([keypoints, visibility]))
np.testing.assert_allclose(found, saved, atol=1e-5)
assert isinstance(model.loss, mpii_pose.HeatmapLoss)
layer = next(x for x in model.layers if isinstance(x, mpii_pose.HeatmapEncoder))
assert layer.spec == programs.SPEC, layer.spec
result = model.evaluate([keypoints, visibility], saved, verbose=0, return_dict=True)
assert result["pckh"] == 100, result
maps, weights = mpii_pose.HeatmapEncoder(spec=programs.SPEC)(keypoints, visibility)
expected = mpii_pose.encode_heatmaps(keypoints, visibility, spec=programs.SPEC)
np.testing.assert_allclose(to_numpy(maps), expected[0], atol=1e-6)
np.testing.assert_array_equal(to_numpy(weights), expected[1])
metric = mpii_pose.PCKh(spec=programs.SPEC, threshold=0.05)
truth = {"keypoints": keypoints, "visibility": visibility, "head_size": np.ones(4)}
metric.update_state(truth, maps)
assert float(metric.result()) == 100
model = keras.Sequential([keras.layers.Conv2D(16, 1)])
model.compile("adam", mpii_pose.HeatmapLoss(), metrics=[metric])
images, (truths, weights) = np.ones((4, 16, 12, 3)), expected
model.fit(images, truths, sample_weight=weights, verbose=0)
random = np.random.default_rng(1)
places = random.integers(0, 500, (50, 16, 2)).astype(np.float32)
shifts = random.choice([[3, 4], [4, 3], [2, 2], [6, 8], [0, 0]], (50, 16))
people = places + shifts.astype(np.float32), places, np.ones((50, 16))
sizes = np.full(50, 10, np.float32)  # [3, 4] is an error of 0.5 exactly.
for dialect in DIALECTS:
    for threshold in (0.5, 0.1, 0.3):
        options = {"threshold": threshold, "dialect": dialect}
        counted = mpii_pose.PCKh(**options)
        counted.update_state(
            {"keypoints": places, "visibility": people[2], "head_size": sizes},
            people[0],
        )
        plain = mpii_pose.pckh(*people, sizes, **options)
        np.testing.assert_array_equal(
            counted.scores().per_keypoint, plain.per_keypoint, err_msg=str(options)
        )
pair = mpii_pose.encode_simcc(keypoints, visibility, spec=programs.SPEC)
x, y = map(keras.ops.convert_to_tensor, pair[:2])
metric.reset_state()
metric.update_state(truth | {"head_size": np.full(4, 10)}, (x, y))
assert float(metric.result()) == 100  # Bins of half a pixel.
simcc = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(16 * 48),
                          keras.layers.Reshape((16, 48))])
simcc.compile("adam", mpii_pose.SimCCLoss(beta=3))
simcc.fit(images, to_numpy(x), sample_weight=pair[2], verbose=0)
simcc.save(sys.argv[1])
assert keras.models.load_model(sys.argv[1]).loss.beta == 3
model.save(sys.argv[1])
again = keras.models.load_model(sys.argv[1])
np.testing.assert_allclose(
    *(to_numpy(m(images)) for m in (again, model)), atol=1e-5
)
assert isinstance(again.loss, mpii_pose.HeatmapLoss)
try:
    metric.update_state(truth | {"head_size": -np.ones(4)}, maps)
except ValueError as error:
    print(keras.backend.backend(), error)
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A model compiled with our layer, loss and metric, on disk, and its maps."""
    folder = tmp_path_factory.mktemp("saved")
    inputs = [keras.Input((16, 2)), keras.Input((16,), dtype="int8")]
    maps, _ = mpii_pose.HeatmapEncoder(spec=programs.SPEC)(*inputs)
    model = keras.Model(inputs, maps)
    metric = mpii_pose.PCKh(spec=programs.SPEC)
    model.compile(loss=mpii_pose.HeatmapLoss(), metrics=[metric])
    model.save(folder / "model.keras")
    np.save(folder / "maps.npy", model(list(programs.people())))
    return folder


def test_saved_model_is_loaded(saved):
    model = keras.models.load_model(saved / "model.keras")

    found = model(list(programs.people()))
    np.testing.assert_allclose(found, np.load(saved / "maps.npy"), atol=1e-5)
    assert isinstance(model.loss, mpii_pose.HeatmapLoss)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_layer_loss_and_metric_run_on_every_backend(backend, saved, tmp_path):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"needs {backend}")
    paths = tmp_path / "model.keras", saved / "model.keras", saved / "maps.npy"

    printed = builds.output_of(_PROGRAM, *paths, KERAS_BACKEND=backend)

    assert printed.startswith(f"{backend} head_size must be a positive number")
    assert "person 0 of the batch has -1.0" in printed


@pytest.mark.parametrize(
    "thing",
    [
        mpii_pose.HeatmapEncoder(spec=programs.SPEC, name="targets"),
        mpii_pose.HeatmapEncoder(sigma=1.5, alignment="udp"),
        mpii_pose.HeatmapLoss(name="squared"),
        mpii_pose.SimCCLoss(beta=5.0, reduction="sum"),
        mpii_pose.PCKh(spec=programs.SPEC, threshold=0.2, dialect="hrnet"),
        mpii_pose.PCKh(image_size=(128, 96), method="argmax", name="mine"),
        mpii_pose.PCKh(),
    ],
)
def test_config_makes_the_same_again(thing):
    config = keras.saving.serialize_keras_object(thing)

    again = keras.saving.deserialize_keras_object(config)

    assert type(again) is type(thing)
    assert again.get_config() == thing.get_config()
    assert getattr(again, "spec", None) == getattr(thing, "spec", None)
