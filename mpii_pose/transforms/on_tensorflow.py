"""What transforms do in TensorFlow alone; `on_numpy` does it without TensorFlow."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from mpii_pose.files import JPEG_END, JPEG_START
from mpii_pose.transforms import forks, rendering
from mpii_pose.transforms.augmentation import Draw
from mpii_pose.transforms.pixels import decode_window, warp


@tf.autograph.experimental.do_not_convert
def call(function: Callable[..., Any], *arguments: Any) -> Any:
    """Calls a function as it is, unless TensorFlow would hang, see `forks`."""
    forks.check()
    return function(*arguments)


def as_feature(value: Any, dtype: str) -> tuple[tf.Tensor, bool]:
    """Returns a value as a tensor, and whether it is of that dtype."""
    value = tf.convert_to_tensor(value)
    if dtype == "integer":
        return value, value.dtype.is_integer
    return value, value.dtype == dtype


def with_shape(value: tf.Tensor, shape: list[Any]) -> tf.Tensor | None:
    """Returns the value, known to have that shape, if it can have it."""
    if value.shape.is_compatible_with(shape):
        return tf.ensure_shape(value, shape)
    return None


def as_image(image: Any) -> tf.Tensor:
    """Returns a tensor."""
    return tf.convert_to_tensor(image)


def is_encoded(image: tf.Tensor) -> bool:
    """Returns whether these are the bytes of files."""
    return image.dtype == tf.string


def is_jpeg(image: tf.Tensor) -> tf.Tensor:
    """Looks at both ends: a decoder that stops early misses the second."""
    start = tf.strings.substr(image, 0, len(JPEG_START))
    at = tf.maximum(tf.strings.length(image) - len(JPEG_END), 0)
    end = tf.strings.substr(image, at, len(JPEG_END))
    return (start == JPEG_START) & (end == JPEG_END)


def described(describe: Callable[[bytes], str], image: tf.Tensor) -> tf.Tensor:
    """Returns what a function says of bytes, once they are there."""
    if tf.executing_eagerly():
        return describe(image.numpy())
    return tf.numpy_function(describe, [image], tf.string, stateful=False)


def decoded(image: tf.Tensor) -> tf.Tensor:
    """Returns the pixels of a JPEG's bytes, uint8 [H, W, 3]; or pixels as they are."""
    return tf.io.decode_jpeg(image, channels=3) if is_encoded(image) else image


def drawn(draw: Callable[..., np.ndarray], size: Any, *tensors: Any) -> tf.Tensor:
    """Returns the picture that a function makes of arrays, uint8 of a shape."""
    return tf.ensure_shape(tf.numpy_function(draw, tensors, tf.uint8), size)


def shape(image: tf.Tensor) -> tf.Tensor:
    """Returns height, width and 3."""
    return tf.shape(image)


def constant(array: np.ndarray) -> tf.Tensor:
    """Returns an array as a tensor."""
    return tf.constant(array)


def verified(
    features: dict[str, Any], checks: Mapping[str, tuple[Any, Callable[[], Any]]]
) -> dict[str, Any]:
    """Returns the features, which cannot be read where a check fails.

    What to say of a wrong one is found out when there is one.
    """
    where = ["of image", features["image_name"], "index", features["index"]]
    if tf.executing_eagerly():
        for message, (good, value) in checks.items():
            if not good:
                words = " ".join(map(_as_text, (message, value(), *where)))
                raise tf.errors.InvalidArgumentError(None, None, words)
        return features

    def complain() -> tf.Tensor:
        assertions = [
            tf.debugging.Assert(good, [message, value(), *where])
            for message, (good, value) in checks.items()
        ]
        with tf.control_dependencies([op for op in assertions if op is not None]):
            return tf.constant(False)

    all_good = tf.reduce_all(tf.stack([good for good, _ in checks.values()]))
    checked = tf.cond(all_good, lambda: tf.constant(True), complain)
    with tf.control_dependencies([checked]):
        for name in ("image", "center", "scale"):
            features[name] = tf.identity(features[name])
    return features


def _as_text(value: Any) -> str:
    value = value.numpy() if tf.is_tensor(value) else value
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def random_seed(
    seed: int | None, *, index: Any, epoch: Any, draw_seed: Any
) -> tf.Tensor:
    """Returns the seed of one example, integer [2], see `examples.random_seed`."""
    if seed is None:
        if draw_seed is not None:
            return tf.stack([draw_seed, 0])
        return tf.random.uniform([2], maxval=tf.int32.max, dtype=tf.int32)
    base = tf.constant([seed & 0x7FFFFFFF, (seed >> 31) & 0x7FFFFFFF], tf.int32)
    indexed = tf.random.fold_in(base, tf.cast(index, tf.int32))
    return tf.random.fold_in(indexed, tf.cast(epoch, tf.int32))


def random_numbers(
    seed: Any, normals: int, uniforms: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns float32 [normals] of N(0, 1) and float32 [uniforms] of [0, 1)."""
    normal_seed, uniform_seed = tf.unstack(tf.random.split(seed))
    return (
        tf.random.stateless_normal([normals], normal_seed),
        tf.random.stateless_uniform([uniforms], uniform_seed),
    )


def as_draw(draw: Draw) -> Draw:
    """Returns a draw whose decisions go with tensors."""
    return draw


def rounded(values: tf.Tensor) -> tf.Tensor:
    """Rounds to whole numbers, halves to even ones."""
    return tf.round(values)


def size_of(example: Mapping[str, Any]) -> tf.Tensor:
    """Returns int32 [2], height and width of the image."""
    return decode_window.size_of(example["image"])


def read_resized(
    example: Mapping[str, Any], box: tf.Tensor, size: tuple[int, int]
) -> tf.Tensor:
    """Returns a box of the image, resized, float32 [height, width, 3] in levels."""
    return tf.image.resize(decode_window.read_box(example["image"], box), size)


def render(
    example: Mapping[str, Any],
    crop_to_image: tf.Tensor,
    draw: Draw,
    look: rendering.Look,
) -> dict[str, Any]:
    """Makes the crop, its keypoints and heatmaps, see `rendering.render`."""
    window = decode_window.find_window(
        example["image"],
        crop_to_image,
        image_size=look.spec.image_size,
        antialias=look.antialias,
    )
    pixels = decode_window.read_window(example["image"], window)
    compiled = warp.xla_works()
    return _renderer(look, compiled)(
        warp.flatten_pixels(pixels, pad=compiled),
        tf.shape(pixels)[:2],
        window.crop_to_window,
        crop_to_image,
        example["keypoints"],
        example["visibility"],
        draw,
    )


@functools.lru_cache(maxsize=32)
def _renderer(
    look: rendering.Look, compiled: bool
) -> tf.types.experimental.PolymorphicFunction:
    """Returns the arithmetic: no random numbers and no files, so XLA compiles it.

    Transforms that differ in nothing that matters here share what is compiled, which
    stays outside of them, so that they can be pickled and copied.
    """

    @functools.partial(tf.function, jit_compile=compiled, autograph=False)
    def render(
        flat_pixels: tf.Tensor,
        window_size: tf.Tensor,
        crop_to_window: tf.Tensor,
        *others: Any,
    ) -> dict[str, tf.Tensor]:
        levels = warp.warp(
            flat_pixels, window_size, crop_to_window, output_size=look.spec.image_size
        )
        return rendering.render(levels, *others, look=look)

    return render
