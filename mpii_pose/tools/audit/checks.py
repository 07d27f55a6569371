"""What can be wrong with labelled people, measured without looking at the images.

Each check takes people as arrays and returns, for each keypoint, how far it is off: 0
where there is nothing to say. Nothing is corrected: everybody evaluates on the labels
as they are.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from mpii_pose.person import (
    HEAD_SIZE_FACTOR,
    HEAD_SIZE_PER_SCALE,
    PersonAnnotation,
    person_square,
)
from mpii_pose.skeleton import KEYPOINTS, NUM_KEYPOINTS, Visibility

# |upper neck - head top| divided by the head box's diagonal, whose corners they are
# near: true of all people of MPII but a few.
_NECK_TO_TOP = 0.8
# How far a head may be off before it is reported; nearly all are within 0.01 and 0.02.
_SCALE_TOLERANCE, _NECK_TO_TOP_TOLERANCE = 0.01, 0.1
# Shoulders and hips that point against each other are suspect where both are this long
# (in head sizes; a frontal person's are 2.1 and 0.8) and the angle is this large.
_MIN_TORSO_WIDTH, _MAX_COSINE = 0.75, -0.5

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Poses:
    """Labelled people as arrays.

    Attributes:
        keypoints: float64 [N, 16, 2], (x, y) in pixels of the full image, 0-based.
        labelled: bool [N, 16].
        center: float64 [N, 2].
        scale: float64 [N], height of the person divided by 200 px.
        head_size: float64 [N], in px.
        image_size: float64 [N, 2], (width, height) in px; NaN where unknown.
    """

    keypoints: Floats
    labelled: Bools
    center: Floats
    scale: Floats
    head_size: Floats
    image_size: Floats


def stack_poses(
    people: Sequence[PersonAnnotation],
    image_sizes: Mapping[str, tuple[int, int]] | None = None,
) -> Poses:
    """Returns people as arrays.

    Args:
        people: N people.
        image_sizes: (height, width) in px by image name, where they are known.
    """
    sizes = image_sizes or {}
    unknown = (np.nan, np.nan)

    def column(values: list, *shape: int) -> Floats:
        return np.array(values, np.float64).reshape(len(people), *shape)

    visibility = column([person.visibility for person in people], NUM_KEYPOINTS)
    return Poses(
        keypoints=column([person.keypoints for person in people], NUM_KEYPOINTS, 2),
        labelled=visibility != Visibility.MISSING,
        center=column([person.center for person in people], 2),
        scale=column([person.scale for person in people]),
        head_size=column([person.head_size for person in people]),
        image_size=column(
            [sizes.get(person.image_name, unknown)[::-1] for person in people], 2
        ),
    )


def outside_image(poses: Poses) -> Floats:
    """Returns how many px a keypoint lies beyond the centers of the outer pixels."""
    last = poses.image_size[:, None] - 1
    beyond = np.maximum(-poses.keypoints, poses.keypoints - last).max(axis=2)
    return _where(poses.labelled & (beyond > 0), beyond)


def coincident(poses: Poses) -> Floats:
    """Returns how many keypoints of the person are at one place, where not 1."""
    points = poses.keypoints
    same = (points[:, :, None] == points[:, None]).all(axis=3)
    same &= poses.labelled[:, :, None] & poses.labelled[:, None]
    together = same.sum(axis=2).astype(np.float64)
    return _where(together > 1, together)


def outside_crop(poses: Poses) -> Floats:
    """Returns how many head sizes a keypoint lies outside the usual crop.

    HRNet's crop, which nearly everybody uses: a square of 250 x scale px whose middle
    lies 15 x scale px below the center.
    """
    middle, side = person_square(poses.center, poses.scale)
    from_middle = np.abs(poses.keypoints - middle[:, None]).max(axis=2)
    beyond = from_middle - side[:, None] / 2
    return _where(poses.labelled & (beyond > 0), beyond / poses.head_size[:, None])


def impossible_head(poses: Poses) -> Floats:
    """Returns by how many percent the head's size is off what else is known of it.

    MPII's scale was made from the head box, which was made from upper neck and head
    top. So head size is 25 x scale, and the box's diagonal 5/4 of the distance of the
    two keypoints; and no head is larger than its image. The number stands at both.
    """
    neck, top = _indices("upper_neck", "head_top")
    expected = HEAD_SIZE_PER_SCALE * poses.scale
    off_scale = _deviation(poses.head_size, expected)
    length = np.linalg.norm(poses.keypoints[:, neck] - poses.keypoints[:, top], axis=1)
    off_length = _deviation(length, _NECK_TO_TOP * poses.head_size / HEAD_SIZE_FACTOR)
    off_length[~poses.labelled[:, [neck, top]].all(axis=1)] = 0
    # A comparison with NaN, where the image's size is unknown, is false.
    off_image = poses.head_size / poses.image_size.min(axis=1)
    off = np.maximum.reduce(
        [
            _where(off_scale > _SCALE_TOLERANCE, off_scale),
            _where(off_length > _NECK_TO_TOP_TOLERANCE, off_length),
            _where(off_image > 1, off_image),
        ]
    )
    return _at(100 * off, neck, top)


def suspected_swap(poses: Poses) -> Floats:
    """Returns how far apart, in head sizes, left and right are that seem exchanged.

    Two things bodies rarely do:
    * Shoulders and hips point against each other, by more than 120 degrees, both seen
      wide: left and right of one of them may be exchanged.
    * Both halves of a pair of limbs cross, thigh over thigh and shin over shin, or
      upper arm over upper arm and forearm over forearm: knees or elbows may be.
    A person whose left and right are exchanged throughout is not found, nor is a pair
    of wrists or ankles: without the image such a pose is as good as another.
    """
    return np.maximum.reduce(
        [
            _opposed_torso(poses),
            _twice_crossed(poses, "hip", "knee", "ankle"),
            _twice_crossed(poses, "shoulder", "elbow", "wrist"),
        ]
    )


def _opposed_torso(poses: Poses) -> Floats:
    right_hip, left_hip = _indices("right_hip", "left_hip")
    right_shoulder, left_shoulder = _indices("right_shoulder", "left_shoulder")
    unit = poses.head_size[:, None]
    hips = (poses.keypoints[:, left_hip] - poses.keypoints[:, right_hip]) / unit
    shoulders = poses.keypoints[:, left_shoulder] - poses.keypoints[:, right_shoulder]
    shoulders = shoulders / unit
    widths = np.stack([np.hypot(*hips.T), np.hypot(*shoulders.T)])
    suspect = (widths.min(axis=0) > _MIN_TORSO_WIDTH) & (
        (hips * shoulders).sum(axis=1) < _MAX_COSINE * widths.prod(axis=0)
    )
    points = (right_hip, left_hip, right_shoulder, left_shoulder)
    suspect &= poses.labelled[:, points].all(axis=1)
    return _at(_where(suspect, widths.min(axis=0)), *points)


def _twice_crossed(poses: Poses, *parts: str) -> Floats:
    """Checks a pair of limbs, given by its three parts from the body outwards."""
    right = _indices(*(f"right_{part}" for part in parts))
    left = _indices(*(f"left_{part}" for part in parts))
    a, b = poses.keypoints[:, right], poses.keypoints[:, left]
    suspect = poses.labelled[:, right + left].all(axis=1)
    for start, end in ((0, 1), (1, 2)):
        suspect &= _cross(a[:, start], a[:, end], b[:, start], b[:, end])
    apart = np.hypot(*(a[:, 1] - b[:, 1]).T) / poses.head_size
    return _at(_where(suspect, apart), right[1], left[1])


def _cross(a: Floats, b: Floats, c: Floats, d: Floats) -> Bools:
    """Whether the lines from `a` to `b` and from `c` to `d`, [N, 2] each, cross."""

    def side(start: Floats, end: Floats, point: Floats) -> Floats:
        (x1, y1), (x2, y2) = (end - start).T, (point - start).T
        return x1 * y2 - y1 * x2

    return (side(a, b, c) * side(a, b, d) < 0) & (side(c, d, a) * side(c, d, b) < 0)


def _deviation(found: Floats, expected: Floats) -> Floats:
    return np.abs(found / expected - 1)


def _where(condition: Bools | np.bool_, values: Floats) -> Floats:
    return np.where(condition, values, 0.0)


def _at(values: Floats, *keypoints: int) -> Floats:
    """Returns [N, 16] with `values` [N] at some keypoints and 0 elsewhere."""
    array = np.zeros((len(values), NUM_KEYPOINTS))
    array[:, keypoints] = values[:, None]
    return array


def _indices(*names: str) -> tuple[int, ...]:
    return tuple(KEYPOINTS.index(name) for name in names)


@dataclasses.dataclass(frozen=True)
class Check:
    """A kind of defect.

    Attributes:
        name: Short name.
        title: What is shown as heading.
        explanation: What is measured and why, for readers of the report.
        unit: What `measure` returns, as words after a number.
        measure: Poses of N people -> float64 [N, 16], 0 where there is nothing to say.
        shows_crop: Whether the crop belongs into its pictures.
    """

    name: str
    title: str
    explanation: str
    unit: str
    measure: Callable[[Poses], Floats]
    shows_crop: bool = False


CHECKS = (
    Check(
        "outside_image",
        "Keypoints outside the image",
        "Labelled keypoints beyond the centers of the outermost pixels. Most are head "
        "tops that the image cuts off.",
        "px outside",
        outside_image,
    ),
    Check(
        "coincident",
        "Keypoints at the same place",
        "Two or more labelled keypoints of a person at exactly the same coordinates. "
        "Some people are seen that way; others were clicked twice.",
        "at one place",
        coincident,
    ),
    Check(
        "outside_crop",
        "Keypoints outside the usual crop",
        "Nearly all code crops a square of 250 x scale px whose middle lies 15 x scale "
        "px below the center. These labelled keypoints are cut off: no network can "
        "find them, and they count as misses.",
        "head sizes outside",
        outside_crop,
        shows_crop=True,
    ),
    Check(
        "impossible_head",
        "Impossible head sizes",
        "Head size is 25 x scale and 3/4 of the distance from upper neck to head top, "
        "as all three were made from the same head box. Here they disagree (by more "
        "than 1 % and 10 %), or the head is larger than the image.",
        "% off",
        impossible_head,
    ),
    Check(
        "suspected_swap",
        "Suspected left/right swaps",
        "Shoulders and hips point against each other, or both halves of a pair of "
        "limbs cross (thigh over thigh and shin over shin). Bodies can do that, but "
        "rarely: look before you believe it.",
        "head sizes apart",
        suspected_swap,
    ),
)
