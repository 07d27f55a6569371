"""A skeleton is a few names; the rest follows from them."""

import pytest

from mpii_pose.skeleton import MPII, Skeleton

# What a small dataset might have: a head, two hands, and a tail that is nobody's pair.
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


def test_pairs_are_mirrored_and_others_stay():
    assert TOY.mirrored == (0, 2, 1, 3)
    assert TOY.mirrored_pairs == ((1, 2),)


def test_a_total_counts_each_keypoint_of_a_group_once_or_all():
    assert TOY.counted == (0, 1, 2)
    assert Skeleton(name="points", keypoints=("a", "b")).counted == (0, 1)


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
        ({"keypoints": ("a",), "bones": (("a", "b"),)}, "name b, which"),
        ({"keypoints": ("a",), "groups": {"row": ("c",)}}, "name c, which"),
        ({"keypoints": ("a",), "upper_body": ("d",)}, "name d, which"),
    ],
)
def test_names_must_fit_together(fields, message):
    with pytest.raises(ValueError, match=f"skeleton 'toy': .*{message}"):
        Skeleton(name="toy", **fields)
