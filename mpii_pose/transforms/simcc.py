"""SimCC's targets, a distribution of x and one of y per keypoint, and their decoding.

"SimCC: a Simple Coordinate Classification Perspective for Human Pose Estimation" (Li et
al., arXiv 2107.03332), as RTMPose learns it. Distributions are [..., K, bins], float32;
bins are finer than pixels, and the alignment places them on the crop as it places
heatmaps' cells.
"""

import math
from typing import Any

import numpy as np

from mpii_pose.skeleton import NUM_KEYPOINTS
from mpii_pose.transforms.arrays import as_arrays
from mpii_pose.transforms.heatmaps import BLOB_RADIUS, gaussian, weigh
from mpii_pose.transforms.spec import CropSpec


def encode_simcc(
    keypoints: Any, visibility: Any, *, spec: CropSpec | None = None, **fields: Any
) -> tuple[Any, Any, Any]:
    """Makes the distributions of x and y that a network is trained towards.

    Both are Gaussians of peak 1, or of area 1 with `simcc_normalize`, that run out over
    all bins. "unbiased" puts them at the exact position. "msra" rounds it to a bin;
    with alignment "legacy", where bin = pixel x ratio, that equals MMPose's
    `SimCCLabel`. A keypoint that is missing, or further than 3 sigma and a bin outside
    of the bins, has empty distributions in x and in y, all 0.

    Args:
        keypoints: float32 [..., K, 2], (x, y) in crop pixels. Those that are missing
            may be anything, NaN too.
        visibility: integer [..., K], values of `skeleton.Visibility`; those below 0
            are unknown, and missing here.
        spec: Image size, ratio, sigma, alignment, encoding and weighting.
        **fields: Fields of the spec to replace, such as `simcc_ratio=3.0`.

    Returns:
        x float32 [..., K, width x ratio], y float32 [..., K, height x ratio] and
        weights float32 [..., K], as of `encode_heatmaps`: arrays of the library of the
        keypoints.

    Raises:
        ValueError: A field is not valid, or the bins are no whole number.
    """
    spec = CropSpec.of(spec, **fields)
    xp, keypoints, visibility = as_arrays(keypoints, visibility)
    return encode(xp, xp.array(keypoints, dtype="float32"), visibility, spec)


def encode(
    xp: Any, keypoints: Any, visibility: Any, spec: CropSpec
) -> tuple[Any, Any, Any]:
    """Returns what `encode_simcc` does."""
    rows, columns = spec.simcc_bins
    bins = spec.grid.crop_to_heatmap(
        keypoints, image_size=spec.image_size, heatmap_size=spec.simcc_bins
    )
    if spec.encoding == "msra":  # Halves go to the even bin.
        up, down = xp.floor(bins + 0.5), xp.ceil(bins - 0.5)
        bins = xp.where(xp.equal(up, down), up, 2 * xp.floor(up / 2))
    x, y = bins[..., 0], bins[..., 1]
    reach = BLOB_RADIUS * spec.simcc_sigma
    has_blob = (x >= -reach - 1) & (x < columns + reach)
    has_blob = has_blob & (y >= -reach - 1) & (y < rows + reach)
    has_blob = has_blob & (xp.array(visibility, dtype="float32") > 0)
    area = spec.simcc_sigma * math.sqrt(2 * math.pi)
    peak = 1 / area if spec.simcc_normalize else 1.0

    def distribution(center: Any, size: int) -> Any:
        center = xp.where(has_blob, center, 0.0)  # NaN times 0 would be NaN.
        values = gaussian(xp, center, size, spec.simcc_sigma)
        return xp.where(has_blob[..., None], peak * values, 0.0)

    weights = weigh(xp, has_blob, visibility, spec.weighting)
    return distribution(x, columns), distribution(y, rows), weights


def decode_simcc(
    x: Any, y: Any, *, spec: CropSpec | None = None, **fields: Any
) -> tuple[Any, Any]:
    """Finds the keypoint in each pair of distributions: the highest bin of x and of y.

    Args:
        x: float [..., K, width x ratio], probabilities, logits or targets.
        y: float [..., K, height x ratio], likewise.
        spec: What the distributions were made with; image size, ratio and alignment
            count.
        **fields: Fields of the spec to replace, such as `image_size=(256, 192)`.

    Returns:
        Keypoints float32 [..., K, 2], (x, y) in crop pixels, and scores float32
        [..., K], the lower one of the two highest values. Distributions that are the
        same everywhere, or contain a NaN, have no keypoint: its position is NaN.

    Raises:
        ValueError: A shape is not that of the spec, or a field is not valid.
    """
    spec = CropSpec.of(spec, **fields)
    check_shapes(x, y, spec=spec)
    xp, x, y = as_arrays(x, y)
    x, y = (xp.array(values, dtype="float32") for values in (x, y))
    tops = xp.max(x, axis=-1), xp.max(y, axis=-1)
    bins = xp.stack([xp.argmax(x, axis=-1), xp.argmax(y, axis=-1)], axis=-1)
    has_peak = (tops[0] > xp.min(x, axis=-1)) & (tops[1] > xp.min(y, axis=-1))
    has_nan = xp.any(xp.isnan(x), axis=-1) | xp.any(xp.isnan(y), axis=-1)
    keypoints = spec.grid.heatmap_to_crop(
        xp.array(bins, dtype="float32"),
        image_size=spec.image_size,
        heatmap_size=spec.simcc_bins,
    )
    keypoints = xp.where((has_peak & ~has_nan)[..., None], keypoints, np.nan)
    return keypoints, xp.where(has_nan, np.nan, xp.minimum(*tops))


def check_shapes(x: Any, y: Any, *, spec: CropSpec) -> None:
    """Raises ValueError unless these are distributions of x and of y."""
    for name, values, side, bins in (
        ("x", x, "width", spec.simcc_bins[1]),
        ("y", y, "height", spec.simcc_bins[0]),
    ):
        shape = tuple(np.shape(values))
        if shape[-2:] != (NUM_KEYPOINTS, bins):
            raise ValueError(
                f"{name} must have shape [..., {NUM_KEYPOINTS}, {bins}], simcc_ratio "
                f"{spec.simcc_ratio:g} times the {side} of image_size "
                f"{spec.image_size}, got {shape}; the order is x, y"
            )
