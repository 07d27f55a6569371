"""What kind of error each predicted keypoint is.

The kinds are those of Ronchi and Perona, "Benchmarking and Error Diagnosis in
Multi-Instance Pose Estimation" (ICCV 2017), by PCKh's distances instead of COCO's
similarities. Their `coco-analyze` has a jitter end at a similarity of 0.5 and begin at
0.85, which is 2.07 times the distance; here it is twice. There, the nearest keypoint
decides alone, so that a jitter of one hip towards the other becomes an inversion (15 %
of jitters on MPII's labels); here, a confusion must explain the place clearly better.
"""

import dataclasses
import enum

import numpy as np
import numpy.typing as npt

from mpii_pose.evaluation.inputs import check_shape, check_threshold, distances
from mpii_pose.evaluation.scores import markdown_table
from mpii_pose.skeleton import MPII, Skeleton

# A jitter ends at this many thresholds, and a confused keypoint is this many times as
# far from its own place as from the other.
JITTER_FACTOR = 2.0


class ErrorKind(enum.IntEnum):
    """What a predicted keypoint is; `UNLABELLED` is not counted."""

    UNLABELLED = -1
    GOOD = 0
    JITTER = 1
    INVERSION = 2
    SWAP = 3
    MISS = 4


_COUNTED_KINDS = tuple(kind for kind in ErrorKind if kind >= 0)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class KeypointErrors:
    """The kinds of all predicted keypoints; prints as a table of shares.

    Attributes:
        kinds: int8 [N, K], values of `ErrorKind`.
        threshold: Allowed error divided by the head size.
        skeleton: Which K keypoints these are.
    """

    kinds: np.ndarray
    threshold: float
    skeleton: Skeleton = MPII

    @property
    def counts(self) -> np.ndarray:
        """int64 [K, 5], how often each keypoint is good, jitter ... miss."""
        kinds = np.array(_COUNTED_KINDS)
        return np.sum(self.kinds[..., np.newaxis] == kinds, axis=0)

    @property
    def shares(self) -> dict[str, dict[str, float]]:
        """Percent of each kind, by row: the skeleton's groups and "total"."""
        rows = self.skeleton.group_indices | {"total": self.skeleton.counted}
        counts = self.counts
        shares = {}
        for row, indices in rows.items():
            pooled = counts[list(indices)].sum(axis=0)
            labelled = pooled.sum() or np.nan
            shares[row] = {
                kind.name.lower(): float(100 * pooled[kind] / labelled)
                for kind in _COUNTED_KINDS
            }
        return shares

    def __str__(self) -> str:
        rows = [["%", *(kind.name.lower() for kind in _COUNTED_KINDS)]]
        for row, shares in self.shares.items():
            rows.append([row, *(f"{share:.2f}" for share in shares.values())])
        return markdown_table(rows)

    def _repr_markdown_(self) -> str:  # how notebooks show it
        return str(self)


def keypoint_errors(
    predicted: npt.ArrayLike,
    truth: npt.ArrayLike,
    visibility: npt.ArrayLike,
    head_size: npt.ArrayLike,
    *,
    others: npt.ArrayLike | None = None,
    threshold: float = 0.5,
    where: npt.ArrayLike | None = None,
    skeleton: Skeleton = MPII,
) -> KeypointErrors:
    """Says of each labelled keypoint whether its prediction is good, and if not, why.

    - good: within the threshold of its labelled keypoint, as `pckh` counts;
    - inversion: within the threshold of the same person's keypoint of the other side,
      such as right for left, and less than half as far from there as from its own;
    - swap: the same for another person's keypoint, of this side or the other; where
      inversion would do as well, the nearer decides;
    - jitter: none of these, but within twice the threshold of its labelled keypoint;
    - miss: everything else, and what is not predicted.

    Args:
        predicted: float [N, K, 2], (x, y) in pixels of the full image; NaN is a miss.
        truth: float [N, K, 2], on the same pixel grid.
        visibility: [N, K], 0 where `truth` is missing.
        head_size: float [N], in pixels; the unit of all distances.
        others: float [N, M, K, 2], other people of each person's image, NaN where there
            are none: `images.image_neighbours`. Without it there are no swaps.
        threshold: Allowed error divided by the head size.
        where: bool [N] or [N, K], the people or keypoints to look at; default all.
        skeleton: Which K keypoints there are.

    Returns:
        The kind of each keypoint, and their shares.

    Raises:
        ValueError: As `pckh`, or if `others` has another shape.
    """
    check_threshold(threshold)
    own, labelled = distances(
        predicted, truth, visibility, head_size, where=where, skeleton=skeleton
    )
    points = np.asarray(predicted, np.float64)
    known = np.where(
        np.asarray(visibility)[..., np.newaxis] > 0, np.asarray(truth), np.nan
    )
    people = np.full((len(points), 0, *points.shape[1:]), np.nan)
    if others is not None:
        people = np.asarray(others, np.float64)
        expected = (len(points), *people.shape[1:2], *points.shape[1:])
        check_shape("others", people, expected)

    mirrored = list(skeleton.mirrored)
    own = _or_infinite(own)
    other_side = _away(points, known[:, mirrored], head_size)
    other_side[:, np.array(mirrored) == np.arange(len(mirrored))] = np.inf
    other_people = np.full_like(own, np.inf)
    for index in range(people.shape[1]):
        for person in (people[:, index], people[:, index][:, mirrored]):
            away = _away(points, person, head_size)
            other_people = np.minimum(other_people, away)
    confused = np.minimum(other_side, other_people)
    confused_with = np.where(
        other_side <= other_people, ErrorKind.INVERSION, ErrorKind.SWAP
    )
    kinds = np.full(own.shape, ErrorKind.MISS)
    kinds[own <= JITTER_FACTOR * threshold] = ErrorKind.JITTER
    clearly = (confused <= threshold) & (JITTER_FACTOR * confused < own)
    kinds[clearly] = confused_with[clearly]
    kinds[own <= threshold] = ErrorKind.GOOD
    kinds[~labelled] = ErrorKind.UNLABELLED
    return KeypointErrors(
        kinds=kinds.astype(np.int8), threshold=float(threshold), skeleton=skeleton
    )


def _away(
    points: np.ndarray, places: np.ndarray, head_size: npt.ArrayLike
) -> np.ndarray:
    """Returns distances [N, K] in head sizes; infinite where a point is not known."""
    with np.errstate(divide="ignore", invalid="ignore"):  # people who do not count
        unit = np.asarray(head_size, np.float64)[:, np.newaxis]
        return _or_infinite(np.linalg.norm(points - places, axis=2) / unit)


def _or_infinite(error: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(error), np.inf, error)
