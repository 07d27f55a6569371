"""Targets: one Gaussian per keypoint, and how much each counts in the loss.

Heatmaps are [..., height, width, K], float32, with peak 1. Keypoints are given in
crop pixels; the alignment places them among the heatmaps' cells.
"""

from typing import Any

from mpii_pose.skeleton import Visibility
from mpii_pose.transforms.arrays import as_arrays
from mpii_pose.transforms.spec import CropSpec

# A blob ends this many sigmas from its keypoint.
BLOB_RADIUS = 3.0


def encode_heatmaps(
    keypoints: Any, visibility: Any, *, spec: CropSpec | None = None, **fields: Any
) -> tuple[Any, Any]:
    """Makes the heatmaps that a network is trained towards.

    "unbiased" puts the Gaussian at the exact position and lets it run out over the
    whole map (Zhang et al. 2020, DARK). "msra" rounds the position to a cell and cuts
    the Gaussian off at 3 sigma in x and in y (HRNet, `JointsDataset.generate_target`).
    HRNet rounds towards 0, which differs for keypoints beyond the left and top border.
    A keypoint that is missing, or whose 3-sigma blob misses the map, has an empty map.

    The weights are 1 for: "labelled" those with a blob (HRNet); "visible" those of
    them that are not occluded; "all" every one, empty maps too (Hourglass).

    Args:
        keypoints: float32 [..., K, 2], (x, y) in crop pixels. Those that are missing
            may be anything, NaN too.
        visibility: integer [..., K], values of `skeleton.Visibility`; those below 0
            are unknown, and missing here.
        spec: Sizes, sigma, alignment, encoding and weighting.
        **fields: Fields of the spec to replace, such as `sigma=3.0`.

    Returns:
        Heatmaps float32 [..., height, width, K] and weights float32 [..., K], arrays
        of the library of the keypoints.

    Raises:
        ValueError: The spec has no heatmap_size, or a field is not valid.
    """
    spec = CropSpec.of(spec, **fields)
    xp, keypoints, visibility = as_arrays(keypoints, visibility)
    return encode(xp, xp.array(keypoints, dtype="float32"), visibility, spec)


def encode(
    xp: Any,
    keypoints: Any,
    visibility: Any,
    spec: CropSpec,
    *,
    channels_first: bool = False,
) -> tuple[Any, Any]:
    """Returns what `encode_heatmaps` does; heatmaps [..., K, h, w] if asked for."""
    size = spec.known_heatmap_size()
    cells = spec.crop_to_heatmap(keypoints)
    if spec.encoding == "msra":
        cells = xp.floor(cells + 0.5)
    last_cell = xp.array(size[::-1], dtype="float32") - 1
    reach = BLOB_RADIUS * spec.sigma
    on_map = xp.all((cells >= -reach) & (cells <= last_cell + reach), axis=-1)
    has_blob = on_map & (xp.array(visibility, dtype="float32") > 0)
    cells = xp.where(has_blob[..., None], cells, 0.0)  # NaN times 0 would be NaN.

    # A Gaussian is a column times a row: 2 x 64 exponentials, not 64 x 64.
    axis = -1 if channels_first else -2  # of the cells, beside that of the keypoints
    rows = _gaussian(xp, cells[..., 1], size[0], spec, axis)
    columns = _gaussian(xp, cells[..., 0], size[1], spec, axis)
    rows = xp.where(xp.expand_dims(has_blob, axis), rows, 0.0)
    heatmaps = xp.expand_dims(rows, axis) * xp.expand_dims(columns, axis - 1)
    return heatmaps, _weights(xp, has_blob, visibility, spec.weighting)


def _gaussian(xp: Any, center: Any, size: int, spec: CropSpec, axis: int) -> Any:
    """Returns 1-D Gaussians around `center` [..., K], with their cells on an axis."""
    places = xp.arange(size, dtype="float32")
    if axis == -2:
        places = places[:, None]
    distance = places - xp.expand_dims(center, axis)
    gaussian = xp.exp(xp.square(distance) * (-0.5 / spec.sigma**2))
    if spec.encoding == "msra":
        within = xp.abs(distance) <= BLOB_RADIUS * spec.sigma
        gaussian = xp.where(within, gaussian, 0.0)
    return gaussian


def _weights(xp: Any, has_blob: Any, visibility: Any, weighting: str) -> Any:
    if weighting == "all":
        has_blob = has_blob | True
    if weighting == "visible":
        has_blob = has_blob & xp.equal(visibility, int(Visibility.VISIBLE))
    return xp.array(has_blob, dtype="float32")
