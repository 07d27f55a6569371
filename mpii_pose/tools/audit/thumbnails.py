"""Small pictures of findings: the pose, and a red halo around what it is about."""

import base64
import io

import numpy as np
import numpy.typing as npt
from etils import epath
from PIL import Image

from mpii_pose.drawing.lines import Color, Stroke, draw_strokes
from mpii_pose.drawing.poses import as_image, draw_pose
from mpii_pose.person import UNKNOWN, PersonAnnotation, person_square
from mpii_pose.skeleton import Visibility
from mpii_pose.tools.audit.report import Finding

SIDE = 240
_OUTSIDE: Color = (70, 74, 80)  # Beyond the image's borders.
_NO_IMAGE: Color = (205, 208, 212)  # Within them, where there is no image.
_HALO: Color = (235, 30, 45)
_HALO_WIDTH = 20.0
_LINE_WIDTH = 2.5
_MARGIN = 0.12  # Of the window's side, around everything that must be seen.
_JPEG_QUALITY = 80


def draw_finding(
    finding: Finding,
    *,
    image: Image.Image | None,
    image_size: tuple[int, int] | None,
    with_crop: bool = False,
) -> Image.Image:
    """Draws a person with a defect.

    Args:
        finding: The person and the keypoints concerned.
        image: The image; None draws the pose alone.
        image_size: Its (height, width), known or not, to show its borders.
        with_crop: Whether to draw the outline of the usual crop, and all of it.

    Returns:
        An RGB image of `SIDE` x `SIDE` px that shows the person, its whole pose and
        what there is around it.
    """
    person = finding.person
    crop = _crop_corners(person)
    window = _window(person, crop if with_crop else None)
    picture = _background(image, image_size, window)
    left, top, right, _ = window
    zoom = SIDE / (right - left)

    def place(points: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Takes pixels of the image to pixels of the picture."""
        return (np.asarray(points, np.float64) - (left, top) + 0.5) * zoom - 0.5

    concerned = [k for k in finding.keypoints if _labelled(person)[k]]
    dots = place(person.keypoints[concerned])
    picture = draw_strokes(
        picture, [Stroke(dot, dot, _HALO_WIDTH, _HALO) for dot in dots]
    )
    box = None
    if (person.head_box != UNKNOWN).any():
        box = place(person.head_box.reshape(2, 2)).ravel()
    low, high = place(crop)
    matrix = np.column_stack([np.eye(2), low]) if with_crop else None
    return draw_pose(
        picture,
        np.where(_labelled(person)[:, None], place(person.keypoints), np.nan),
        person.visibility,
        head_box=box,
        crop_to_image=matrix,
        crop_size=(round(high[1] - low[1]), round(high[0] - low[0])),
        line_width=_LINE_WIDTH,
    )


def data_uri(picture: Image.Image) -> str:
    """Returns a picture as a JPEG that stands in the page itself."""
    output = io.BytesIO()
    picture.save(output, "JPEG", quality=_JPEG_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(output.getvalue()).decode()


def load_image(folder: epath.Path | None, name: str) -> Image.Image | None:
    """Returns an image, or None where it is missing or cannot be read."""
    if folder is None:
        return None
    try:
        return as_image((folder / name).read_bytes())
    except Exception:  # Pillow meets damage with errors of many kinds.
        return None


def _labelled(person: PersonAnnotation) -> npt.NDArray[np.bool_]:
    return person.visibility != Visibility.MISSING


def _crop_corners(person: PersonAnnotation) -> npt.NDArray[np.float64]:
    """Returns the low and high corner of the usual crop."""
    middle, side = person_square(person.center, np.float64(person.scale))
    return np.stack([middle - side / 2, middle + side / 2])


def _window(
    person: PersonAnnotation, crop: npt.NDArray[np.float64] | None
) -> tuple[float, float, float, float]:
    """Returns the square (left, top, right, bottom) that holds what must be seen.

    These are edges: the first pixel's left edge is 0, and its center 0.5.
    """
    shown = [person.center, *person.keypoints[_labelled(person)]]
    if (person.head_box != UNKNOWN).any():
        shown += [*person.head_box.reshape(2, 2)]
    if crop is not None:
        shown += [*crop]
    low, high = np.min(shown, axis=0), np.max(shown, axis=0)
    half = max((high - low).max(), person.head_size) * (0.5 + _MARGIN)
    x, y = (low + high) / 2 + 0.5
    return x - half, y - half, x + half, y + half


def _background(
    image: Image.Image | None,
    image_size: tuple[int, int] | None,
    window: tuple[float, float, float, float],
) -> Image.Image:
    """Returns the window of the image, and what is beyond it in dark grey."""
    if image is not None:
        image_size = image.height, image.width
    if image_size is None:
        return Image.new("RGB", (SIDE, SIDE), _NO_IMAGE)
    picture = Image.new("RGB", (SIDE, SIDE), _OUTSIDE)
    left, top, right, bottom = window
    height, width = image_size
    box = max(left, 0.0), max(top, 0.0), min(right, width), min(bottom, height)
    zoom = SIDE / (right - left)
    size = (round((box[2] - box[0]) * zoom), round((box[3] - box[1]) * zoom))
    if min(size) < 1:
        return picture
    part = (
        Image.new("RGB", size, _NO_IMAGE)
        if image is None
        else image.resize(size, Image.Resampling.LANCZOS, box=box)
    )
    at = (round((box[0] - left) * zoom), round((box[1] - top) * zoom))
    picture.paste(part, at)
    return picture
