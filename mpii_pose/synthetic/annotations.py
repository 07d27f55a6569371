"""What the annotation file says of images and of the people in them.

Points are (x, y) in pixels of the full image, 0-based, integers at pixel centers; a
missing keypoint is (-1, -1).
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from mpii_pose.skeleton import NUM_KEYPOINTS, Visibility


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ReleasePerson:
    """One entry of an image's `annorect`; everything may be unknown."""

    keypoints: np.ndarray = dataclasses.field(  # float [16, 2]
        default_factory=lambda: np.full((NUM_KEYPOINTS, 2), -1.0)
    )
    visibility: np.ndarray = dataclasses.field(  # int8 [16], values of `Visibility`
        default_factory=lambda: np.full(NUM_KEYPOINTS, Visibility.MISSING, np.int8)
    )
    center: np.ndarray | None = None  # float [2], rough middle (`objpos`)
    scale: float | None = None  # Height of the person divided by 200 px.
    head_box: np.ndarray | None = None  # float [4], (x1, y1, x2, y2)
    separated: bool = False  # Whether they stand clear of others (`single_person`).
    # Further numbers, such as {"head_r11": 0.5, "part_occ1": 1}.
    extra_fields: Mapping[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ReleaseImage:
    """One entry of `annolist` with what `img_train` and `act` say of it.

    What is unknown is None or "".
    """

    name: str  # Base name of the image file.
    people: Sequence[ReleasePerson] = ()  # In the order of `annorect`.
    is_train: bool = True  # False for the images whose points MPII keeps.
    video_id: str = ""  # Of the video the image is from.
    frame_sec: int | None = None  # Second of that video.
    category: str = ""  # Group of activities.
    activity: str = ""  # What the people do.
    activity_id: int | None = None  # MPII's number of that activity.
