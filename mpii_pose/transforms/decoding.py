"""From heatmaps to keypoints, and the flip test.

The highest cell of a map is the coarse position; `method` says how it is refined:

- "argmax": not at all.
- "quarter": by a quarter of a cell towards the higher neighbour, in x and in y, as
  Hourglass and HRNet do.
- "dark": by one Newton step on the logarithm of the smoothed map, exact for a Gaussian
  ("Distribution-Aware Coordinate Representation", Zhang et al., arXiv 1910.06278).

Keypoints are (x, y) in pixels of the crop; `geometry.apply_affine` with the example's
`crop_to_image` takes them to the full image.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from mpii_pose import skeleton
from mpii_pose.transforms.geometry import Alignment

METHODS = ("argmax", "quarter", "dark")

# The smoothing kernel ends where the paper's does: 11 x 11 cells for sigma 2.
_KERNEL_RADIUS_IN_SIGMA = 2.5
# A Newton step that leads further than this, in cells, follows noise. Between cells of
# a Gaussian it is at most 0.5; the rest is for peaks that lie beyond the map's border.
_MAX_OFFSET = 2.0
# Logarithms are taken of values from this share of the peak upwards.
_SMALLEST_SHARE = 1e-6
# A top that is flatter than a Gaussian of sigma 100 is not told from rounding.
_SMALLEST_CURVATURE = 1e-4


def decode_heatmaps(
    heatmaps: tf.Tensor,
    *,
    method: str = "dark",
    alignment: str | Alignment = "half_pixel",
    image_size: tuple[int, int] = (256, 256),
    sigma: float = 2.0,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Finds the keypoint in each heatmap.

    Args:
        heatmaps: float [..., h, w, K], of static height and width. Maps of less than
            3 cells a side are not refined.
        method: "argmax", "quarter" or "dark".
        alignment: The one the heatmaps were made with.
        image_size: Height and width of the crop in pixels.
        sigma: Of the smoothing in "dark", in cells. The paper takes the sigma of the
            training targets; 0 reads the maps as they are.

    Returns:
        Keypoints float32 [..., K, 2], (x, y) in crop pixels, and scores float32
        [..., K], the highest value of each map. A map without a positive value has no
        keypoint: its position is NaN, as it is where the map holds a NaN.

    Raises:
        ValueError: If an option is not valid or the maps' size is not known.
    """
    check_method(method)
    if not 0 <= sigma < np.inf:
        raise ValueError(f"sigma must be 0 or more cells, got {sigma}")
    alignment = Alignment.named(alignment)
    maps, size = _maps_first(heatmaps)
    rows = tf.reshape(maps, tf.concat([tf.shape(maps)[:-2], [size[0] * size[1]]], 0))
    index = tf.argmax(rows, axis=-1, output_type=tf.int32)
    peak = tf.stack([index % size[1], index // size[1]], axis=-1)
    scores = tf.reduce_max(rows, axis=-1)
    scores = tf.where(tf.reduce_any(tf.math.is_nan(rows), axis=-1), np.nan, scores)
    cells = tf.cast(peak, tf.float32)
    if min(size) >= 3 and method == "quarter":
        cells += _quarter_offset(rows, peak, size)
    if min(size) >= 3 and method == "dark":
        cells += _dark_offset(rows, peak, size, sigma)
    keypoints = alignment.heatmap_to_crop(
        cells, image_size=image_size, heatmap_size=size
    )
    return tf.where(scores[..., tf.newaxis] > 0, keypoints, np.nan), scores


def check_method(method: str) -> None:
    """Raises ValueError for a method of decoding that does not exist."""
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")


def flip_test(
    model: Callable[[tf.Tensor], tf.Tensor],
    images: tf.Tensor,
    *,
    alignment: str | Alignment = "half_pixel",
) -> tf.Tensor:
    """Predicts heatmaps as the mean over each image and its mirror image.

    In "half_pixel" and "udp" the mirrored prediction lands exactly on the other. In
    "legacy" it does not; it is moved by the whole number of cells that comes closest,
    which is HRNet's 1 at 256 to 64 and leaves it 0.25 cells off.

    Args:
        model: Takes images to heatmaps float [..., h, w, 16].
        images: [..., H, W, C], crops.
        alignment: The one the model was trained with.

    Returns:
        float32 [..., h, w, 16].
    """
    images = tf.convert_to_tensor(images)
    straight = tf.cast(model(images), tf.float32)
    mirrored = tf.cast(model(tf.reverse(images, axis=[-2])), tf.float32)
    mirrored = tf.gather(tf.reverse(mirrored, axis=[-2]), skeleton.MIRRORED, axis=-1)
    size = _static_size("heatmaps", mirrored)
    error = Alignment.named(alignment).flip_error(
        image_size=_static_size("images", images), heatmap_size=size
    )
    shift = round(-error)
    if shift:  # the columns that enter repeat the outermost
        columns = np.clip(np.arange(size[1]) - shift, 0, size[1] - 1)
        mirrored = tf.gather(mirrored, columns, axis=-2)
    return (straight + mirrored) / 2


def _static_size(name: str, tensor: tf.Tensor) -> tuple[int, int]:
    rank = tensor.shape.rank
    if rank is None or rank < 3 or not all(tensor.shape[-3:-1]):
        raise ValueError(
            f"{name} must have shape [..., height, width, channels] with a static "
            f"height and width of 1 or more, got {tensor.shape}"
        )
    return tuple(tensor.shape[-3:-1])


def _maps_first(heatmaps: tf.Tensor) -> tuple[tf.Tensor, tuple[int, int]]:
    """Returns maps float32 [..., K, h, w] and their size."""
    heatmaps = tf.cast(tf.convert_to_tensor(heatmaps), tf.float32)
    size = _static_size("heatmaps", heatmaps)
    rank = heatmaps.shape.rank
    order = [*range(rank - 3), rank - 1, rank - 3, rank - 2]
    return tf.transpose(heatmaps, order), size


def _patches(
    rows: tf.Tensor, center: tf.Tensor, size: tuple[int, int], radius: int
) -> tf.Tensor:
    """Cuts [..., P, P] cells around each center; the map's border cells repeat."""
    height, width = size
    steps = tf.range(-radius, radius + 1)
    x = tf.clip_by_value(center[..., 0, tf.newaxis] + steps, 0, width - 1)
    y = tf.clip_by_value(center[..., 1, tf.newaxis] + steps, 0, height - 1)
    index = y[..., :, tf.newaxis] * width + x[..., tf.newaxis, :]
    return tf.gather(rows, index, batch_dims=rows.shape.rank - 1)


def _quarter_offset(
    rows: tf.Tensor, peak: tf.Tensor, size: tuple[int, int]
) -> tf.Tensor:
    """Returns float32 [..., K, 2]; 0 across a border and between equal neighbours."""
    patch = _patches(rows, peak, size, radius=1)
    slope = tf.stack(
        [patch[..., 1, 2] - patch[..., 1, 0], patch[..., 2, 1] - patch[..., 0, 1]], -1
    )
    last = tf.constant(size[::-1]) - 1
    return tf.where((peak > 0) & (peak < last), 0.25 * tf.sign(slope), 0.0)


def _dark_offset(
    rows: tf.Tensor, peak: tf.Tensor, size: tuple[int, int], sigma: float
) -> tf.Tensor:
    """Returns float32 [..., K, 2], from the peak to the top of the fitted Gaussian.

    Two things go beyond the paper, which gives up near the border: the step starts
    from the nearest cell with neighbours all around, and the smoothing kernel shrinks
    so far that it stays within the map. A Gaussian that the border cuts, or whose top
    lies just outside, is then found as exactly as any other.
    """
    radius = int(np.ceil(_KERNEL_RADIUS_IN_SIGMA * sigma))
    last = tf.constant(size[::-1]) - 1
    center = tf.clip_by_value(peak, 1, last - 1)
    room = tf.minimum(tf.minimum(center, last - center) - 1, radius)
    kernels = tf.gather(_smoothing_kernels(sigma, radius), room)
    patch = _patches(rows, center, size, radius + 1)
    along_y = tf.matmul(kernels[..., 1, :, :], patch)
    smooth = tf.matmul(along_y, kernels[..., 0, :, :], transpose_b=True)
    top = tf.reduce_max(rows, axis=-1)[..., tf.newaxis, tf.newaxis]
    step, concave = _newton_step(tf.math.log(tf.maximum(smooth, top * _SMALLEST_SHARE)))
    offset = tf.cast(center - peak, tf.float32) + step
    offset = tf.clip_by_value(offset, -_MAX_OFFSET, _MAX_OFFSET)
    return tf.where(concave[..., tf.newaxis], offset, 0.0)


def _smoothing_kernels(sigma: float, radius: int) -> np.ndarray:
    """Returns float32 [radius + 1, 3, P]: patch row -> its 3 middle cells, smoothed.

    Kernel `r` reaches `r` cells to either side.
    """
    cells = np.arange(-radius - 1, radius + 2)
    distance = np.abs(cells - np.array([-1, 0, 1])[:, np.newaxis])
    weights = np.exp(-0.5 * (distance / max(sigma, 1e-3)) ** 2)
    reach = np.arange(radius + 1)[:, np.newaxis, np.newaxis]
    kernels = np.where(distance <= reach, weights, 0.0)
    return (kernels / kernels.sum(axis=-1, keepdims=True)).astype(np.float32)


def _newton_step(values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Finds the top of the quadratic through 3 x 3 cells.

    Args:
        values: float32 [..., 3, 3].

    Returns:
        float32 [..., 2], (x, y) of the top from the middle cell, and bool [...],
        whether there is one.
    """
    middle, left, right = values[..., 1, 1], values[..., 1, 0], values[..., 1, 2]
    above, below = values[..., 0, 1], values[..., 2, 1]
    slope_x, slope_y = (right - left) / 2, (below - above) / 2
    xx, yy = right + left - 2 * middle, below + above - 2 * middle
    falling = values[..., 0, 0] + values[..., 2, 2]
    xy = (falling - values[..., 0, 2] - values[..., 2, 0]) / 4
    determinant = xx * yy - xy * xy
    step = tf.stack([xy * slope_y - yy * slope_x, xy * slope_x - xx * slope_y], axis=-1)
    step /= determinant[..., tf.newaxis]
    concave = (xx < 0) & (determinant > _SMALLEST_CURVATURE**2)
    return step, concave & tf.reduce_all(tf.math.is_finite(step), axis=-1)
