import copy
import dataclasses
import functools
import multiprocessing
import pickle

import numpy as np
import pytest
import tensorflow as tf

from mpii_pose.transforms import augmentation, geometry, on_tensorflow
from mpii_pose.transforms.augmentation import Augmentation
from mpii_pose.transforms.heatmaps import encode_heatmaps
from mpii_pose.transforms.pose_transform import TARGETS, PoseTransform
from mpii_pose.transforms.simcc import encode_simcc
from mpii_pose.transforms.spec import CropSpec
from tests.transforms import processes, scenes
from tests.transforms.scenes import ALL_CHANGES, LEFT_WRIST, RIGHT_WRIST, tensors

DRAWS = {
    "as it is": {},
    "rotated": {"rotation": 0.6},
    "scaled": {"scale": 0.8},
    "flipped": {"flip": True},
    "all": {"rotation": -0.9, "scale": 1.2, "flip": True, "translation": [0.05, -0.1]},
}


def drawn(changes):
    """The draw that makes the named changes and no others."""
    neutral = augmentation.no_change()
    return neutral._replace(
        **{
            name: np.asarray(value, getattr(neutral, name).dtype)
            for name, value in changes.items()
        }
    )


def with_dots(scale):
    """An example whose left wrist is a dot of red, whose right wrist one of blue."""
    height, width = 480, 640
    side = 250 * scale
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    keypoints = np.full((16, 2), -1, np.float32)
    keypoints[LEFT_WRIST] = middle + side * np.array([0.171, 0.052])
    keypoints[RIGHT_WRIST] = middle - side * np.array([0.133, 0.097])
    levels = np.zeros((height, width, 3))
    for channel, keypoint in ((0, LEFT_WRIST), (2, RIGHT_WRIST)):
        dot = scenes.dot((height, width), keypoints[keypoint], side / 60)
        levels[..., channel] = 150 * dot
    image = np.round(levels).astype(np.uint8)
    return scenes.example(image, keypoints=keypoints, scale=scale)


def dataset_of(examples):
    def generate():
        yield from examples

    spec = tf.nest.map_structure(tf.type_spec_from_value, tensors(examples[0]))
    return tf.data.Dataset.from_generator(generate, output_signature=spec)


def people(count=6):
    images = [scenes.noise(90, 120, seed=number) for number in range(count)]
    examples = [scenes.example(x, scale=0.3, index=i) for i, x in enumerate(images)]
    return [scenes.encoded(example) for example in examples]


@pytest.mark.parametrize(
    ("alignment", "scale"), [("half_pixel", 0.8), ("udp", 1.5), ("legacy", 3.0)]
)
@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
@pytest.mark.parametrize("kind", ["pixels", "JPEG"])
def test_drawn_dot_stays_on_its_keypoint(given, alignment, draw, scale, kind):
    example = with_dots(scale)
    example = scenes.encoded(example) if kind == "JPEG" else example
    transform = PoseTransform(image_size=(128, 128), alignment=alignment)

    found = transform.apply(given(example), drawn(draw))

    levels = np.asarray(found["image"]) + 1
    red, blue = (scenes.centroid(levels[..., channel]) for channel in (0, 2))
    # In the mirrored image, what was the left wrist is the right one.
    wrists = [LEFT_WRIST, RIGHT_WRIST]
    order = wrists[::-1] if "flip" in draw else wrists
    in_crop = np.asarray(found["keypoints"])[order]
    np.testing.assert_allclose([red, blue], in_crop, rtol=0, atol=0.05)
    back = geometry.apply_affine(np.asarray(found["crop_to_image"]), [red, blue])
    reach = 0.05 * max(1, 250 * scale / 128)
    np.testing.assert_allclose(back, example["keypoints"][wrists], rtol=0, atol=reach)


def test_without_xla_a_map_function_works_though_it_asks_in_its_trace(monkeypatch):
    function = tf.function

    def without_xla(python_function=None, *, jit_compile=None, **options):
        """As where XLA is missing: a function can be traced, but not be run."""

        def failing(x):
            with tf.control_dependencies([tf.debugging.Assert(x > 9, ["no XLA"])]):
                return python_function(x)

        return function(failing if jit_compile else python_function, **options)

    monkeypatch.setattr(tf, "function", without_xla)
    asked_anew = functools.cache(on_tensorflow.xla_works.__wrapped__)
    monkeypatch.setattr(on_tensorflow, "xla_works", asked_anew)

    (found,) = dataset_of(people(1)).map(PoseTransform(image_size=(31, 33)))

    assert not on_tensorflow.xla_works()
    assert found["image"].shape == (31, 33, 3)


def test_example_becomes_what_is_documented(given):
    found = PoseTransform()(given(people(1)[0]))

    kind = np.ndarray | np.generic if given is dict else tf.Tensor
    assert all(isinstance(value, kind) for value in found.values())
    shapes = {name: (value.dtype.name, value.shape) for name, value in found.items()}
    assert shapes == {
        "image": ("float32", (256, 256, 3)),
        "heatmaps": ("float32", (64, 64, 16)),
        "weights": ("float32", (16,)),
        "heatmap_to_crop": ("float32", (2, 3)),
        "keypoints": ("float32", (16, 2)),
        "visibility": ("int8", (16,)),
        "crop_to_image": ("float32", (2, 3)),
        "head_size": ("float32", ()),
        "index": ("int64", ()),
    }
    assert -1 <= np.min(found["image"]) < -0.5
    assert 0.5 < np.max(found["image"]) <= 1


@pytest.mark.parametrize("targets", TARGETS)
def test_shapes_are_static_inside_tf_data(targets):
    transform = PoseTransform(image_dtype="uint8", targets=targets)
    dataset = dataset_of(people(1)).map(transform)

    specs = dataset.element_spec
    assert all(spec.shape.is_fully_defined() for spec in specs.values())
    assert specs["image"].dtype == tf.uint8


def test_antialiasing_averages_what_plain_interpolation_skips(given):
    image = np.zeros((400, 400, 3), np.uint8)
    image[::2] = 200  # interpolation sees stripes of any level; the mean is 100
    example = scenes.example(image, scale=1.6)

    found = PoseTransform(image_size=(50, 50), image_dtype="uint8")(given(example))

    np.testing.assert_allclose(found["image"], 100, atol=1)


def test_heatmaps_are_those_of_the_keypoints_in_the_crop(given):
    options = {"sigma": 1.5, "alignment": "udp", "encoding": "msra"}
    sizes = {"image_size": (96, 64), "heatmap_size": (33, 20)}

    found = PoseTransform(**options, **sizes, augmentation=ALL_CHANGES, seed=1)(
        given(people(1)[0])
    )

    heatmaps, weights = encode_heatmaps(
        found["keypoints"], found["visibility"], **options, **sizes
    )
    np.testing.assert_allclose(found["heatmaps"], heatmaps, atol=1e-5)
    np.testing.assert_array_equal(found["weights"], weights)
    matrix = CropSpec(**options, **sizes).heatmap_to_crop
    np.testing.assert_allclose(found["heatmap_to_crop"], matrix)


@pytest.mark.parametrize("heatmap_size", [(64, 64), None])
def test_simcc_takes_the_place_of_heatmaps(given, heatmap_size):
    spec = CropSpec(image_size=(96, 64), alignment="udp", heatmap_size=heatmap_size)
    transform = PoseTransform(spec, augmentation=ALL_CHANGES, seed=1, targets="simcc")

    found = transform(given(people(1)[0]))

    assert not {"heatmaps", "heatmap_to_crop"} & set(found)
    pose = found["keypoints"], found["visibility"]
    for name, expected in zip(
        ("simcc_x", "simcc_y", "weights"), encode_simcc(*pose, spec=spec), strict=True
    ):
        np.testing.assert_allclose(found[name], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("targets", "names"), [("heatmaps", "heatmaps"), ("simcc", ("simcc_x", "simcc_y"))]
)
def test_supervised_gives_what_keras_takes(given, targets, names):
    transform = PoseTransform(targets=targets)
    example = given(people(1)[0])

    found = transform.supervised(example)

    features = transform(example)
    tf.nest.map_structure(
        lambda value, name: np.testing.assert_array_equal(value, features[name]),
        found,
        ("image", names, "weights"),
    )


def test_heatmaps_can_be_left_to_the_model(given):
    transform = PoseTransform(heatmap_size=None)

    assert not {"heatmaps", "weights"} & set(transform(given(people(1)[0])))
    with pytest.raises(ValueError, match="supervised needs a heatmap_size"):
        transform.supervised(given(people(1)[0]))


@pytest.mark.parametrize("augmentation", [None, Augmentation(channel_gain=0.5)])
def test_colors_change_as_drawn_whatever_the_augmentation(given, augmentation):
    example = scenes.example(np.full((50, 50, 3), 100, np.uint8), scale=0.1)
    draw = drawn({"gain": [1.0, 2.0, 3.0], "shift": [-20.0, 0.0, 0.0]})
    transform = PoseTransform(image_dtype="uint8", augmentation=augmentation)

    found = transform.apply(given(example), draw)

    np.testing.assert_array_equal(found["image"][128, 128], [80, 200, 255])


def test_same_seed_gives_the_same_bytes_whatever_the_parallelism_and_order():
    transform = PoseTransform(augmentation=ALL_CHANGES, seed=5)

    def run(examples, parallel):
        dataset = dataset_of(examples).map(
            transform,
            num_parallel_calls=parallel,
            deterministic=False if parallel else None,
        )
        return {int(found["index"]): found for found in dataset}

    alone = run(people(), None)
    shuffled = run(people()[::-1], 4)

    for index, features in alone.items():
        for name, value in features.items():
            assert np.array_equal(value, shuffled[index][name]), name


@pytest.mark.usefixtures("_without_xla")
def test_epochs_and_seeds_differ_and_no_seed_draws_anew(given):
    example = people(1)[0]

    def matrix(seed, **features):
        transform = PoseTransform(augmentation=ALL_CHANGES, seed=seed)
        return transform(given({**example, **features}))["crop_to_image"]

    assert np.array_equal(matrix(1), matrix(1))
    assert np.array_equal(matrix(1), matrix(1, epoch=np.int64(0)))
    assert not np.array_equal(matrix(1), matrix(1, epoch=np.int64(1)))
    assert not np.array_equal(matrix(1), matrix(2))
    assert not np.array_equal(matrix(None), matrix(None))
    for seed in (np.int64(1), np.uint8(1)):
        assert np.array_equal(matrix(seed), matrix(1))
    with pytest.raises(TypeError, match="integer"):
        matrix(1.5)


def test_images_of_several_sizes_make_tensorflow_warn_of_nothing(caplog):
    transform = PoseTransform(image_size=(23, 29), heatmap_size=None, antialias=False)
    for side in range(200, 1400, 150):
        image = np.zeros((side, side, 3), np.uint8)
        transform(tensors(scenes.example(image, scale=side / 200)))

    assert "retracing" not in caplog.text


@pytest.mark.parametrize("labels", [0, 1])
def test_nobody_or_one_keypoint_labelled(given, labels):
    keypoints = np.full((16, 2), -1, np.float32)
    keypoints[:labels] = 50.0
    example = scenes.example(scenes.noise(90, 120), keypoints=keypoints, scale=0.3)

    found = PoseTransform(augmentation=ALL_CHANGES, seed=3)(given(example))

    assert np.sum(found["weights"]) <= labels
    missing = np.equal(found["visibility"], 0)
    assert missing.sum() == 16 - labels
    np.testing.assert_array_equal(np.asarray(found["keypoints"])[missing], -1)
    np.testing.assert_array_equal(np.asarray(found["heatmaps"])[..., missing], 0)


@pytest.mark.parametrize("width", [100, 30_000])
def test_crop_is_read_where_the_person_is_and_black_outside(given, width):
    """The image is white in its right half."""
    image = np.zeros((100, width, 3), np.uint8)
    image[:, width // 2 :] = 255
    example = scenes.example(
        image, center=[width / 2 - 0.5, 49.5 - 15 * 0.5], scale=0.5
    )

    found = PoseTransform(image_size=(125, 125), image_dtype="uint8")(
        given(scenes.encoded(example))
    )

    crop = np.asarray(found["image"])
    np.testing.assert_array_equal(crop[:, :62], 0)
    np.testing.assert_array_equal(crop[[0, -1]], 0)
    height = slice(13, -13)  # 125 px of 125 show 125 px, 12.5 of them above the image.
    last = 62 + min(width // 2, 62)
    np.testing.assert_array_equal(crop[height, 63:last], 255)


@pytest.mark.parametrize("kind", ["pixels", "JPEG"])
@pytest.mark.parametrize("scale", [0.001, 1.0, 50.0, 1000.0])
def test_image_of_one_pixel(given, kind, scale):
    example = scenes.example(np.full((1, 1, 3), 200, np.uint8), scale=scale)
    example = scenes.encoded(example) if kind == "JPEG" else example

    found = PoseTransform(augmentation=ALL_CHANGES, seed=0)(given(example))

    for name in ("image", "heatmaps", "keypoints", "crop_to_image"):
        assert np.isfinite(found[name]).all(), name


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alignment": "center"}, "half_pixel, udp, legacy, got 'center'"),
        ({"targets": "simdr"}, "targets must be one of heatmaps, simcc, got 'simdr'"),
        ({"targets": "simcc", "simcc_ratio": 1.001}, "must be whole numbers of bins"),
        ({"image_dtype": "float16"}, "float32, uint8, got 'float16'"),
        ({"augmentation": "hrnet"}, r"such as Augmentation.hrnet\(\), got 'hrnet'"),
    ],
)
def test_wrong_option_is_refused_when_the_transform_is_made(options, message):
    with pytest.raises(ValueError, match=message):
        PoseTransform(**options)


SPEC = CropSpec(image_size=(96, 64), heatmap_size=(24, 16), sigma=1.5)
SMALL = {"image_size": (96, 64), "heatmap_size": [24, 16], "sigma": 1.5}


@pytest.mark.parametrize(
    "transform",
    [
        PoseTransform(SPEC),
        PoseTransform(spec=SPEC),
        PoseTransform(**SMALL),
        PoseTransform(SPEC, **SMALL),
        PoseTransform(CropSpec(image_size=(96, 64)), heatmap_size=(24, 16), sigma=1.5),
        dataclasses.replace(PoseTransform(sigma=1.5), spec=SPEC),
        dataclasses.replace(PoseTransform(SPEC, sigma=3.0), sigma=1.5),
        dataclasses.replace(
            PoseTransform(SPEC, augmentation=ALL_CHANGES), augmentation=None
        ),
    ],
)
def test_spec_and_its_fields_make_equal_transforms(transform):
    expected = PoseTransform(SPEC)

    assert transform == expected
    assert hash(transform) == hash(expected)
    assert repr(transform) == repr(expected)
    assert transform.image_size == transform.spec.image_size == (96, 64)
    assert transform.heatmap_size == (24, 16)


def test_other_options_make_another_transform():
    transform = PoseTransform(augmentation=Augmentation.hrnet(), seed=1)

    assert dataclasses.replace(transform, seed=2) != transform
    assert dataclasses.replace(transform, sigma=3.0) != transform
    with pytest.raises(TypeError, match="sigmas"):
        PoseTransform(sigmas=3.0)
    with pytest.raises(AttributeError, match="PoseTransform has no attribute 'sigmas'"):
        _ = transform.sigmas
    with pytest.raises(dataclasses.FrozenInstanceError):
        transform.seed = 2


@pytest.mark.parametrize(
    "duplicate",
    [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))],
    ids=["copy", "deepcopy", "pickle"],
)
def test_used_transform_can_be_copied(given, duplicate):
    transform = PoseTransform(SPEC, augmentation=ALL_CHANGES, seed=1)
    example = given(people(1)[0])
    found = transform(example)

    again = duplicate(transform)

    assert again == transform
    for name, value in again(example).items():
        np.testing.assert_array_equal(value, found[name])


@pytest.mark.slow
@pytest.mark.parametrize("start", ["spawn", "fork", "forkserver"])
def test_numpy_gives_the_same_bytes_in_every_process(start):
    transform = PoseTransform(SPEC, augmentation=ALL_CHANGES, seed=1)
    arguments = [(transform, {**example, "epoch": 3}) for example in people(4)]
    found = [processes.bytes_of(*each) for each in arguments]

    for workers in (1, 2):
        with multiprocessing.get_context(start).Pool(workers) as pool:
            again = pool.starmap(processes.bytes_of, arguments)

        assert again == found


def test_transforms_that_compute_the_same_share_what_is_compiled(monkeypatch):
    traced = []
    monkeypatch.setattr(
        "mpii_pose.transforms.on_tensorflow.warp",
        lambda window, size, _: traced.append(1) or tf.zeros([*size, 3], tf.float32),
    )
    example = tensors(people(1)[0])
    sizes = {"image_size": (17, 19), "heatmap_size": (5, 4)}

    for seed in range(3):
        PoseTransform(**sizes, augmentation=Augmentation.hrnet(), seed=seed)(example)

    assert len(traced) == 1


def test_stored_part_of_a_frame_gives_results_in_pixels_of_the_frame(given):
    stored = scenes.example(scenes.noise(90, 120), scale=0.3)
    ratio, corner = 0.4, [35.0, 12.5]
    image_to_frame = np.array(
        [[1 / ratio, 0, corner[0]], [0, 1 / ratio, corner[1]]], np.float32
    )
    transform = PoseTransform(augmentation=ALL_CHANGES, seed=3, heatmap_size=None)

    alone = transform(given(stored))
    found = transform(given({**stored, "image_to_frame": image_to_frame}))

    np.testing.assert_array_equal(found["image"], alone["image"])
    np.testing.assert_array_equal(found["keypoints"], alone["keypoints"])
    np.testing.assert_allclose(found["head_size"], alone["head_size"] / ratio, 1e-6)
    corners = np.array([[0, 0], [255, 0], [255, 255]], np.float32)
    in_image = geometry.apply_affine(np.asarray(alone["crop_to_image"]), corners)
    np.testing.assert_allclose(
        geometry.apply_affine(np.asarray(found["crop_to_image"]), corners),
        in_image / ratio + corner,
        atol=1e-3,
    )
