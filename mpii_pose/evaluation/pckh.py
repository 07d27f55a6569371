"""PCKh of predicted keypoints, as a pure function of NumPy arrays.

A keypoint counts where it is labelled, occluded ones included; it is found where its
error divided by the person's head size is within the threshold (0.5 in papers). Inputs
may be arrays, lists or eager tensors, are never modified, and need no TensorFlow.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mpii_pose.checks import check_choice
from mpii_pose.evaluation.inputs import check_threshold, distances
from mpii_pose.evaluation.scores import DIALECTS, PCKhScores, scores_from_counts
from mpii_pose.skeleton import MPII, Skeleton, Visibility

# The range of the area under the curve, by `evaluatePCKh.m`: 0, 0.01 ... 0.5.
AUC_THRESHOLDS = tuple(step / 100 for step in range(51))


def pckh(
    predicted: npt.ArrayLike,
    truth: npt.ArrayLike,
    visibility: npt.ArrayLike,
    head_size: npt.ArrayLike,
    *,
    threshold: float = 0.5,
    dialect: str = "official",
    where: npt.ArrayLike | None = None,
    skeleton: Skeleton = MPII,
) -> PCKhScores:
    """Scores predicted keypoints, by default as the release's own toolkit does.

    Args:
        predicted: float [N, K, 2], (x, y) in pixels of the full image; NaN is a miss.
            K is 16 for MPII.
        truth: float [N, K, 2], on the same pixel grid.
        visibility: [N, K], 0 where `truth` is missing (`skeleton.Visibility`).
        head_size: float [N], in pixels.
        threshold: Allowed error divided by the head size.
        dialect: Key of `evaluation.scores.DIALECTS`: "official", "hrnet", "mmpose" or
            "pytorch_pose".
        where: bool [N] or [N, K], the people or keypoints to score; default all.
        skeleton: Which K keypoints there are, and the rows of scores they make.

    Returns:
        The scores, in percent.

    Raises:
        ValueError: If a shape or option is wrong, or if a person with a keypoint to
            score has no positive, finite head size or no finite truth.
    """
    return pckh_curve(
        predicted,
        truth,
        visibility,
        head_size,
        thresholds=(threshold,),
        dialect=dialect,
        where=where,
        skeleton=skeleton,
    )[0]


def pckh_curve(
    predicted: npt.ArrayLike,
    truth: npt.ArrayLike,
    visibility: npt.ArrayLike,
    head_size: npt.ArrayLike,
    *,
    thresholds: Sequence[float] = AUC_THRESHOLDS,
    dialect: str = "official",
    where: npt.ArrayLike | None = None,
    skeleton: Skeleton = MPII,
) -> list[PCKhScores]:
    """Returns scores at each of `thresholds`; everything else is as in `pckh`."""
    check_choice("dialect", dialect, DIALECTS)
    for threshold in thresholds:
        check_threshold(threshold)
    error, labelled = distances(
        predicted, truth, visibility, head_size, where=where, skeleton=skeleton
    )
    scored = np.any(where, axis=0) if where is not None and np.ndim(where) > 1 else None
    return [
        scores_from_counts(
            np.sum(DIALECTS[dialect].found(error, threshold) & labelled, axis=0),
            np.sum(labelled, axis=0),
            threshold=threshold,
            dialect=dialect,
            skeleton=skeleton,
            where=scored,
        )
        for threshold in thresholds
    ]


def pckh_auc(curve: Sequence[PCKhScores]) -> float:
    """Returns the area under a curve of totals, in percent of the whole.

    Papers integrate from 0 to 0.5 in steps of 0.01, the default of `pckh_curve`, by
    the trapezoidal rule.

    Args:
        curve: Scores at two or more rising thresholds.
    """
    x = np.array([scores.threshold for scores in curve])
    y = np.array([scores.total for scores in curve])
    if x.size < 2 or np.any(np.diff(x) <= 0):
        raise ValueError(f"curve must have two or more rising thresholds, got {x}")
    return float(np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2) / (x[-1] - x[0]))


def pckh_slices(
    predicted: npt.ArrayLike,
    truth: npt.ArrayLike,
    visibility: npt.ArrayLike,
    head_size: npt.ArrayLike,
    *,
    head_size_edges: Sequence[float] = (50.0, 100.0),
    where: npt.ArrayLike | None = None,
    **options: Any,
) -> dict[str, PCKhScores]:
    """Scores everything, visible and occluded keypoints, and people by head size.

    Args:
        predicted: See `pckh`.
        truth: See `pckh`.
        visibility: See `pckh`.
        head_size: See `pckh`.
        head_size_edges: Rising, in pixels. The default splits MPII's validation people
            in about 1 : 2 : 1.
        where: bool [N] or [N, K], the people or keypoints to score; default all.
        **options: `threshold`, `dialect` and `skeleton` of `pckh`.

    Returns:
        Name of the slice -> scores; print it with `pckh_table`.
    """
    state, size = np.asarray(visibility), np.asarray(head_size)
    chosen = np.ones(state.shape, bool)
    if where is not None:
        chosen &= np.reshape(where, (*np.shape(where), 1)[:2])
    slices = {
        "all": where,
        "visible": chosen & (state == Visibility.VISIBLE),
        "occluded": chosen & (state == Visibility.OCCLUDED),
    }
    for low, high in itertools.pairwise((0.0, *head_size_edges, np.inf)):
        name = f"head {low:g} to {high:g} px" if high < np.inf else f"head {low:g}+ px"
        within = (low <= size) & (size < high)
        slices[name] = within if where is None else chosen & within[:, np.newaxis]
    return {
        name: pckh(predicted, truth, visibility, head_size, where=scored, **options)
        for name, scored in slices.items()
    }
