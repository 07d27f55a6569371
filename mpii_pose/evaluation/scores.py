"""PCKh scores: from counts to the rows that papers print, in each dialect.

PCKh is the share of keypoints found within a fraction of the head's size; every score
is in percent. Pelvis and thorax have scores of their own and are part of no group and
no total. Where nobody is labelled a score is NaN, and means leave it out.

Public code bases agree on this and differ in the points of `Dialect`, which move
scores by up to a point: compare numbers of one dialect only. NumPy alone is needed.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np

from mpii_pose.skeleton import KEYPOINTS, PCKH_GROUPS

# Indices of the 14 keypoints that make up the total.
COUNTED = sorted(index for group in PCKH_GROUPS.values() for index in group)
_HEAD_TOP = (KEYPOINTS.index("head_top"),)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dialect:
    """How one public evaluation script reads the definition.

    Attributes:
        strict: Whether an error equal to the threshold is a miss.
        head: Indices of the keypoints in the row "head".
        weighted: Whether the total is the share of all keypoints found (the "micro"
            average), or the mean of the 14 keypoints' scores ("macro").
    """

    strict: bool
    head: tuple[int, ...]
    weighted: bool


DIALECTS = {
    # evaluatePCKh.m and computePCK.m of the release's toolkit.
    "official": Dialect(strict=False, head=PCKH_GROUPS["head"], weighted=True),
    # lib/dataset/mpii.py of HRNet, SimpleBaselines and DarkPose. What they print as
    # "Mean@0.1" is the total at 0.11: they take the 12th of the thresholds 0, 0.01 ...
    "hrnet": Dialect(strict=False, head=_HEAD_TOP, weighted=True),
    # MpiiPCKAccuracy of MMPose.
    "mmpose": Dialect(strict=True, head=_HEAD_TOP, weighted=True),
    # evaluation/eval_PCKh.py of pytorch-pose.
    "pytorch_pose": Dialect(strict=True, head=_HEAD_TOP, weighted=False),
}


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class PCKhScores:
    """PCKh at one threshold, in percent; prints as the row that papers show.

    Attributes:
        per_keypoint: float64 [16], in the order of `skeleton.KEYPOINTS`.
        groups: Mean over the keypoints of each group in `skeleton.PCKH_GROUPS`, the
            head as the dialect has it.
        total: The dialect's mean over the 14 keypoints of the groups.
        num_labelled: int64 [16], how often each keypoint was counted.
        threshold: Allowed error divided by the head size.
        dialect: Key of `DIALECTS`.
    """

    per_keypoint: np.ndarray
    groups: dict[str, float]
    total: float
    num_labelled: np.ndarray
    threshold: float
    dialect: str

    def __str__(self) -> str:
        return pckh_table({f"PCKh@{self.threshold:g} ({self.dialect})": self})

    def _repr_markdown_(self) -> str:  # how notebooks show it
        return str(self)


def scores_from_counts(
    correct: np.ndarray, labelled: np.ndarray, *, threshold: float, dialect: str
) -> PCKhScores:
    """Turns counts per keypoint, [16] each, into scores.

    Counts of people scored apart can be summed before.
    """
    rule = DIALECTS[dialect]
    per_keypoint = _percent(correct, labelled)
    groups = PCKH_GROUPS | {"head": rule.head}
    total = (
        _percent(correct[COUNTED].sum(), labelled[COUNTED].sum())
        if rule.weighted
        else _mean(per_keypoint[COUNTED])
    )
    return PCKhScores(
        per_keypoint=per_keypoint,
        groups={name: _mean(per_keypoint[list(k)]) for name, k in groups.items()},
        total=float(total),
        num_labelled=labelled.astype(np.int64),
        threshold=float(threshold),
        dialect=dialect,
    )


def pckh_table(rows: Mapping[str, PCKhScores]) -> str:
    """Formats scores as a Markdown table with the columns that papers print.

    Args:
        rows: Name of the row -> its scores, such as one per model.
    """
    cells = [["", *(name.capitalize() for name in PCKH_GROUPS), "Total"]]
    for name, scores in rows.items():
        numbers = [*(scores.groups[group] for group in PCKH_GROUPS), scores.total]
        cells.append([name, *(f"{number:.2f}" for number in numbers)])
    first, *others = (max(map(len, column)) for column in zip(*cells, strict=True))
    lines = [
        [name.ljust(first), *map(str.rjust, numbers, others)]
        for name, *numbers in cells
    ]
    lines.insert(1, ["-" * first, *("-" * (width - 1) + ":" for width in others)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _percent(correct: np.ndarray, labelled: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):  # 0 / 0 is the NaN of "nobody labelled"
        return 100.0 * np.asarray(correct, np.float64) / labelled


def _mean(scores: np.ndarray) -> float:
    known = scores[~np.isnan(scores)]
    return float(known.mean()) if known.size else float("nan")
