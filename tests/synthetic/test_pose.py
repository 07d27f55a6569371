import numpy as np
import pytest

from mpii_pose import skeleton
from mpii_pose.synthetic import pose


def joint(body, name):
    return body.joints[skeleton.KEYPOINTS.index(name)]


def bodies(action):
    rng = np.random.default_rng(0)
    return [pose.sample_body(rng, action=action) for _ in range(50)]


@pytest.mark.parametrize("action", pose.ACTIONS)
def test_bones_keep_their_lengths_in_every_action(action):
    starts, ends = np.transpose(skeleton.MPII.bone_indices)

    lengths = [
        np.linalg.norm(body.joints[starts] - body.joints[ends], axis=1)
        for body in bodies(action)
    ]

    np.testing.assert_allclose(lengths, np.broadcast_to(lengths[0], (50, 15)))


def test_an_upright_body_is_one_unit_tall():
    heights = [
        np.ptp(np.concatenate((body.joints, body.feet))[:, 1])
        for body in bodies("standing, talking")
    ]

    assert min(heights) > 0.9
    assert max(heights) < 1.15


def test_the_right_side_is_on_the_left_of_the_image_when_facing_the_camera():
    towards = {body: body.torso_axes[2][2] for body in bodies("walking, general")}

    for body, forward in towards.items():
        right, left = joint(body, "right_hip")[0], joint(body, "left_hip")[0]
        if forward > 0.5:
            assert right < left
        if forward < -0.5:
            assert left < right
    assert min(towards.values()) < -0.5 < 0.5 < max(towards.values())


def test_actions_look_like_their_names():
    def all_bodies(action, condition):
        return all(condition(body) for body in bodies(action))

    def above(body, upper, lower):
        return joint(body, upper)[1] > joint(body, lower)[1]

    assert all_bodies("standing, talking", lambda b: above(b, "head_top", "left_knee"))
    assert all_bodies("handstand", lambda b: above(b, "left_ankle", "head_top"))
    assert all_bodies("cheering", lambda b: above(b, "left_elbow", "left_hip"))
    assert all_bodies(
        "lying quietly",
        lambda b: abs(np.subtract(*b.joints[[7, 6], 1])) < 0.5 * pose.TORSO_LENGTH,
    )


def test_axes_are_rotations():
    for body in bodies("running"):
        for axes in (body.torso_axes, body.head_axes):
            np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-12)
            assert np.linalg.det(axes) == pytest.approx(1)


def test_every_action_happens():
    rng = np.random.default_rng(0)

    seen = {pose.sample_action(rng) for _ in range(500)}

    assert seen == set(pose.ACTIONS)
