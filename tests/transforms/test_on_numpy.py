"""Arrays become what TensorFlow's tensors become, and TensorFlow is not needed."""

import io
import itertools
import sys

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from mpii_pose.checks import MpiiPoseError
from mpii_pose.files import JPEG_END
from mpii_pose.release import release as release_lib
from mpii_pose.transforms import geometry, on_numpy, pose_transform, spec
from mpii_pose.transforms.augmentation import Augmentation
from mpii_pose.transforms.pose_transform import PoseTransform
from tests.transforms import processes, scenes
from tests.transforms.scenes import ALL_CHANGES

# XLA would compile for every size of window.
pytestmark = pytest.mark.usefixtures("_without_xla")
OPTIONS = [
    {"augmentation": ALL_CHANGES},
    {"augmentation": Augmentation.hrnet(), "image_dtype": "uint8"},
    {"antialias": False, "weighting": "visible"},
    {"augmentation": ALL_CHANGES, "image_dtype": "uint8", "weighting": "all"},
    {"augmentation": Augmentation.hourglass(), "image_size": (128, 96)},
    {"image_dtype": "uint8"},
]
# Every alignment with every encoding, and what else there is to choose.
TRANSFORMS = [
    PoseTransform(alignment=alignment, encoding=encoding, seed=1, **options)
    for (alignment, encoding), options in zip(
        itertools.product(geometry.ALIGNMENTS, spec.ENCODINGS), OPTIONS, strict=True
    )
]


def people_of(folder):
    """The labelled people of a release, images as JPEG bytes."""
    release = release_lib.read_sized_people(folder)
    people = [person for split in release.people.values() for person in split]
    return [
        example_of(person, release.image_folder, index)
        for index, person in enumerate(people)
    ]


def example_of(person, folder, index):
    features = ("image_name", "keypoints", "visibility", "center", "scale", "head_size")
    example = {name: getattr(person, name) for name in features}
    data = (folder / person.image_name).read_bytes()
    return {**example, "image": data, "index": index}


def assert_same(transform, example, levels=1.0, drawn_of=dict):
    """Checks that arrays and tensors become the same by one draw, that of the call."""
    draw = transform.draw(drawn_of(example))
    found = transform.apply(example, draw)
    expected = transform.apply(scenes.tensors(example), draw)

    called = transform(drawn_of(example))["crop_to_image"]
    np.testing.assert_allclose(found["crop_to_image"], called, atol=1e-3)
    assert found.keys() == expected.keys()
    for name in found.keys() - {"image"}:
        assert isinstance(found[name], np.ndarray | np.generic)
        np.testing.assert_allclose(
            found[name], expected[name], atol=1e-3, rtol=1e-5, err_msg=name
        )
    levels *= 1.0 if transform.image_dtype == "uint8" else 2 / 255
    difference = np.subtract(found["image"], expected["image"], dtype=float)
    assert np.abs(difference).mean() <= levels


def test_same_draw_gives_what_tensors_give(drawn_release, given):
    people = people_of(drawn_release)[::3]

    for example, transform in zip(people, itertools.cycle(TRANSFORMS)):
        assert_same(transform, example, drawn_of=given)


@pytest.mark.parametrize("form", pose_transform.FORMS)
def test_many_become_what_they_become_one_by_one(drawn_release, form):
    part = np.array([[2, 0, 30], [0, 2, 40]], np.float32)
    people = [person | {"image_to_frame": part} for person in people_of(drawn_release)]
    people[1] |= {"image": scenes.noise(90, 120), "epoch": np.int64(3)}
    transform = PoseTransform(augmentation=ALL_CHANGES, seed=2)
    method = transform if form == "features" else getattr(transform, form)

    found = transform.many(people[:7], form=form)

    tf.nest.map_structure(
        np.testing.assert_array_equal, found, [method(person) for person in people[:7]]
    )


def test_many_without_a_seed_are_drawn_apart():
    people = [scenes.example(scenes.noise(90, 120), scale=0.3)] * 2
    transform = PoseTransform(augmentation=ALL_CHANGES)

    first, second = transform.many(people)
    assert np.abs(first["crop_to_image"] - second["crop_to_image"]).max() > 0.01

    first, second = transform.many([{**person, "draw_seed": 5} for person in people])
    np.testing.assert_array_equal(first["crop_to_image"], second["crop_to_image"])

    draw = transform.draw(people[0])
    expected = transform.apply(people[0], draw)
    for found in transform.many(people, draw=draw):
        np.testing.assert_array_equal(found["image"], expected["image"])
    assert transform.many([]) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": b"", "index": 6}, "are empty: .*drawn_0.jpg index 6"),
        (
            {"image_to_frame": np.eye(2, 3, dtype="f4")},
            "2, of which 1 have no image_to",
        ),
        ({"scale": tf.constant(0.3)}, "many takes examples of arrays"),
    ],
)
def test_many_with_one_that_does_not_fit_is_an_error(change, message):
    example = scenes.example(scenes.noise(90, 120), scale=0.3)

    with pytest.raises(ValueError, match=message):
        PoseTransform().many([example, {**example, **change}])


@pytest.mark.parametrize("mode", ["L", "CMYK"])
@pytest.mark.parametrize("scale", [0.3, 2.0])
def test_grey_and_cmyk_files_give_what_tensors_give(mode, scale):
    example = scenes.example(scenes.noise(90, 120), scale=scale)
    stream = io.BytesIO()
    PIL.Image.fromarray(example["image"]).convert(mode).save(stream, "JPEG", quality=95)

    example["image"] = stream.getvalue()
    levels = 1.0 if scenes.OPENCV_IS_EXACT else 1.1
    assert_same(PoseTransform(image_dtype="uint8"), example, levels)


@pytest.mark.parametrize(
    "kind",
    [
        {},
        {"restart_marker_rows": 1},
        {"exif": b"Exif\0\0" + 50 * b"\xff\xc0"},
        {"progressive": True},
    ],
)
def test_what_lies_below_the_crop_is_not_decoded(kind):
    stream = io.BytesIO()
    PIL.Image.fromarray(scenes.noise(240, 120)).save(stream, "JPEG", **kind)
    data = stream.getvalue()
    broken = data[: len(data) // 2] + bytes(len(data) // 2) + JPEG_END
    example = scenes.example(np.asarray(PIL.Image.open(stream)), center=[60, 40])
    transform = PoseTransform(image_dtype="uint8")

    expected, whole, found = (
        transform({**example, "scale": np.float32(0.3), "image": image})["image"]
        for image in (example["image"], data, broken)
    )

    np.testing.assert_array_equal(whole, expected)
    assert (found == expected).all() == ("progressive" not in kind)


@pytest.mark.parametrize(
    "wrap", [bytearray, memoryview, lambda data: np.array(data, object), np.bytes_]
)
def test_bytes_may_come_in_any_wrapping(wrap):
    example = scenes.encoded(scenes.example(scenes.noise(90, 120), scale=0.3))

    found = PoseTransform()({**example, "image": wrap(example["image"])})

    np.testing.assert_array_equal(found["image"], PoseTransform()(example)["image"])


@pytest.mark.parametrize("image_dtype", ["float32", "uint8"])
def test_nothing_of_an_example_is_changed_or_shared(image_dtype):
    example = scenes.example(scenes.noise(90, 120), scale=0.3)
    before = {name: np.copy(value) for name, value in example.items()}

    found = PoseTransform(image_dtype=image_dtype)(example)

    for name in ("image", "keypoints", "visibility"):
        found[name][...] = 0  # Can be written to, as PyTorch wants.
    for name, value in example.items():
        np.testing.assert_array_equal(value, before[name])


def damaged(example, kind):
    data = bytearray(example["image"])
    if kind == "header cut":
        data = data[:30] + JPEG_END
    elif kind == "no table":
        at = data.index(b"\xff\xc4")  # The first of the tables for the bits to come.
        data[at + 5 : at + 21] = b"\xff" * 16
    elif kind == "other size":
        at = data.index(b"\xff\xc0")
        data[at + 5 : at + 9] = b"\x00\x00\x00\x00"
    elif kind == "zeros":
        data[30:-2] = bytes(len(data) - 32)
    return {**example, "image": bytes(data)}


@pytest.mark.parametrize("scale", [0.3, 3.0])
@pytest.mark.parametrize("kind", ["header cut", "no table", "other size", "zeros"])
def test_damaged_file_names_image_and_index(kind, scale):
    image = scenes.noise(90, 120)
    example = scenes.encoded(scenes.example(image, scale=scale, index=7))

    with pytest.raises(
        MpiiPoseError, match=r"cannot be decoded.* drawn_7\.jpg index 7"
    ):
        PoseTransform()(damaged(example, kind))


def test_giant_file_names_image_and_index(monkeypatch):
    monkeypatch.setattr(on_numpy, "MAX_PIXELS", 1000)
    example = scenes.encoded(scenes.example(scenes.noise(90, 120), index=7))

    with pytest.raises(MpiiPoseError, match=r"120 x 90 px .*drawn_7.jpg index 7"):
        PoseTransform()(example)


def test_without_opencv_the_message_has_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    on_numpy._opencv.cache_clear()

    with pytest.raises(ImportError, match="pip install opencv-python-headless"):
        PoseTransform()(scenes.example(scenes.noise(90, 120)))


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_forks_without_a_seed_draw_differently():
    example = scenes.encoded(scenes.example(scenes.noise(20, 30)))
    transform = PoseTransform(augmentation=ALL_CHANGES)

    def raise_rotation():
        raise ValueError(float(transform.draw(example).rotation))

    rotations = {processes.in_fork(raise_rotation) for _ in range(3)}

    assert len(rotations) == 3
    assert all(text.startswith("ValueError: ") for text in rotations), rotations
