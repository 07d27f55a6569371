"""Average precision (AP) of poses of several people, as in the release's toolkit.

`evaluateAP.m` and `assignGTmulti.m` score groups of people who stand close together, so
that a method must also find who is where. NumPy alone is needed.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mpii_pose.checks import check_choice
from mpii_pose.evaluation import pckh
from mpii_pose.skeleton import MPII, NUM_KEYPOINTS

RECALLS = ("official", "strict")
_COUNTED = list(MPII.counted)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class MultiPersonAP(pckh.Scores):
    """AP of each keypoint, in percent; prints as the row that papers show.

    Pelvis and thorax, which are in no group of scores, have NaN. `num_labelled` is the
    number of labelled keypoints that recall is a share of.

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
) -> MultiPersonAP:
    """Returns the AP in percent of poses of several people at once, group by group.

    - A predicted person has a share of each true person of its group: the part of the
      true person's labelled keypoints that it has within the threshold.
    - It stands for the true person of which it has the largest share. A true person
      takes one of those that stand for it, the one with the largest share, if above 0.
      Of equals, the first is chosen.
    - A predicted keypoint is right if its person was taken and it is within the
      threshold of a labelled keypoint. Every other one is a false positive, also where
      the true person has no label.
    - Keypoints of all groups are ranked by falling score, equal ones in the order
      given. AP is the area under precision against recall, where precision is the
      highest at that recall or more (as in PASCAL VOC since 2010).

    Args:
        predicted: For each group, such as those of `image_groups`, float
            [P, 16, 2], (x, y) in pixels; NaN where a keypoint is not predicted. P is
            the group's own and may be 0.
        scores: For each group, float [P, 16], higher for a surer keypoint.
        truth: For each group, float [G, 16, 2], on the same pixel grid.
        visibility: For each group, [G, 16], 0 where `truth` is missing.
        head_size: For each group, float [G], in pixels.
        threshold: Allowed error divided by the true person's head size.
        recall: The labelled keypoints that recall is a share of: "official", those of
            groups with at least one predicted person, as the toolkit counts; "strict",
            those of all groups. Papers report the former, which a method raises by
            leaving hard groups out.

    Raises:
        ValueError: If a shape or option is wrong, a predicted keypoint has no score, or
            a person with labels has no positive head size or no finite truth.
    """
    check_choice("recall", recall, RECALLS)
    pckh.check_threshold(threshold)
    inputs = predicted, scores, truth, visibility, head_size
    if len({len(each) for each in inputs}) > 1:
        counts = ", ".join(str(len(each)) for each in inputs)
        raise ValueError(f"every input must have one item per group, got {counts}")
    num_labelled = np.zeros(NUM_KEYPOINTS, np.int64)
    rights = [np.zeros((0, NUM_KEYPOINTS), bool)]
    score_parts = [np.zeros((0, NUM_KEYPOINTS))]
    for index, arrays in enumerate(zip(*inputs, strict=True)):
        try:
            points, point_scores, *labels = _checked_group(*arrays)
        except ValueError as error:
            raise ValueError(f"group {index}: {error}") from None
        rights.append(_right(points, *labels, threshold=threshold))
        score_parts.append(point_scores)
        if len(points) or recall == "strict":
            num_labelled += labels[1].sum(axis=0)
    right, score = np.concatenate(rights), np.concatenate(score_parts)
    per_keypoint = np.full(NUM_KEYPOINTS, np.nan)
    for keypoint in _COUNTED:
        made = ~np.isnan(score[:, keypoint])
        per_keypoint[keypoint] = _average_precision(
            right[made, keypoint], score[made, keypoint], num_labelled[keypoint]
        )
    return MultiPersonAP(
        per_keypoint=per_keypoint,
        groups={
            name: float(pckh.mean_of_known(per_keypoint[list(indices)]))
            for name, indices in MPII.group_indices.items()
        },
        total=float(pckh.mean_of_known(per_keypoint[_COUNTED])),
        num_labelled=num_labelled,
        threshold=float(threshold),
        recall=recall,
    )


def image_groups(
    images: npt.ArrayLike, *, separated: npt.ArrayLike | None = None
) -> list[np.ndarray]:
    """Returns the people of each image as one group, for `multi_person_ap`.

    As `getMultiPersonGroups.m`, drops a group if any of its people stands clear of
    others. The toolkit's own groups are parts of images (its `groups_v12.mat`).

    Args:
        images: [N], the image of each person: its name, or any number.
        separated: [N], 1 for those who stand clear of others (MPII's `single_person`).

    Returns:
        int [G] for each group, indices of its people.
    """
    image, count = pckh.image_numbers(images)
    alone = np.zeros(len(image)) if separated is None else np.asarray(separated)
    pckh.check_shape("separated", alone, image.shape)
    order = np.argsort(image, kind="stable")
    groups = np.split(order, np.cumsum(np.bincount(image, minlength=count)))[:-1]
    return [group for group in groups if not (alone[group] == 1).any()]


def _checked_group(
    predicted: npt.ArrayLike,
    scores: npt.ArrayLike,
    truth: npt.ArrayLike,
    visibility: npt.ArrayLike,
    head_size: npt.ArrayLike,
) -> tuple[np.ndarray, ...]:
    """Returns the arrays of a group: scores are NaN where nothing is predicted.

    Instead of the visibility, bool [G, 16], which labelled keypoints count.
    """
    points, score, truth, visibility, head_size = (
        np.asarray(array, np.float64)
        for array in (predicted, scores, truth, visibility, head_size)
    )
    nobody = np.zeros((0, NUM_KEYPOINTS, 2))  # however the empty arrays are shaped
    if not points.size and not score.size:
        points, score = nobody, nobody[..., 0]
    if not truth.size and not head_size.size:
        truth, visibility = nobody, nobody[..., 0]
    counts = np.isin(np.arange(NUM_KEYPOINTS), _COUNTED)
    pckh.check_shape("predicted", points, (len(points), NUM_KEYPOINTS, 2))
    pckh.check_shape("scores", score, points.shape[:2])
    where = np.tile(counts, (len(truth), 1))
    labels = truth, visibility, head_size
    labelled = pckh.labelled_keypoints(len(truth), *labels, where=where)
    made = ~np.isnan(points).any(axis=2)
    for person, keypoint in np.argwhere(made & np.isnan(score) & counts):
        raise ValueError(
            f"every predicted keypoint needs a score: predicted person {person}, "
            f"{MPII.keypoints[keypoint]} has none"
        )
    return points, np.where(made, score, np.nan), truth, labelled, head_size


def _right(
    predicted: np.ndarray,
    truth: np.ndarray,
    labelled: np.ndarray,
    head_size: np.ndarray,
    *,
    threshold: float,
) -> np.ndarray:
    """Returns which predicted keypoints are right, bool [P, 16]."""
    right = np.zeros(predicted.shape[:2], bool)
    if not len(predicted) or not len(truth):
        return right
    away = predicted[:, np.newaxis] - truth  # [P, G, 16, 2]
    with np.errstate(divide="ignore", invalid="ignore"):  # people without labels
        error = np.linalg.norm(away, axis=3) / head_size[:, np.newaxis]
    matches = (error <= threshold) & labelled
    share = matches.sum(axis=2) / np.maximum(labelled.sum(axis=1), 1)  # [P, G]
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
