"""The 16 keypoints of MPII: names, order, mirrored pairs, bones, PCKh groups.

Keypoints are numbered from 0 in the order of the release's point ids. "Left" and
"right" are the person's own, not the viewer's.
"""

import enum

KEYPOINTS = (
    "right_ankle",
    "right_knee",
    "right_hip",
    "left_hip",
    "left_knee",
    "left_ankle",
    "pelvis",
    "thorax",
    "upper_neck",
    "head_top",
    "right_wrist",
    "right_elbow",
    "right_shoulder",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
)
NUM_KEYPOINTS = len(KEYPOINTS)


class Visibility(enum.IntEnum):
    """What the annotation says of a keypoint; COCO's coding."""

    MISSING = 0
    OCCLUDED = 1
    VISIBLE = 2


def _indices(*names: str) -> tuple[int, ...]:
    return tuple(KEYPOINTS.index(name) for name in names)


# (right, left) indices of the keypoints that a horizontal flip exchanges.
MIRRORED_PAIRS = tuple(
    _indices(f"right_{part}", f"left_{part}")
    for part in ("ankle", "knee", "hip", "wrist", "elbow", "shoulder")
)

# For each keypoint, the index of its mirror image: `pose[..., MIRRORED, :]`.
MIRRORED = tuple(
    KEYPOINTS.index(
        name.replace("right_", "left_")
        if name.startswith("right_")
        else name.replace("left_", "right_")
    )
    for name in KEYPOINTS
)

# Pairs of indices joined by a line when a pose is drawn.
BONES = (
    _indices("right_ankle", "right_knee"),
    _indices("right_knee", "right_hip"),
    _indices("right_hip", "pelvis"),
    _indices("left_hip", "pelvis"),
    _indices("left_knee", "left_hip"),
    _indices("left_ankle", "left_knee"),
    _indices("pelvis", "thorax"),
    _indices("thorax", "upper_neck"),
    _indices("upper_neck", "head_top"),
    _indices("right_shoulder", "thorax"),
    _indices("right_elbow", "right_shoulder"),
    _indices("right_wrist", "right_elbow"),
    _indices("left_shoulder", "thorax"),
    _indices("left_elbow", "left_shoulder"),
    _indices("left_wrist", "left_elbow"),
)

# Rows of the published PCKh tables, as in the release's MATLAB toolkit. Pelvis and
# thorax are in none of them. Some public code counts only `head_top` as the head.
PCKH_GROUPS = {
    "head": _indices("upper_neck", "head_top"),
    "shoulder": _indices("right_shoulder", "left_shoulder"),
    "elbow": _indices("right_elbow", "left_elbow"),
    "wrist": _indices("right_wrist", "left_wrist"),
    "hip": _indices("right_hip", "left_hip"),
    "knee": _indices("right_knee", "left_knee"),
    "ankle": _indices("right_ankle", "left_ankle"),
}
