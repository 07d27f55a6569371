"""Small pictures of findings: the pose, and a red halo around what it is about."""

import numpy as np
from PIL import Image

from mpii_pose.drawing.lines import Color, Stroke, draw_strokes
from mpii_pose.drawing.poses import draw_pose
from mpii_pose.person import person_square
from mpii_pose.tools.audit.report import Finding
from mpii_pose.tools.close_ups import close_up

_HALO: Color = (235, 30, 45)
_HALO_WIDTH, _LINE_WIDTH = 20.0, 2.5


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
        An RGB image of `close_ups.SIDE` px a side that shows the person, its whole pose
        and what there is around it.
    """
    person = finding.person
    labelled = person.labelled
    middle, crop_side = person_square(person.center, np.float64(person.scale))
    crop = np.stack([middle - crop_side / 2, middle + crop_side / 2])
    head = person.head_box.reshape(2, 2)
    shown = np.concatenate(
        [
            *([person.center], person.keypoints[labelled]),
            *([head] if person.has_head_box else []),
            *([crop] if with_crop else []),
        ]
    )
    picture, place = close_up(shown, person.head_size, image, image_size)
    points = np.where(labelled[:, np.newaxis], person.keypoints, np.nan)
    concerned = [k for k in finding.keypoints if labelled[k]]
    halos = [Stroke(at, at, _HALO_WIDTH, _HALO) for at in place(points[concerned])]
    (left, top), (right, bottom) = place(crop)
    return draw_pose(
        draw_strokes(picture, halos),
        place(points),
        person.visibility,
        head_box=place(head).ravel() if person.has_head_box else None,
        crop_to_image=[[1, 0, left], [0, 1, top]] if with_crop else None,
        crop_size=(round(bottom - top), round(right - left)),
        line_width=_LINE_WIDTH,
    )
