"""Draws plausible bodies by chance: joint angles, proportions, a camera.

Bodies are built in the person's own frame: x to the person's left, y up, z forward, in
units of body height, pelvis at the origin. The camera then turns them so that x points
right in the image, y up and z towards the viewer.
"""

import dataclasses
import math

import numpy as np

from mpii_pose.skeleton import LIMB_PARTS, MPII

# Lengths as parts of body height. Neck to head top is 1/6 of it: MPII's scale follows
# from the head by 200 px x scale = 8 x head size = 6 x neck to head top.
HEAD_LENGTH = 1 / 6
HAND_LENGTH = 0.05
FOOT_LENGTH = 0.09
TORSO_LENGTH = 0.275
_THIGH, _SHIN, _NECK = 0.245, 0.245, 0.035
_UPPER_ARM, _FOREARM = 0.165, 0.15
_HALF_SHOULDERS, _HALF_HIPS = 0.115, 0.07

Range = tuple[float, float]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Action:
    """Ranges of joint angles in degrees; left and right are drawn apart."""

    category: str  # MPII's word for the group of activities.
    weight: float  # How often it happens, relative to the others.
    hip: Range = (-5, 12)  # Thigh lifted forward from hanging down.
    spread: Range = (1, 10)  # Thigh moved sideways.
    knee: Range = (0, 12)  # Shin bent backward.
    stride: Range = (0, 0)  # A leg and the other side's arm forward, the others back.
    arm: Range = (-20, 25)  # Upper arm lifted forward from hanging down.
    lift: Range = (5, 30)  # Upper arm moved sideways.
    elbow: Range = (5, 60)  # Forearm bent forward.
    lean: Range = (-5, 10)  # Upper body bent forward.
    roll: Range = (-7, 7)  # Whole body turned in the image; mirrored by chance.
    needs_seat: bool = False  # Whether the person sits on something.


ACTIONS = {
    "standing, talking": Action(category="miscellaneous", weight=5),
    "walking, general": Action(
        category="walking", weight=5, stride=(12, 32), knee=(2, 35), elbow=(10, 70)
    ),
    "running": Action(
        category="running",
        weight=2,
        stride=(25, 50),
        knee=(15, 85),
        elbow=(60, 110),
        lean=(5, 20),
    ),
    "sitting, quietly": Action(
        category="inactivity quiet/light",
        weight=3,
        hip=(70, 95),
        spread=(3, 18),
        knee=(65, 100),
        arm=(5, 50),
        elbow=(20, 90),
        lean=(-8, 15),
        needs_seat=True,
    ),
    "cheering": Action(
        category="miscellaneous",
        weight=3,
        arm=(-10, 10),
        lift=(110, 170),
        elbow=(0, 50),
    ),
    "jumping jacks": Action(
        category="conditioning exercise",
        weight=2,
        spread=(15, 38),
        lift=(60, 150),
        elbow=(0, 30),
    ),
    "boxing": Action(
        category="sports",
        weight=2,
        spread=(6, 18),
        knee=(5, 35),
        hip=(0, 35),
        arm=(30, 95),
        elbow=(10, 120),
    ),
    "squats": Action(
        category="conditioning exercise",
        weight=1,
        hip=(60, 105),
        spread=(15, 30),
        knee=(80, 120),
        arm=(50, 95),
        elbow=(0, 25),
        lean=(15, 35),
    ),
    "lying quietly": Action(
        category="inactivity quiet/light", weight=1, lift=(5, 60), roll=(75, 105)
    ),
    "handstand": Action(
        category="sports",
        weight=0.7,
        lift=(150, 175),
        elbow=(0, 15),
        spread=(2, 30),
        roll=(165, 195),
    ),
}


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Body:
    """A posed body seen by the camera, pelvis at the origin, body height 1.

    Points are x right, y up, z towards the viewer; hands and feet right, then left.
    Rows of axes are the directions of the person's left, up and forward.
    """

    joints: np.ndarray  # float64 [16, 3]
    hands: np.ndarray  # float64 [2, 3], their tips
    feet: np.ndarray  # float64 [2, 3], their tips
    torso_axes: np.ndarray  # float64 [3, 3], at the chest
    head_axes: np.ndarray  # float64 [3, 3]


def sample_action(rng: np.random.Generator) -> str:
    """Returns a key of `ACTIONS`, the likely ones more often."""
    weights = np.array([action.weight for action in ACTIONS.values()])
    return str(rng.choice(list(ACTIONS), p=weights / weights.sum()))


def sample_body(rng: np.random.Generator, *, action: str) -> Body:
    """Draws a body in the middle of an action of `ACTIONS`, from a chance side."""
    ranges = ACTIONS[action]
    stride = rng.uniform(*ranges.stride) * rng.choice((-1, 1))
    chest = _turn("x", rng.uniform(*ranges.lean)) @ _turn("z", rng.normal(0, 5))
    head = (
        chest
        @ _turn("y", np.clip(rng.normal(0, 20), -45, 45))
        @ _turn("x", rng.normal(0, 6))
        @ _turn("z", rng.normal(0, 6))
    )
    joints = np.zeros((MPII.num_keypoints, 3))
    thorax = chest @ (0, TORSO_LENGTH, 0)
    upper_neck = thorax + chest @ (0, _NECK, 0.01)
    head_top = upper_neck + head @ (0, HEAD_LENGTH, 0)
    spine = MPII.indices("thorax", "upper_neck", "head_top")
    joints[list(spine)] = thorax, upper_neck, head_top
    hands, feet = np.zeros((2, 3)), np.zeros((2, 3))
    for place, (side, sign) in enumerate((("right", -1), ("left", 1))):
        hip = np.array((sign * _HALF_HIPS, 0, 0))
        flexion = rng.uniform(*ranges.hip) + sign * stride
        bend = rng.uniform(*ranges.knee)
        spread = sign * rng.uniform(*ranges.spread)
        knee = hip + _THIGH * _hanging(flexion, spread)
        ankle = knee + _SHIN * _hanging(flexion - bend, spread * 0.6)
        feet[place] = ankle + FOOT_LENGTH * _hanging(flexion - bend + 75, spread * 2)

        shoulder = thorax + chest @ (sign * _HALF_SHOULDERS, -0.01, 0)
        flexion = rng.uniform(*ranges.arm) - sign * stride
        bend = rng.uniform(*ranges.elbow)
        lift = sign * rng.uniform(*ranges.lift)
        elbow = shoulder + _UPPER_ARM * chest @ _hanging(flexion, lift)
        forearm = chest @ _hanging(flexion + bend, lift * 0.8)
        wrist = elbow + _FOREARM * forearm
        hands[place] = wrist + HAND_LENGTH * forearm
        names = (f"{side}_{part}" for part in LIMB_PARTS)
        joints[list(MPII.indices(*names))] = shoulder, elbow, wrist, hip, knee, ankle
    view = _sample_view(rng, roll=ranges.roll)
    return Body(
        joints=joints @ view.T,
        hands=hands @ view.T,
        feet=feet @ view.T,
        torso_axes=(view @ chest).T,
        head_axes=(view @ head).T,
    )


def _sample_view(rng: np.random.Generator, *, roll: Range) -> np.ndarray:
    """Rotation from the person's frame to the camera's; faces are seen mostly."""
    yaw = rng.normal(0, 45) + (180 if rng.random() < 0.2 else 0)
    tilt = rng.uniform(*roll) * rng.choice((-1, 1))
    return _turn("z", tilt) @ _turn("x", rng.uniform(-5, 15)) @ _turn("y", yaw)


def _hanging(forward: float, sideways: float) -> np.ndarray:
    """Direction of a limb that hangs down, lifted forward, then sideways (degrees)."""
    f, s = math.radians(forward), math.radians(sideways)
    return np.array(
        (math.sin(s), -math.cos(s) * math.cos(f), math.cos(s) * math.sin(f))
    )


def _turn(axis: str, degrees: float) -> np.ndarray:
    """Rotation [3, 3] about x (lean forward), y (turn to the left) or z."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    if axis == "x":
        return np.array(((1, 0, 0), (0, c, -s), (0, s, c)))
    if axis == "y":
        return np.array(((c, 0, s), (0, 1, 0), (-s, 0, c)))
    return np.array(((c, -s, 0), (s, c, 0), (0, 0, 1)))
