"""The square around the upper or the lower half of a body, for augmentation."""

from typing import Any

import numpy as np

from mpii_pose.skeleton import MPII, Skeleton
from mpii_pose.transforms.arrays import as_arrays
from mpii_pose.transforms.geometry import is_labelled

# HRNet, `lib/dataset/JointsDataset.py`: the half body is taken where more than this
# many keypoints are labelled, three of them in the half, with half its extent more.
HALF_BODY_MIN_LABELLED = 8
HALF_BODY_MIN_IN_HALF = 3
HALF_BODY_MARGIN = 1.5
# Our addition: no half is cut out smaller than this part of the whole body's square,
# for people whose labelled keypoints nearly coincide.
HALF_BODY_MIN_SIDE = 0.25


def half_body_square(
    keypoints: Any,
    visibility: Any,
    *,
    upper: Any,
    center: Any,
    side: Any,
    skeleton: Skeleton = MPII,
) -> tuple[Any, Any]:
    """Returns the square around one half of the body.

    As in HRNet, whose code for it does not run on MPII. The other half is taken where
    the wanted one has too few labels; the whole body where both have.

    Args:
        keypoints: float32 [K, 2] in image pixels.
        visibility: integer [K], values of `skeleton.Visibility`.
        upper: bool [], which half is wanted.
        center: float32 [2], middle of the whole body's square in image pixels.
        side: float32 [], its side in image pixels.
        skeleton: Which keypoints are of the upper half.

    Returns:
        Center float32 [2] and side float32 [] of the square to show.
    """
    xp, keypoints, visibility, center, side = as_arrays(
        keypoints, visibility, center, side
    )
    is_upper = np.isin(skeleton.keypoints, skeleton.upper_body)
    labelled = is_labelled(visibility)
    upper_half, lower_half = labelled & is_upper, labelled & ~is_upper
    enough_upper = _count(xp, upper_half) >= HALF_BODY_MIN_IN_HALF
    enough_lower = _count(xp, lower_half) >= HALF_BODY_MIN_IN_HALF
    chosen = xp.where(enough_upper & (upper | ~enough_lower), upper_half, lower_half)
    usable = (enough_upper | enough_lower) & (
        _count(xp, labelled) > HALF_BODY_MIN_LABELLED
    )

    in_half = chosen[:, None]
    low = xp.min(xp.where(in_half, keypoints, np.inf), axis=0)
    high = xp.max(xp.where(in_half, keypoints, -np.inf), axis=0)
    total = xp.sum(xp.where(in_half, keypoints, 0.0), axis=0)
    mean = total / xp.maximum(_count(xp, chosen), 1.0)
    half_side = xp.maximum(
        HALF_BODY_MARGIN * xp.max(high - low), HALF_BODY_MIN_SIDE * side
    )
    return xp.where(usable, mean, center), xp.where(usable, half_side, side)


def _count(xp: Any, flags: Any) -> Any:
    """Returns how many flags are set, as float32."""
    return xp.sum(xp.array(flags, dtype="float32"), axis=-1)
