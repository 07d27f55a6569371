"""A sound person, and what can be done to one."""

import dataclasses

import numpy as np

import mpii_pose
from mpii_pose.skeleton import KEYPOINTS, Visibility

# (height, width) of the image of the person below.
SIZE = (480, 640)
FRONTAL = {  # Relative to the pelvis, in head sizes.
    "right_ankle": (-0.5, 4.4),
    "right_knee": (-0.5, 2.2),
    "right_hip": (-0.5, 0),
    "left_hip": (0.5, 0),
    "left_knee": (0.5, 2.2),
    "left_ankle": (0.5, 4.4),
    "pelvis": (0, 0),
    "thorax": (0, -2.4),
    "upper_neck": (0, -2.6),
    "head_top": (0, -2.6 - 4 / 3),
    "right_wrist": (-1.5, 0.2),
    "right_elbow": (-1.4, -1.1),
    "right_shoulder": (-1, -2.4),
    "left_shoulder": (1, -2.4),
    "left_elbow": (1.4, -1.1),
    "left_wrist": (1.5, 0.2),
}


def make_person(**changes):
    """A person who stands upright and faces the camera, with a head size of 30 px."""
    head_size, pelvis = 30.0, np.array([320.0, 230.0])
    points = pelvis + head_size * np.array([FRONTAL[name] for name in KEYPOINTS])
    fields = {
        "image_name": "1.jpg",
        "keypoints": points.astype(np.float32),
        "visibility": np.full(16, Visibility.VISIBLE, np.int8),
        "center": np.float32([320, 240]),
        "scale": head_size / 25,
        "head_box": np.full(4, -1, np.float32),
        "head_size": head_size,
        "index": 0,
    }
    return mpii_pose.PersonAnnotation(**fields | changes)


def moved(person, **places):
    """The person with some keypoints elsewhere."""
    keypoints = person.keypoints.copy()
    for name, place in places.items():
        keypoints[KEYPOINTS.index(name)] = place
    return dataclasses.replace(person, keypoints=keypoints)


def exchanged(person, *parts):
    """The person with left and right of some parts exchanged."""
    keypoints = person.keypoints.copy()
    for part in parts:
        pair = [KEYPOINTS.index(f"{side}_{part}") for side in ("right", "left")]
        keypoints[pair] = keypoints[pair[::-1]]
    return dataclasses.replace(person, keypoints=keypoints)


def without(person, *names):
    """The person with some keypoints missing."""
    visibility = person.visibility.copy()
    visibility[[KEYPOINTS.index(name) for name in names]] = Visibility.MISSING
    missing = visibility[:, None] == Visibility.MISSING
    keypoints = np.where(missing, np.float32(-1), person.keypoints)
    return dataclasses.replace(person, keypoints=keypoints, visibility=visibility)
