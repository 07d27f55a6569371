"""What the map functions need of an example, checked before anything is computed."""

from collections.abc import Mapping

import tensorflow as tf

from mpii_pose import skeleton

Features = Mapping[str, tf.Tensor]

_POINTS = (skeleton.NUM_KEYPOINTS, 2)
# Feature: its shape and dtype. For `image` see `_check_image`.
SPECS: dict[str, tuple[tuple[int, ...], str]] = {
    "image_name": ((), "string"),
    "index": ((), "integer"),
    "keypoints": (_POINTS, "float32"),
    "visibility": (_POINTS[:1], "integer"),
    "center": ((2,), "float32"),
    "scale": ((), "float32"),
    "head_size": ((), "float32"),
}
# Features that are used where they are there.
OPTIONAL = ("epoch",)

# First and last bytes of every JPEG.
JPEG_START = b"\xff\xd8"
JPEG_END = b"\xff\xd9"


def checked(example: Features) -> dict[str, tf.Tensor]:
    """Returns the features that are used, as tensors of known dtypes and shapes.

    Args:
        example: Features of one example, not of a batch.

    Returns:
        `image`, the features of `SPECS` and those of `OPTIONAL` that are there.

    Raises:
        ValueError: A feature is absent, or its dtype or shape is wrong.
        tf.errors.InvalidArgumentError: When run: center or scale are no usable
            numbers, or the image is not a whole JPEG. Names image and index.
    """
    needed = ("image", *SPECS)
    absent = [name for name in needed if name not in example]
    if absent:
        raise ValueError(
            f"the example has no {', '.join(absent)}; it has {', '.join(example)}"
        )
    names = (*needed, *(name for name in OPTIONAL if name in example))
    features = {name: tf.convert_to_tensor(example[name]) for name in names}
    for name, (shape, dtype) in SPECS.items():
        features[name] = _check_feature(name, features[name], shape, dtype)
    features["image"] = _check_image(features["image"])
    with tf.control_dependencies(_assertions(features)):
        for name in ("image", "center", "scale"):
            features[name] = tf.identity(features[name])
    return features


def _check_feature(
    name: str, value: tf.Tensor, shape: tuple[int, ...], dtype: str
) -> tf.Tensor:
    right_dtype = value.dtype.is_integer if dtype == "integer" else value.dtype == dtype
    if not right_dtype or not value.shape.is_compatible_with(shape):
        raise ValueError(
            f"{name} must be {dtype} {list(shape)}, got {value.dtype.name} "
            f"{value.shape}; map single examples, before batching"
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


def _assertions(features: Features) -> list[tf.Operation]:
    """Returns checks of what only shows when an example is read."""
    example = ["of image", features["image_name"], "index", features["index"]]
    center, scale = features["center"], features["scale"]
    checks = [
        tf.debugging.Assert(
            tf.math.is_finite(scale) & (scale > 0.0),
            ["scale must be a positive number, got", scale, *example],
        ),
        tf.debugging.Assert(
            tf.reduce_all(tf.math.is_finite(center)),
            ["center must be finite, got", center, *example],
        ),
    ]
    image = features["image"]
    if image.dtype == tf.string:
        # A decoder notices a missing end only if it gets there, and names no image.
        length = tf.strings.length(image)
        whole = (tf.strings.substr(image, 0, 2) == JPEG_START) & (
            tf.strings.substr(image, tf.maximum(length - 2, 0), 2) == JPEG_END
        )
        checks.append(
            tf.debugging.Assert(
                whole,
                [
                    "the bytes do not start and end as those of a JPEG do: truncated, "
                    "or another format; build the dataset again, or decode the image "
                    "before this map. Bytes",
                    length,
                    *example,
                ],
            )
        )
    return checks


def random_seed(example: Features, seed: int | None) -> tf.Tensor:
    """Returns the seed of what is random about one example.

    It depends on the user's seed, the example's `index` and its `epoch` (0 where it
    has none), not on when and where the example is read. An `index` is unique within
    a split only: two splits share their seeds, which does no harm.

    Args:
        example: Features of one example.
        seed: The user's seed; None for another result each time.

    Returns:
        int32 [2], as `tf.random.stateless_uniform` and its like take it.
    """
    if seed is None:
        return tf.random.uniform([2], maxval=tf.int32.max, dtype=tf.int32)
    base = tf.constant([seed & 0x7FFFFFFF, (seed >> 31) & 0x7FFFFFFF], tf.int32)
    indexed = tf.random.fold_in(base, tf.cast(example["index"], tf.int32))
    return tf.random.fold_in(indexed, tf.cast(example.get("epoch", 0), tf.int32))
