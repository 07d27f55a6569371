"""PCKh scores: from counts to the rows that papers print, in each dialect.

PCKh is the share of keypoints found within a fraction of the head's size; every score
is in percent. MPII's pelvis and thorax have scores of their own and are part of no
group and no total. Where nobody is labelled a score is NaN, and means leave it out.

Public code bases agree on this and differ in the points of `Dialect`, which move
scores by up to a point: compare numbers of one dialect only. NumPy alone is needed.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np

from mpii_pose.skeleton import MPII, Skeleton

# Indices of MPII's 14 keypoints that make up the total.
COUNTED = list(MPII.counted)


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
class PCKhScores:
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
    """

    per_keypoint: np.ndarray
    groups: dict[str, float]
    total: float
    num_labelled: np.ndarray
    threshold: float
    dialect: str
    skeleton: Skeleton = MPII

    def __str__(self) -> str:
        about = self.dialect
        if self.skeleton != MPII:
            about += f", {self.skeleton.name}"
        return pckh_table({f"PCKh@{self.threshold:g} ({about})": self})

    def _repr_markdown_(self) -> str:  # how notebooks show it
        return str(self)


def scores_from_counts(
    correct: np.ndarray,
    labelled: np.ndarray,
    *,
    threshold: float,
    dialect: str,
    skeleton: Skeleton = MPII,
) -> PCKhScores:
    """Turns counts per keypoint, [K] each, into scores.

    Counts of people scored apart can be summed before.
    """
    rule = DIALECTS[dialect]
    per_keypoint = _percent(correct, labelled)
    groups = skeleton.group_indices
    if skeleton.groups.get("head") == MPII.groups["head"] and not rule.neck_in_head:
        groups = groups | {"head": skeleton.indices("head_top")}
    counted = list(skeleton.counted)
    total = (
        _percent(correct[counted].sum(), labelled[counted].sum())
        if rule.weighted
        else _mean(per_keypoint[counted])
    )
    return PCKhScores(
        per_keypoint=per_keypoint,
        groups={name: _mean(per_keypoint[list(k)]) for name, k in groups.items()},
        total=float(total),
        num_labelled=labelled.astype(np.int64),
        threshold=float(threshold),
        dialect=dialect,
        skeleton=skeleton,
    )


def pckh_table(rows: Mapping[str, PCKhScores]) -> str:
    """Returns scores as a Markdown table with the columns that papers print.

    Args:
        rows: Name of the row -> its scores, such as one per model. All are of one
            skeleton; where it is not MPII's, the total says of how many keypoints.
    """
    skeleton, *others = {scores.skeleton for scores in rows.values()} or {MPII}
    if others:
        names = ", ".join(sorted(each.name for each in (skeleton, *others)))
        raise ValueError(f"the rows of a table must be of one skeleton, got {names}")
    total = "Total" if skeleton == MPII else f"{len(skeleton.counted)} keypoints"
    cells = [["", *(name.capitalize() for name in skeleton.groups), total]]
    for name, scores in rows.items():
        numbers = [*(scores.groups[group] for group in skeleton.groups), scores.total]
        cells.append([name, *(f"{number:.2f}" for number in numbers)])
    first, *widths = (max(map(len, column)) for column in zip(*cells, strict=True))
    lines = [
        [name.ljust(first), *map(str.rjust, numbers, widths)]
        for name, *numbers in cells
    ]
    lines.insert(1, ["-" * first, *("-" * (width - 1) + ":" for width in widths)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _percent(correct: np.ndarray, labelled: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):  # 0 / 0 is the NaN of "nobody labelled"
        return 100.0 * np.asarray(correct, np.float64) / labelled


def _mean(scores: np.ndarray) -> float:
    known = scores[~np.isnan(scores)]
    return float(known.mean()) if known.size else float("nan")
