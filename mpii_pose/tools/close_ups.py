"""Square windows of images around a person, as pictures that stand in a page."""

import base64
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from etils import epath
from PIL import Image

from mpii_pose.drawing.lines import Color
from mpii_pose.drawing.poses import as_image
from mpii_pose.pictures import encode_jpeg

SIDE = 240
_OUTSIDE: Color = (70, 74, 80)  # Beyond the image's borders.
_NO_IMAGE: Color = (205, 208, 212)  # Within them, where there is no image.
_MARGIN = 0.12  # Of the window's side, around everything that must be seen.
_ENLARGEMENT = 4  # Of images before they are averaged down.
_JPEG_QUALITY = 80


def close_up(
    shown: npt.NDArray[np.floating],
    least_side: float,
    image: Image.Image | None,
    image_size: tuple[int, int] | None,
) -> tuple[Image.Image, Callable[[npt.ArrayLike], npt.NDArray[np.float64]]]:
    """Returns a square window of an image, and where its points are in the window.

    Args:
        shown: float [N, 2], (x, y) in pixels of the image, what must be seen.
        least_side: In pixels of the image, of the window without its margin.
        image: The image; None leaves the window grey.
        image_size: Its (height, width), known or not, to show its borders.

    Returns:
        An RGB image of `SIDE` x `SIDE` px, and a function from pixels of the image to
        pixels of the window.
    """
    side = max(np.ptp(shown, axis=0).max(), least_side) * (1 + 2 * _MARGIN)
    # An edge: the first pixel's is at 0, and its center at 0.5.
    start = (shown.min(axis=0) + shown.max(axis=0) + 1 - side) / 2

    def place(points: npt.ArrayLike) -> npt.NDArray[np.float64]:
        return (np.asarray(points) - start + 0.5) * (SIDE / side) - 0.5

    return _background(image, image_size, start, side), place


def data_uri(picture: Image.Image) -> str:
    """Returns a picture as a JPEG that stands in the page itself."""
    jpeg = encode_jpeg(picture, quality=_JPEG_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


def load_image(folder: epath.Path | None, name: str) -> Image.Image | None:
    """Returns an image, or None where it is missing or cannot be read."""
    try:
        return None if folder is None else as_image((folder / name).read_bytes())
    except Exception:  # Pillow meets damage with errors of many kinds.
        return None


def _background(
    image: Image.Image | None,
    image_size: tuple[int, int] | None,
    start: npt.NDArray[np.float64],
    side: float,
) -> Image.Image:
    """Returns a window of the image, and what is beyond it in dark grey."""
    corners = np.array([start, start + side])
    if image is None:  # One light grey pixel, as large as the image or as everything.
        image = Image.new("RGB", (1, 1), _NO_IMAGE)
        height, width = image_size or (np.inf, np.inf)
        corners /= width, height
    return image.transform(
        (SIDE * _ENLARGEMENT, SIDE * _ENLARGEMENT),
        Image.Transform.EXTENT,
        tuple(corners.ravel()),
        Image.Resampling.BILINEAR,
        fillcolor=_OUTSIDE,
    ).reduce(_ENLARGEMENT)
