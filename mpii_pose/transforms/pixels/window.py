"""Which part of an image a crop shows, and at which scale it is read.

A JPEG decoder can scale by 1/2, 1/4 and 1/8 while decoding (averaging blocks of pixels
in effect), which is both faster and better than sampling every other pixel of the full
frame: it removes aliasing.
"""

from typing import Any, NamedTuple

import numpy as np

from mpii_pose.transforms import geometry
from mpii_pose.transforms.arrays import as_floats

RATIOS = (1, 2, 4, 8)
# Where colors are stored at half the resolution, a decoder that starts or stops within
# the image gets the first and the last column wrong, having no neighbor to smooth with.
GUARD = 1


class Window(NamedTuple):
    """Which part of an image to read, at which scale."""

    box: Any  # int32 [4], top, left, height and width in the scaled image
    exponent: Any  # int32 [], the image is scaled by 1 / 2 ** exponent
    crop_to_window: Any  # float32 [2, 3], from crop pixels to pixels of the window


def find_window(
    size: Any, crop_to_image: Any, *, image_size: tuple[int, int], antialias: bool
) -> Window:
    """Finds the smallest window that holds all pixels a crop interpolates.

    Of a crop that lies outside the image, the window is a single pixel at the border.

    Args:
        size: integer [2], height and width of the image.
        crop_to_image: float32 [2, 3], from crop pixels to image pixels.
        image_size: Height and width of the crop.
        antialias: Whether to read at 1/2, 1/4 or 1/8, the smallest of them that is
            not below the crop's resolution; otherwise always at 1.

    Returns:
        The window.
    """
    xp, size, crop_to_image = as_floats(size, crop_to_image)
    ratios = np.array(RATIOS if antialias else RATIOS[:1], np.float32)
    image_pixels = xp.sqrt(xp.sum(xp.square(crop_to_image[:, 0])))  # per crop pixel
    reached = xp.sum(xp.array(ratios[1:] <= image_pixels, dtype="float32"))
    exponent = xp.array(reached, dtype="int32")
    factor = xp.take(ratios, exponent)
    scaled_size = xp.ceil(size / factor)

    # Pixel centers: x of the image lies at (x + 0.5) / factor - 0.5 of the scaled one.
    crop_to_scaled = crop_to_image / factor + (0.5 / factor - 0.5) * _TRANSLATION
    height, width = image_size
    corners = np.array(
        [[x, y] for x in (0, width - 1) for y in (0, height - 1)], np.float32
    )
    corners = geometry.apply_affine(crop_to_scaled, corners)[:, ::-1]
    start = xp.floor(xp.min(corners, axis=0)) - GUARD
    start = xp.clip(start, 0.0, scaled_size - 1.0)
    end = xp.floor(xp.max(corners, axis=0)) + (2.0 + GUARD)
    end = xp.clip(end, start + 1.0, scaled_size)
    return Window(
        box=xp.array(xp.concatenate([start, end - start], axis=0), dtype="int32"),
        exponent=exponent,
        crop_to_window=crop_to_scaled - start[::-1][:, None] * _TRANSLATION,
    )


# The last column of an affine map.
_TRANSLATION = np.array([0, 0, 1], np.float32)
