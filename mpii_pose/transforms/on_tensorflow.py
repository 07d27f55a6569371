"""Transforms TensorFlow's tensors: a `library.Library`.

Reads only that window of an image which a crop shows (TensorFlow's JPEG decoder skips
what lies outside), and warps it in a function that XLA compiles: a third of the time of
TensorFlow's own projective transform, which also rounds uint8 down. Without XLA the
same code runs op by op.
"""

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tensorflow.experimental.numpy as tnp

from mpii_pose.files import JPEG_END, JPEG_START
from mpii_pose.transforms import forks, library
from mpii_pose.transforms.geometry import RATIOS, find_window
from mpii_pose.transforms.library import Check, Person

xp = tnp

# XLA compiles once for each input shape, so pixels are padded up to a multiple of this.
BLOCK = 2**16


# uint8 [n, 3], a part of an image row by row, perhaps with black pixels after it; int32
# [2], its height and width; and float32 [2, 3], the map from crop pixels to its pixels.
FlatWindow = tuple[tf.Tensor, tf.Tensor, tf.Tensor]


@tf.autograph.experimental.do_not_convert
def call(function: Callable[..., Any], *arguments: Any) -> Any:
    """Calls a function as it is, not converted by AutoGraph; in forks, see `forks`."""
    forks.check("TensorFlow")
    return function(*arguments)


def compiled(function: Callable[..., Any], *options: Any) -> Callable[..., Any]:
    """Returns a function of tensors alone, compiled by XLA where that works.

    What is compiled is shared by all transforms of the same options. It stays outside
    of them, so that they can be pickled and copied.
    """
    return _compiled(function, options, xla_works())


@functools.lru_cache(maxsize=32)
def _compiled(
    function: Callable[..., Any], options: tuple[Any, ...], jit_compile: bool
) -> Callable[..., Any]:
    graph: Callable[..., Any] = tf.function(
        functools.partial(function, *options),
        jit_compile=jit_compile,
        autograph=False,
        reduce_retracing=True,  # Windows differ in their number of pixels.
    )
    return graph


@functools.cache
def xla_works() -> bool:
    """Returns whether this TensorFlow can compile for the CPU with XLA.

    Compiles something and runs it, outside of any graph: while a map function is being
    traced, nothing is compiled and nothing can fail.
    """
    double = tf.function(lambda x: x + x, jit_compile=True)
    try:
        with tf.init_scope(), tf.device("/cpu:0"):
            double(tf.constant(1.0))
    except (tf.errors.OpError, ValueError):
        return False
    return True


def as_feature(value: Any, shape: tuple[int, ...]) -> tuple[tf.Tensor, bool]:
    """Returns a value as a tensor, and whether it has the shape."""
    value = tf.convert_to_tensor(value)
    if not value.shape.is_compatible_with(shape):
        return value, False
    return tf.ensure_shape(value, shape), True


def as_image(image: Any) -> tuple[tf.Tensor, bool]:
    """Returns a tensor, and whether it can be an image."""
    image = tf.convert_to_tensor(image)
    shapes: dict[Any, list[Any]] = {tf.string: [], tf.uint8: [None, None, 3]}
    shape = shapes.get(image.dtype)
    if shape is None or not image.shape.is_compatible_with(shape):
        return image, False
    return tf.ensure_shape(image, shape), True


def image_check(image: tf.Tensor) -> Check:
    """Checks that bytes begin and end as a JPEG, or that there are any pixels."""
    if image.dtype != tf.string:
        return tf.size(image) > 0, lambda: ["image is empty: shape", tf.shape(image)]
    length = tf.strings.length(image)
    start = tf.strings.substr(image, 0, len(JPEG_START))
    at = tf.maximum(length - len(JPEG_END), 0)
    is_whole = (start == JPEG_START) & (
        tf.strings.substr(image, at, len(JPEG_END)) == JPEG_END
    )

    def message() -> list[tf.Tensor]:
        first = tf.strings.substr(image, 0, len(library.PNG_START))
        other = tf.where(first == library.PNG_START, library.PNG, library.BROKEN)
        return [tf.where(length == 0, library.EMPTY, other)]

    return is_whole, message


def verified(person: Person, checks: list[Check]) -> Person:
    """Returns the person, whose image cannot be read where a check fails."""
    where = ["of image", person.image_name, "index", person.index]
    if tf.executing_eagerly():
        for good, parts in checks:
            if not good:
                words = " ".join(map(_as_text, [*parts(), *where]))
                raise tf.errors.InvalidArgumentError(None, None, words)
        return person

    def complain() -> tf.Tensor:
        for good, parts in checks:
            tf.debugging.Assert(good, [*parts(), *where])
        return tf.constant(False)

    all_good = tf.reduce_all(tf.stack([good for good, _ in checks]))
    checked = tf.cond(all_good, lambda: tf.constant(True), complain)
    with tf.control_dependencies([checked]):
        return person._replace(
            image=tf.identity(person.image),
            center=tf.identity(person.center),
            scale=tf.identity(person.scale),
        )


def _as_text(value: Any) -> str:
    value = value.numpy() if tf.is_tensor(value) else value
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def joined(people: list[Person]) -> Person:
    """Returns the person, who is the only one."""
    return people[0]


def split(features: Any) -> list[Any]:
    """Returns the one example."""
    return [features]


def random_seed(person: Person, seed: int | None) -> tf.Tensor:
    """Returns the seed of one example, integer [2], see `library.Library`.

    Without a seed it is from TensorFlow's own generator, whose state cannot be saved.
    """
    if seed is None:
        if person.draw_seed is not None:
            return tf.stack([person.draw_seed, 0])
        return tf.random.uniform([2], maxval=tf.int32.max, dtype=tf.int32)
    base = tf.constant([seed & 0x7FFFFFFF, (seed >> 31) & 0x7FFFFFFF], tf.int32)
    indexed = tf.random.fold_in(base, tf.cast(person.index, tf.int32))
    return tf.random.fold_in(indexed, tf.cast(person.epoch, tf.int32))


def random_numbers(
    seed: Any, normals: int, uniforms: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns float32 [normals] of N(0, 1) and float32 [uniforms] of [0, 1)."""
    normal_seed, uniform_seed = tf.unstack(tf.random.split(seed))
    return (
        tf.random.stateless_normal([normals], normal_seed),
        tf.random.stateless_uniform([uniforms], uniform_seed),
    )


def read_window(
    person: Person, crop_to_image: tf.Tensor, size: tuple[int, int], antialias: bool
) -> FlatWindow:
    """Reads the part of an image that a crop shows, at a fitting scale."""
    box, exponent, crop_to_window = find_window(
        tnp,
        tf.cast(size_of(person.image), tf.float32),
        crop_to_image,
        size,
        antialias,
    )
    pixels = read_box(person.image, box, exponent)
    flat = tf.reshape(pixels, [-1, 3])
    if xla_works():
        # Half the time of tf.pad, which goes pixel by pixel.
        black = tf.zeros([-tf.shape(flat)[0] % BLOCK, 3], tf.uint8)
        flat = tf.concat([flat, black], axis=0)
    return flat, tf.shape(pixels)[:2], crop_to_window


def warp(
    window: FlatWindow,
    size: tuple[int, int],
    finish: Callable[..., Any],
    *arguments: Any,
) -> Any:
    """Interpolates a window's pixels at those of a crop, and finishes it."""
    pixels, window_size, matrix = window
    rows = tf.range(size[0], dtype=tf.float32)[:, None]
    columns = tf.range(size[1], dtype=tf.float32)[None, :]
    x = matrix[0, 0] * columns + matrix[0, 1] * rows + matrix[0, 2]
    y = matrix[1, 0] * columns + matrix[1, 1] * rows + matrix[1, 2]
    (left, left_weight), (right, right_weight) = _neighbors(x, window_size[1])
    (top, top_weight), (bottom, bottom_weight) = _neighbors(y, window_size[0])

    def weighted(row: tf.Tensor, column: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
        levels = tf.gather(pixels, row * window_size[1] + column)
        return tf.cast(levels, tf.float32) * weight[..., None]

    return finish(
        weighted(top, left, top_weight * left_weight)
        + weighted(top, right, top_weight * right_weight)
        + weighted(bottom, left, bottom_weight * left_weight)
        + weighted(bottom, right, bottom_weight * right_weight),
        *arguments,
    )


def _neighbors(
    position: tf.Tensor, length: tf.Tensor
) -> tuple[tuple[tf.Tensor, tf.Tensor], ...]:
    """Returns index and weight of the pixels before and after, 0 where there is none.

    A crop far from the image has positions beyond int32. They are moved to two pixels
    outside of it, where all weights are 0.
    """
    position = tf.clip_by_value(position, -2.0, tf.cast(length, tf.float32) + 1.0)
    before = tf.floor(position)
    fraction = position - before
    index = tf.cast(before, tf.int32)

    def inside(index: tf.Tensor, weight: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        weight = tf.where((index >= 0) & (index < length), weight, 0.0)
        return tf.clip_by_value(index, 0, length - 1), weight

    return inside(index, 1.0 - fraction), inside(index + 1, fraction)


def size_of(image: tf.Tensor) -> tf.Tensor:
    """Returns int32 [2], height and width of JPEG bytes or of decoded pixels."""
    if image.dtype == tf.string:
        return tf.io.extract_jpeg_shape(image)[:2]
    return tf.shape(image)[:2]


def read_box(image: tf.Tensor, box: tf.Tensor, exponent: tf.Tensor) -> tf.Tensor:
    """Reads a box of an image that is scaled by 2 ** -exponent, uint8 [h, w, 3].

    The box is top, left, height and width in the scaled image, int32 [4].
    """
    if image.dtype != tf.string:
        return _average_box(image, box, tf.bitwise.left_shift(1, exponent))

    def decode_at(ratio: int) -> tf.Tensor:
        return tf.raw_ops.DecodeAndCropJpeg(
            contents=image,
            crop_window=box,
            channels=3,
            ratio=ratio,
            # TensorFlow's default is the fast method: not faster in fact, and up to
            # 1.8 dB further from the reference.
            dct_method="INTEGER_ACCURATE",
        )

    branches = [functools.partial(decode_at, ratio) for ratio in RATIOS]
    return tf.switch_case(exponent, branches)


def _average_box(image: tf.Tensor, box: tf.Tensor, ratio: tf.Tensor) -> tf.Tensor:
    """Does to decoded pixels what scaled decoding does: averages blocks of them."""
    start, size = box[:2] * ratio, box[2:] * ratio
    last = tf.shape(image)[:2] - 1
    rows, columns = (
        tf.minimum(tf.range(start[axis], start[axis] + size[axis]), last[axis])
        for axis in (0, 1)
    )
    pixels = tf.gather(tf.gather(image, rows), columns, axis=1)

    def average() -> tf.Tensor:
        shape = [box[2], ratio, box[3], ratio, 3]
        blocks = tf.reshape(tf.cast(pixels, tf.float32), shape)
        means = tf.reduce_mean(blocks, axis=(1, 3))
        return tf.cast(tf.round(means), tf.uint8)

    return tf.cond(ratio > 1, average, lambda: pixels)
