"""MPII's keypoints: names, order, mirrored pairs, bones, score groups.

The other skeletons, from which `convert_keypoints` converts, have keypoints only. A
name means the same keypoint in every skeleton: one that only resembles MPII's has
another name. "Left" and "right" are the person's own, not the viewer's.
"""

import dataclasses
import enum
import functools
import itertools
from collections.abc import Mapping

from mpii_pose.checks import check_choice


class Visibility(enum.IntEnum):
    """The three states of a keypoint's label; COCO's coding."""

    MISSING = 0
    OCCLUDED = 1
    VISIBLE = 2


@dataclasses.dataclass(frozen=True, kw_only=True)
class Skeleton:
    """The keypoints of a dataset, by name; indices follow from the names.

    Attributes:
        name: Short name, such as "mpii".
        keypoints: Names in the order of arrays [..., K, 2]. Those of one side of the
            body start with "left_" or "right_".
        bones: Pairs of names that a line joins in pictures.
        groups: Row of a score table -> the names it is the mean of.
        upper_body: Names of the upper half, for half-body augmentation.
    """

    name: str
    keypoints: tuple[str, ...] = dataclasses.field(repr=False)
    bones: tuple[tuple[str, str], ...] = dataclasses.field(default=(), repr=False)
    groups: Mapping[str, tuple[str, ...]] = dataclasses.field(
        default_factory=dict, hash=False, repr=False
    )
    upper_body: tuple[str, ...] = dataclasses.field(default=(), repr=False)

    def __post_init__(self) -> None:
        if len(set(self.keypoints)) != len(self.keypoints) or not self.keypoints:
            raise ValueError(
                f"skeleton {self.name!r}: keypoints must be different names, got "
                f"{self.keypoints}"
            )
        for names in (*self.bones, *self.groups.values(), self.upper_body):
            self.indices(*names)

    @property
    def num_keypoints(self) -> int:
        """The number of keypoints."""
        return len(self.keypoints)

    def indices(self, *names: str) -> tuple[int, ...]:
        """Returns the places of names in `keypoints`; raises ValueError for others."""
        if unknown := sorted({*names} - {*self.keypoints}):
            raise ValueError(
                f"skeleton {self.name!r} has no keypoint {', '.join(unknown)}; it has "
                f"{', '.join(self.keypoints)}"
            )
        return tuple(self.keypoints.index(name) for name in names)

    @functools.cached_property
    def mirrored(self) -> tuple[int, ...]:
        """For each keypoint, the index of its mirror image: `pose[..., mirrored, :]`.

        A keypoint without a partner on the other side is its own.
        """
        sides, indices = {"left": "right", "right": "left"}, []
        for name in self.keypoints:
            side, _, part = name.partition("_")
            other = f"{sides.get(side, side)}_{part}"
            partner = other if other in self.keypoints else name
            indices.append(self.keypoints.index(partner))
        return tuple(indices)

    @functools.cached_property
    def bone_indices(self) -> tuple[tuple[int, ...], ...]:
        """`bones` as pairs of indices."""
        return tuple(self.indices(*bone) for bone in self.bones)

    @functools.cached_property
    def group_indices(self) -> dict[str, tuple[int, ...]]:
        """`groups` with indices."""
        return {row: self.indices(*names) for row, names in self.groups.items()}

    @functools.cached_property
    def counted(self) -> tuple[int, ...]:
        """Indices of the keypoints that a total counts: those in a group."""
        return tuple(sorted(set().union(*self.group_indices.values())))


def _both(part: str) -> tuple[str, str]:
    return f"left_{part}", f"right_{part}"


LIMB_PARTS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
_ARMS = (*_both("shoulder"), *_both("elbow"), *_both("wrist"))

# The order of the release's point ids. The groups are the rows of the published PCKh
# tables, as in the release's MATLAB toolkit; pelvis and thorax are in none of them.
MPII = Skeleton(
    name="mpii",
    keypoints=(
        *("right_ankle", "right_knee", "right_hip"),
        *("left_hip", "left_knee", "left_ankle"),
        *("pelvis", "thorax", "upper_neck", "head_top"),
        *("right_wrist", "right_elbow", "right_shoulder"),
        *("left_shoulder", "left_elbow", "left_wrist"),
    ),
    bones=(
        *itertools.pairwise(("right_ankle", "right_knee", "right_hip", "pelvis")),
        *itertools.pairwise(("left_ankle", "left_knee", "left_hip", "pelvis")),
        *itertools.pairwise(("pelvis", "thorax", "upper_neck", "head_top")),
        *itertools.pairwise(("right_wrist", "right_elbow", "right_shoulder", "thorax")),
        *itertools.pairwise(("left_wrist", "left_elbow", "left_shoulder", "thorax")),
    ),
    groups={
        "head": ("upper_neck", "head_top"),
        **{part: _both(part) for part in LIMB_PARTS},
    },
    upper_body=("thorax", "upper_neck", "head_top", *_ARMS),
)

KEYPOINTS = MPII.keypoints
NUM_KEYPOINTS = MPII.num_keypoints

_FACE = ("nose", *_both("eye"), *_both("ear"))
_LEGS = (*_both("hip"), *_both("knee"), *_both("ankle"))

# Lin et al., "Microsoft COCO" (2014): `categories` of person_keypoints_*.json.
COCO17 = Skeleton(name="coco17", keypoints=(*_FACE, *_ARMS, *_LEGS))

# github.com/Fang-Haoshu/Halpe-FullBody, the body's 26 of 136. Its Head, Neck and Hip
# are MPII's head top, upper neck and pelvis: RTMPose trains them on MPII's labels
# (`mpii_halpe26` in its configs).
HALPE26 = Skeleton(
    name="halpe26",
    keypoints=(
        *COCO17.keypoints,
        *("head_top", "upper_neck", "pelvis"),
        *(*_both("big_toe"), *_both("small_toe"), *_both("heel")),
    ),
)

# Ionescu et al., "Human3.6M" (2014): the 17 of 32 joints that VideoPose3D and MMPose
# use. Its feet are ankles. "neck" lies near the mouth, and "head" is the end of a bone
# that public code takes for the head's top or for its middle: neither is MPII's.
H36M17 = Skeleton(
    name="h36m17",
    keypoints=(
        "pelvis",
        *("right_hip", "right_knee", "right_ankle"),
        *("left_hip", "left_knee", "left_ankle"),
        *("spine", "thorax", "neck", "head"),
        *("left_shoulder", "left_elbow", "left_wrist"),
        *("right_shoulder", "right_elbow", "right_wrist"),
    ),
)

# Bazarevsky et al., "BlazePose" (2020): MediaPipe's `PoseLandmark`.
BLAZEPOSE33 = Skeleton(
    name="blazepose33",
    keypoints=(
        "nose",
        *("left_eye_inner", "left_eye", "left_eye_outer"),
        *("right_eye_inner", "right_eye", "right_eye_outer"),
        *(*_both("ear"), *_both("mouth"), *_ARMS),
        *(*_both("pinky"), *_both("index"), *_both("thumb"), *_LEGS),
        *(*_both("heel"), *_both("foot_index")),
    ),
)

SKELETONS = {each.name: each for each in (MPII, COCO17, HALPE26, H36M17, BLAZEPOSE33)}


def named(name: str | Skeleton) -> Skeleton:
    """Returns the skeleton of a name in `SKELETONS`, or the `Skeleton` that is given.

    Raises:
        ValueError: There is no such skeleton; the message lists the known ones.
    """
    if isinstance(name, Skeleton):
        return name
    check_choice("skeleton", name, SKELETONS)
    return SKELETONS[name]
