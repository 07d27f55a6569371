import numpy as np
import pytest

from mpii_pose import skeletons
from mpii_pose.drawing.poses import draw_pose
from mpii_pose.evaluation.pckh import pckh
from mpii_pose.skeleton import Visibility
from mpii_pose.skeletons import SKELETONS

NAMES = ("mpii", "coco17", "halpe26", "h36m17", "blazepose33")


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
    skeleton = skeletons.named(name)

    assert skeleton.num_keypoints == count
    assert 2 * len(skeleton.mirrored_pairs) == paired
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
    keypoints = skeletons.named(name).keypoints

    assert {part: keypoints.index(part) for part in where} == where


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=SKELETONS)
def test_bones_join_all_keypoints_of_the_body(skeleton):
    joined = {"left_hip"}
    for _ in skeleton.bones:
        for bone in skeleton.bones:
            if joined & set(bone):
                joined |= set(bone)

    # BlazePose's face hangs free of the body, as COCO's does in COCO's own drawing.
    body = {name for name in skeleton.keypoints if not _is_face(name)}
    assert body <= joined
    assert set().union(*skeleton.bones) == set(skeleton.keypoints)


def _is_face(name):
    return any(part in name for part in ("nose", "eye", "ear", "mouth"))


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=SKELETONS)
def test_poses_of_every_skeleton_are_drawn_and_scored(skeleton):
    keypoints = np.random.default_rng(0).uniform(5, 95, (3, skeleton.num_keypoints, 2))
    visibility = np.full(keypoints.shape[:2], Visibility.VISIBLE)
    image = np.zeros((100, 100, 3), np.uint8)

    drawn = draw_pose(image, keypoints[0], skeleton=skeleton)
    scores = pckh(keypoints, keypoints, visibility, np.ones(3), skeleton=skeleton)

    assert np.asarray(drawn).any()
    assert set(scores.groups.values()) == {scores.total} == {100}


def test_a_skeleton_is_passed_through():
    assert skeletons.named(skeletons.COCO17) is skeletons.COCO17


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match=f"{', '.join(NAMES)}, got 'coco'"):
        skeletons.named("coco")
