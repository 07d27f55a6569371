import numpy as np
import pytest

from mpii_pose.evaluation.pckh import pckh, pckh_slices
from mpii_pose.evaluation.scores import pckh_table
from mpii_pose.skeleton import KEYPOINTS, Visibility
from mpii_pose.transforms.convert import shared_keypoints

HEAD = ("upper_neck", "head_top")


def people(count=4):
    truth = np.random.default_rng(0).uniform(0, 500, (count, 16, 2))
    return truth, truth, np.full((count, 16), 2), np.full(count, 10.0)


def test_scores_of_some_keypoints_are_named_by_what_they_leave_out():
    shared = np.isin(KEYPOINTS, shared_keypoints("coco17", "mpii"))
    inputs = people()

    limbs = pckh(*inputs, where=np.tile(shared, (4, 1)))
    table = pckh_table({"COCO model": limbs, "MPII model": pckh(*inputs)})

    assert limbs.left_out == HEAD
    _, _, some, everything = table.splitlines()
    assert "COCO model (12 keypoints, without upper_neck, head_top) |" in some
    assert everything.startswith("| MPII model  ")
    assert "(12 keypoints, without upper_neck, head_top)" in str(limbs)


@pytest.mark.parametrize("where", [None, [True, True, False, True], np.ones((4, 16))])
def test_scores_of_all_keypoints_leave_nothing_out(where):
    scores = pckh(*people(), where=where)

    assert scores.left_out == ()
    assert "keypoints" not in str(scores)


def test_slice_of_occluded_keypoints_says_that_nobody_has_an_occluded_head():
    predicted, truth, visibility, head_size = people()
    limbs = ~np.isin(KEYPOINTS, HEAD)
    visibility[:2, limbs] = Visibility.OCCLUDED

    slices = pckh_slices(predicted, truth, visibility, head_size)

    assert slices["occluded"].left_out == HEAD
    assert slices["visible"].left_out == slices["all"].left_out == ()
