"""The square around the upper or the lower half of a body, for augmentation."""

import numpy as np
import tensorflow as tf

from mpii_pose import skeleton

# HRNet, `lib/dataset/JointsDataset.py`: the half body is taken where more than this
# many keypoints are labelled, three of them in the half, with half its extent more.
HALF_BODY_MIN_LABELLED = 8
HALF_BODY_MIN_IN_HALF = 3
HALF_BODY_MARGIN = 1.5
# Our addition: no half is cut out smaller than this part of the whole body's square,
# for people whose labelled keypoints nearly coincide.
HALF_BODY_MIN_SIDE = 0.25

UPPER_BODY = tuple(
    name.endswith(("thorax", "neck", "top", "wrist", "elbow", "shoulder"))
    for name in skeleton.KEYPOINTS
)


def half_body_square(
    keypoints: tf.Tensor,
    visibility: tf.Tensor,
    *,
    upper: tf.Tensor | bool,
    center: tf.Tensor,
    side: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the square around one half of the body.

    As in HRNet, whose code for it does not run on MPII. The other half is taken where
    the wanted one has too few labels; the whole body where both have.

    Args:
        keypoints: float32 [16, 2] in image pixels.
        visibility: integer [16], values of `skeleton.Visibility`.
        upper: bool [], which half is wanted.
        center: float32 [2], middle of the whole body's square in image pixels.
        side: float32 [], its side in image pixels.

    Returns:
        Center float32 [2] and side float32 [] of the square to show.
    """
    labelled = tf.not_equal(visibility, int(skeleton.Visibility.MISSING))
    upper_half = tf.constant(UPPER_BODY)
    halves = labelled & tf.stack([upper_half, ~upper_half])
    enough = _count(halves) >= HALF_BODY_MIN_IN_HALF
    take_upper = enough[0] & (upper | ~enough[1])
    chosen = tf.where(take_upper, halves[0], halves[1])
    usable = tf.reduce_any(enough) & (_count(labelled) > HALF_BODY_MIN_LABELLED)

    in_half = chosen[:, None]
    low = tf.reduce_min(tf.where(in_half, keypoints, np.inf), axis=0)
    high = tf.reduce_max(tf.where(in_half, keypoints, -np.inf), axis=0)
    total = tf.reduce_sum(tf.where(in_half, keypoints, 0.0), axis=0)
    mean = total / tf.maximum(tf.cast(_count(chosen), tf.float32), 1.0)
    half_side = tf.maximum(
        HALF_BODY_MARGIN * tf.reduce_max(high - low), HALF_BODY_MIN_SIDE * side
    )
    return tf.where(usable, mean, center), tf.where(usable, half_side, side)


def _count(flags: tf.Tensor) -> tf.Tensor:
    return tf.math.count_nonzero(flags, axis=-1)
