"""Targets: one Gaussian per keypoint, and how much each counts in the loss.

Heatmaps are [..., height, width, 16], float32, with peak 1. Keypoints are given in
crop pixels; the alignment says where they lie among the heatmaps' cells.
"""

import numpy as np
import tensorflow as tf

from mpii_pose import skeleton
from mpii_pose.transforms.geometry import Alignment

ENCODINGS = ("unbiased", "msra")
WEIGHTINGS = ("labelled", "visible", "all")

# A blob ends this many sigmas from its keypoint.
BLOB_RADIUS = 3.0


def encode_heatmaps(
    keypoints: tf.Tensor,
    visibility: tf.Tensor,
    *,
    image_size: tuple[int, int] = (256, 256),
    heatmap_size: tuple[int, int] = (64, 64),
    sigma: float = 2.0,
    alignment: str | Alignment = "half_pixel",
    encoding: str = "unbiased",
    weighting: str = "labelled",
) -> tuple[tf.Tensor, tf.Tensor]:
    """Draws the heatmaps that a network is trained towards.

    "unbiased" puts the Gaussian at the exact position and lets it run out over the
    whole map (Zhang et al. 2020, DARK). "msra" rounds the position to a cell and cuts
    the Gaussian off at 3 sigma in x and in y (HRNet, `JointsDataset.generate_target`).
    A keypoint that is missing, or whose 3-sigma blob misses the map, has an empty map.

    Args:
        keypoints: float32 [..., 16, 2], (x, y) in crop pixels.
        visibility: integer [..., 16], values of `skeleton.Visibility`.
        image_size: Height and width of the crop.
        heatmap_size: Height and width of the heatmaps.
        sigma: Standard deviation of the Gaussians in cells.
        alignment: "half_pixel", "udp" or "legacy".
        encoding: "unbiased" or "msra".
        weighting: Which keypoints weigh 1, the others 0: "labelled" those with a blob
            (HRNet); "visible" those of them that are not occluded; "all" every one,
            empty maps too (Hourglass).

    Returns:
        Heatmaps float32 [..., height, width, 16] and weights float32 [..., 16].
    """
    check_options(sigma=sigma, encoding=encoding, weighting=weighting)
    cells = Alignment.named(alignment).crop_to_heatmap(
        keypoints, image_size=image_size, heatmap_size=heatmap_size
    )
    if encoding == "msra":
        cells = tf.floor(cells + 0.5)
    last_cell = np.array(heatmap_size[::-1], np.float32) - 1.0
    reach = BLOB_RADIUS * sigma
    on_map = tf.reduce_all((cells >= -reach) & (cells <= last_cell + reach), axis=-1)
    drawn = on_map & tf.not_equal(visibility, int(skeleton.Visibility.MISSING))

    # A Gaussian is a column times a row: 2 x 64 exponentials, not 64 x 64.
    truncated = encoding == "msra"
    rows = _gaussian(cells[..., 1], heatmap_size[0], sigma=sigma, truncated=truncated)
    columns = _gaussian(
        cells[..., 0], heatmap_size[1], sigma=sigma, truncated=truncated
    )
    rows = tf.where(drawn[..., None, :], rows, 0.0)
    heatmaps = rows[..., :, None, :] * columns[..., None, :, :]
    return heatmaps, _weights(drawn, visibility, weighting)


def check_options(*, sigma: float, encoding: str, weighting: str) -> None:
    """Raises ValueError where an option of `encode_heatmaps` is unknown."""
    if not 0.0 < sigma < np.inf:
        raise ValueError(f"sigma must be a positive number of cells, got {sigma!r}")
    if encoding not in ENCODINGS:
        raise ValueError(
            f"encoding must be one of {', '.join(ENCODINGS)}, got {encoding!r}"
        )
    if weighting not in WEIGHTINGS:
        raise ValueError(
            f"weighting must be one of {', '.join(WEIGHTINGS)}, got {weighting!r}"
        )


def _gaussian(
    center: tf.Tensor, size: int, *, sigma: float, truncated: bool
) -> tf.Tensor:
    """Returns 1-D Gaussians [..., size, 16] around `center` [..., 16]."""
    distance = tf.range(size, dtype=tf.float32)[:, None] - center[..., None, :]
    gaussian = tf.exp(tf.square(distance) * (-0.5 / sigma**2))
    if truncated:
        gaussian = tf.where(tf.abs(distance) <= BLOB_RADIUS * sigma, gaussian, 0.0)
    return gaussian


def _weights(drawn: tf.Tensor, visibility: tf.Tensor, weighting: str) -> tf.Tensor:
    if weighting == "all":
        return tf.ones_like(drawn, tf.float32)
    if weighting == "visible":
        drawn &= tf.equal(visibility, int(skeleton.Visibility.VISIBLE))
    return tf.cast(drawn, tf.float32)
