"""Reads only that window of an image which a crop shows, at a fitting resolution.

A JPEG decoder skips what lies outside the window and can scale by 1/2, 1/4 and 1/8
while decoding (averaging blocks of pixels in effect), which is both faster and better
than sampling every other pixel of the full frame: it removes aliasing.
"""

import functools
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from mpii_pose.transforms import geometry

RATIOS = (1, 2, 4, 8)
# Where colors are stored at half the resolution, a decoder that starts or stops within
# the image gets the first and the last column wrong, having no neighbor to smooth with.
GUARD = 1


class Window(NamedTuple):
    """Which part of an image to read, at which scale.

    Attributes:
        box: int32 [4], top, left, height and width in the scaled image.
        exponent: int32 [], the image is scaled by 1 / 2 ** exponent.
        crop_to_window: float32 [2, 3], from crop pixels to pixels of the window.
    """

    box: tf.Tensor
    exponent: tf.Tensor
    crop_to_window: tf.Tensor


def find_window(
    image: tf.Tensor,
    crop_to_image: tf.Tensor,
    *,
    image_size: tuple[int, int],
    antialias: bool,
) -> Window:
    """Finds the smallest window that holds all pixels a crop interpolates.

    Of a crop that lies outside the image, the window is a single pixel at the border.

    Args:
        image: JPEG bytes, string []; or decoded pixels, uint8 [H, W, 3].
        crop_to_image: float32 [2, 3], from crop pixels to image pixels.
        image_size: Height and width of the crop.
        antialias: Whether to read at 1/2, 1/4 or 1/8, the smallest of them that is
            not below the crop's resolution; otherwise always at 1.

    Returns:
        The window.
    """
    exponent = _shrink_exponent(crop_to_image) if antialias else tf.constant(0)
    factor = tf.cast(tf.bitwise.left_shift(1, exponent), tf.float32)
    scaled_size = tf.math.ceil(tf.cast(size_of(image), tf.float32) / factor)

    # Pixel centers: x of the image lies at (x + 0.5) / factor - 0.5 of the scaled one.
    crop_to_scaled = crop_to_image / factor + _translation([1.0, 1.0]) * (
        0.5 / factor - 0.5
    )
    height, width = image_size
    corners = np.array(
        [[x, y] for x in (0, width - 1) for y in (0, height - 1)], np.float32
    )
    corners = geometry.apply_affine(crop_to_scaled, corners)[:, ::-1]
    start = tf.floor(tf.reduce_min(corners, axis=0)) - GUARD
    start = tf.clip_by_value(start, 0.0, scaled_size - 1.0)
    end = tf.floor(tf.reduce_max(corners, axis=0)) + 2.0 + GUARD
    end = tf.clip_by_value(end, start + 1.0, scaled_size)
    return Window(
        box=tf.cast(tf.concat([start, end - start], axis=0), tf.int32),
        exponent=exponent,
        crop_to_window=crop_to_scaled - _translation(start[::-1]),
    )


def read_window(image: tf.Tensor, window: Window) -> tf.Tensor:
    """Reads the pixels of a window, uint8 [height, width, 3].

    Args:
        image: JPEG bytes, string []; or decoded pixels, uint8 [H, W, 3].
        window: As found for that image.
    """
    if image.dtype == tf.string:
        return _decode_box(image, window.box, window.exponent)
    return _average_box(image, window.box, tf.bitwise.left_shift(1, window.exponent))


def size_of(image: tf.Tensor) -> tf.Tensor:
    """Returns int32 [2], height and width of JPEG bytes or of decoded pixels."""
    if image.dtype == tf.string:
        return tf.io.extract_jpeg_shape(image)[:2]
    return tf.shape(image)[:2]


def read_box(image: tf.Tensor, box: tf.Tensor) -> tf.Tensor:
    """Reads a box as the full frame shows it, uint8 [height, width, 3].

    Args:
        image: JPEG bytes, string []; or decoded pixels, uint8 [H, W, 3].
        box: int32 [4], top, left, height and width, inside the image.
    """
    start = tf.maximum(box[:2] - GUARD, 0)
    end = tf.minimum(box[:2] + box[2:] + GUARD, size_of(image))
    wider = Window(
        box=tf.concat([start, end - start], axis=0),
        exponent=tf.constant(0),
        crop_to_window=tf.eye(2, 3),
    )
    top, left = tf.unstack(box[:2] - start)
    return read_window(image, wider)[top : top + box[2], left : left + box[3]]


def _translation(offset: tf.Tensor) -> tf.Tensor:
    return tf.pad(tf.reshape(offset, [2, 1]), [[0, 0], [2, 0]])


def _shrink_exponent(crop_to_image: tf.Tensor) -> tf.Tensor:
    """Returns e, such that 2 ** e <= image pixels per crop pixel, in 0 to 3."""
    image_pixels = tf.norm(crop_to_image[:, 0])
    exponent = tf.floor(tf.math.log(image_pixels) / np.float32(np.log(2.0)))
    return tf.cast(tf.clip_by_value(exponent, 0.0, len(RATIOS) - 1.0), tf.int32)


def _decode_box(image: tf.Tensor, box: tf.Tensor, exponent: tf.Tensor) -> tf.Tensor:
    """Decodes (top, left, height, width) of the JPEG scaled by 2 ** -exponent."""

    def decode(ratio: int) -> tf.Tensor:
        return tf.raw_ops.DecodeAndCropJpeg(
            contents=image,
            crop_window=box,
            channels=3,
            ratio=ratio,
            # TensorFlow's default is the fast method: not faster in fact, and up to
            # 1.8 dB further from the reference.
            dct_method="INTEGER_ACCURATE",
        )

    return tf.switch_case(exponent, [functools.partial(decode, n) for n in RATIOS])


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
