"""Reads an image through an affine map, with bilinear interpolation.

Compiled by XLA this takes a third of the time of TensorFlow's own projective
transform, which also rounds uint8 down; without XLA the same code runs op by op.
"""

import functools

import tensorflow as tf

# XLA compiles once for each input shape, so pixels are padded up to a multiple of this.
BLOCK = 2**16


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


def flatten_pixels(pixels: tf.Tensor, *, pad: bool) -> tf.Tensor:
    """Returns the pixels of an image [h, w, 3] as a list [n, 3].

    Args:
        pixels: uint8 [h, w, 3].
        pad: Whether to add black pixels up to a multiple of `BLOCK`.

    Returns:
        uint8 [n, 3], n at least h x w.
    """
    flat = tf.reshape(pixels, [-1, 3])
    if pad:
        # Half the time of tf.pad, which goes pixel by pixel.
        black = tf.zeros([-tf.shape(flat)[0] % BLOCK, 3], tf.uint8)
        flat = tf.concat([flat, black], axis=0)
    return flat


def warp(
    flat_pixels: tf.Tensor,
    size: tf.Tensor,
    matrix: tf.Tensor,
    *,
    output_size: tuple[int, int],
) -> tf.Tensor:
    """Reads an image through an affine map; black outside the image.

    As `cv2.warpAffine(..., flags=INTER_LINEAR | WARP_INVERSE_MAP)`, which rounds
    positions to 1/32 px, where this does not.

    Args:
        flat_pixels: uint8 [n, 3], the image row by row and perhaps something after it.
        size: int32 [2], height and width of the image.
        matrix: float32 [2, 3], from output pixels to image pixels.
        output_size: Height and width of the output.

    Returns:
        float32 [height, width, 3], in the levels of the input.
    """
    rows = tf.range(output_size[0], dtype=tf.float32)[:, None]
    columns = tf.range(output_size[1], dtype=tf.float32)[None, :]
    x = matrix[0, 0] * columns + matrix[0, 1] * rows + matrix[0, 2]
    y = matrix[1, 0] * columns + matrix[1, 1] * rows + matrix[1, 2]
    (left, left_weight), (right, right_weight) = _neighbors(x, size[1])
    (top, top_weight), (bottom, bottom_weight) = _neighbors(y, size[0])

    def weighted(row: tf.Tensor, column: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
        levels = tf.gather(flat_pixels, row * size[1] + column)
        return tf.cast(levels, tf.float32) * weight[..., None]

    return (
        weighted(top, left, top_weight * left_weight)
        + weighted(top, right, top_weight * right_weight)
        + weighted(bottom, left, bottom_weight * left_weight)
        + weighted(bottom, right, bottom_weight * right_weight)
    )


def _neighbors(
    position: tf.Tensor, length: tf.Tensor
) -> tuple[tuple[tf.Tensor, tf.Tensor], ...]:
    """Returns index and weight of the pixels before and after, 0 where there is none.

    A map that leaves the image far behind gives positions beyond int32: they are held
    at two pixels outside, where all weights are 0.
    """
    position = tf.clip_by_value(position, -2.0, tf.cast(length, tf.float32) + 1.0)
    before = tf.floor(position)
    fraction = position - before
    index = tf.cast(before, tf.int32)

    def inside(index: tf.Tensor, weight: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        weight = tf.where((index >= 0) & (index < length), weight, 0.0)
        return tf.clip_by_value(index, 0, length - 1), weight

    return inside(index, 1.0 - fraction), inside(index + 1, fraction)
