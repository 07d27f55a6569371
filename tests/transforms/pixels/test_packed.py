"""NumPy's warp against the same in plain words, at every edge."""

import numpy as np
import pytest

from mpii_pose.transforms.pixels import packed
from tests.transforms import scenes

TURNED = [[0.8, -0.6, 9.0], [0.6, 0.8, -4.0]]


def four_bytes(image):
    other = np.full((*image.shape[:2], 1), 255, np.uint8)
    return np.concatenate([image, other], axis=-1)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (17, 9), (40, 50)])
@pytest.mark.parametrize(
    "matrix",
    [
        [[1, 0, 0], [0, 1, 0]],
        [[0.5, 0, -0.75], [0, 0.5, -0.75]],
        [[-1.3, 0, 30], [0, 1.3, -6]],
        TURNED,
        [[1, 0, 500], [0, 1, 500]],
        [[1, 0, -500], [0, 1, -500]],
    ],
)
def test_warp_interpolates_to_a_level_and_is_black_outside(size, matrix):
    pixels = four_bytes(scenes.noise(*size))

    found = packed.warp(pixels, np.array(matrix, np.float32), output_size=(20, 30))

    assert (found.dtype, found.shape) == (np.uint8, (20, 30, 3))
    expected = scenes.warped_in_steps(pixels[..., :3], matrix, (20, 30))
    np.testing.assert_array_equal(found, expected)
    difference = np.abs(found - scenes.warped(pixels[..., :3], matrix, (20, 30)))
    # Half a level by rounding, and 1 / 256 px from black to white.
    assert difference.max() <= 2.0
    assert difference.mean() <= 0.5


@pytest.mark.parametrize("level", [1, 128, 255])
def test_even_image_stays_as_it_is(level):
    pixels = np.full((50, 60, 4), level, np.uint8)

    found = packed.warp(pixels, np.array(TURNED, np.float32), output_size=(20, 20))

    inside = np.isclose(scenes.warped(pixels[..., :3], TURNED, (20, 20)), level)
    assert 0 < inside.mean() < 1
    assert np.unique(found[inside]).tolist() == [level]


@pytest.mark.parametrize("size", [(1, 1), (3, 9000), (300, 2)])
def test_crops_of_any_size_are_read_band_by_band(size):
    image = scenes.noise(*size)
    unchanged = np.eye(2, 3, dtype=np.float32)

    found = packed.warp(four_bytes(image), unchanged, output_size=size)

    np.testing.assert_array_equal(found, image)


def test_channels_are_not_mixed():
    image = np.zeros((9, 9, 3), np.uint8)
    image[4, 4] = 10, 100, 250

    found = packed.warp(
        four_bytes(image), np.eye(2, 3, dtype=np.float32), output_size=(9, 9)
    )

    np.testing.assert_array_equal(found, image)
