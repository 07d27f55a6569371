import numpy as np
import pytest
import tensorflow as tf

from mpii_pose.transforms.pixels import warp
from tests.transforms import scenes

MATRICES = {
    "identity": [[1, 0, 0], [0, 1, 0]],
    "turned and shrunk": [[1.3, -0.4, 3.3], [0.4, 1.3, -7.7]],
    "mirrored": [[-0.9, 0.1, 70.2], [0.1, 0.9, 0.4]],
    "enlarged": [[0.3, 0.0, 11.1], [0.0, 0.3, 5.7]],
    "beside the image": [[1, 0, 1e5], [0, 1, 0]],
    "a world away": [[1e12, 0, 0], [0, 1e12, 1e15]],
}


def run_warp(image, matrix, size, *, pad, jit_compile):
    image, matrix = tf.constant(image), tf.constant(matrix, tf.float32)
    compiled = tf.function(warp.warp, jit_compile=jit_compile)
    flat = warp.flatten_pixels(image, pad=pad)
    return compiled(flat, tf.shape(image)[:2], matrix, output_size=size).numpy()


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("matrix", MATRICES.values(), ids=MATRICES.keys())
@pytest.mark.parametrize(
    ("height", "width", "size"), [(60, 80, (32, 48)), (1, 1, (5, 3)), (9, 2, (1, 1))]
)
def test_warp_equals_interpolation_pixel_by_pixel(
    jit_compile, matrix, height, width, size
):
    image = scenes.noise(height, width)

    found = run_warp(image, matrix, size, pad=jit_compile, jit_compile=jit_compile)

    # float32 positions: 1e-5 of a pixel, times the step between neighbors.
    np.testing.assert_allclose(found, scenes.warped(image, matrix, size), atol=0.02)


def test_identity_returns_the_image():
    image = scenes.noise(7, 5)

    found = run_warp(image, MATRICES["identity"], (7, 5), pad=False, jit_compile=False)

    np.testing.assert_array_equal(found, image)


@pytest.mark.parametrize("count", [1, warp.BLOCK - 1, warp.BLOCK, warp.BLOCK + 1])
def test_padding_reaches_the_next_multiple_of_a_block(count):
    pixels = tf.ones([1, count, 3], tf.uint8)

    flat = warp.flatten_pixels(pixels, pad=True)

    assert flat.shape[0] % warp.BLOCK == 0
    assert 0 <= flat.shape[0] - count < warp.BLOCK
    assert int(tf.reduce_sum(tf.cast(flat, tf.int32))) == 3 * count


def test_xla_works_here():
    assert warp.xla_works()
