"""What the map functions need of an example, checked before anything is computed."""

import numbers
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mpii_pose import skeleton as skeleton_lib
from mpii_pose.skeleton import Skeleton
from mpii_pose.transforms import geometry
from mpii_pose.transforms.arrays import dtype_name, namespace
from mpii_pose.transforms.libraries import library_of

Features = Mapping[str, Any]

# Feature: its shape and dtype; K is the number of keypoints. For `image` see
# `_check_image`.
SPECS: dict[str, tuple[tuple[int | str, ...], str]] = {
    "image_name": ((), "string"),
    "index": ((), "integer"),
    "keypoints": (("K", 2), "float32"),
    "visibility": (("K",), "integer"),
    "center": ((2,), "float32"),
    "scale": ((), "float32"),
    "head_size": ((), "float32"),
}
# Features that are used where they are there, see `random_seed`.
OPTIONAL = ("epoch", "draw_seed")
# From pixels of `image` to those of the release's frame; without it they are the same.
IMAGE_TO_FRAME = "image_to_frame"

PNG_START = b"\x89PNG"

# People of 0.2 px and of 200,000 px, and places this far away: beyond, float32 does not
# hold a crop's matrices any more. Annotations have narrower limits, see `person`.
MIN_SCALE = 1e-3
MAX_SCALE = 1e3
MAX_COORDINATE = 1e9


def checked(
    example: Features, *, skeleton: Skeleton = skeleton_lib.MPII
) -> dict[str, Any]:
    """Returns the features that are used, of known dtypes and shapes.

    Args:
        example: Features of one example, not of a batch: tensors, arrays or numbers.
        skeleton: Which keypoints there are.

    Returns:
        `image`, the features of `SPECS`, those of `OPTIONAL` and `IMAGE_TO_FRAME` that
        are there: tensors where one was a tensor of TensorFlow, else arrays; the
        image's bytes remain bytes then.

    Raises:
        ValueError: A feature is absent, or its dtype or shape is wrong. Of arrays,
            also: center, scale or keypoints are no usable numbers, or the image is
            empty or not a whole JPEG; names image and index.
        tf.errors.InvalidArgumentError: The same of tensors, when run.
    """
    library = library_of(*example.values())
    needed = ("image", *SPECS)
    absent = [name for name in needed if name not in example]
    if absent:
        raise ValueError(
            f"the example has no {', '.join(absent)}; it has {', '.join(example)}"
        )
    features = {name: example[name] for name in OPTIONAL if name in example}
    features["image"] = _check_image(library, example["image"])
    for name, (axes, dtype) in SPECS.items():
        shape = [skeleton.num_keypoints if axis == "K" else axis for axis in axes]
        features[name] = _check_feature(library, name, example[name], shape, dtype)
    if IMAGE_TO_FRAME in example:
        features[IMAGE_TO_FRAME] = _check_feature(
            library, IMAGE_TO_FRAME, example[IMAGE_TO_FRAME], [2, 3], "float32"
        )
    return library.verified(features, _checks(library, features))


def _check_feature(
    library: Any, name: str, value: Any, shape: list[Any], dtype: str
) -> Any:
    if dtype == "float32" and isinstance(value, numbers.Real | list | tuple):
        value = _as_floats(value)
    try:
        value, right_dtype = library.as_feature(value, dtype)
    except (TypeError, ValueError) as error:  # A ragged list, None.
        raise ValueError(
            f"{name} must be {dtype} {shape}, got {value!r:.100}: {error}"
        ) from None
    known = library.with_shape(value, shape) if right_dtype else None
    if known is None:
        raise ValueError(
            f"{name} must be {dtype} {shape}, got {_dtype(value)} {value.shape}"
            + "; map single examples, before batching" * right_dtype
        )
    return known


def _as_floats(value: Any) -> Any:
    """Returns Python's numbers as float32, and anything else as it is."""
    try:
        array = np.asarray(value)
    except Exception:  # Of ragged lists, and of those with TensorFlow's tensors.
        return value
    return np.float32(array) if array.dtype.kind in "iuf" else value


def _check_image(library: Any, image: Any) -> Any:
    image = library.as_image(image)
    if library.is_encoded(image):
        known = library.with_shape(image, [])
    elif dtype_name(image) == "uint8":
        known = library.with_shape(image, [None, None, 3])
    else:
        known = None
    if known is None:
        raise ValueError(
            "image must be the bytes of a JPEG, string [], or its pixels, uint8 "
            f"[H, W, 3], got {_dtype(image)} {image.shape}; map single examples, "
            "before batching"
        )
    return known


def _dtype(value: Any) -> str:
    """Names a dtype as in `SPECS`."""
    name = dtype_name(value)
    return "string" if name.startswith(("str", "bytes")) else name


def _checks(
    library: Any, features: Features
) -> dict[str, tuple[Any, Callable[[], Any]]]:
    """Returns what must hold of the values: message -> whether it does, and of what."""
    center, scale, image = features["center"], features["scale"], features["image"]
    keypoints = features["keypoints"]
    xp = namespace(center)
    missing = ~geometry.is_labelled(features["visibility"])[:, None]
    checks = {
        f"scale must be {MIN_SCALE} to {MAX_SCALE} (person height / 200 px), got": (
            (scale >= MIN_SCALE) & (scale <= MAX_SCALE),
            lambda: scale,
        ),
        f"center must be finite and at most {MAX_COORDINATE:g} px from 0, got": (
            xp.all(xp.abs(center) <= MAX_COORDINATE),
            lambda: center,
        ),
        "keypoints that are not missing must be finite and at most "
        f"{MAX_COORDINATE:g} px from 0, got": (
            xp.all(missing | (xp.abs(keypoints) <= MAX_COORDINATE)),
            lambda: keypoints,
        ),
    }
    if library.is_encoded(image):
        checks["the bytes do not start and end as those of a JPEG do, but are"] = (
            library.is_jpeg(image),
            lambda: library.described(_describe, image),
        )
    else:
        size = library.shape(image)
        checks["image is empty: shape"] = xp.all(size > 0), lambda: size
    return checks


def _describe(image: bytes) -> str:
    """Says what bytes are that are no JPEG, and what to do."""
    if not image:
        return "empty: build the dataset again"
    if image.startswith(PNG_START):
        return (
            "a PNG, which is to be decoded before this map (or build the dataset anew),"
        )
    return (
        "truncated, or in another format: build the dataset again, or decode the image "
        "before this map"
    )


def random_seed(example: Features, seed: int | None) -> Any:
    """Returns the seed of what is random about one example.

    It depends on the user's seed, the example's `index` and its `epoch` (0 where it
    has none), not on when and where the example is read. An `index` is unique within
    a split only: two splits share their seeds, which does no harm.

    Args:
        example: Features of one example.
        seed: The user's seed; None for another result each time: the example's
            `draw_seed`, which `input_pipeline` gives it so that its iterators can be
            saved, else, of tensors, from TensorFlow's own generator, whose state
            cannot be, and of arrays, from the operating system.

    Returns:
        What `Augmentation.draw` takes: integer [2] of tensors, uint32 [n] of arrays.
    """
    return library_of(*example.values()).random_seed(
        seed,
        index=example.get("index", 0),
        epoch=example.get("epoch", 0),
        draw_seed=example.get("draw_seed"),
    )
