"""Poses of one skeleton in the keypoints of another, such as a COCO model's for MPII.

A keypoint that both skeletons name is taken over as it is. Of the others, a few can be
derived from shoulders and hips. How often that is right was measured on the labels of
MPII's 25,204 people, against the labelled keypoint, in head sizes:

| keypoint   | rule                                          | <= 0.5 | <= 0.1 |
| ---------- | --------------------------------------------- | -----: | -----: |
| pelvis     | middle of the hips                            |  100.0 |   99.8 |
| thorax     | middle of the shoulders                       |  100.0 |   99.7 |
| upper neck | thorax, raised by a tenth of the torso        |   96.5 |   22.6 |
|            | (the thorax as it is)                         |   83.9 |   14.5 |
| head top   | (thorax, raised by 0.68, the best: refused)   |   52.5 |    3.5 |

The torso is the way from pelvis to thorax. A perfect model's derived upper neck scores
no better than this, and a head top is never invented: a model without one is scored on
the keypoints that it shares with MPII.
"""

import numpy as np
import numpy.typing as npt

from mpii_pose import skeleton as skeletons
from mpii_pose.skeleton import Skeleton
from mpii_pose.transforms.geometry import MISSING_COORDINATE


def _weights(total: float, part: str) -> dict[str, float]:
    """Returns the weights of the left and the right of a part."""
    return {f"left_{part}": total / 2, f"right_{part}": total / 2}


# Keypoint -> the weights of the keypoints that it is derived from.
DERIVED = {
    "pelvis": _weights(1.0, "hip"),
    "thorax": _weights(1.0, "shoulder"),
    "upper_neck": {**_weights(1.1, "shoulder"), **_weights(-0.1, "hip")},
    # Human3.6M's, as MMPose makes it from a pose without one.
    "spine": {**_weights(0.5, "shoulder"), **_weights(0.5, "hip")},
}


def convert_keypoints(
    keypoints: npt.ArrayLike, source: str | Skeleton, target: str | Skeleton
) -> np.ndarray:
    """Returns poses of the skeleton `source` in the keypoints of `target`.

    Keypoints of the same name are exact. Pelvis, thorax, upper neck and spine are
    derived where the source lacks them, by the rules and with the accuracy in this
    module's docstring. All others are NaN, which scores as not predicted.

    Args:
        keypoints: float [..., K, 2], (x, y) in any pixels, in the order of `source`.
        source: A `Skeleton`, or the name of one: "mpii", "coco17", "halpe26", "h36m17"
            or "blazepose33".
        target: Likewise.

    Returns:
        NumPy's float [..., K', 2], in the order of `target`. A missing keypoint, NaN or
        (-1, -1), stays as it is, and what would be derived from it is NaN.

    Raises:
        ValueError: If a skeleton is not known, or `keypoints` are not of `source`.
    """
    source, target = skeletons.named(source), skeletons.named(target)
    poses = np.asarray(keypoints)
    poses = poses.astype(np.result_type(poses, np.float32), copy=False)
    if poses.shape[-2:] != (source.num_keypoints, 2):
        raise ValueError(
            f"keypoints of {source.name} must have shape [..., {source.num_keypoints}, "
            f"2], got {list(poses.shape)}"
        )
    columns = [_keypoint(poses, source, name) for name in target.keypoints]
    return np.stack(columns, axis=-2)


def shared_keypoints(source: str | Skeleton, target: str | Skeleton) -> tuple[str, ...]:
    """Returns the names of the keypoints of `target` that `source` has as well.

    These are what a model of `source` can be scored on: 12 limb keypoints for "coco17"
    on "mpii". Mention it beside the score, which is not MPII's total of 14.
    """
    known = skeletons.named(source).keypoints
    return tuple(name for name in skeletons.named(target).keypoints if name in known)


def _keypoint(poses: np.ndarray, source: Skeleton, name: str) -> np.ndarray:
    """Returns one keypoint of each pose, [..., 2]."""
    if name in source.keypoints:
        return poses[..., source.keypoints.index(name), :]
    weights = DERIVED.get(name, {})
    if not weights or not set(weights) <= set(source.keypoints):
        return np.full_like(poses[..., 0, :], np.nan)
    parts = poses[..., source.indices(*weights), :]
    missing = (parts == MISSING_COORDINATE).all(axis=-1).any(axis=-1)
    weight = np.array(list(weights.values()), poses.dtype)[:, np.newaxis]
    point: np.ndarray = np.sum(parts * weight, axis=-2)
    return np.where(missing[..., np.newaxis], np.nan, point).astype(poses.dtype)
