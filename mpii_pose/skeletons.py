"""Skeletons of other datasets and models, as values beside `skeleton.MPII`.

A name means the same keypoint in every skeleton: `transforms.convert` takes equal names
for shared keypoints. So a keypoint that only resembles one of MPII's has another name.
"""

import itertools

from mpii_pose.options import check_choice
from mpii_pose.skeleton import LIMB_PARTS, MPII, Skeleton


def _both(part: str) -> tuple[str, str]:
    return f"left_{part}", f"right_{part}"


def _each_side(*path: str) -> tuple[tuple[str, str], ...]:
    """Returns the bones of a chain of parts, for the left side and the right."""
    return tuple(
        (f"{side}_{part}", f"{side}_{end}")
        for side in ("left", "right")
        for part, end in itertools.pairwise(path)
    )


_FACE = ("nose", *_both("eye"), *_both("ear"))
_ARMS = (*_both("shoulder"), *_both("elbow"), *_both("wrist"))
_LEGS = (*_both("hip"), *_both("knee"), *_both("ankle"))
_LIMB_BONES = (
    *_each_side("shoulder", "elbow", "wrist"),
    *_each_side("shoulder", "hip", "knee", "ankle"),
    _both("shoulder"),
    _both("hip"),
)
_LIMB_GROUPS = {part: _both(part) for part in LIMB_PARTS}

# Lin et al., "Microsoft COCO" (2014): `categories` of person_keypoints_*.json.
COCO17 = Skeleton(
    name="coco17",
    keypoints=(*_FACE, *_ARMS, *_LEGS),
    bones=(
        *_LIMB_BONES,
        *(("nose", eye) for eye in _both("eye")),
        *_each_side("eye", "ear"),
    ),
    groups={"face": _FACE, **_LIMB_GROUPS},
    upper_body=(*_FACE, *_ARMS),
)

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
    bones=(
        *COCO17.bones,
        ("head_top", "upper_neck"),
        *(("upper_neck", shoulder) for shoulder in _both("shoulder")),
        *(("pelvis", hip) for hip in _both("hip")),
        *_each_side("ankle", "heel"),
        *_each_side("ankle", "big_toe"),
        *_each_side("ankle", "small_toe"),
    ),
    groups={
        "head": MPII.groups["head"],
        **COCO17.groups,
        "foot": (*_both("big_toe"), *_both("small_toe"), *_both("heel")),
    },
    upper_body=(*_FACE, *_ARMS, "head_top", "upper_neck"),
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
    bones=(
        *_each_side("shoulder", "elbow", "wrist"),
        *_each_side("hip", "knee", "ankle"),
        *(("thorax", shoulder) for shoulder in _both("shoulder")),
        *(("pelvis", hip) for hip in _both("hip")),
        *(("pelvis", "spine"), ("spine", "thorax")),
        *(("thorax", "neck"), ("neck", "head")),
    ),
    groups={"head": ("neck", "head"), **_LIMB_GROUPS},
    upper_body=(*_ARMS, "thorax", "neck", "head"),
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
    bones=(
        *_LIMB_BONES,
        *(("nose", eye) for eye in _both("eye_inner")),
        *_each_side("eye_inner", "eye", "eye_outer", "ear"),
        _both("mouth"),
        *_each_side("wrist", "pinky", "index", "wrist", "thumb"),
        *_each_side("ankle", "heel", "foot_index", "ankle"),
    ),
    groups={
        "face": (*_FACE, *_both("mouth")),
        **_LIMB_GROUPS,
        "hand": (*_both("pinky"), *_both("index"), *_both("thumb")),
        "foot": (*_both("heel"), *_both("foot_index")),
    },
    upper_body=(
        *(*_FACE, *_both("eye_inner"), *_both("eye_outer"), *_both("mouth"), *_ARMS),
        *(*_both("pinky"), *_both("index"), *_both("thumb")),
    ),
)

SKELETONS = {each.name: each for each in (MPII, COCO17, HALPE26, H36M17, BLAZEPOSE33)}


def named(name: str | Skeleton) -> Skeleton:
    """Returns the skeleton of that name.

    Args:
        name: Key of `SKELETONS`; a `Skeleton` is passed through.

    Raises:
        ValueError: There is no such skeleton; the message lists those there are.
    """
    if isinstance(name, Skeleton):
        return name
    check_choice("skeleton", name, SKELETONS)
    return SKELETONS[name]
