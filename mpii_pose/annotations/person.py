"""One person of the release, whatever file it was read from.

Points are (x, y) in pixels of the full image, 0-based, integers at pixel centers.
MPII counts from 1: readers subtract 1 once.
"""

import dataclasses

import numpy as np

# 0.6 x the head box's diagonal, by `getHeadSize.m` of the release's toolkit ...
HEAD_SIZE_FACTOR = 0.6
# ... equals 25 x scale for everyone: `scale` was made from the head box.
HEAD_SIZE_PER_SCALE = 25.0


class AnnotationError(ValueError):
    """An annotation file does not say what its format promises."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class PersonAnnotation:
    """One person in one image.

    Attributes:
        image_name: Base name of the image file, such as "015601864.jpg".
        keypoints: float32 [16, 2], in the order of `skeleton.KEYPOINTS`; exactly
            (-1, -1) where missing.
        visibility: int8 [16], values of `skeleton.Visibility`.
        center: float32 [2], rough middle of the person (the release's `objpos`).
        scale: Height of the person divided by 200 px.
        index: Position among the people of the same split, ordered as the release
            orders images, then people.
        person_index: 0-based position among the people of the image; -1 where the
            source does not tell.
        head_box: float32 [4], (x1, y1, x2, y2); -1s where the source has none.
        head_size: The unit of PCKh in px: 0.6 x the head box's diagonal, else
            25 x scale.
        separated: 1 if the person stands clear of others (MPII's `single_person`), 0
            if not, -1 where the source does not tell.
        activity: What the person does, such as "bicycling, mountain"; "" if unknown.
        category: Group of activities, such as "bicycling"; "" if unknown.
        video_id: YouTube id of the video the image is from; "" if unknown.
        frame_sec: Second of that video; -1 if unknown.
    """

    image_name: str
    keypoints: np.ndarray
    visibility: np.ndarray
    center: np.ndarray
    scale: float
    index: int
    person_index: int
    head_box: np.ndarray
    head_size: float
    separated: int = -1
    activity: str = ""
    category: str = ""
    video_id: str = ""
    frame_sec: int = -1
