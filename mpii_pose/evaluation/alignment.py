"""Finds an offset that all predictions share, such as a slip of a quarter of a cell.

Half a cell lost in rounding, pixels counted from 1, heatmaps of a flip test that were
mirrored one cell off: such slips are small against PCKh's threshold and large against
what a network gets wrong. They move every keypoint alike, in pixels of the crop or of
the frame; a slip that depends on the side moves left and right keypoints apart.
"""

import dataclasses
import functools

import numpy as np
import numpy.typing as npt

from mpii_pose.evaluation.inputs import distances
from mpii_pose.evaluation.pckh import pckh
from mpii_pose.evaluation.scores import PCKhScores
from mpii_pose.person import HEAD_SIZE_PER_SCALE, SQUARE_PER_SCALE
from mpii_pose.skeleton import MPII, Skeleton

# Errors further than this from the offset, in head sizes, do not count for it: they are
# what PCKh calls a miss, and misses lean to one side.
REACH = 0.5
MOST_STEPS = 100


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Offset:
    """How far predictions lie off on average, in one kind of pixel.

    Attributes:
        constant: float64 [2], (x, y) by which all keypoints are moved.
        mirrored: float64 [2], (x, y) by which left keypoints are moved besides, and
            right keypoints against.
        corrected: Scores with both taken off the predictions.
    """

    constant: np.ndarray
    mirrored: np.ndarray
    corrected: PCKhScores


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class AlignmentAudit:
    """The offset of a prediction file; prints as a few lines.

    Attributes:
        scores: Of the predictions as they are.
        crop: The offset in pixels of HRNet's crop.
        frame: The offset in pixels of the full image.
        pixels_per_cell: Pixels of the crop in a cell of the heatmaps.
    """

    scores: PCKhScores
    crop: Offset
    frame: Offset
    pixels_per_cell: float

    @property
    def cells(self) -> np.ndarray:
        """float64 [2], the constant offset in cells of the heatmaps."""
        return self.crop.constant / self.pixels_per_cell

    def __str__(self) -> str:
        lines = [f"{self.scores.title}: {self.scores.total:.2f} as predicted"]
        crop_pixels = f"crop pixels, which is {_point(self.cells)} cells"
        for pixels, offset in ((crop_pixels, self.crop), ("frame pixels", self.frame)):
            lines.append(
                f"off by {_point(offset.constant)} {pixels}, left keypoints by "
                f"{_point(offset.mirrored)} more and right ones less; "
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
    skeleton: Skeleton = MPII,
) -> AlignmentAudit:
    """Finds the constant offset of predictions, and scores them without it.

    An offset is where most errors lie: the mean of those within half a head size of it.
    Which kind of pixels fits better shows in the scores.

    Args:
        predicted: float [N, K, 2], (x, y) in pixels of the full image; NaN is a miss.
        truth: float [N, K, 2], on the same pixel grid.
        visibility: [N, K], 0 where `truth` is missing.
        head_size: float [N], in pixels; it tells the size of HRNet's crop too.
        image_size: Height and width of the crops that the network saw.
        heatmap_size: Height and width of its heatmaps.
        threshold: Of the scores; offsets show at small ones.
        where: bool [N] or [N, K], the people or keypoints to look at; default all.
        skeleton: Which K keypoints there are.

    Returns:
        The offsets in both kinds of pixels, and the scores with and without them.

    Raises:
        ValueError: As `pckh`, or if no labelled keypoint is predicted.
    """
    _, labelled = distances(
        predicted, truth, visibility, head_size, where=where, skeleton=skeleton
    )
    points, size = np.asarray(predicted, np.float64), np.asarray(head_size, np.float64)
    error = np.where(labelled[..., np.newaxis], points - np.asarray(truth), np.nan)
    if np.isnan(error).all():
        raise ValueError("no labelled keypoint is predicted, so there is no offset")
    crop_side = SQUARE_PER_SCALE / HEAD_SIZE_PER_SCALE * size
    pixels = {"crop": crop_side / min(image_size), "frame": np.ones_like(size)}
    side = np.array([_side(name) for name in skeleton.keypoints])[:, np.newaxis]
    scored = functools.partial(
        pckh,
        truth=truth,
        visibility=visibility,
        head_size=head_size,
        threshold=threshold,
        where=where,
        skeleton=skeleton,
    )
    offsets = {}
    for name, pixel in pixels.items():
        unit = pixel[:, np.newaxis, np.newaxis]
        reach = REACH * size / pixel
        constant, mirrored = _offset(error / unit, reach[:, np.newaxis], side)
        corrected = scored(points - (constant + side * mirrored) * unit)
        offsets[name] = Offset(
            constant=constant, mirrored=mirrored, corrected=corrected
        )
    return AlignmentAudit(
        scores=scored(points),
        pixels_per_cell=min(image_size) / min(heatmap_size),
        **offsets,
    )


def _point(point: np.ndarray) -> str:
    return f"({point[0]:+.2f}, {point[1]:+.2f})"


def _side(keypoint: str) -> int:
    """Returns 1 for the left side, -1 for the right, 0 for the middle."""
    return keypoint.startswith("left_") - keypoint.startswith("right_")


def _offset(
    error: np.ndarray, reach: np.ndarray, side: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the constant and the mirrored offset of errors [N, K, 2], [2] each."""
    left, right = (_densest(error, reach, side[:, 0] == sign) for sign in (1, -1))
    mirrored = np.nan_to_num((left - right) / 2)
    return _densest(error - side * mirrored, reach, side[:, 0] < 2), mirrored


def _densest(error: np.ndarray, reach: np.ndarray, keypoints: np.ndarray) -> np.ndarray:
    """Returns where most errors lie, by mean shift from the median on; [2]."""
    chosen = error[:, keypoints]
    known = ~np.isnan(chosen).any(axis=2)
    points, within = chosen[known], np.broadcast_to(reach, chosen.shape[:2])[known]
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
