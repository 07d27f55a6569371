"""Affine maps between a full image, a crop of it and the heatmaps of that crop.

Points are (x, y) in pixels, 0-based, integers at pixel centers; sizes are
(height, width). A crop is made by one matrix, `crop_to_image`: the image is read
through it and the keypoints pass through its inverse, so both always agree.

Functions that take `xp` first are formulas on float arrays of that library. The others
take arrays of any library in `arrays`, and return arrays of the same.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from mpii_pose.checks import check_choice
from mpii_pose.person import CENTER_SHIFT_PER_SCALE, SQUARE_PER_SCALE, UNKNOWN
from mpii_pose.skeleton import MPII, NUM_KEYPOINTS, Visibility
from mpii_pose.transforms.arrays import as_arrays, as_floats, namespace

# Coordinate of a missing keypoint, in x and in y.
MISSING_COORDINATE = -1.0
_MIRRORED = np.array(MPII.mirrored)

# A JPEG decoder can scale by 1 / these while decoding (averaging blocks of pixels in
# effect), which is both faster and better than sampling every other pixel of the full
# frame: it removes aliasing.
RATIOS = (1, 2, 4, 8)
# Where colors are stored at half the resolution, a decoder that starts or stops within
# the image gets the first and the last column wrong, having no neighbor to smooth with.
GUARD = 1

# The square's side is this much of a box's longer side, and of its shorter one. Fitted
# on MPII's train people, by the overlap with their squares.
SQUARE_PER_LONGER, SQUARE_PER_SHORTER = 0.82, 1.74


@dataclasses.dataclass(frozen=True)
class Alignment:
    """Where the samples of a grid lie on the square that the grid covers.

    Sample `i` of `n` lies at `(i + offset) / (n - shrink)` of the square's side.
    Crop and heatmaps cover the same square, which fixes the map between them. Warp,
    encoder, decoder and flip take it from here, so they cannot disagree.

    Attributes:
        name: "half_pixel", "udp" or "legacy".
        offset: Where sample 0 lies, in samples.
        shrink: How many samples fewer than `n` span the square.
    """

    name: str
    offset: float
    shrink: int

    @classmethod
    def named(cls, name: "str | Alignment | Mapping[str, Any]") -> "Alignment":
        """Returns the alignment of that name, of these fields, or the one given."""
        if isinstance(name, Mapping):
            return cls(**name)
        if isinstance(name, Alignment):
            return name
        check_choice("alignment", name, ALIGNMENTS)
        return ALIGNMENTS[name]

    def spans(self, size: tuple[int, int]) -> np.ndarray:
        """Returns how many samples (x, y) span the square of a grid of that size."""
        spans = np.array(size[::-1], np.float32) - self.shrink
        if np.any(spans <= 0):
            raise ValueError(
                f"alignment {self.name} needs a height and width above "
                f"{self.shrink}, got {tuple(size)}"
            )
        return spans

    def middle(self, size: tuple[int, int]) -> np.ndarray:
        """Returns the point (x, y) of the grid that is the middle of the square."""
        return self.spans(size) / 2 - np.float32(self.offset)

    def crop_to_heatmap(
        self, points: Any, *, image_size: tuple[int, int], heatmap_size: tuple[int, int]
    ) -> Any:
        """Moves points float32 [..., 2], (x, y), from crop pixels to heatmap cells."""
        ratio = self.spans(heatmap_size) / self.spans(image_size)
        ratio = namespace(points).array(ratio)
        return (points + np.float32(self.offset)) * ratio - np.float32(self.offset)

    def heatmap_to_crop(
        self, points: Any, *, image_size: tuple[int, int], heatmap_size: tuple[int, int]
    ) -> Any:
        """Moves points from heatmap cells to crop pixels."""
        return self.crop_to_heatmap(
            points, image_size=heatmap_size, heatmap_size=image_size
        )

    def flip_error(
        self, *, image_size: tuple[int, int], heatmap_size: tuple[int, int]
    ) -> float:
        """Returns how far a mirrored crop's mirrored heatmaps are off, in cells of x.

        A flip test mirrors the crop's pixels, predicts and mirrors the heatmaps back.
        That is exact in "half_pixel" and "udp". In "legacy" it ends -0.75 cells off
        at 256 to 64, which HRNet moves by one cell to +0.25.
        """
        outer_pixels = np.array([[0, 0], [image_size[1] - 1, 0]], np.float32)
        outer_cells = self.crop_to_heatmap(
            outer_pixels, image_size=image_size, heatmap_size=heatmap_size
        )
        return float(heatmap_size[1] - 1 - outer_cells[:, 0].sum())


# "half_pixel": the square's edges are the outer edges of the outer pixels.
# "udp": the square's edges are the centers of the outer pixels (Huang et al. 2020).
# "legacy": HRNet's; the square's left and top edges are the centers of the first
# pixels, its right and bottom edges lie one pixel beyond the centers of the last.
ALIGNMENTS = {
    alignment.name: alignment
    for alignment in (
        Alignment("half_pixel", offset=0.5, shrink=0),
        Alignment("udp", offset=0.0, shrink=1),
        Alignment("legacy", offset=0.0, shrink=0),
    )
}


def _in_kind(formula: Callable[..., Any]) -> Callable[..., Any]:
    """Lets a formula take arrays of any library, as floats, and find that library."""

    @functools.wraps(formula)
    def found(*arrays: Any, **options: Any) -> Any:
        return formula(*as_floats(*arrays), **options)

    return found


def crop_matrix(
    xp: Any,
    center: Any,
    side: Any,
    *,
    image_size: tuple[int, int],
    alignment: Alignment,
    rotation: Any = 0.0,
    flip: Any = False,
) -> Any:
    """Returns the map from crop pixels to image pixels.

    A crop that is not square shows the whole square and more on its longer sides;
    pixels stay square.

    Args:
        xp: The library of the arrays.
        center: float32 [..., 2], middle of the square in image pixels.
        side: float32 [...], side of the square in image pixels.
        image_size: Height and width of the crop in crop pixels.
        alignment: How the crop's pixels lie on the square.
        rotation: float32 [...], angle in radians by which the square is turned,
            from x towards y (clockwise on the screen).
        flip: bool [...], whether the crop is mirrored left to right about the middle
            of the square.

    Returns:
        float32 [..., 2, 3], `crop_to_image`.
    """
    # NumPy 1 makes float64 of a float32 number times one of Python's.
    center, side, rotation = (
        xp.array(value, dtype="float32") for value in (center, side, rotation)
    )
    pixel = side / np.min(alignment.spans(image_size))
    cosine, sine = xp.cos(rotation) * pixel, xp.sin(rotation) * pixel
    mirror = xp.where(flip, np.float32(-1), np.float32(1))
    linear = _matrix(xp, cosine * mirror, -sine, sine * mirror, cosine)
    middle = xp.array(alignment.middle(image_size))
    return _affine(xp, linear, center - _turn(linear, middle))


def inverse(xp: Any, matrix: Any) -> Any:
    """Inverts affine maps float32 [..., 2, 3]."""
    a, b, c, d = (matrix[..., i, j] for i in (0, 1) for j in (0, 1))
    determinant = (a * d - b * c)[..., None, None]
    linear = _matrix(xp, d, -b, -c, a) / determinant
    return _affine(xp, linear, -_turn(linear, matrix[..., 2]))


def composed(xp: Any, outer: Any, inner: Any) -> Any:
    """Returns the affine map float32 [..., 2, 3] that does `inner`, then `outer`."""
    columns = [_turn(outer, inner[..., i]) for i in range(3)]
    columns[2] = columns[2] + outer[..., 2]
    return xp.stack(columns, axis=-1)


def moved(xp: Any, matrix: Any, points: Any) -> Any:
    """Moves points [..., N, 2], (x, y), by affine maps [..., 2, 3]; NaN stays NaN."""
    # Written out: a batched matmul of 2 x 2 matrices costs more than its arithmetic.
    x, y = points[..., 0], points[..., 1]
    rows = [
        matrix[..., i, 0, None] * x
        + matrix[..., i, 1, None] * y
        + matrix[..., i, 2, None]
        for i in (0, 1)
    ]
    return xp.stack(rows, axis=-1)


# The same of arrays of any library: `apply_affine(matrix, points)`.
crop_to_image_matrix = _in_kind(crop_matrix)
invert_affine = _in_kind(inverse)
compose_affine = _in_kind(composed)
apply_affine = _in_kind(moved)


def crop_to_frame(keypoints: Any, crop_to_image: Any) -> Any:
    """Moves keypoints from crop pixels to pixels of the full image.

    `decode_heatmaps` returns crop pixels; scores and files of predictions are in pixels
    of the image. Of a crop that augmentation has mirrored, left and right stay
    exchanged: score crops without augmentation.

    Args:
        keypoints: float [..., K, 2], (x, y) in crop pixels.
        crop_to_image: float32 [..., 2, 3], of the same examples, as `PoseTransform`
            returns it.

    Returns:
        float [..., K, 2], (x, y) in image pixels; NaN stays NaN.
    """
    return apply_affine(crop_to_image, keypoints)


def into_crop(
    xp: Any, keypoints: Any, visibility: Any, crop_to_image: Any, flip: Any
) -> tuple[Any, Any]:
    """Moves poses, float32 [..., K, 2] and integer [..., K], from image to crop pixels.

    Missing keypoints become (-1, -1). In a mirrored crop (`flip`, bool [...]), left and
    right are exchanged.
    """
    flip = xp.array(flip)[..., None]
    keypoints = moved(xp, inverse(xp, crop_to_image), keypoints)
    mirrored = xp.take(keypoints, _MIRRORED, axis=-2)
    keypoints = xp.where(flip[..., None], mirrored, keypoints)
    visibility = xp.where(flip, xp.take(visibility, _MIRRORED, axis=-1), visibility)
    return (
        xp.where((visibility > 0)[..., None], keypoints, MISSING_COORDINATE),
        visibility,
    )


def mark_missing(keypoints: Any, visibility: Any) -> Any:
    """Moves missing keypoints, of [..., K, 2], to exactly (-1, -1)."""
    xp, keypoints, visibility = as_arrays(keypoints, visibility)
    return xp.where(is_labelled(visibility)[..., None], keypoints, MISSING_COORDINATE)


def is_labelled(visibility: Any) -> Any:
    """Returns bool [..., K], which keypoints have a place: occluded or visible.

    Values below 0 are unknown and count as missing.
    """
    _, visibility = as_floats(visibility)
    return visibility > 0


def find_window(
    xp: Any,
    frame_size: Any,
    crop_to_image: Any,
    size: tuple[int, int],
    antialias: bool,
) -> tuple[Any, Any, Any]:
    """Finds the smallest window of an image with all pixels that a crop interpolates.

    Of a crop that lies outside the image, the window is a single pixel at the border.

    Args:
        xp: The library of the arrays.
        frame_size: float32 [..., 2], height and width of the image.
        crop_to_image: float32 [..., 2, 3], from crop pixels to image pixels.
        size: Height and width of the crop.
        antialias: Whether to read at 1/2, 1/4 or 1/8, the smallest of them that is
            not below the crop's resolution; otherwise always at 1.

    Returns:
        box: int32 [..., 4], top, left, height and width in the scaled image.
        exponent: int32 [...], the image is scaled by 1 / 2 ** exponent.
        crop_to_window: float32 [..., 2, 3], from crop pixels to pixels of the window.
    """
    ratios = np.array(RATIOS if antialias else RATIOS[:1], np.float32)
    # Image pixels per crop pixel.
    step = xp.sqrt(xp.sum(xp.square(crop_to_image[..., 0]), axis=-1))
    reached = xp.array(step[..., None] >= ratios[1:], dtype="float32")
    exponent = xp.array(xp.sum(reached, axis=-1), dtype="int32")
    factor = xp.take(ratios, exponent)[..., None]
    scaled_size = xp.ceil(frame_size / factor)

    # Pixel centers: x of the image lies at (x + 0.5) / factor - 0.5 of the scaled one.
    factor = factor[..., None]
    crop_to_scaled = crop_to_image / factor + (0.5 / factor - 0.5) * _TRANSLATION
    height, width = size
    corners = np.array(
        [[x, y] for x in (0, width - 1) for y in (0, height - 1)], np.float32
    )
    corners = moved(xp, crop_to_scaled, corners)[..., ::-1]
    start = xp.floor(xp.min(corners, axis=-2)) - GUARD
    start = xp.clip(start, 0.0, scaled_size - 1.0)
    end = xp.floor(xp.max(corners, axis=-2)) + (2.0 + GUARD)
    end = xp.clip(end, start + 1.0, scaled_size)
    box = xp.array(xp.concatenate([start, end - start], axis=-1), dtype="int32")
    return box, exponent, crop_to_scaled - start[..., ::-1, None] * _TRANSLATION


# The last column of an affine map.
_TRANSLATION = np.array([0, 0, 1], np.float32)


def person_from_box(
    box: npt.ArrayLike,
    *,
    image_size: tuple[int, int] | None = None,
    image_name: str = "",
    index: int = 0,
) -> dict[str, Any]:
    """Makes an example of a box, so that a photo of one's own can be transformed.

        person = mpii_pose.person_from_box((120, 40, 310, 560))
        features = mpii_pose.PoseTransform()({"image": image, **person})

    The square that is cropped lies around the box's middle, and its side is 0.82 times
    the box's longer side and 1.74 times the shorter one. These two were fitted to the
    boxes around the labelled keypoints of MPII's 22,246 train people; on the 2,958 of
    validation the square overlaps the official one with a median intersection over
    union of 0.71 (0.74 where all keypoints are labelled). More is not possible: MPII's
    squares follow the size of the head, which is unknown from a box. The 200 nearest
    boxes of train, by width and height, reach 0.74.

    Args:
        box: float [4], (x1, y1, x2, y2), the corners in pixels of the image, 0-based.
        image_size: Height and width of the image, to check that the box is in it.
        image_name: Name of the image, for messages.
        index: Number of the person, which random changes are drawn by.

    Returns:
        The features of the dataset without `image`: `center` float32 [2], `scale`
        float32 [] and no keypoints. `head_box` and `head_size` are -1, unknown, so
        there is no PCKh either.

    Raises:
        ValueError: The box is empty, not finite, or outside the image.
    """
    corners = np.asarray(box, np.float64)
    if corners.shape != (4,) or not np.isfinite(corners).all():
        raise ValueError(f"box must be 4 numbers, x1, y1, x2 and y2, got {box!r}")
    low, high = corners[:2], corners[2:]
    if not (low < high).all():
        raise ValueError(
            f"box must have x1 < x2 and y1 < y2, got {corners.tolist()}; it is (x1, "
            "y1, x2, y2), not (x, y, width, height)"
        )
    if image_size is not None:
        height, width = image_size
        if (high < 0).any() or (low > (width - 1, height - 1)).any():
            raise ValueError(
                f"box {corners.tolist()} lies outside the image, which is {width} px "
                f"wide and {height} px high"
            )
    shorter, longer = np.sort(high - low)
    side = SQUARE_PER_LONGER * longer + SQUARE_PER_SHORTER * shorter
    scale = side / SQUARE_PER_SCALE
    center = (low + high) / 2 - (0, CENTER_SHIFT_PER_SCALE * scale)
    return {
        "image_name": image_name,
        "index": index,
        "keypoints": np.full((NUM_KEYPOINTS, 2), UNKNOWN, np.float32),
        "visibility": np.full(NUM_KEYPOINTS, Visibility.MISSING, np.int8),
        "center": center.astype(np.float32),
        "scale": np.float32(scale),
        "head_box": np.full(4, UNKNOWN, np.float32),
        "head_size": np.float32(UNKNOWN),
    }


def _matrix(xp: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """Returns [[a, b], [c, d]], [..., 2, 2]."""
    rows = [xp.stack([a, b], axis=-1), xp.stack([c, d], axis=-1)]
    return xp.stack(rows, axis=-2)


def _turn(linear: Any, vector: Any) -> Any:
    """Returns the product of matrices [..., 2, 2] and vectors [..., 2]."""
    return (
        linear[..., :, 0] * vector[..., 0, None]
        + linear[..., :, 1] * vector[..., 1, None]
    )


def _affine(xp: Any, linear: Any, translation: Any) -> Any:
    return xp.concatenate([linear, translation[..., None]], axis=-1)
