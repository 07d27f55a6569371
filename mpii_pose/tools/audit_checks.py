"""Measures what can be wrong with labelled people, without looking at the images.

Each check takes people as arrays and returns how far each keypoint is off, 0 where it
is fine. Nothing is corrected: everybody evaluates on the labels as they are.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mpii_pose.person import (
    HEAD_SIZE_FACTOR,
    HEAD_SIZE_PER_SCALE,
    NECK_TO_TOP,
    PersonAnnotation,
    person_square,
)
from mpii_pose.skeleton import MPII, NUM_KEYPOINTS

# How far a head may be off before it is reported. Nearly all are within 0.01 and 0.02.
_SCALE_TOLERANCE, _LENGTH_TOLERANCE = 0.01, 0.1
# Shoulders and hips that point against each other are suspect where both are this long
# (in head sizes; a frontal person's are 2.1 and 0.8) and the angle is this large.
_MIN_TORSO_WIDTH, _MAX_COSINE = 0.75, -0.5

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


class Poses(NamedTuple):
    """N labelled people as arrays; points are (x, y) in pixels of the full image."""

    keypoints: Floats  # [N, 16, 2]
    labelled: Bools  # [N, 16]
    center: Floats  # [N, 2]
    scale: Floats  # [N], height of the person divided by 200 px
    head_size: Floats  # [N], in px
    image_size: Floats  # [N, 2], (width, height) in px; NaN where unknown


def stack_poses(
    people: Sequence[PersonAnnotation],
    image_sizes: Mapping[str, tuple[int, int]] | None = None,
) -> Poses:
    """Returns N people as arrays.

    Args:
        people: The people.
        image_sizes: (height, width) in px by image name, where they are known.
    """
    known = image_sizes or {}
    sizes = [known.get(person.image_name, (np.nan, np.nan))[::-1] for person in people]

    def column(values: list, *shape: int) -> Floats:
        return np.array(values, np.float64).reshape(len(people), *shape)

    labelled = column([person.labelled for person in people], NUM_KEYPOINTS)
    return Poses(
        keypoints=column([p.keypoints for p in people], NUM_KEYPOINTS, 2),
        labelled=labelled > 0,
        center=column([person.center for person in people], 2),
        scale=column([person.scale for person in people]),
        head_size=column([person.head_size for person in people]),
        image_size=column(sizes, 2),
    )


def outside_image(poses: Poses) -> Floats:
    """Returns how many px a keypoint lies beyond the centers of the outer pixels."""
    last = poses.image_size[:, None] - 1
    beyond = np.maximum(-poses.keypoints, poses.keypoints - last).max(axis=2)
    return np.where(poses.labelled & (beyond > 0), beyond, 0.0)


def coincident(poses: Poses) -> Floats:
    """Returns how many keypoints of the person are at one place, where not 1."""
    points = poses.keypoints
    same = (points[:, :, None] == points[:, None]).all(axis=3)
    same &= poses.labelled[:, :, None] & poses.labelled[:, None]
    together = same.sum(axis=2).astype(np.float64)
    return np.where(together > 1, together, 0.0)


def outside_crop(poses: Poses) -> Floats:
    """Returns how many head sizes a keypoint lies outside the usual crop.

    HRNet's crop, which nearly everybody uses; see `person_square`.
    """
    middle, side = person_square(poses.center, poses.scale)
    from_middle = np.abs(poses.keypoints - middle[:, None]).max(axis=2)
    beyond = (from_middle - side[:, None] / 2) / poses.head_size[:, None]
    return np.where(poses.labelled & (beyond > 0), beyond, 0.0)


def impossible_head(poses: Poses) -> Floats:
    """Returns by how many percent the head's size is wrong, at upper neck and head top.

    MPII's scale was made from the head box, which was made from upper neck and head
    top. So head size is 25 x scale, the box's diagonal is 5/4 of the distance of the
    two keypoints, and no head is larger than its image.
    """
    neck, top = MPII.indices("upper_neck", "head_top")
    length = np.linalg.norm(poses.keypoints[:, neck] - poses.keypoints[:, top], axis=1)
    off_scale = np.abs(poses.head_size / (HEAD_SIZE_PER_SCALE * poses.scale) - 1)
    off_length = np.abs(length / (NECK_TO_TOP * poses.head_size / HEAD_SIZE_FACTOR) - 1)
    has_length = poses.labelled[:, [neck, top]].all(axis=1)
    # A comparison with NaN, where the image's size is unknown, is false.
    of_image = poses.head_size / poses.image_size.min(axis=1)
    off = np.maximum.reduce(
        [
            np.where(off_scale > _SCALE_TOLERANCE, off_scale, 0.0),
            np.where(has_length & (off_length > _LENGTH_TOLERANCE), off_length, 0.0),
            np.where(of_image > 1, of_image, 0.0),
        ]
    )
    return _at(100 * off, neck, top)


def suspected_swap(poses: Poses) -> Floats:
    """Returns the distance, in head sizes, of left and right that may be exchanged.

    Bodies rarely do two things:
    * Shoulders and hips point against each other, by more than 120 degrees, and both
      are seen wide: left and right of one of them may be exchanged.
    * Both halves of a pair of limbs cross, thigh over thigh and shin over shin, or
      upper arm over upper arm and forearm over forearm: knees or elbows may be.
    Not found are a person whose left and right are exchanged throughout, and a pair of
    wrists or ankles: without the image such a pose looks right.
    """
    return np.maximum.reduce(
        [
            _opposed_torso(poses),
            _twice_crossed(poses, "hip", "knee", "ankle"),
            _twice_crossed(poses, "shoulder", "elbow", "wrist"),
        ]
    )


def _opposed_torso(poses: Poses) -> Floats:
    points = MPII.indices("right_hip", "left_hip", "right_shoulder", "left_shoulder")
    torso = poses.keypoints[:, points] / poses.head_size[:, None, None]
    hips, shoulders = torso[:, 1] - torso[:, 0], torso[:, 3] - torso[:, 2]
    widths = np.stack([np.hypot(*hips.T), np.hypot(*shoulders.T)])
    suspect = poses.labelled[:, points].all(axis=1)
    suspect &= widths.min(axis=0) > _MIN_TORSO_WIDTH
    suspect &= (hips * shoulders).sum(axis=1) < _MAX_COSINE * widths.prod(axis=0)
    return _at(np.where(suspect, widths.min(axis=0), 0.0), *points)


def _twice_crossed(poses: Poses, *parts: str) -> Floats:
    """Checks a pair of limbs, given by its three parts from the body outwards."""
    right = MPII.indices(*(f"right_{part}" for part in parts))
    left = MPII.indices(*(f"left_{part}" for part in parts))
    a, b = poses.keypoints[:, right], poses.keypoints[:, left]
    suspect = poses.labelled[:, right + left].all(axis=1)
    for start, end in ((0, 1), (1, 2)):
        suspect &= _cross(a[:, start], a[:, end], b[:, start], b[:, end])
    apart = np.hypot(*(a[:, 1] - b[:, 1]).T) / poses.head_size
    return _at(np.where(suspect, apart, 0.0), right[1], left[1])


def _cross(a: Floats, b: Floats, c: Floats, d: Floats) -> Bools:
    """Returns whether the lines from `a` to `b` and `c` to `d`, [N, 2] each, cross."""

    def side(start: Floats, end: Floats, point: Floats) -> Floats:
        (x1, y1), (x2, y2) = (end - start).T, (point - start).T
        return x1 * y2 - y1 * x2

    return (side(a, b, c) * side(a, b, d) < 0) & (side(c, d, a) * side(c, d, b) < 0)


def _at(values: Floats, *keypoints: int) -> Floats:
    """Returns [N, 16] with `values` [N] at some keypoints and 0 elsewhere."""
    array = np.zeros((len(values), NUM_KEYPOINTS))
    array[:, keypoints] = values[:, None]
    return array


class Check(NamedTuple):
    """A kind of defect."""

    measure: Callable[[Poses], Floats]  # Returns [N, 16].
    unit: str  # Of what `measure` returns, as words after a number.
    title: str
    explanation: str  # What is measured and why, for readers of the report.
    shows_crop: bool = False  # Whether its pictures show the crop.

    @property
    def name(self) -> str:
        """The name of the function."""
        return self.measure.__name__


CHECKS = (
    Check(
        outside_image,
        "px outside",
        "Keypoints outside the image",
        "Labelled keypoints beyond the centers of the outermost pixels. Most are head "
        "tops that the image cuts off.",
    ),
    Check(
        coincident,
        "at one place",
        "Keypoints at the same place",
        "Two or more labelled keypoints of a person at exactly the same coordinates. "
        "Some people are seen that way; others were clicked twice.",
    ),
    Check(
        outside_crop,
        "head sizes outside",
        "Keypoints outside the usual crop",
        "Nearly all code crops a square of 250 x scale px whose middle lies 15 x scale "
        "px below the center. These labelled keypoints are cut off: no network can "
        "find them, and they count as misses.",
        shows_crop=True,
    ),
    Check(
        impossible_head,
        "% off",
        "Impossible head sizes",
        "Head size is 25 x scale and 3/4 of the distance from upper neck to head top, "
        "as all three were made from the same head box. Here they disagree (by more "
        "than 1 % and 10 %), or the head is larger than the image.",
    ),
    Check(
        suspected_swap,
        "head sizes apart",
        "Suspected left/right swaps",
        "Shoulders and hips point against each other, or both halves of a pair of "
        "limbs cross (thigh over thigh and shin over shin). Bodies can do that, but "
        "rarely: look before you believe it.",
    ),
)
