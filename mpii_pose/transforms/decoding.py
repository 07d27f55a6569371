"""From heatmaps to keypoints, and the flip test.

The highest cell of a map is the coarse position, which `method` refines:

- "argmax": not at all.
- "quarter": by a quarter of a cell towards the higher neighbour, in x and in y, as
  Hourglass and HRNet do. HRNet leaves peaks in the first two and the last rows and
  columns where they are; here only the step across a border is left out.
- "dark": by one Newton step on the logarithm of the smoothed map, exact for a Gaussian
  ("Distribution-Aware Coordinate Representation", Zhang et al., arXiv 1910.06278).

Keypoints are (x, y) in pixels of the crop; `crop_to_frame` moves them to the full
image. Heatmaps may be arrays of any library in `arrays`, on any device; gradients pass.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mpii_pose.checks import check_choice
from mpii_pose.skeleton import MPII
from mpii_pose.transforms import simcc
from mpii_pose.transforms.arrays import as_floats, namespace
from mpii_pose.transforms.spec import CropSpec

METHODS = ("argmax", "quarter", "dark")

# The smoothing kernel ends where the paper's does: 11 x 11 cells for sigma 2.
_KERNEL_RADIUS_IN_SIGMA = 2.5
# A Newton step that leads further than this, in cells, follows noise. Between cells of
# a Gaussian it is at most 0.5; the rest is for peaks that lie beyond the map's border.
_MAX_OFFSET = 2.0
# Logarithms are taken of values from this share of the peak upwards.
_SMALLEST_SHARE = 1e-6
_LOWEST = np.finfo(np.float32).min
# A top that is flatter than a Gaussian of sigma 100 is no different from rounding.
_SMALLEST_CURVATURE = 1e-4

_CHANNELS_LAST = "channels are last, as of PyTorch's tensor.permute(0, 2, 3, 1)"


def decode_heatmaps(
    heatmaps: Any,
    *,
    method: str = "dark",
    sigma: float | None = None,
    spec: CropSpec | None = None,
    **fields: Any,
) -> tuple[Any, Any]:
    """Finds the keypoint in each heatmap.

    Args:
        heatmaps: float [..., h, w, K], of static height and width. Maps of less than
            3 cells a side are not refined.
        method: "argmax", "quarter" or "dark".
        sigma: Of the smoothing in "dark", in cells; by default the spec's, as in the
            paper. 0 reads the maps as they are.
        spec: What the heatmaps were made with; image_size and alignment count.
        **fields: Fields of the spec to replace, such as `image_size=(256, 192)`.

    Returns:
        Keypoints float32 [..., K, 2], (x, y) in crop pixels, and scores float32
        [..., K], the highest value of each map. A map without a positive value has no
        keypoint: its position is NaN, as it is where the map contains a NaN.

    Raises:
        ValueError: An option is not valid, the maps are not those of the spec, or the
            keypoints are not on their last axis.
    """
    is_size_given = spec is not None or "image_size" in fields
    spec = _checked_spec(heatmaps, spec, fields)
    (height, width), (rows, columns) = spec.image_size, spec.known_heatmap_size()
    if not is_size_given and rows * width != columns * height:
        raise ValueError(
            f"heatmaps of {(rows, columns)} are not of the shape of image_size "
            f"{spec.image_size}, which is the default: pass spec, or "
            "image_size"
        )
    cells, scores = decode_cells(
        heatmaps, method=method, sigma=spec.sigma if sigma is None else sigma
    )
    keypoints = spec.grid.heatmap_to_crop(
        cells, image_size=spec.image_size, heatmap_size=spec.known_heatmap_size()
    )
    return keypoints, scores


@np.errstate(divide="ignore", invalid="ignore")  # maps that have no peak
def decode_cells(heatmaps: Any, *, method: str, sigma: float) -> tuple[Any, Any]:
    """Finds the keypoints in cells of the heatmaps; else as `decode_heatmaps`.

    Returns:
        float32 [..., K, 2], (x, y) in cells, integers at cell centers, and scores
        float32 [..., K].
    """
    check_choice("method", method, METHODS)
    if not 0 <= sigma < np.inf:
        raise ValueError(f"sigma must be 0 or more cells, got {sigma}")
    height, width = _static_size("heatmaps", heatmaps)
    xp, maps = as_floats(heatmaps)
    maps = xp.array(xp.moveaxis(maps, -1, -3), dtype="float32")
    row_tops = xp.max(maps, axis=-1)
    y = xp.argmax(row_tops, axis=-1)
    at_y = xp.equal(y[..., None], xp.array(np.arange(height)))
    row = xp.sum(xp.where(at_y[..., None], maps, 0.0), axis=-2)
    peak = xp.array(xp.stack([xp.argmax(row, axis=-1), y], axis=-1), dtype="float32")
    scores = xp.max(row_tops, axis=-1)
    has_nan = xp.any(xp.isnan(maps), axis=(-2, -1))
    maps = xp.maximum(maps, _LOWEST)  # minus infinity times 0 would be NaN
    cells = peak
    if min(height, width) >= 3 and method == "quarter":
        cells = peak + _quarter_offset(xp, maps, peak)
    if min(height, width) >= 3 and method == "dark":
        cells = peak + _dark_offset(xp, maps, peak, scores, sigma)
    scores = xp.where(has_nan, np.nan, scores)
    return xp.where((scores > 0)[..., None], cells, np.nan), scores


def spec_of_heatmaps(
    spec: CropSpec | Mapping[str, Any] | None, fields: Mapping[str, Any]
) -> CropSpec:
    """Returns a spec whose heatmap size may be None: the heatmaps have one."""
    return CropSpec.of(spec or CropSpec(heatmap_size=None), **fields)


def _checked_spec(
    heatmaps: Any,
    spec: CropSpec | None,
    fields: Mapping[str, Any],
    any_count: bool = True,
) -> CropSpec:
    """Returns the spec of heatmaps, with their size.

    Without a spec there may be another number of keypoints, unless the axes look as if
    they were in a wrong order.

    Raises:
        ValueError: The heatmaps are not those of the spec.
    """
    size, shape = _static_size("heatmaps", heatmaps), tuple(np.shape(heatmaps))
    any_count = any_count and spec is None
    spec = spec_of_heatmaps(spec, fields)
    if spec.heatmap_size not in (None, size):
        raise ValueError(
            f"heatmaps must have heatmap_size {spec.heatmap_size} of the spec, got "
            f"{size}; {_CHANNELS_LAST}"
        )
    count = MPII.num_keypoints
    if shape[-1] != count and not (any_count and shape[-3] != count):
        raise ValueError(
            f"heatmaps must have shape [..., h, w, {count}], with the keypoints of "
            f"{MPII.name!r} last, got {shape}"
        )
    return dataclasses.replace(spec, heatmap_size=size)


def flip_test(
    model: Callable[[Any], Any],
    images: Any,
    *,
    spec: CropSpec | None = None,
    **fields: Any,
) -> Any:
    """Predicts heatmaps, or SimCC's pair, as the mean over each image and its mirror.

    In "half_pixel" and "udp" the mirrored prediction lands exactly on the other. In
    "legacy" it does not; it is moved by the whole number of cells that comes closest,
    which is HRNet's 1 at 256 to 64 and leaves it 0.25 cells off; SimCC's bins are moved
    exactly.

    Args:
        model: Takes images to heatmaps float [..., h, w, K], or to x float
            [..., K, width x ratio] and y float [..., K, height x ratio].
        images: [..., H, W, C], crops.
        spec: What the model was trained with; alignment counts.
        **fields: Fields of the spec to replace, such as `alignment="udp"`.

    Returns:
        float32 [..., h, w, K], or x and y.

    Raises:
        ValueError: Images or predictions are not those of the spec.
    """
    image_size = _static_size("images", images)
    expected = spec_of_heatmaps(spec, fields).image_size
    if image_size != expected and (spec is not None or "image_size" in fields):
        raise ValueError(
            f"images must have image_size {expected} of the spec, got {image_size}; "
            f"{_CHANNELS_LAST}"
        )
    straight = model(images)
    mirrored = model(namespace(images).flip(images, axis=-2))
    if isinstance(straight, tuple | list):
        spec = CropSpec.of(spec or CropSpec(image_size=image_size), **fields)
        simcc.check_shapes(*mirrored, spec=spec)
        error = spec.grid.flip_error(
            image_size=image_size, heatmap_size=spec.simcc_bins
        )
        return (
            _mean(straight[0], mirrored[0], keypoints=-2, columns=-1, error=error),
            _mean(straight[1], mirrored[1], keypoints=-2),
        )
    spec = _checked_spec(mirrored, spec, fields, any_count=False)
    size = spec.known_heatmap_size()
    error = spec.grid.flip_error(image_size=image_size, heatmap_size=size)
    return _mean(straight, mirrored, keypoints=-1, columns=-2, error=error)


def _mean(
    straight: Any,
    mirrored: Any,
    *,
    keypoints: int,
    columns: int | None = None,
    error: float = 0.0,
) -> Any:
    """Returns the mean of predictions for images and for mirrored ones, float32.

    Axes are those of the keypoints and of the columns, which are `error` off.
    """
    xp, *both = as_floats(straight, mirrored)
    straight, mirrored = (xp.array(each, dtype="float32") for each in both)
    mirrored = xp.take(mirrored, np.array(MPII.mirrored), axis=keypoints)
    if columns is not None:
        mirrored = xp.flip(mirrored, axis=columns)
    if shift := round(-error):  # the columns that enter repeat the outermost
        last = mirrored.shape[columns] - 1
        places = np.clip(np.arange(last + 1) - shift, 0, last)
        mirrored = xp.take(mirrored, places, axis=columns)
    return (straight + mirrored) / 2


def _static_size(name: str, array: Any) -> tuple[int, int]:
    shape = np.shape(array) if namespace(array) is np else array.shape
    rank = getattr(shape, "rank", None) if not isinstance(shape, tuple) else len(shape)
    if rank is None or rank < 3 or not all(shape[-3:-1]):
        raise ValueError(
            f"{name} must have shape [..., height, width, channels] with a static "
            f"height and width of 1 or more, got {shape}"
        )
    return int(shape[-3]), int(shape[-2])


def _neighbours(
    xp: Any, maps: Any, center: Any, *, reach: Any = 0.0, sigma: float = 0.0
) -> Any:
    """Returns [..., 3, 3] cells of maps around each center, smoothed; 0 beyond them.

    Centers are (x, y) in whole cells, [..., 2]. The smoothing kernel reaches `reach`
    cells far, [..., 1, 1].
    """

    def weights(center: Any, size: int) -> Any:
        """Returns [..., 3, size]: cell before, at and after the center."""
        steps = np.array([[-1.0], [0.0], [1.0]], np.float32)
        places = xp.array(np.arange(size, dtype=np.float32) - steps)
        distance = xp.abs(center[..., None, None] - places)
        kernel = xp.exp(-0.5 * xp.square(distance / max(sigma, 1e-3)))
        kernel = xp.where(distance <= reach, kernel, 0.0)
        return kernel / xp.maximum(xp.sum(kernel, axis=-1, keepdims=True), 1e-9)

    height, width = maps.shape[-2:]
    along_y = xp.matmul(weights(center[..., 1], height), maps)
    across_x = xp.moveaxis(weights(center[..., 0], width), -1, -2)
    return xp.matmul(along_y, across_x)


def _last_cell(xp: Any, maps: Any) -> Any:
    return xp.array([maps.shape[-1] - 1, maps.shape[-2] - 1], dtype="float32")


def _quarter_offset(xp: Any, maps: Any, peak: Any) -> Any:
    """Returns float32 [..., K, 2]; 0 across a border and between equal neighbours."""
    near = _neighbours(xp, maps, peak)
    slope = xp.stack(
        [near[..., 1, 2] - near[..., 1, 0], near[..., 2, 1] - near[..., 0, 1]], axis=-1
    )
    inside = (peak > 0) & (peak < _last_cell(xp, maps)) & xp.isfinite(slope)
    return xp.where(inside, 0.25 * xp.sign(slope), 0.0)


def _dark_offset(xp: Any, maps: Any, peak: Any, top: Any, sigma: float) -> Any:
    """Returns float32 [..., K, 2], from the peak to the top of the fitted Gaussian.

    Two things go beyond the paper, which gives up near the border: the step starts
    from the nearest cell with neighbours all around, and the smoothing kernel shrinks
    so far that it stays within the map. A Gaussian that the border cuts, or whose top
    lies just outside, is then found as exactly as any other.
    """
    last = _last_cell(xp, maps)
    center = xp.minimum(xp.maximum(peak, 1.0), last - 1)
    room = xp.min(xp.minimum(center, xp.subtract(last, center)), axis=-1) - 1
    reach = xp.minimum(room, float(np.ceil(_KERNEL_RADIUS_IN_SIGMA * sigma)))
    near = _neighbours(xp, maps, center, reach=reach[..., None, None], sigma=sigma)
    floor = (top * _SMALLEST_SHARE)[..., None, None]
    step, concave = _newton_step(xp, xp.log(xp.maximum(near, floor)))
    offset = xp.clip(center - peak + step, -_MAX_OFFSET, _MAX_OFFSET)
    return xp.where(concave[..., None], offset, 0.0)


def _newton_step(xp: Any, values: Any) -> tuple[Any, Any]:
    """Finds the top of the quadratic through cells [..., 3, 3].

    Returns (x, y) of the top from the middle cell, [..., 2], and whether there is one.
    """
    middle, left, right = values[..., 1, 1], values[..., 1, 0], values[..., 1, 2]
    above, below = values[..., 0, 1], values[..., 2, 1]
    slope_x, slope_y = (right - left) / 2, (below - above) / 2
    xx, yy = right + left - 2 * middle, below + above - 2 * middle
    falling = values[..., 0, 0] + values[..., 2, 2]
    xy = (falling - values[..., 0, 2] - values[..., 2, 0]) / 4
    determinant = xx * yy - xy * xy
    concave = (xx < 0) & (determinant > _SMALLEST_CURVATURE**2)
    determinant = xp.where(concave, determinant, 1.0)
    step = xp.stack([xy * slope_y - yy * slope_x, xy * slope_x - xx * slope_y], axis=-1)
    step = step / determinant[..., None]
    return step, concave & xp.all(xp.isfinite(step), axis=-1)
