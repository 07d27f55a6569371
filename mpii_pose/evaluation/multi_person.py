"""Average precision (AP) of poses of several people, as the release's toolkit has it.

`evaluateAP.m` and `assignGTmulti.m` score groups of people who stand close together, so
that a method must also find who is where. NumPy alone is needed.
"""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mpii_pose.checks import check_choice
from mpii_pose.evaluation.inputs import check_shape, check_threshold, labelled_keypoints
from mpii_pose.evaluation.scores import Scores, mean_of_known
from mpii_pose.skeleton import MPII, Skeleton

RECALLS = ("official", "strict")


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class MultiPersonAP(Scores):
    """AP of each keypoint, in percent; prints as the row that papers show.

    Pelvis and thorax, which are in no group of scores, have NaN. `num_labelled` is how
    many labelled keypoints were to be found.

    Attributes:
        recall: "official" or "strict"; the others are as in `PCKhScores`.
    """

    recall: str

    @property
    def title(self) -> str:
        """Such as "AP@0.5 (official recall)"."""
        return f"AP@{self.threshold:g} ({self.recall} recall)"


def multi_person_ap(
    predicted: Sequence[npt.ArrayLike],
    scores: Sequence[npt.ArrayLike],
    truth: Sequence[npt.ArrayLike],
    visibility: Sequence[npt.ArrayLike],
    head_size: Sequence[npt.ArrayLike],
    *,
    threshold: float = 0.5,
    recall: str = "official",
    skeleton: Skeleton = MPII,
) -> MultiPersonAP:
    """Scores the poses of several people at once, group by group.

    Each predicted person is compared with each true person of its group: the share of
    the true person's labelled keypoints that it has within the threshold. A predicted
    person stands for the true person with the largest share, and a true person takes
    the predicted one with the largest share of those that stand for it, if above 0; the
    first of equals. A predicted keypoint is right if its person was taken and it is
    within the threshold of a labelled keypoint; every other one is a false positive,
    also where the true person has no label. Over all groups, AP is the area under
    precision against recall, by falling score with equal scores in the order given,
    precision being the highest at that recall or more (as in PASCAL VOC since 2010).

    Args:
        predicted: For each group, such as those of `images.image_groups`, float
            [P, 16, 2], (x, y) in pixels; NaN where a keypoint is not predicted. P is
            the group's own and may be 0.
        scores: For each group, float [P, 16], higher for a surer keypoint.
        truth: For each group, float [G, 16, 2], on the same pixel grid.
        visibility: For each group, [G, 16], 0 where `truth` is missing.
        head_size: For each group, float [G], in pixels.
        threshold: Allowed error divided by the true person's head size.
        recall: Of which labelled keypoints recall is the share: "official", those of
            groups with at least one predicted person, as the toolkit counts; "strict",
            those of all groups. Papers report the former, which a method raises by
            leaving hard groups out.
        skeleton: Which keypoints there are, and the rows of scores they make.

    Returns:
        The scores, in percent.

    Raises:
        ValueError: If a shape or option is wrong, a predicted keypoint has no score, or
            a person with labels has no positive head size or no finite truth.
    """
    check_choice("recall", recall, RECALLS)
    check_threshold(threshold)
    inputs = predicted, scores, truth, visibility, head_size
    if len({len(each) for each in inputs}) > 1:
        counts = ", ".join(str(len(each)) for each in inputs)
        raise ValueError(f"every input must have one item per group, got {counts}")
    groups = [
        _group(index, *arrays, skeleton=skeleton)
        for index, arrays in enumerate(zip(*inputs, strict=True))
    ]

    counted = list(skeleton.counted)
    num_labelled = np.zeros(skeleton.num_keypoints, np.int64)
    for group in groups:
        if len(group.predicted) or recall == "strict":
            num_labelled[counted] += group.labelled.sum(axis=0)
    none = np.zeros((0, len(counted)))
    right = np.concatenate([none > 0, *(_right(group, threshold) for group in groups)])
    score = np.concatenate([none, *(group.scores for group in groups)])
    per_keypoint = np.full(skeleton.num_keypoints, np.nan)
    for column, keypoint in enumerate(counted):
        made = ~np.isnan(score[:, column])
        per_keypoint[keypoint] = _average_precision(
            right[made, column], score[made, column], num_labelled[keypoint]
        )
    return MultiPersonAP(
        per_keypoint=per_keypoint,
        groups={
            name: mean_of_known(per_keypoint[list(indices)])
            for name, indices in skeleton.group_indices.items()
        },
        total=mean_of_known(per_keypoint[counted]),
        num_labelled=num_labelled,
        threshold=float(threshold),
        recall=recall,
        skeleton=skeleton,
    )


class _Group(NamedTuple):
    """P predicted and G true people, with the C keypoints that count."""

    predicted: np.ndarray  # [P, C, 2]
    scores: np.ndarray  # [P, C], NaN where not predicted
    truth: np.ndarray  # [G, C, 2]
    labelled: np.ndarray  # bool [G, C]
    head_size: np.ndarray  # [G]


def _group(
    index: int,
    predicted: npt.ArrayLike,
    scores: npt.ArrayLike,
    truth: npt.ArrayLike,
    visibility: npt.ArrayLike,
    head_size: npt.ArrayLike,
    *,
    skeleton: Skeleton,
) -> _Group:
    """Checks the arrays of a group and keeps the keypoints that count."""
    counted = list(skeleton.counted)
    counts = np.isin(np.arange(skeleton.num_keypoints), counted)
    points, score, truth, visibility, head_size = (
        np.asarray(array, np.float64)
        for array in (predicted, scores, truth, visibility, head_size)
    )
    if not points.size and not score.size:  # nobody, whatever the other sizes are
        points, score = np.zeros((0, len(counts), 2)), np.zeros((0, len(counts)))
    if not truth.size and not head_size.size:
        truth, visibility = np.zeros((0, len(counts), 2)), np.zeros((0, len(counts)))
    try:
        check_shape("predicted", points, (len(points), len(counts), 2))
        check_shape("scores", score, points.shape[:2])
        labelled = labelled_keypoints(
            truth,
            visibility,
            head_size,
            where=np.tile(counts, (len(truth), 1)),
            shape=(len(truth), len(counts)),
            skeleton=skeleton,
        )
    except ValueError as error:
        raise ValueError(f"group {index}: {error}") from None
    made = ~np.isnan(points).any(axis=2)
    for person, keypoint in np.argwhere(made & np.isnan(score) & counts):
        raise ValueError(
            f"group {index}: every predicted keypoint needs a score: predicted person "
            f"{person}, {skeleton.keypoints[keypoint]} has none"
        )
    return _Group(
        predicted=points[:, counted],
        scores=np.where(made, score, np.nan)[:, counted],
        truth=truth[:, counted],
        labelled=labelled[:, counted],
        head_size=head_size,
    )


def _right(group: _Group, threshold: float) -> np.ndarray:
    """Returns which predicted keypoints are right, bool [P, C]."""
    right = np.zeros(group.scores.shape, bool)
    if not len(group.predicted) or not len(group.truth):
        return right
    away = group.predicted[:, np.newaxis] - group.truth  # [P, G, C, 2]
    with np.errstate(divide="ignore", invalid="ignore"):  # people without labels
        error = np.linalg.norm(away, axis=3) / group.head_size[:, np.newaxis]
    matches = (error <= threshold) & group.labelled
    share = matches.sum(axis=2) / np.maximum(group.labelled.sum(axis=1), 1)  # [P, G]
    best = share.argmax(axis=1)[:, np.newaxis]
    share[np.arange(share.shape[1]) != best] = 0
    found = np.flatnonzero(share.max(axis=0) > 0)
    taken = share.argmax(axis=0)[found]
    right[taken] = matches[taken, found]
    return right


def _average_precision(
    right: np.ndarray, scores: np.ndarray, num_labelled: int
) -> float:
    """Returns the AP of one keypoint, in percent; NaN where nobody is labelled."""
    if num_labelled == 0:
        return float("nan")
    right = right[np.argsort(-scores, kind="stable")]
    precision = np.cumsum(right) / np.arange(1, right.size + 1)
    best_from_here = np.maximum.accumulate(precision[::-1])[::-1]
    # Recall rises by one labelled keypoint at each right one, and only there.
    return 100 * float(best_from_here[right].sum()) / num_labelled
