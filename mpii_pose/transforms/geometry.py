"""Affine maps between a full image, a crop of it and the heatmaps of that crop.

Points are (x, y) in pixels, 0-based, integers at pixel centers; sizes are
(height, width). A crop is made by one matrix, `crop_to_image`: the image is read
through it and the keypoints pass through its inverse, so both always agree. All
functions take arrays of any library that `arrays` knows and answer in kind.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from mpii_pose.checks import check_choice
from mpii_pose.skeleton import MPII, Skeleton
from mpii_pose.transforms.arrays import as_arrays, as_floats

# Coordinate of a missing keypoint, in x and in y.
MISSING_COORDINATE = -1.0


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
        """Takes points from crop pixels to heatmap cells.

        Args:
            points: float32 [..., 2], (x, y) in crop pixels.
            image_size: Height and width of the crop.
            heatmap_size: Height and width of the heatmaps.

        Returns:
            float32 [..., 2], (x, y) in heatmap cells, integers at cell centers.
        """
        ratio = self.spans(heatmap_size) / self.spans(image_size)
        return (points + np.float32(self.offset)) * ratio - np.float32(self.offset)

    def heatmap_to_crop(
        self, points: Any, *, image_size: tuple[int, int], heatmap_size: tuple[int, int]
    ) -> Any:
        """Takes points from heatmap cells to crop pixels: undoes `crop_to_heatmap`."""
        return self.crop_to_heatmap(
            points, image_size=heatmap_size, heatmap_size=image_size
        )

    def heatmap_to_crop_matrix(
        self, *, image_size: tuple[int, int], heatmap_size: tuple[int, int]
    ) -> np.ndarray:
        """Returns `heatmap_to_crop` as an affine map, float32 [2, 3]."""
        origin = np.zeros([2, 2], np.float32)
        origin[1] = 1.0
        sizes = {"image_size": image_size, "heatmap_size": heatmap_size}
        start, end = self.heatmap_to_crop(origin, **sizes)
        return np.column_stack([np.diag(end - start), start])

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


def crop_to_image_matrix(
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
    xp, center, side, rotation = as_floats(center, side, rotation)
    pixel = side / np.min(alignment.spans(image_size))
    cosine, sine = xp.cos(rotation) * pixel, xp.sin(rotation) * pixel
    mirror = xp.where(flip, np.float32(-1), np.float32(1))
    linear = _matrix(xp, cosine * mirror, -sine, sine * mirror, cosine)
    return _affine(xp, linear, center - _turn(linear, alignment.middle(image_size)))


def invert_affine(matrix: Any) -> Any:
    """Inverts affine maps float32 [..., 2, 3]."""
    xp, matrix = as_floats(matrix)
    a, b, c, d = (matrix[..., i, j] for i in (0, 1) for j in (0, 1))
    determinant = (a * d - b * c)[..., None, None]
    linear = _matrix(xp, d, -b, -c, a) / determinant
    return _affine(xp, linear, -_turn(linear, matrix[..., 2]))


def compose_affine(outer: Any, inner: Any) -> Any:
    """Returns the affine map float32 [..., 2, 3] that does `inner`, then `outer`."""
    xp, outer, inner = as_floats(outer, inner)
    columns = [_turn(outer, inner[..., i]) for i in range(3)]
    columns[2] = columns[2] + outer[..., 2]
    return xp.stack(columns, axis=-1)


def apply_affine(matrix: Any, points: Any) -> Any:
    """Moves points by affine maps.

    Args:
        matrix: float32 [..., 2, 3], such as the `crop_to_image` of an example.
        points: float32 [..., N, 2], (x, y).

    Returns:
        float32 [..., N, 2], the moved points; NaN stays NaN.
    """
    xp, matrix, points = as_floats(matrix, points)
    # Written out: a batched matmul of 2 x 2 matrices costs more than its arithmetic.
    x, y = points[..., 0], points[..., 1]
    rows = [
        matrix[..., i, 0, None] * x
        + matrix[..., i, 1, None] * y
        + matrix[..., i, 2, None]
        for i in (0, 1)
    ]
    return xp.stack(rows, axis=-1)


def crop_to_frame(keypoints: Any, crop_to_image: Any) -> Any:
    """Takes keypoints from crop pixels to pixels of the full image.

    What `decode_heatmaps` returns is in crop pixels; scores and files of predictions
    are in pixels of the image. Of a crop that augmentation has mirrored, left and
    right stay exchanged: score crops without augmentation.

    Args:
        keypoints: float [..., K, 2], (x, y) in crop pixels.
        crop_to_image: float [..., 2, 3], of the same examples, as `PoseTransform`
            returns it.

    Returns:
        float [..., K, 2], (x, y) in image pixels; NaN stays NaN.
    """
    return apply_affine(crop_to_image, keypoints)


def mark_missing(keypoints: Any, visibility: Any) -> Any:
    """Puts missing keypoints at exactly (-1, -1) and leaves the others alone.

    Args:
        keypoints: float32 [..., K, 2].
        visibility: integer [..., K], values of `skeleton.Visibility`.

    Returns:
        float32 [..., K, 2].
    """
    xp, keypoints, visibility = as_arrays(keypoints, visibility)
    return xp.where(is_labelled(visibility)[..., None], keypoints, MISSING_COORDINATE)


def is_labelled(visibility: Any) -> Any:
    """Returns bool [..., K], which keypoints have a place: occluded or visible.

    Values below 0 are unknown and count as missing.
    """
    _, visibility = as_floats(visibility)
    return visibility > 0


def swap_mirrored(
    keypoints: Any, visibility: Any, *, skeleton: Skeleton = MPII
) -> tuple[Any, Any]:
    """Exchanges left and right: rows [..., K, 2] and [..., K] of mirrored pairs."""
    xp, keypoints, visibility = as_arrays(keypoints, visibility)
    mirrored = np.array(skeleton.mirrored)
    return (
        xp.take(keypoints, mirrored, axis=-2),
        xp.take(visibility, mirrored, axis=-1),
    )


def flip_keypoints(
    keypoints: Any, visibility: Any, *, width: Any, skeleton: Skeleton = MPII
) -> tuple[Any, Any]:
    """Mirrors a pose left to right, as reversing the rows of its image does.

    Integers are pixel centers, so column `x` lands on `width - 1 - x`. Missing
    keypoints stay at (-1, -1).

    Args:
        keypoints: float32 [..., K, 2], (x, y) in pixels.
        visibility: integer [..., K], values of `skeleton.Visibility`.
        width: Width in pixels of the image that is flipped alongside.
        skeleton: Which keypoints are mirror images.

    Returns:
        Keypoints and visibility of the mirrored pose, shaped like the inputs.
    """
    xp, keypoints, width = as_floats(keypoints, width)
    mirrored = xp.stack([width - 1 - keypoints[..., 0], keypoints[..., 1]], axis=-1)
    mirrored, visibility = swap_mirrored(mirrored, visibility, skeleton=skeleton)
    return mark_missing(mirrored, visibility), visibility


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
