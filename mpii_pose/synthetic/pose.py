"""Samples plausible bodies: the joint angles of an action, seen by a camera.

Bodies are built in the person's own frame: x to the person's left, y up, z forward, in
units of body height, pelvis at the origin. The camera turns them into the image's
frame: x right, y down, z towards the viewer.
"""

import dataclasses

import numpy as np
from scipy.spatial.transform import Rotation

from mpii_pose.skeleton import LIMB_PARTS, MPII

# Lengths as parts of body height. Neck to head top is 1/6 of it: MPII's scale follows
# from the head by 200 px x scale = 8 x head size = 6 x neck to head top.
HEAD_LENGTH = 1 / 6
_TORSO, _NECK = 0.275, 0.035
_THIGH, _SHIN, _UPPER_ARM, _FOREARM = 0.25, 0.25, 0.165, 0.15
_HALF_SHOULDERS, _HALF_HIPS = 0.115, 0.07
# From the neck to the middles of jaw and forehead, and on to the face before them.
_SKULL, _CROWN, _FACE = (0, 0.075, 0), (0, 0.11, 0), (0, 0, 0.03)

# The keypoints, and points within the head.
POINTS = (*MPII.keypoints, "skull", "crown", "chin", "brow")

Range = tuple[float, float]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Action:
    """Ranges of joint angles in degrees; left and right are sampled apart."""

    category: str  # MPII's word for the group of activities.
    weight: int  # How often it happens, relative to the others.
    hip: Range = (-5, 12)  # Thigh lifted forward from hanging down.
    spread: Range = (1, 10)  # Thigh moved sideways.
    knee: Range = (0, 12)  # Shin bent backward.
    stride: Range = (0, 0)  # A leg and the other side's arm forward, the others back.
    arm: Range = (-20, 25)  # Upper arm lifted forward from hanging down.
    lift: Range = (5, 30)  # Upper arm moved sideways.
    elbow: Range = (5, 60)  # Forearm bent forward.
    lean: Range = (-5, 10)  # Upper body bent forward.
    roll: Range = (-7, 7)  # Whole body turned in the image, to either side.


ACTIONS = {
    "standing, talking": Action(category="miscellaneous", weight=6),
    "walking, general": Action(
        category="walking", weight=5, stride=(12, 32), knee=(2, 35)
    ),
    "running": Action(
        category="running", weight=2, stride=(25, 50), knee=(15, 85), elbow=(60, 110)
    ),
    "cheering": Action(category="miscellaneous", weight=3, lift=(110, 170)),
    "jumping jacks": Action(
        category="conditioning exercise", weight=3, spread=(15, 38), lift=(60, 150)
    ),
    "squats": Action(
        category="conditioning exercise", weight=2, hip=(60, 105), knee=(80, 120)
    ),
    "lying quietly": Action(
        category="inactivity quiet/light", weight=1, lift=(5, 60), roll=(75, 105)
    ),
}


def sample_action(rng: np.random.Generator) -> str:
    """Returns a key of `ACTIONS`, the frequent ones more often."""
    weights = np.array([action.weight for action in ACTIONS.values()])
    return str(rng.choice(list(ACTIONS), p=weights / weights.sum()))


def sample_body(rng: np.random.Generator, *, action: str) -> np.ndarray:
    """Returns the `POINTS` [20, 3] of a body in an action, seen from a random side."""
    ranges = ACTIONS[action]
    stride = rng.uniform(*ranges.stride) * rng.choice((-1, 1))
    chest = _rotation("XZ", rng.uniform(*ranges.lean), rng.normal(0, 5))
    head = chest @ _rotation("YXZ", *rng.normal(0, (20, 6, 6)))
    thorax = chest @ (0, _TORSO, 0)
    neck = thorax + chest @ (0, _NECK, 0.01)
    points = {"pelvis": np.zeros(3), "thorax": thorax, "upper_neck": neck}
    points["head_top"] = neck + head @ (0, HEAD_LENGTH, 0)
    points["skull"], points["crown"] = neck + head @ _SKULL, neck + head @ _CROWN
    points["chin"] = points["skull"] + head @ _FACE
    points["brow"] = points["crown"] + head @ _FACE
    for side, sign in (("right", -1), ("left", 1)):
        hip = np.array((sign * _HALF_HIPS, 0, 0))
        forward = rng.uniform(*ranges.hip) + sign * stride
        spread = sign * rng.uniform(*ranges.spread)
        knee = hip + _THIGH * _hanging(forward, spread)
        forward -= rng.uniform(*ranges.knee)
        ankle = knee + _SHIN * _hanging(forward, 0.6 * spread)

        shoulder = thorax + chest @ (sign * _HALF_SHOULDERS, -0.01, 0)
        forward = rng.uniform(*ranges.arm) - sign * stride
        lift = sign * rng.uniform(*ranges.lift)
        elbow = shoulder + _UPPER_ARM * chest @ _hanging(forward, lift)
        forward += rng.uniform(*ranges.elbow)
        wrist = elbow + _FOREARM * chest @ _hanging(forward, 0.8 * lift)
        limbs = (shoulder, elbow, wrist, hip, knee, ankle)
        points |= zip((f"{side}_{x}" for x in LIMB_PARTS), limbs, strict=True)
    # One of five people is seen from behind.
    yaw = rng.normal(0, 45) + (180 if rng.random() < 0.2 else 0)
    roll = rng.uniform(*ranges.roll) * rng.choice((-1, 1))
    view = np.diag((1, -1, 1)) @ _rotation("ZXY", roll, rng.uniform(-5, 15), yaw)
    return np.stack([points[name] for name in POINTS]) @ view.T


def _hanging(forward: float, sideways: float) -> np.ndarray:
    """Returns the direction of a limb that hangs down, lifted by two angles."""
    return _rotation("XZ", -forward, sideways) @ (0, -1, 0)


def _rotation(axes: str, *degrees: float) -> np.ndarray:
    """Returns a rotation [3, 3]: about X (forward), Y (to the left), Z, in turn."""
    return Rotation.from_euler(axes, degrees, degrees=True).as_matrix()
