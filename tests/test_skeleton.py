"""A skeleton is a few names; indices follow from them."""

import numpy as np
import pytest

from mpii_pose import skeleton as skeleton_lib
from mpii_pose.skeleton import MPII, Skeleton

NAMES = ("mpii", "coco17", "halpe26", "h36m17", "blazepose33")

# A head, a pair of hands, and a tail without a partner.
TOY = Skeleton(
    name="toy",
    keypoints=("head", "right_hand", "left_hand", "tail"),
    bones=(("head", "right_hand"), ("left_hand", "head")),
    groups={"hands": ("right_hand", "left_hand"), "all": ("head", "left_hand")},
)


def test_indices_follow_from_the_names():
    assert TOY.num_keypoints == 4
    assert TOY.indices("tail", "head") == (3, 0)
    assert TOY.bone_indices == ((0, 1), (2, 0))
    assert TOY.group_indices == {"hands": (1, 2), "all": (0, 2)}
    assert TOY.counted == (0, 1, 2)  # Each once.
    assert TOY.mirrored == (0, 2, 1, 3)


def test_mpii_counts_all_but_pelvis_and_thorax():
    left_out = set(MPII.keypoints) - {MPII.keypoints[k] for k in MPII.counted}

    assert left_out == {"pelvis", "thorax"}


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="'toy' has no keypoint nose; it has head, ri"):
        TOY.indices("head", "nose")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"keypoints": ()}, "must be different names"),
        ({"keypoints": ("a", "a")}, "must be different names"),
        ({"keypoints": ("a",), "bones": (("a", "b"),)}, "has no keypoint b; it has a"),
        ({"keypoints": ("a",), "groups": {"row": ("c",)}}, "has no keypoint c"),
        ({"keypoints": ("a",), "upper_body": ("d",)}, "has no keypoint d"),
    ],
)
def test_names_must_fit_together(fields, message):
    with pytest.raises(ValueError, match=f"skeleton 'toy'.* {message}"):
        Skeleton(name="toy", **fields)


@pytest.mark.parametrize(
    ("name", "count", "paired"),
    [
        ("mpii", 16, 12),
        ("coco17", 17, 16),
        ("halpe26", 26, 22),
        ("h36m17", 17, 12),
        ("blazepose33", 33, 32),
    ],
)
def test_skeletons_have_their_keypoints_and_mirror_the_paired_ones(name, count, paired):
    skeleton = skeleton_lib.named(name)

    assert skeleton.num_keypoints == count
    moved = np.array(skeleton.mirrored) != np.arange(count)
    assert moved.sum() == paired
    twice = np.array(skeleton.mirrored)[list(skeleton.mirrored)]
    np.testing.assert_array_equal(twice, np.arange(count))


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("coco17", {"nose": 0, "right_eye": 2, "left_shoulder": 5, "right_ankle": 16}),
        ("halpe26", {"right_ankle": 16, "head_top": 17, "pelvis": 19, "left_heel": 24}),
        ("h36m17", {"pelvis": 0, "right_hip": 1, "thorax": 8, "left_shoulder": 11}),
        ("blazepose33", {"left_ear": 7, "left_shoulder": 11, "right_foot_index": 32}),
    ],
)
def test_keypoints_stand_where_the_source_has_them(name, where):
    keypoints = skeleton_lib.named(name).keypoints

    assert {part: keypoints.index(part) for part in where} == where


def test_skeletons_are_found_by_name_and_others_refused():
    assert skeleton_lib.named(skeleton_lib.COCO17) is skeleton_lib.COCO17
    with pytest.raises(ValueError, match=f"{', '.join(NAMES)}, got 'coco'"):
        skeleton_lib.named("coco")
