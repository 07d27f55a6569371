"""PCKh of predicted keypoints, as a pure function of NumPy arrays.

A keypoint counts where it is labelled, occluded ones included; it is found where its
error divided by the person's head size is within the threshold (0.5 in papers). Inputs
may be arrays, lists or eager tensors, are never modified, and need no TensorFlow.
"""

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mpii_pose.evaluation.scores import DIALECTS, PCKhScores, scores_from_counts
from mpii_pose.skeleton import KEYPOINTS, NUM_KEYPOINTS, Visibility

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
) -> PCKhScores:
    """Scores predicted keypoints, by default as the release's own toolkit does.

    Args:
        predicted: float [N, 16, 2], (x, y) in pixels of the full image; NaN is a miss.
        truth: float [N, 16, 2], on the same pixel grid.
        visibility: [N, 16], 0 where `truth` is missing (`skeleton.Visibility`).
        head_size: float [N], in pixels.
        threshold: Allowed error divided by the head size.
        dialect: Key of `evaluation.scores.DIALECTS`: "official", "hrnet", "mmpose" or
            "pytorch_pose".
        where: bool [N] or [N, 16], the people or keypoints to score; default all.

    Returns:
        The scores, in percent.

    Raises:
        ValueError: If a shape or option is wrong, or if a person with a keypoint to
            score has no positive head size or no finite truth.
    """
    thresholds = (threshold,)
    return pckh_curve(
        predicted,
        truth,
        visibility,
        head_size,
        thresholds=thresholds,
        dialect=dialect,
        where=where,
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
) -> list[PCKhScores]:
    """Scores at each of `thresholds`; everything else is as in `pckh`."""
    check_options(thresholds, dialect)
    error, labelled = _errors(predicted, truth, visibility, head_size, where)
    within = np.less if DIALECTS[dialect].strict else np.less_equal
    return [
        scores_from_counts(
            np.sum(within(error, threshold) & labelled, axis=0),
            np.sum(labelled, axis=0),
            threshold=threshold,
            dialect=dialect,
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
    threshold: float = 0.5,
    dialect: str = "official",
    head_size_edges: Sequence[float] = (50.0, 100.0),
) -> dict[str, PCKhScores]:
    """Scores everything, visible and occluded keypoints, and people by head size.

    Args:
        predicted: See `pckh`.
        truth: See `pckh`.
        visibility: See `pckh`.
        head_size: See `pckh`.
        threshold: See `pckh`.
        dialect: See `pckh`.
        head_size_edges: Rising, in pixels. The default splits MPII's validation people
            in about 1 : 2 : 1.

    Returns:
        Name of the slice -> scores; print it with `pckh_table`.
    """
    state, size = np.asarray(visibility), np.asarray(head_size)
    slices = {
        "all": None,
        "visible": state == Visibility.VISIBLE,
        "occluded": state == Visibility.OCCLUDED,
    }
    for low, high in itertools.pairwise((0.0, *head_size_edges, np.inf)):
        name = f"head {low:g} to {high:g} px" if high < np.inf else f"head {low:g}+ px"
        slices[name] = (low <= size) & (size < high)
    return {
        name: pckh(
            predicted,
            truth,
            visibility,
            head_size,
            threshold=threshold,
            dialect=dialect,
            where=where,
        )
        for name, where in slices.items()
    }


def check_options(thresholds: Sequence[float], dialect: str) -> None:
    """Raises ValueError where a threshold or the dialect is not valid."""
    if dialect not in DIALECTS:
        raise ValueError(f"dialect must be one of {list(DIALECTS)}, got {dialect!r}")
    for threshold in thresholds:
        if not 0 <= threshold < np.inf:
            raise ValueError(
                f"threshold must be 0 or more, in head sizes, got {threshold}"
            )


def _errors(
    predicted: npt.ArrayLike,
    truth: npt.ArrayLike,
    visibility: npt.ArrayLike,
    head_size: npt.ArrayLike,
    where: npt.ArrayLike | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns errors in head sizes and which of them count, [N, 16] each."""
    predicted = np.asarray(predicted, np.float64)
    truth = np.asarray(truth, np.float64)
    labelled = np.asarray(visibility) > 0
    head_size = np.asarray(head_size, np.float64)
    num_people = predicted.shape[0] if predicted.ndim else 0
    _check_shape("predicted", predicted, (num_people, NUM_KEYPOINTS, 2))
    _check_shape("truth", truth, (num_people, NUM_KEYPOINTS, 2))
    _check_shape("visibility", labelled, (num_people, NUM_KEYPOINTS))
    _check_shape("head_size", head_size, (num_people,))
    if where is not None:
        where = np.asarray(where, bool)
        if where.ndim == 1:
            where = where[:, np.newaxis] & np.ones(NUM_KEYPOINTS, bool)
        _check_shape("where", where, (num_people, NUM_KEYPOINTS))
        labelled = labelled & where
    for person in np.flatnonzero(labelled.any(axis=1) & ~(head_size > 0)):
        raise ValueError(
            f"head_size must be positive: person {person} has {head_size[person]}"
        )
    for person, keypoint in np.argwhere(labelled & ~np.isfinite(truth).all(axis=2)):
        raise ValueError(
            f"truth must be finite where visibility is not 0: person {person}, "
            f"{KEYPOINTS[keypoint]} is {truth[person, keypoint]}"
        )
    with np.errstate(divide="ignore", invalid="ignore"):  # people who do not count
        error = np.linalg.norm(predicted - truth, axis=2) / head_size[:, np.newaxis]
    return error, labelled


def _check_shape(name: str, array: np.ndarray, expected: tuple[int, ...]) -> None:
    if array.shape != expected:
        raise ValueError(
            f"{name} must have shape {expected} (people, keypoints, x and y, as in "
            f"predicted), got {array.shape}"
        )
