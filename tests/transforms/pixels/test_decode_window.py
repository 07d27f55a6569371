import numpy as np
import pytest
import tensorflow as tf

from mpii_pose.transforms import geometry
from mpii_pose.transforms.pixels import decode_window
from tests.transforms import scenes

SIZE = (64, 48)


def crop_to_image(center, side, rotation=0.0):
    return geometry.crop_to_image_matrix(
        tf.constant(center, tf.float32),
        tf.constant(side, tf.float32),
        image_size=SIZE,
        alignment=geometry.Alignment.named("half_pixel"),
        rotation=rotation,
    )


def window_of(image, matrix, *, encoded, antialias=True):
    image = tf.constant(scenes.jpeg(image) if encoded else image)
    window = decode_window.find_window(
        image, matrix, image_size=SIZE, antialias=antialias
    )
    return decode_window.read_window(image, window), window.crop_to_window


def scaled_frame(image, ratio):
    """The full frame, decoded at 1/ratio."""
    return tf.raw_ops.DecodeJpeg(
        contents=image if isinstance(image, bytes) else scenes.jpeg(image),
        channels=3,
        ratio=ratio,
        dct_method="INTEGER_ACCURATE",
    ).numpy()


@pytest.mark.parametrize(
    ("side", "antialias", "ratio"),
    [
        (40.0, True, 1),
        (95.0, True, 1),
        (97.0, True, 2),
        (200.0, True, 4),
        (400.0, True, 8),
        (5000.0, True, 8),
        (400.0, False, 1),
    ],
)
@pytest.mark.parametrize("rotation", [0.0, 0.5])
def test_window_is_the_part_of_the_scaled_frame_that_the_crop_reads(
    side, antialias, ratio, rotation
):
    image = scenes.noise(301, 407)
    matrix = crop_to_image([170.3, 140.8], side, rotation)

    pixels, crop_to_window = window_of(image, matrix, encoded=True, antialias=antialias)

    frame = scaled_frame(image, ratio)
    to_scaled = (matrix[:, 2] + 0.5) / ratio - 0.5
    left, top = np.round(to_scaled - crop_to_window[:, 2]).astype(int)
    height, width = pixels.shape[:2]
    expected = frame[top : top + height, left : left + width]
    # The last column serves only to make the one before it right.
    np.testing.assert_array_equal(pixels[:, :-1], expected[:, :-1])
    np.testing.assert_allclose(crop_to_window[:, :2], matrix[:, :2] / ratio)
    corners = geometry.apply_affine(
        crop_to_window, tf.constant([[0.0, 0], [47, 0], [0, 63], [47, 63]])
    ).numpy()
    offset = np.array([left, top])
    frame_end = np.array([frame.shape[1] - 1, frame.shape[0] - 1])
    inside = np.clip(corners + offset, 0, frame_end) - offset
    assert np.all(inside >= 0)
    assert np.all(inside <= [width - 1, height - 1])


@pytest.mark.parametrize("ratio", decode_window.RATIOS)
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
def test_window_equals_the_frame_wherever_it_starts(subsampling, ratio):
    size = 8  # of the crop, and of what is read of the frame for it, less 1
    noise = np.random.default_rng(0).integers(0, 256, (360, 376, 3), np.uint8)
    image = scenes.jpeg(noise, quality=90, subsampling=subsampling)
    frame = scaled_frame(image, ratio).astype(int)
    for left in range(33):
        top = 5 * left % 33
        x, y = (ratio * (start + 0.75) - 0.5 for start in (left, top))

        window = decode_window.find_window(
            tf.constant(image),
            tf.constant([[ratio, 0, x], [0, ratio, y]], tf.float32),
            image_size=(size, size),
            antialias=True,
        )
        pixels = decode_window.read_window(tf.constant(image), window).numpy()

        column, row = np.floor(window.crop_to_window[:, 2]).astype(int)
        found = pixels[row : row + size + 1, column : column + size + 1]
        expected = frame[top : top + size + 1, left : left + size + 1]
        assert np.array_equal(found, expected), (left, top)


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
def test_box_equals_the_frame_wherever_it_starts_and_ends(subsampling):
    noise = np.random.default_rng(0).integers(0, 256, (52, 70, 3), np.uint8)
    image = scenes.jpeg(noise, quality=90, subsampling=subsampling)
    frame = scaled_frame(image, 1)
    for start in range(34):
        top, left, height, width = start, start // 2, 52 - start, 17 + start

        found = decode_window.read_box(
            tf.constant(image), tf.constant([top, left, height, width])
        )

        expected = frame[top : top + height, left : left + width]
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("side", [60.0, 130.0, 300.0, 500.0])
def test_decoded_pixels_give_the_window_that_jpeg_bytes_give(side):
    image = scenes.noise(301, 407)
    matrix = crop_to_image([170.3, 140.8], side, 0.3)

    from_jpeg, jpeg_matrix = window_of(image, matrix, encoded=True)
    from_pixels, pixels_matrix = window_of(image, matrix, encoded=False)

    assert from_jpeg.shape == from_pixels.shape
    np.testing.assert_array_equal(jpeg_matrix, pixels_matrix)
    difference = from_jpeg.numpy().astype(int) - from_pixels.numpy()
    assert np.abs(difference).mean() < 1.5  # levels: compression, and how it averages


def test_averaged_pixels_are_the_means_of_their_blocks():
    image = scenes.noise(64, 48)

    pixels, _ = window_of(image, crop_to_image([23.5, 31.5], 96.0), encoded=False)

    means = image.reshape(32, 2, 24, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(pixels, means, atol=0.501)


@pytest.mark.parametrize("encoded", [True, False])
@pytest.mark.parametrize("center", [[-900, -900], [2000, 30], [1e9, 1e9]])
def test_crop_beside_the_image_reads_one_pixel_at_the_border(encoded, center):
    matrix = crop_to_image(center, 100.0)

    pixels, _ = window_of(scenes.noise(40, 60), matrix, encoded=encoded)

    assert min(pixels.shape[:2]) == 1


@pytest.mark.parametrize("encoded", [True, False])
@pytest.mark.parametrize("side", [10.0, 2000.0])
def test_image_of_one_pixel(encoded, side):
    image = np.full((1, 1, 3), 77, np.uint8)

    pixels, _ = window_of(image, crop_to_image([0, 0], side), encoded=encoded)

    assert pixels.shape == (1, 1, 3)
    np.testing.assert_allclose(pixels, 77, atol=2)


def test_window_of_a_very_wide_image_is_small():
    image = np.zeros((16, 30_000, 3), np.uint8)
    image[:, 20_000:20_040] = 200

    pixels, _ = window_of(image, crop_to_image([20_019.5, 8], 60.0), encoded=True)

    assert pixels.shape[1] < 80
    assert np.mean(pixels.numpy() > 150) == pytest.approx(40 / 62, abs=0.06)
