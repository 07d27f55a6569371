"""What the annotation file says of images and of the people in them.

Points are (x, y) in pixels of the full image, 0-based, integers at pixel centers; a
missing keypoint is (-1, -1).
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from mpii_pose.skeleton import NUM_KEYPOINTS, Visibility


def _no_keypoints() -> np.ndarray:
    return np.full((NUM_KEYPOINTS, 2), -1.0)


def _no_visibility() -> np.ndarray:
    return np.full(NUM_KEYPOINTS, Visibility.MISSING, np.int8)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ReleasePerson:
    """One entry of an image's `annorect`; everything may be unknown.

    Attributes:
        keypoints: float [16, 2], (-1, -1) where missing.
        visibility: int8 [16], values of `skeleton.Visibility`.
        center: float [2], rough middle (`objpos`).
        scale: Height of the person divided by 200 px.
        head_box: float [4], (x1, y1, x2, y2).
        separated: Whether the person stands clear of others (`single_person`).
        extra_fields: Further numbers, such as {"head_r11": 0.5, "part_occ1": 1}.
    """

    keypoints: np.ndarray = dataclasses.field(default_factory=_no_keypoints)
    visibility: np.ndarray = dataclasses.field(default_factory=_no_visibility)
    center: np.ndarray | None = None
    scale: float | None = None
    head_box: np.ndarray | None = None
    separated: bool = False
    extra_fields: Mapping[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ReleaseImage:
    """One entry of `annolist` with what `img_train` and `act` say of it.

    Attributes:
        name: Base name of the image file.
        people: In the order of `annorect`.
        is_train: False for the images whose points MPII keeps.
        video_id: Id of the video the image is from; "" if unknown.
        frame_sec: Second of that video; None if unknown.
        category: Group of activities; "" if unknown.
        activity: What the people do; "" if unknown.
        activity_id: MPII's number of that activity; None if unknown.
    """

    name: str
    people: Sequence[ReleasePerson] = ()
    is_train: bool = True
    video_id: str = ""
    frame_sec: int | None = None
    category: str = ""
    activity: str = ""
    activity_id: int | None = None
