"""Finds an offset that all predictions share, such as a slip of a quarter of a cell.

Half a cell lost in rounding, pixels counted from 1, heatmaps of a flip test that were
mirrored one cell off: such slips are small against PCKh's threshold and large against
the errors of a network. They move every keypoint alike, in pixels of the crop or of
the frame; a slip that depends on the side moves left and right keypoints apart.
"""

import dataclasses

import numpy as np
import numpy.typing as npt

from mpii_pose.evaluation.pckh import PCKhScores, distances, pckh
from mpii_pose.person import HEAD_SIZE_PER_SCALE, SQUARE_PER_SCALE
from mpii_pose.skeleton import KEYPOINTS

# Errors further than this from the offset, in head sizes, do not count for it: they are
# misses in PCKh, and misses lean to one side.
REACH = 0.5
MOST_STEPS = 100
# 1 for keypoints of the left side, -1 for the right, 0 for the middle.
_SIDES = np.array([k.startswith("left_") - k.startswith("right_") for k in KEYPOINTS])


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Offset:
    """The distance of predictions from the truth on average, in one kind of pixel.

    Attributes:
        constant: float64 [2], (x, y) by which all keypoints are moved.
        mirrored: float64 [2], (x, y) by which left keypoints are moved besides, and
            right keypoints against.
        corrected: Scores with both taken off the predictions.
        spread: Mean distance of errors from this offset, in head sizes, each at most
            `REACH`: the kind of pixel with the smaller one fits better.
    """

    constant: np.ndarray
    mirrored: np.ndarray
    corrected: PCKhScores
    spread: float


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class AlignmentAudit:
    """The offset of a prediction file; prints as a few lines.

    Attributes:
        scores: Of the predictions as they are.
        crop: The offset in pixels of HRNet's crop.
        cells: float64 [2], the constant offset in cells of the heatmaps.
        frame: The offset in pixels of the full image.
    """

    scores: PCKhScores
    crop: Offset
    cells: np.ndarray
    frame: Offset

    def __str__(self) -> str:
        lines = [f"{self.scores.title}: {self.scores.total:.2f} as predicted"]
        crop_pixels = f"crop pixels, which is {as_point(self.cells)} cells"
        for pixels, offset in ((crop_pixels, self.crop), ("frame pixels", self.frame)):
            lines.append(
                f"off by {as_point(offset.constant)} {pixels}, left keypoints by "
                f"{as_point(offset.mirrored)} more and right ones less; "
                f"{offset.corrected.total:.2f} without"
            )
        return "\n".join(lines)


def alignment_audit(
    predicted: npt.ArrayLike,
    truth: npt.ArrayLike,
    visibility: npt.ArrayLike,
    head_size: npt.ArrayLike,
    *,
    image_size: tuple[int, int] = (256, 256),
    heatmap_size: tuple[int, int] = (64, 64),
    threshold: float = 0.1,
    where: npt.ArrayLike | None = None,
) -> AlignmentAudit:
    """Returns the constant offset of predictions, and their scores without it.

    The offset is the place where most errors lie: the mean of those within half a head
    size of it. The scores show which kind of pixels fits better, of crop or frame.

    Args:
        predicted: See `pckh`.
        truth: See `pckh`.
        visibility: See `pckh`.
        head_size: See `pckh`.
        image_size: Height and width of the crops that the network saw. Their sides in
            the image follow from the head sizes, as in HRNet's crop.
        heatmap_size: Height and width of its heatmaps.
        threshold: Of the scores; offsets show at small ones.
        where: See `pckh`.

    Raises:
        ValueError: As `pckh`, or if no labelled keypoint is predicted.
    """
    labels = truth, visibility, head_size
    _, labelled = distances(predicted, *labels, where=where)
    points, size = np.asarray(predicted, np.float64), np.asarray(head_size, np.float64)
    error = np.where(labelled[..., np.newaxis], points - np.asarray(truth), np.nan)
    if np.isnan(error).all():
        raise ValueError("no labelled keypoint is predicted, so there is no offset")

    def offset(pixel: np.ndarray) -> Offset:
        """Returns the offset in a kind of pixel that is `pixel` [N] frame pixels."""
        unit = pixel[:, np.newaxis, np.newaxis]
        own, reach = error / unit, (REACH * size / pixel)[:, np.newaxis]
        left, right = (_densest(own[:, side == _SIDES], reach) for side in (1, -1))
        mirrored = np.nan_to_num((left - right) / 2)
        apart = _SIDES[:, np.newaxis] * mirrored
        constant = _densest(own - apart, reach)
        moved = (constant + apart) * unit
        away = np.linalg.norm(error - moved, axis=2) / size[:, np.newaxis]
        return Offset(
            constant=constant,
            mirrored=mirrored,
            corrected=pckh(points - moved, *labels, threshold=threshold, where=where),
            spread=float(np.nanmean(np.minimum(away, REACH))),
        )

    crop = offset(SQUARE_PER_SCALE / HEAD_SIZE_PER_SCALE * size / min(image_size))
    return AlignmentAudit(
        scores=pckh(points, *labels, threshold=threshold, where=where),
        crop=crop,
        cells=crop.constant * min(heatmap_size) / min(image_size),
        frame=offset(np.ones_like(size)),
    )


def as_point(point: np.ndarray) -> str:
    """Returns an offset such as "(+0.25, -0.10)"."""
    return f"({point[0]:+.2f}, {point[1]:+.2f})"


def _densest(error: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """Returns the place [2] of most errors, by mean shift from the median on."""
    known = ~np.isnan(error).any(axis=2)
    points, within = error[known], np.broadcast_to(reach, known.shape)[known]
    if not len(points):
        return np.full(2, np.nan)
    center = np.median(points, axis=0)
    for _ in range(MOST_STEPS):
        near = np.linalg.norm(points - center, axis=1) <= within
        moved = points[near].mean(axis=0) if near.any() else center
        if np.array_equal(moved, center):
            break
        center = moved
    return center
