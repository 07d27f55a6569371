"""The kind of error of each predicted keypoint.

The kinds are those of Ronchi and Perona, "Benchmarking and Error Diagnosis in
Multi-Instance Pose Estimation" (ICCV 2017), by PCKh's distances instead of COCO's
similarities. In their `coco-analyze` a jitter ends at a similarity of 0.5 and begins at
0.85, which is 2.07 times the distance; here it is twice. There, the nearest keypoint
decides alone, so that a jitter of one hip towards the other becomes an inversion (15 %
of jitters on MPII's labels); here, a confusion must explain the place clearly better.
"""

import dataclasses
import enum

import numpy as np
import numpy.typing as npt

from mpii_pose.evaluation import pckh
from mpii_pose.evaluation.multi_person import image_groups
from mpii_pose.skeleton import MPII, NUM_KEYPOINTS

# A jitter ends at this many thresholds, and a confused keypoint is this many times as
# far from its own place as from the other.
JITTER_FACTOR = 2.0


class ErrorKind(enum.IntEnum):
    """The kind of a predicted keypoint; `UNLABELLED` is not counted."""

    UNLABELLED = -1
    GOOD = 0
    JITTER = 1
    INVERSION = 2
    SWAP = 3
    MISS = 4


_COUNTED_KINDS = tuple(kind for kind in ErrorKind if kind >= 0)
_NAMES = [kind.name.lower() for kind in _COUNTED_KINDS]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class KeypointErrors:
    """The kinds of all predicted keypoints; prints as a table of shares.

    Attributes:
        kinds: int8 [N, 16], values of `ErrorKind`.
        threshold: Allowed error divided by the head size.
    """

    kinds: np.ndarray
    threshold: float

    @property
    def counts(self) -> np.ndarray:
        """int64 [16, 5], how often each keypoint is good, jitter ... miss."""
        return np.sum(self.kinds[..., np.newaxis] == np.array(_COUNTED_KINDS), axis=0)

    @property
    def shares(self) -> dict[str, dict[str, float]]:
        """Percent of each kind, by row: the groups of scores and "total"."""
        shares = {}
        for row, indices in (MPII.group_indices | {"total": MPII.counted}).items():
            pooled = self.counts[list(indices)].sum(axis=0)
            percent = (100 * pooled / (pooled.sum() or np.nan)).tolist()
            shares[row] = dict(zip(_NAMES, percent, strict=True))
        return shares

    def __str__(self) -> str:
        rows = [["%", *_NAMES]]
        for row, shares in self.shares.items():
            rows.append([row, *(f"{share:.2f}" for share in shares.values())])
        return pckh.markdown_table(rows)

    def _repr_markdown_(self) -> str:  # for notebooks
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
) -> KeypointErrors:
    """Returns whether each labelled keypoint is predicted well, and if not, why not.

    - good: within the threshold of its labelled keypoint, as `pckh` counts;
    - inversion: within the threshold of the same person's keypoint of the other side,
      such as right for left, and less than half as far from there as from its own;
    - swap: the same for another person's keypoint, of this side or the other; where
      inversion would do as well, the nearer decides;
    - jitter: none of these, but within twice the threshold of its labelled keypoint;
    - miss: everything else, keypoints that are not predicted included.

    `others`, float [N, M, 16, 2], are the other people of each person's image, NaN
    where there are none (`image_neighbours`); without them there are no swaps. All else
    is as in `pckh`, ValueError included.
    """
    pckh.check_threshold(threshold)
    own, labelled = pckh.distances(predicted, truth, visibility, head_size, where=where)
    points = np.asarray(predicted, np.float64)
    size = np.asarray(head_size, np.float64)[:, np.newaxis]
    people = np.zeros((len(points), 0, NUM_KEYPOINTS, 2)) if others is None else others
    people = np.asarray(people, np.float64)
    expected = len(points), *people.shape[1:2], NUM_KEYPOINTS, 2
    pckh.check_shape("others", people, expected)

    def away(places: np.ndarray) -> np.ndarray:
        """Returns distances [N, 16] in head sizes, NaN where a place is not known."""
        with np.errstate(divide="ignore", invalid="ignore"):  # people who do not count
            return np.linalg.norm(points - places, axis=2) / size

    mirrored = np.array(MPII.mirrored)
    opposite = _known(truth, visibility)[:, mirrored]
    opposite[:, mirrored == np.arange(len(mirrored))] = np.nan
    other_side, other_people = away(opposite), np.full_like(own, np.nan)
    for person in np.moveaxis(people, 1, 0):
        for places in (person, person[:, mirrored]):
            other_people = np.fmin(other_people, away(places))
    confused = np.fmin(other_side, other_people)
    kinds = np.full(own.shape, ErrorKind.MISS)
    kinds[own <= JITTER_FACTOR * threshold] = ErrorKind.JITTER
    clearly = (confused <= threshold) & (JITTER_FACTOR * confused < own)
    kinds[clearly] = ErrorKind.SWAP
    kinds[clearly & (confused == other_side)] = ErrorKind.INVERSION
    kinds[own <= threshold] = ErrorKind.GOOD
    kinds[~labelled] = ErrorKind.UNLABELLED
    return KeypointErrors(kinds=kinds.astype(np.int8), threshold=float(threshold))


def image_neighbours(
    images: npt.ArrayLike, keypoints: npt.ArrayLike, visibility: npt.ArrayLike
) -> np.ndarray:
    """Returns the other people of each person's image, for `keypoint_errors`.

    Args:
        images: [N], the image of each person: its name, or any number.
        keypoints: float [N, 16, 2].
        visibility: [N, 16], 0 where a keypoint is missing.

    Returns:
        float64 [N, M, 16, 2], NaN where a keypoint is missing and where a person has
        fewer than M others.
    """
    known, groups = _known(keypoints, visibility), image_groups(images)
    most = max((len(group) - 1 for group in groups), default=0)
    neighbours = np.full((len(known), most, *known.shape[1:]), np.nan)
    for group in groups:
        for person in group:
            others = group[group != person]
            neighbours[person, : len(others)] = known[others]
    return neighbours


def _known(keypoints: npt.ArrayLike, visibility: npt.ArrayLike) -> np.ndarray:
    """Returns keypoints with NaN where they are missing."""
    labelled = np.asarray(visibility)[..., np.newaxis] > 0
    return np.where(labelled, np.asarray(keypoints, np.float64), np.nan)
