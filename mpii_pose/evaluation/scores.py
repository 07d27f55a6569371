"""PCKh scores: from counts to the rows that papers print, in each dialect.

PCKh is the share of keypoints found within a fraction of the head's size; every score
is in percent. MPII's pelvis and thorax have scores of their own and are part of no
group and no total. Where nobody is labelled a score is NaN, and means leave it out.

Public code bases agree on this and differ in the points of `Dialect`, which move
scores by up to a point: compare numbers of one dialect only. NumPy alone is needed.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from mpii_pose.skeleton import MPII, Skeleton


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dialect:
    """How one public evaluation script reads the definition.

    Attributes:
        strict: Whether an error equal to the threshold is a miss.
        weighted: Whether the total is the share of all keypoints found (the "micro"
            average), or the mean of the 14 keypoints' scores ("macro").
        neck_in_head: Whether the row "head" is the mean of upper neck and head top, or
            the head top alone. The total counts both.
    """

    strict: bool
    weighted: bool
    neck_in_head: bool

    def found(self, error: np.ndarray, threshold: float) -> np.ndarray:
        """Returns which errors are within the threshold; NaN is not."""
        return error < threshold if self.strict else error <= threshold


DIALECTS = {
    # evaluatePCKh.m and computePCK.m of the release's toolkit.
    "official": Dialect(strict=False, weighted=True, neck_in_head=True),
    # lib/dataset/mpii.py of HRNet, SimpleBaselines and DarkPose. What they print as
    # "Mean@0.1" is the total at 0.11: they take the 12th of the thresholds 0, 0.01 ...
    "hrnet": Dialect(strict=False, weighted=True, neck_in_head=False),
    # MpiiPCKAccuracy of MMPose.
    "mmpose": Dialect(strict=True, weighted=True, neck_in_head=False),
    # evaluation/eval_PCKh.py of pytorch-pose.
    "pytorch_pose": Dialect(strict=True, weighted=False, neck_in_head=False),
}


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Scores:
    """What PCKh and AP have in common; `PCKhScores` describes the attributes."""

    per_keypoint: np.ndarray
    groups: dict[str, float]
    total: float
    num_labelled: np.ndarray
    threshold: float
    skeleton: Skeleton = MPII
    left_out: tuple[str, ...] = ()
    intervals: Mapping[str, tuple[float, float]] | None = None

    @property
    def title(self) -> str:
        """What the numbers are, as the name of a row."""
        raise NotImplementedError

    @property
    def rows(self) -> dict[str, float]:
        """The score of each group, and of "total"."""
        return self.groups | {"total": self.total}

    def __str__(self) -> str:
        return pckh_table({self.title: self})

    def _repr_markdown_(self) -> str:  # how notebooks show it
        return str(self)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class PCKhScores(Scores):
    """PCKh at one threshold, in percent; prints as the row that papers show.

    Attributes:
        per_keypoint: float64 [K], in the order of the skeleton's keypoints.
        groups: Mean over the keypoints of each of the skeleton's groups, the head as
            the dialect has it.
        total: The dialect's mean over the keypoints of all groups, 14 for MPII.
        num_labelled: int64 [K], how often each keypoint was counted.
        threshold: Allowed error divided by the head size.
        dialect: Key of `DIALECTS`.
        skeleton: Which K keypoints these are.
        left_out: Names of the keypoints of groups that were not to be scored. With any,
            the total is not the one that papers report; tables say so.
        intervals: 95 % intervals (low, high) of the groups and of "total", where asked
            for (`pckh_intervals`).
    """

    dialect: str

    @property
    def title(self) -> str:
        """Such as "PCKh@0.5 (official)"."""
        about = self.dialect
        if self.skeleton != MPII:
            about += f", {self.skeleton.name}"
        return f"PCKh@{self.threshold:g} ({about})"


def scores_from_counts(
    correct: np.ndarray,
    labelled: np.ndarray,
    *,
    threshold: float,
    dialect: str,
    skeleton: Skeleton = MPII,
    where: np.ndarray | None = None,
) -> PCKhScores:
    """Turns counts per keypoint, [K] each, into scores.

    Counts of people scored apart can be summed before. `where`, bool [K], says which
    keypoints were to be scored; default all.
    """
    rule = DIALECTS[dialect]
    per_keypoint = _percent(correct, labelled)
    groups = skeleton.group_indices
    if skeleton.groups.get("head") == MPII.groups["head"] and not rule.neck_in_head:
        groups = groups | {"head": skeleton.indices("head_top")}
    counted = list(skeleton.counted)
    scored = np.ones_like(labelled, bool) if where is None else where
    total = (
        _percent(correct[counted].sum(), labelled[counted].sum())
        if rule.weighted
        else mean_of_known(per_keypoint[counted])
    )
    return PCKhScores(
        per_keypoint=per_keypoint,
        groups={
            name: mean_of_known(per_keypoint[list(k)]) for name, k in groups.items()
        },
        total=float(total),
        num_labelled=labelled.astype(np.int64),
        threshold=float(threshold),
        dialect=dialect,
        skeleton=skeleton,
        left_out=tuple(skeleton.keypoints[k] for k in counted if not scored[k]),
    )


def pckh_table(rows: Mapping[str, Scores]) -> str:
    """Returns scores as a Markdown table with the columns that papers print.

    Args:
        rows: Name of the row -> its scores, such as one per model. All are of one
            skeleton; where it is not MPII's, the total says of how many keypoints.
            Scores with `left_out` are named so; half the width of `intervals` is shown
            after the score.
    """
    skeleton, *others = {scores.skeleton for scores in rows.values()} or {MPII}
    if others:
        names = ", ".join(sorted(each.name for each in (skeleton, *others)))
        raise ValueError(f"the rows of a table must be of one skeleton, got {names}")
    total = "Total" if skeleton == MPII else f"{len(skeleton.counted)} keypoints"
    cells = [["", *(name.capitalize() for name in skeleton.groups), total]]
    for name, scores in rows.items():
        count = len(skeleton.counted) - len(scores.left_out)
        if 0 < count < len(skeleton.counted):
            name = f"{name} ({count} keypoints, without {', '.join(scores.left_out)})"
        cells.append(
            [name, *(_cell(scores, row) for row in (*skeleton.groups, "total"))]
        )
    return markdown_table(cells)


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """Returns a table of a head and rows: a name, and numbers set to the right."""
    first, *widths = (max(map(len, column)) for column in zip(*rows, strict=True))
    lines = [
        [name.ljust(first), *map(str.rjust, numbers, widths)] for name, *numbers in rows
    ]
    lines.insert(1, ["-" * first, *("-" * (width - 1) + ":" for width in widths)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(scores: Scores, column: str) -> str:
    score = scores.rows[column]
    if scores.intervals is None or np.isnan(score):
        return f"{score:.2f}"
    low, high = scores.intervals[column]
    return f"{score:.2f} \u00b1 {(high - low) / 2:.2f}"


def _percent(correct: np.ndarray, labelled: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):  # 0 / 0 is the NaN of "nobody labelled"
        return 100.0 * np.asarray(correct, np.float64) / labelled


def mean_of_known(scores: np.ndarray) -> float:
    """Returns the mean of the scores that are not NaN; NaN where there are none."""
    known = scores[~np.isnan(scores)]
    return float(known.mean()) if known.size else float("nan")
