"""PCKh of predicted keypoints: scores in percent, and the rows that papers print.

PCKh is the share of keypoints found: those whose error, divided by the person's head
size, is within the threshold (0.5 in papers). Labelled keypoints count, occluded ones
included. Pelvis and thorax have scores of their own and are part of no group and no
total. A score is NaN where nobody is labelled, and means leave it out.

N people have K = 16 keypoints, (x, y) in pixels of the full image. Inputs may be
arrays, lists or eager tensors, are never modified, and need no TensorFlow.
"""

import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mpii_pose.checks import check_choice
from mpii_pose.skeleton import MPII, NUM_KEYPOINTS, Visibility

# The range of the area under the curve, by `evaluatePCKh.m`: 0, 0.01 ... 0.5.
AUC_THRESHOLDS = tuple(step / 100 for step in range(51))
_COUNTED = list(MPII.counted)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dialect:
    """The choices of one public evaluation script.

    These points move scores by up to a point: compare numbers of one dialect only.
    """

    strict: bool  # Whether an error equal to the threshold is a miss.
    # Whether the total is the share of all keypoints found (the "micro" average), or
    # the mean of the 14 keypoints' scores ("macro").
    weighted: bool
    # Whether the row "head" is the mean of upper neck and head top, or the head top
    # alone. The total counts both.
    neck_in_head: bool

    def found(self, error: Any, threshold: Any) -> Any:
        """Returns which errors, of any array library, are within; NaN is not."""
        return error < threshold if self.strict else error <= threshold


DIALECTS = {
    # evaluatePCKh.m and computePCK.m of the release's toolkit.
    "official": Dialect(strict=False, weighted=True, neck_in_head=True),
    # lib/dataset/mpii.py of HRNet, SimpleBaselines and DarkPose. Their "Mean@0.1" is
    # the total at 0.11: they take the 12th of the thresholds 0, 0.01 ...
    "hrnet": Dialect(strict=False, weighted=True, neck_in_head=False),
    # MpiiPCKAccuracy of MMPose.
    "mmpose": Dialect(strict=True, weighted=True, neck_in_head=False),
    # evaluation/eval_PCKh.py of pytorch-pose.
    "pytorch_pose": Dialect(strict=True, weighted=False, neck_in_head=False),
}


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Scores:
    """The common part of PCKh and AP; `PCKhScores` describes the attributes."""

    per_keypoint: np.ndarray
    groups: dict[str, float]
    total: float
    num_labelled: np.ndarray
    threshold: float
    left_out: tuple[str, ...] = ()
    intervals: Mapping[str, tuple[float, float]] | None = None

    @property
    def title(self) -> str:
        """The name of the row in a table."""
        raise NotImplementedError

    @property
    def rows(self) -> dict[str, float]:
        """The score of each group, and of "total"."""
        return self.groups | {"total": self.total}

    def __str__(self) -> str:
        return pckh_table({self.title: self})

    def _repr_markdown_(self) -> str:  # for notebooks
        return str(self)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class PCKhScores(Scores):
    """PCKh at one threshold, in percent; prints as the row that papers show.

    Attributes:
        per_keypoint: float64 [16], in the order of `skeleton.KEYPOINTS`.
        groups: Mean over the keypoints of each group, the head by the dialect's rule.
        total: The dialect's mean over the 14 keypoints of all groups.
        num_labelled: int64 [16], how often each keypoint was counted.
        threshold: Allowed error divided by the head size.
        dialect: Key of `DIALECTS`.
        left_out: Names of the keypoints of groups that `where` left out. With any, the
            total is not the one that papers report; tables name the keypoints.
        intervals: 95 % intervals (low, high) of the groups and of "total", from
            `pckh_intervals`; else None.
    """

    dialect: str

    @property
    def title(self) -> str:
        """Such as "PCKh@0.5 (official)"."""
        return f"PCKh@{self.threshold:g} ({self.dialect})"


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
    """Returns PCKh in percent, by default as the release's own toolkit counts.

    Args:
        predicted: float [N, 16, 2], (x, y) in pixels of the full image; NaN is a miss.
        truth: float [N, 16, 2], on the same pixel grid.
        visibility: [N, 16], 0 where `truth` is missing (`skeleton.Visibility`).
        head_size: float [N], in pixels.
        threshold: Allowed error divided by the head size.
        dialect: Key of `DIALECTS`: "official", "hrnet", "mmpose" or "pytorch_pose".
        where: bool [N] or [N, 16], the people or keypoints to score; default all.

    Raises:
        ValueError: If a shape or option is wrong, or if a person with a keypoint to
            score has no positive, finite head size or no finite truth.
    """
    check_choice("dialect", dialect, DIALECTS)
    check_threshold(threshold)
    error, labelled = distances(predicted, truth, visibility, head_size, where=where)
    found = DIALECTS[dialect].found(error, threshold) & labelled
    by_keypoint = where is not None and np.ndim(where) > 1
    return scores_from_counts(
        found.sum(axis=0),
        labelled.sum(axis=0),
        threshold=threshold,
        dialect=dialect,
        scored=np.any(where, axis=0) if by_keypoint else None,
    )


def pckh_curve(
    predicted: npt.ArrayLike,
    truth: npt.ArrayLike,
    visibility: npt.ArrayLike,
    head_size: npt.ArrayLike,
    *,
    thresholds: Iterable[float] = AUC_THRESHOLDS,
    **options: Any,
) -> list[PCKhScores]:
    """Returns scores at `thresholds`; all else, and `options`, is as in `pckh`."""
    inputs = predicted, truth, visibility, head_size
    return [pckh(*inputs, threshold=each, **options) for each in thresholds]


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
    """Returns scores of all, of visible and occluded keypoints, and by head size.

    `head_size_edges` rise, in pixels; the default splits MPII's validation people in
    about 1 : 2 : 1. All else, `options` included, is as in `pckh`. `pckh_table` prints
    the result.
    """
    edges = (0.0, *head_size_edges)
    if not np.all(np.diff(edges) > 0):
        raise ValueError(f"head_size_edges must rise from 0, got {edges[1:]}")
    state, size = np.asarray(visibility), np.asarray(head_size)
    chosen = np.ones(state.shape, bool)
    if where is not None:
        chosen &= np.reshape(where, (*np.shape(where), 1)[:2])
    slices = {
        "all": where,
        "visible": chosen & (state == Visibility.VISIBLE),
        "occluded": chosen & (state == Visibility.OCCLUDED),
    }
    for low, high in itertools.pairwise((*edges, np.inf)):
        name = f"head {low:g} to {high:g} px" if high < np.inf else f"head {low:g}+ px"
        slices[name] = chosen & ((low <= size) & (size < high))[:, np.newaxis]
    return {
        name: pckh(predicted, truth, visibility, head_size, where=scored, **options)
        for name, scored in slices.items()
    }


def pckh_table(rows: Mapping[str, Scores]) -> str:
    """Returns scores as a Markdown table with the columns that papers print.

    Args:
        rows: Name of the row -> its scores, such as one per model. The keypoints that
            scores leave out are added to the name. Half the width of `intervals` is
            shown after the score.
    """

    def cell(scores: Scores, column: str) -> str:
        score = scores.rows[column]
        if scores.intervals is None or np.isnan(score):
            return f"{score:.2f}"
        low, high = scores.intervals[column]
        return f"{score:.2f} \u00b1 {(high - low) / 2:.2f}"

    columns = (*MPII.groups, "total")
    cells = [["", *map(str.capitalize, columns)]]
    for name, scores in rows.items():
        count = len(_COUNTED) - len(scores.left_out)
        if 0 < count < len(_COUNTED):
            name = f"{name} ({count} keypoints, without {', '.join(scores.left_out)})"
        cells.append([name, *(cell(scores, column) for column in columns)])
    return markdown_table(cells)


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """Returns a table of a head and rows: a name, and numbers set to the right."""
    first, *widths = (max(map(len, column)) for column in zip(*rows, strict=True))
    lines = [
        [name.ljust(first), *map(str.rjust, numbers, widths)] for name, *numbers in rows
    ]
    lines.insert(1, ["-" * first, *("-" * (width - 1) + ":" for width in widths)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def scores_from_counts(
    correct: np.ndarray,
    labelled: np.ndarray,
    *,
    threshold: float,
    dialect: str,
    scored: np.ndarray | None = None,
) -> PCKhScores:
    """Returns the scores of counts per keypoint, [16] each, of any number of batches.

    `scored`, bool [16], are the keypoints that were to be scored; default all.
    """
    per_keypoint, rows = rates_from_counts(correct, labelled, dialect=dialect)
    groups = {name: float(score) for name, score in rows.items()}
    return PCKhScores(
        per_keypoint=per_keypoint,
        total=groups.pop("total"),
        groups=groups,
        num_labelled=labelled.astype(np.int64),
        threshold=float(threshold),
        dialect=dialect,
        left_out=tuple(
            MPII.keypoints[k] for k in _COUNTED if scored is not None and not scored[k]
        ),
    )


def rates_from_counts(
    correct: np.ndarray, labelled: np.ndarray, *, dialect: str
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Returns percents of keypoints [..., 16] and of rows [...], from counts."""
    rule, groups = DIALECTS[dialect], MPII.group_indices
    if not rule.neck_in_head:
        groups = groups | {"head": MPII.indices("head_top")}
    with np.errstate(invalid="ignore"):  # 0 / 0 is the NaN of "nobody labelled"
        per_keypoint = 100.0 * np.asarray(correct, np.float64) / labelled
        found, count = (
            each[..., _COUNTED].sum(axis=-1) for each in (correct, labelled)
        )
        pooled = 100.0 * found / count
    rows = {
        name: mean_of_known(per_keypoint[..., list(indices)])
        for name, indices in groups.items()
    }
    mean = mean_of_known(per_keypoint[..., _COUNTED])
    return per_keypoint, rows | {"total": pooled if rule.weighted else mean}


def mean_of_known(scores: np.ndarray) -> np.ndarray:
    """Returns the mean over the last axis of scores that are not NaN, NaN of none."""
    known = ~np.isnan(scores)
    with np.errstate(invalid="ignore"):  # 0 / 0
        return np.where(known, scores, 0.0).sum(axis=-1) / known.sum(axis=-1)


def distances(
    predicted: npt.ArrayLike,
    truth: npt.ArrayLike,
    visibility: npt.ArrayLike,
    head_size: npt.ArrayLike,
    *,
    where: npt.ArrayLike | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns errors in head sizes, and which of them count; arguments as in `pckh`.

    Errors are float64 [N, 16], NaN where not predicted; the second is bool [N, 16].
    """
    predicted = np.asarray(predicted, np.float64)
    truth = np.asarray(truth, np.float64)
    head_size = np.asarray(head_size, np.float64)
    num_people = predicted.shape[0] if predicted.ndim else 0
    check_shape("predicted", predicted, (num_people, NUM_KEYPOINTS, 2))
    labelled = labelled_keypoints(num_people, truth, visibility, head_size, where=where)
    with np.errstate(divide="ignore", invalid="ignore"):  # people who do not count
        error = np.linalg.norm(predicted - truth, axis=2) / head_size[:, np.newaxis]
    return error, labelled


def labelled_keypoints(
    num_people: int,
    truth: np.ndarray,
    visibility: npt.ArrayLike,
    head_size: np.ndarray,
    *,
    where: npt.ArrayLike | None = None,
) -> np.ndarray:
    """Returns which keypoints count, bool [N, 16]; raises the errors of `pckh`."""
    shape = num_people, NUM_KEYPOINTS
    labelled = np.asarray(visibility) > 0
    check_shape("truth", truth, (*shape, 2))
    check_shape("visibility", labelled, shape)
    check_shape("head_size", head_size, (num_people,))
    if where is not None:
        where = np.asarray(where, bool)
        if where.ndim == 1:
            where = where[:, np.newaxis] & np.ones(NUM_KEYPOINTS, bool)
        check_shape("where", where, shape)
        labelled = labelled & where
    known = (head_size > 0) & np.isfinite(head_size)
    for person in np.flatnonzero(labelled.any(axis=1) & ~known):
        raise ValueError(
            f"head_size must be a positive number of pixels: person {person} has "
            f"{head_size[person]}; leave out those of unknown head size with where"
        )
    for person, keypoint in np.argwhere(labelled & ~np.isfinite(truth).all(axis=2)):
        raise ValueError(
            f"truth must be finite where visibility is not 0: person {person}, "
            f"{MPII.keypoints[keypoint]} is {truth[person, keypoint]}"
        )
    return labelled


def image_numbers(images: npt.ArrayLike) -> tuple[np.ndarray, int]:
    """Returns the images as numbers from 0, int [N], and how many there are."""
    names = np.asarray(images)
    if names.ndim != 1:
        raise ValueError(f"images must have shape [N], got {names.shape}")
    unique, number = np.unique(names, return_inverse=True)
    return number, len(unique)


def check_threshold(threshold: float) -> None:
    """Raises ValueError unless an allowed error in head sizes is 0 or more."""
    if not 0 <= threshold < np.inf:
        raise ValueError(f"threshold must be 0 or more, in head sizes, got {threshold}")


def check_shape(name: str, array: np.ndarray, expected: tuple[int, ...]) -> None:
    """Raises ValueError unless an array has the shape that `predicted` implies."""
    if array.shape != expected:
        raise ValueError(
            f"{name} must have shape {expected} (people, keypoints, x and y, as in "
            f"predicted), got {array.shape}"
        )
