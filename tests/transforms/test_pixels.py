"""Both libraries read the pixels of a crop as plain bilinear interpolation does."""

import numpy as np
import pytest
import tensorflow as tf

from mpii_pose.transforms import geometry, on_tensorflow
from tests.transforms import scenes

# From crop pixels to image pixels, and the scale at which the image is then read.
MAPS = {
    "as it is": ([[1, 0, 0], [0, 1, 0]], 1),
    "turned": ([[0.8, -0.6, 19.0], [0.6, 0.8, -4.0]], 1),
    "turned and shrunk": ([[1.3, -0.4, 3.3], [0.4, 1.3, -7.7]], 1),
    "mirrored": ([[-0.9, 0.1, 70.2], [0.1, 0.9, 0.4]], 1),
    "enlarged": ([[0.3, 0.0, 11.1], [0.0, 0.3, 5.7]], 1),
    "nearly halved": ([[1.99, 0, 2.0], [0, 1.99, 1.0]], 1),
    "halved": ([[2, 0, 3.5], [0, 2, 1.25]], 2),
    "a quarter, turned": ([[4.2, -0.3, -5.0], [0.3, 4.2, -9.0]], 4),
    "an eighth": ([[8, 0, -11.3], [0, 8, -40.7]], 8),
    "a hundredth": ([[100, 0, -900.0], [0, 100, -1100.0]], 8),
    "beside the image": ([[1, 0, 1e5], [0, 1, 0]], 1),
    "before the image": ([[2, 0, -1e5], [0, 2, -300]], 2),
    "a world away": ([[3, 0, 1e9], [0, 3, -1e9]], 2),
}
SIZES = [(60, 80, (32, 48)), (1, 1, (5, 3)), (9, 2, (1, 1)), (17, 9, (20, 30))]
# How far levels may be off by rounding: to whole ones (0.25 on average) and, by OpenCV
# before version 5, of positions to 1/32 px. Measured with its version 4.10: 4.2 at most
# on smooth images, 0.88 on average on noise.
MEAN = 0.35
LARGEST, MEAN_ON_NOISE = (1.0, 0.35) if scenes.OPENCV_IS_EXACT else (4.5, 1.0)
SUBSAMPLINGS = ["4:4:4", "4:2:2", "4:2:0"]


def read(given, image, matrix, size, *, antialias=True):
    example = {**scenes.example(np.zeros((9, 9, 3), np.uint8)), "image": image}
    library, person = scenes.person(given(example))
    matrix = given({"matrix": np.float32(matrix)})["matrix"]
    if library.xp is np:
        matrix = matrix[None]
    window = library.read_window(person, matrix, size, antialias)
    (found,) = library.split(library.warp(window, size, np.asarray))
    return found


def frame_of(image, ratio):
    """The whole image at 1 / ratio of its size."""
    if isinstance(image, np.ndarray):
        return scenes.averaged(image, ratio)
    return tf.raw_ops.DecodeJpeg(
        contents=image, channels=3, ratio=ratio, dct_method="INTEGER_ACCURATE"
    ).numpy()


def expected_of(image, matrix, ratio, size):
    to_scaled = np.array(np.float32(matrix), np.float64) / ratio
    to_scaled[:, 2] += 0.5 / ratio - 0.5  # pixel centers
    return scenes.warped(frame_of(image, ratio), to_scaled, size)


def assert_equal_to_rounding(given, found, expected, *, averaged=False):
    """Checks pixels of one of the libraries; averages are rounded to whole levels."""
    difference = np.abs(found.astype(float) - expected)
    slack = 0.5 if averaged else 0.0
    if given is dict:
        assert found.dtype == np.uint8
        assert difference.mean() <= MEAN + slack
        assert difference.max() <= LARGEST + slack
    else:  # float32 positions: 1e-5 of a pixel, times the step between neighbors.
        assert difference.max() <= 0.02 + slack


@pytest.mark.parametrize(("matrix", "ratio"), MAPS.values(), ids=MAPS)
@pytest.mark.parametrize(("height", "width", "size"), SIZES)
@pytest.mark.parametrize("kind", ["pixels", "JPEG"])
def test_crop_equals_interpolation_pixel_by_pixel(
    given, kind, height, width, size, matrix, ratio
):
    image = scenes.noise(height, width)
    image = image if kind == "pixels" else scenes.jpeg(image)

    as_it_is = read(given, image, matrix, size, antialias=False)
    found = read(given, image, matrix, size)

    assert_equal_to_rounding(given, as_it_is, expected_of(image, matrix, 1, size))
    expected = expected_of(image, matrix, ratio, size)
    averaged = kind == "pixels" and ratio > 1
    assert_equal_to_rounding(given, found, expected, averaged=averaged)


def test_rough_pixels_are_interpolated_as_exactly(given):
    image = np.random.default_rng(0).integers(0, 256, (120, 150, 3), np.uint8)
    for matrix, _ in (MAPS["turned"], MAPS["turned and shrunk"], MAPS["enlarged"]):
        found = read(given, image, matrix, (64, 48))

        difference = np.abs(found - scenes.warped(image, matrix, (64, 48)))
        assert difference.mean() <= (MEAN_ON_NOISE if given is dict else 0.001)


@pytest.mark.parametrize("level", [1, 128, 255])
def test_even_image_stays_as_it_is(given, level):
    image = np.full((50, 60, 3), level, np.uint8)

    found = read(given, image, MAPS["turned"][0], (20, 20))

    inside = np.isclose(scenes.warped(image, MAPS["turned"][0], (20, 20)), level)
    assert 0 < inside.mean() < 1
    np.testing.assert_allclose(found[inside], level, atol=1e-4)


@pytest.mark.parametrize("ratio", geometry.RATIOS)
@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
def test_window_equals_the_frame_wherever_it_starts(given, subsampling, ratio):
    noise = np.random.default_rng(0).integers(0, 256, (360, 376, 3), np.uint8)
    image = scenes.jpeg(noise, quality=90, subsampling=subsampling)
    frame = frame_of(image, ratio)
    for left in range(0, 33, 1 if given is scenes.tensors else 8):
        top = 5 * left % 33
        x, y = (ratio * (start + 0.5) - 0.5 for start in (left, top))

        found = read(given, image, [[ratio, 0, x], [0, ratio, y]], (9, 9))

        expected = frame[top : top + 9, left : left + 9]
        assert np.abs(found - expected.astype(float)).max() < 0.01, (left, top)


def test_window_is_no_larger_than_the_crop_and_its_guard():
    image = np.zeros((900, 600, 3), np.uint8)
    library, person = scenes.person(
        scenes.tensors(scenes.encoded(scenes.example(image)))
    )
    matrix = tf.constant([[1.0, 0, 200], [0, 1, 700]])

    pixels, size, _ = library.read_window(person, matrix, (40, 60), True)

    assert size.numpy().tolist() == [43, 63]
    assert pixels.shape == (on_tensorflow.BLOCK, 3)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_compiled_and_plain_warp_are_equal(jit_compile):
    image = scenes.noise(60, 80)
    matrix = tf.constant(MAPS["turned"][0], tf.float32)

    @tf.function(jit_compile=jit_compile)
    def warp(pixels):
        window = pixels, tf.constant([60, 80]), matrix
        return on_tensorflow.warp(window, (32, 48), tf.identity)

    found = warp(tf.reshape(tf.constant(image), [-1, 3]))

    expected = scenes.warped(image, MAPS["turned"][0], (32, 48))
    np.testing.assert_allclose(found, expected, atol=0.02)


def test_xla_works_here():
    assert on_tensorflow.xla_works()
