import numpy as np
import pytest

from mpii_pose.evaluation.pckh import pckh
from mpii_pose.skeleton import KEYPOINTS, SKELETONS
from mpii_pose.transforms.convert import convert_keypoints, shared_keypoints
from tests import real_people

PAIRS = [(source, target) for source in SKELETONS for target in SKELETONS]
LIMBS = {
    f"{side}_{part}"
    for side in ("left", "right")
    for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
}


def poses(name, count=5):
    shape = count, SKELETONS[name].num_keypoints, 2
    return np.random.default_rng(0).uniform(0, 500, shape)


def keypoint(array, skeleton, name):
    return array[..., SKELETONS[skeleton].keypoints.index(name), :]


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_shared_keypoints_are_exact(source, target):
    original = poses(source)

    converted = convert_keypoints(original, source, target)

    assert converted.shape == (5, SKELETONS[target].num_keypoints, 2)
    shared = shared_keypoints(source, target)
    assert set(shared) >= LIMBS
    for name in shared:
        np.testing.assert_array_equal(
            keypoint(converted, target, name), keypoint(original, source, name)
        )


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_only_the_four_derived_keypoints_are_made_up(source, target):
    """A head top never is."""
    converted = convert_keypoints(poses(source), source, target)

    known = ~np.isnan(converted).any(axis=(0, 2))
    derived = {"pelvis", "thorax", "upper_neck", "spine"}
    possible = {*shared_keypoints(source, target), *derived}
    expected = [name in possible for name in SKELETONS[target].keypoints]
    assert known.tolist() == expected


@pytest.mark.parametrize("target", ["mpii", "h36m17"])
def test_derived_keypoints_follow_the_stated_rule(target):
    original = poses("coco17")
    part = {name: keypoint(original, "coco17", name) for name in LIMBS}

    converted = convert_keypoints(original, "coco17", target)

    pelvis = (part["left_hip"] + part["right_hip"]) / 2
    thorax = (part["left_shoulder"] + part["right_shoulder"]) / 2
    expected = {
        "pelvis": pelvis,
        "thorax": thorax,
        "upper_neck": thorax + 0.1 * (thorax - pelvis),
        "spine": (thorax + pelvis) / 2,
    }
    for name in expected.keys() & set(SKELETONS[target].keypoints):
        np.testing.assert_allclose(keypoint(converted, target, name), expected[name])


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_mirrored_pose_converts_to_the_mirrored_one(source, target):
    def mirror(array, skeleton):
        return array[:, SKELETONS[skeleton].mirrored] * [-1, 1]

    original = poses(source)

    np.testing.assert_allclose(
        convert_keypoints(mirror(original, source), source, target),
        mirror(convert_keypoints(original, source, target), target),
    )


@pytest.mark.parametrize("missing", [-1.0, np.nan])
def test_nothing_is_derived_from_a_missing_keypoint(missing):
    original = poses("coco17")
    keypoint(original, "coco17", "left_hip")[2] = missing

    converted = convert_keypoints(original, "coco17", "mpii")

    for name, is_nan in (("pelvis", True), ("upper_neck", True), ("thorax", False)):
        assert np.isnan(keypoint(converted, "mpii", name)).any(axis=1).tolist() == [
            *(False, False, is_nan, False, False)
        ]
    np.testing.assert_array_equal(
        keypoint(converted, "mpii", "left_hip"),
        keypoint(original, "coco17", "left_hip"),
    )


@pytest.mark.parametrize(
    ("dtype", "converted"),
    [(np.float32, np.float32), (np.float64, np.float64), (np.int64, np.float64)],
)
@pytest.mark.parametrize("shape", [(), (0,), (2, 3)])
def test_any_batch_and_precision(dtype, converted, shape):
    original = np.ones((*shape, 17, 2), dtype)

    poses = convert_keypoints(original, "coco17", "halpe26")

    assert poses.shape == (*shape, 26, 2)
    assert poses.dtype == converted


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        ("coco17", "mpii", r"coco17 .*\[\.\.\., 17, 2\], got \[5, 16, 2\]"),
        ("mpii", "openpose", r"mpii, coco17, .*got 'openpose'"),
    ],
)
def test_poses_of_another_or_an_unknown_skeleton_are_refused(source, target, message):
    with pytest.raises(ValueError, match=message):
        convert_keypoints(poses("mpii"), source, target)


@pytest.fixture(scope="module")
def people():
    """Keypoints, visibility and head size of all real people, train ones included."""
    return real_people.read(validation_only=False)[:3]


@pytest.mark.parametrize(
    ("name", "at_half", "at_tenth"),
    [("pelvis", 99.96, 99.81), ("thorax", 99.96, 99.66), ("upper_neck", 96.54, 22.63)],
)
def test_derived_keypoints_reach_the_ceilings_stated(people, name, at_half, at_tenth):
    coco = convert_keypoints(people[0], "mpii", "coco17")
    through_coco = convert_keypoints(coco, "coco17", "mpii")
    index = KEYPOINTS.index(name)
    derivable = ~np.isnan(through_coco[:, index]).any(axis=1)

    scores = [
        pckh(through_coco, *people, threshold=threshold, where=derivable).per_keypoint
        for threshold in (0.5, 0.1)
    ]

    found = [score[index] for score in scores]
    assert found == pytest.approx([at_half, at_tenth], abs=0.01)
    assert {scores[0][KEYPOINTS.index(limb)] for limb in LIMBS} == {100}


def test_head_top_from_the_torso_would_be_right_for_half_of_the_people(people):
    keypoints, visibility, head_size = people
    coco = convert_keypoints(keypoints, "mpii", "coco17")
    derived = convert_keypoints(np.where(coco == -1, np.nan, coco), "coco17", "mpii")
    pelvis, thorax = (keypoint(derived, "mpii", name) for name in ("pelvis", "thorax"))
    top = KEYPOINTS.index("head_top")
    labelled = (visibility[:, top] > 0) & ~np.isnan(pelvis + thorax).any(axis=1)

    shares = []
    for factor in (0.6, 0.65, 0.68, 0.7, 0.75):
        error = thorax + factor * (thorax - pelvis) - keypoints[:, top]
        found = np.linalg.norm(error, axis=1) <= 0.5 * head_size
        shares.append(100 * found[labelled].mean())

    assert max(shares) == pytest.approx(52.5, abs=0.05)
