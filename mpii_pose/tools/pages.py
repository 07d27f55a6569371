"""HTML pages that need no other file and no network, and the pictures in them."""

import base64
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from etils import epath, epy
from PIL import Image

from mpii_pose import files
from mpii_pose.drawing.poses import Color, as_image
from mpii_pose.pictures import UNREADABLE, encode_jpeg

with epy.lazy_imports():  # The doctor runs, and names it, where it is missing.
    import jinja2

SIDE = 240  # Of pictures, in px.
_OUTSIDE: Color = (70, 74, 80)  # Beyond the image's borders.
_NO_IMAGE: Color = (205, 208, 212)  # Within them, where there is no image.
_MARGIN = 0.12  # Of the window's side, around everything that must be seen.
_ENLARGEMENT = 4  # Of images before they are averaged down.


def render(template: str, **values: Any) -> str:
    """Returns a page from a template in this folder and the values that it names."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("mpii_pose.tools", ""),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["number"] = "{:,}".format
    return environment.get_template(template).render(**values)


def write(path: epath.PathLike, page: str) -> None:
    """Writes a page; the file appears once it is whole."""
    with files.whole_file(path) as file:
        file.write(page.encode())


def load_image(folder: epath.Path | None, name: str) -> Image.Image | None:
    """Returns an image, or None where it is missing or cannot be read."""
    try:
        return None if folder is None else as_image((folder / name).read_bytes())
    except UNREADABLE:
        return None


def close_up(
    shown: npt.NDArray[np.floating],
    least_side: float,
    image: Image.Image | None,
    image_size: tuple[int, int] | None = None,
) -> tuple[Image.Image, Callable[[npt.ArrayLike], npt.NDArray[np.float64]]]:
    """Returns a square window of an image, and where its points are in the window.

    Args:
        shown: float [N, 2], (x, y) in pixels of the image. The window shows them all.
        least_side: In pixels of the image, of the window without its margin.
        image: The image; None leaves the window grey.
        image_size: Its (height, width), to show the borders of a missing one.

    Returns:
        An RGB image, [SIDE, SIDE], and a function from pixels of the image to its own.
    """
    side = max(np.ptp(shown, axis=0).max(), least_side) * (1 + 2 * _MARGIN)
    # An edge: the first pixel's is at 0, and its center at 0.5.
    start = (shown.min(axis=0) + shown.max(axis=0) + 1 - side) / 2

    def place(points: npt.ArrayLike) -> npt.NDArray[np.float64]:
        return (np.asarray(points) - start + 0.5) * (SIDE / side) - 0.5

    corners = np.array([start, start + side])
    if image is None:  # One light grey pixel, as large as the image or as everything.
        image = Image.new("RGB", (1, 1), _NO_IMAGE)
        height, width = image_size or (np.inf, np.inf)
        corners /= width, height
    picture = image.transform(
        (SIDE * _ENLARGEMENT, SIDE * _ENLARGEMENT),
        Image.Transform.EXTENT,
        tuple(corners.ravel()),
        Image.Resampling.BILINEAR,
        fillcolor=_OUTSIDE,
    )
    return picture.reduce(_ENLARGEMENT), place


def data_uri(picture: Image.Image) -> str:
    """Returns a picture as a JPEG that stands in the page itself."""
    jpeg = encode_jpeg(picture, quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()
