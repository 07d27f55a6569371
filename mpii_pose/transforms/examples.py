"""What the map functions need of an example, checked before anything is computed."""

import numbers
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from mpii_pose import skeleton as skeleton_lib
from mpii_pose.files import JPEG_END, JPEG_START
from mpii_pose.skeleton import Skeleton
from mpii_pose.transforms import forks, geometry

Features = Mapping[str, tf.Tensor]

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
) -> dict[str, tf.Tensor]:
    """Returns the features that are used, as tensors of known dtypes and shapes.

    Args:
        example: Features of one example, not of a batch: tensors, arrays or numbers.
        skeleton: Which keypoints there are.

    Returns:
        `image`, the features of `SPECS`, those of `OPTIONAL` and `IMAGE_TO_FRAME` that
        are there.

    Raises:
        ValueError: A feature is absent, or its dtype or shape is wrong.
        RuntimeError: TensorFlow would hang in this process, see `forks`.
        tf.errors.InvalidArgumentError: When run: center, scale or keypoints are no
            usable numbers, or the image is empty or not a whole JPEG. Names image and
            index.
    """
    forks.check()
    needed = ("image", *SPECS)
    absent = [name for name in needed if name not in example]
    if absent:
        raise ValueError(
            f"the example has no {', '.join(absent)}; it has {', '.join(example)}"
        )
    features = {name: example[name] for name in OPTIONAL if name in example}
    features["image"] = _check_image(tf.convert_to_tensor(example["image"]))
    for name, (axes, dtype) in SPECS.items():
        shape = [skeleton.num_keypoints if axis == "K" else axis for axis in axes]
        features[name] = _check_feature(name, example[name], shape, dtype)
    if IMAGE_TO_FRAME in example:
        features[IMAGE_TO_FRAME] = _check_feature(
            IMAGE_TO_FRAME, example[IMAGE_TO_FRAME], [2, 3], "float32"
        )
    with tf.control_dependencies([_assertion(features)]):
        for name in ("image", "center", "scale"):
            features[name] = tf.identity(features[name])
    return features


def _check_feature(
    name: str, value: Any, shape: list[int | str], dtype: str
) -> tf.Tensor:
    if dtype == "float32" and isinstance(value, numbers.Real):
        value = np.float32(value)
    value = tf.convert_to_tensor(value)
    right_dtype = value.dtype.is_integer if dtype == "integer" else value.dtype == dtype
    if not right_dtype or not value.shape.is_compatible_with(shape):
        raise ValueError(
            f"{name} must be {dtype} {shape}, got {value.dtype.name} {value.shape}; "
            "map single examples, before batching"
        )
    return tf.ensure_shape(value, shape)


def _check_image(image: tf.Tensor) -> tf.Tensor:
    if image.dtype == tf.string and image.shape.is_compatible_with([]):
        return tf.ensure_shape(image, [])
    if image.dtype == tf.uint8 and image.shape.is_compatible_with([None, None, 3]):
        return tf.ensure_shape(image, [None, None, 3])
    raise ValueError(
        "image must be the bytes of a JPEG, string [], or its pixels, uint8 "
        f"[H, W, 3], got {image.dtype.name} {image.shape}; map single examples, "
        "before batching"
    )


def _assertion(features: Features) -> tf.Tensor:
    """Returns one check of all that only shows when an example is read.

    What to say of a wrong one is found out when there is one.
    """
    center, scale, image = features["center"], features["scale"], features["image"]
    keypoints = features["keypoints"]
    missing = ~geometry.is_labelled(features["visibility"])[:, None]
    checks = {
        f"scale must be {MIN_SCALE} to {MAX_SCALE} (person height / 200 px), got": (
            (scale >= MIN_SCALE) & (scale <= MAX_SCALE),
            lambda: scale,
        ),
        f"center must be finite and at most {MAX_COORDINATE:g} px from 0, got": (
            tf.reduce_all(tf.abs(center) <= MAX_COORDINATE),
            lambda: center,
        ),
        "keypoints that are not missing must be finite and at most "
        f"{MAX_COORDINATE:g} px from 0, got": (
            tf.reduce_all(missing | (tf.abs(keypoints) <= MAX_COORDINATE)),
            lambda: keypoints,
        ),
    }
    if image.dtype == tf.string:
        checks["the bytes do not start and end as those of a JPEG do, but are"] = (
            _is_jpeg(image),
            lambda: _describe(image),
        )
    else:
        size = tf.shape(image)
        checks["image is empty: shape"] = tf.reduce_all(size > 0), lambda: size
    where = ["of image", features["image_name"], "index", features["index"]]

    def complain() -> tf.Tensor:
        assertions = [
            tf.debugging.Assert(good, [message, value(), *where])
            for message, (good, value) in checks.items()
        ]
        with tf.control_dependencies([op for op in assertions if op is not None]):
            return tf.constant(False)

    all_good = tf.reduce_all(tf.stack([good for good, _ in checks.values()]))
    return tf.cond(all_good, lambda: tf.constant(True), complain)


def _is_jpeg(image: tf.Tensor) -> tf.Tensor:
    """Looks at both ends: a decoder that stops early misses the second."""
    start = tf.strings.substr(image, 0, len(JPEG_START))
    at = tf.maximum(tf.strings.length(image) - len(JPEG_END), 0)
    end = tf.strings.substr(image, at, len(JPEG_END))
    return (start == JPEG_START) & (end == JPEG_END)


def _describe(image: tf.Tensor) -> tf.Tensor:
    """Says what bytes are that are no JPEG, and what to do."""
    found = tf.where(
        tf.strings.substr(image, 0, len(PNG_START)) == PNG_START,
        "a PNG, which is to be decoded before this map; or build the dataset again",
        "truncated, or in another format: build the dataset again, or decode the "
        "image before this map",
    )
    is_empty = tf.strings.length(image) == 0
    return tf.where(is_empty, "empty: build the dataset again", found)


def random_seed(example: Features, seed: int | None) -> tf.Tensor:
    """Returns the seed of what is random about one example.

    It depends on the user's seed, the example's `index` and its `epoch` (0 where it
    has none), not on when and where the example is read. An `index` is unique within
    a split only: two splits share their seeds, which does no harm.

    Args:
        example: Features of one example.
        seed: The user's seed; None for another result each time: the example's
            `draw_seed`, which `input_pipeline` gives it so that its iterators can be
            saved, else from TensorFlow's own generator, whose state cannot be.

    Returns:
        integer [2], as `tf.random.stateless_uniform` and its like take it.
    """
    if seed is None:
        if "draw_seed" in example:
            return tf.stack([example["draw_seed"], 0])
        return tf.random.uniform([2], maxval=tf.int32.max, dtype=tf.int32)
    base = tf.constant([seed & 0x7FFFFFFF, (seed >> 31) & 0x7FFFFFFF], tf.int32)
    indexed = tf.random.fold_in(base, tf.cast(example["index"], tf.int32))
    return tf.random.fold_in(indexed, tf.cast(example.get("epoch", 0), tf.int32))
