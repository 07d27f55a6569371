"""A box around a person, as a detector finds or a hand draws it, as an example."""

from typing import Any

import numpy as np
import numpy.typing as npt

from mpii_pose.person import CENTER_SHIFT_PER_SCALE, SQUARE_PER_SCALE, UNKNOWN
from mpii_pose.skeleton import MPII, Skeleton, Visibility

# The square's side is this much of the box's longer side, and of its shorter one.
# Fitted on MPII's train people, by the overlap with their squares.
SQUARE_PER_LONGER, SQUARE_PER_SHORTER = 0.82, 1.74


def person_from_box(
    box: npt.ArrayLike,
    *,
    image_size: tuple[int, int] | None = None,
    image_name: str = "",
    index: int = 0,
    skeleton: Skeleton = MPII,
) -> dict[str, Any]:
    """Makes an example of a box, so that a photo of one's own can be transformed.

        person = mpii_pose.person_from_box((120, 40, 310, 560))
        features = mpii_pose.PoseTransform()({"image": image, **person})

    The square that is cropped lies around the box's middle, and its side is 0.82 times
    the box's longer side and 1.74 times the shorter one. These two were fitted to the
    boxes around the labelled keypoints of MPII's 22,246 train people; on the 2,958 of
    validation the square overlaps the official one with a median intersection over
    union of 0.71 (0.74 where all keypoints are labelled). Much more cannot be had:
    MPII's squares follow the size of the head, which a box does not tell. The 200
    nearest boxes of train, by width and height, reach 0.74.

    Args:
        box: float [4], (x1, y1, x2, y2), the corners in pixels of the image, 0-based.
        image_size: Height and width of the image, to check that the box is in it.
        image_name: Name of the image, for messages.
        index: Number of the person, which random changes are drawn by.
        skeleton: Which keypoints there are.

    Returns:
        The features of the dataset without `image`: `center` float32 [2], `scale`
        float32 [] and no keypoints. `head_box` and `head_size` are -1, unknown: they
        cannot be told from a box, so there is no PCKh either.

    Raises:
        ValueError: The box is empty, not finite, or outside the image.
    """
    corners = np.asarray(box, np.float64)
    if corners.shape != (4,) or not np.isfinite(corners).all():
        raise ValueError(f"box must be 4 numbers, x1, y1, x2 and y2, got {box!r}")
    low, high = corners[:2], corners[2:]
    if not (low < high).all():
        raise ValueError(
            f"box must have x1 < x2 and y1 < y2, got {corners.tolist()}; it is (x1, "
            "y1, x2, y2), not (x, y, width, height)"
        )
    if image_size is not None:
        height, width = image_size
        if (high < 0).any() or (low > (width - 1, height - 1)).any():
            raise ValueError(
                f"box {corners.tolist()} lies outside the image, which is {width} px "
                f"wide and {height} px high"
            )
    shorter, longer = np.sort(high - low)
    side = SQUARE_PER_LONGER * longer + SQUARE_PER_SHORTER * shorter
    scale = side / SQUARE_PER_SCALE
    center = (low + high) / 2 - (0, CENTER_SHIFT_PER_SCALE * scale)
    return {
        "image_name": image_name,
        "index": index,
        "keypoints": np.full((skeleton.num_keypoints, 2), UNKNOWN, np.float32),
        "visibility": np.full(skeleton.num_keypoints, Visibility.MISSING, np.int8),
        "center": center.astype(np.float32),
        "scale": np.float32(scale),
        "head_box": np.full(4, UNKNOWN, np.float32),
        "head_size": np.float32(UNKNOWN),
    }
