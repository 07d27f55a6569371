"""Affine maps between a full image, a crop of it and the heatmaps of that crop.

Points are (x, y) in pixels, 0-based, integers at pixel centers; sizes are
(height, width). A crop is made by one matrix, `crop_to_image`: the image is read
through it and the keypoints pass through its inverse, so both always agree.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from mpii_pose import skeleton
from mpii_pose.person import SQUARE_PER_SCALE as SQUARE_PER_SCALE
from mpii_pose.person import person_square as person_square

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
    def named(cls, name: "str | Alignment") -> "Alignment":
        """Returns the alignment of that name; passes an `Alignment` through."""
        if isinstance(name, Alignment):
            return name
        if name not in ALIGNMENTS:
            raise ValueError(
                f"alignment must be one of {', '.join(ALIGNMENTS)}, got {name!r}"
            )
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
        self,
        points: tf.Tensor,
        *,
        image_size: tuple[int, int],
        heatmap_size: tuple[int, int],
    ) -> tf.Tensor:
        """Takes points from crop pixels to heatmap cells.

        Args:
            points: float32 [..., 2], (x, y) in crop pixels; a tensor or an array.
            image_size: Height and width of the crop.
            heatmap_size: Height and width of the heatmaps.

        Returns:
            float32 [..., 2], (x, y) in heatmap cells, integers at cell centers.
        """
        ratio = self.spans(heatmap_size) / self.spans(image_size)
        return (points + np.float32(self.offset)) * ratio - np.float32(self.offset)

    def heatmap_to_crop(
        self,
        points: tf.Tensor,
        *,
        image_size: tuple[int, int],
        heatmap_size: tuple[int, int],
    ) -> tf.Tensor:
        """Takes points from heatmap cells to crop pixels: undoes `crop_to_heatmap`."""
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


def crop_to_image_matrix(
    center: tf.Tensor,
    side: tf.Tensor,
    *,
    image_size: tuple[int, int],
    alignment: Alignment,
    rotation: tf.Tensor | float = 0.0,
    flip: tf.Tensor | bool = False,
) -> tf.Tensor:
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
    pixel = side / np.min(alignment.spans(image_size))
    rotation = tf.cast(rotation, tf.float32)
    cosine, sine = tf.cos(rotation) * pixel, tf.sin(rotation) * pixel
    mirror = tf.where(flip, -1.0, 1.0)
    linear = tf.stack(
        [
            tf.stack([cosine * mirror, -sine], axis=-1),
            tf.stack([sine * mirror, cosine], axis=-1),
        ],
        axis=-2,
    )
    translation = center - tf.linalg.matvec(linear, alignment.middle(image_size))
    return tf.concat([linear, translation[..., None]], axis=-1)


def invert_affine(matrix: tf.Tensor) -> tf.Tensor:
    """Inverts affine maps float32 [..., 2, 3]."""
    a, b, c, d = (matrix[..., i, j] for i in (0, 1) for j in (0, 1))
    determinant = (a * d - b * c)[..., None, None]
    adjugate = tf.stack(
        [tf.stack([d, -b], axis=-1), tf.stack([-c, a], axis=-1)], axis=-2
    )
    linear = adjugate / determinant
    translation = -tf.linalg.matvec(linear, matrix[..., 2])
    return tf.concat([linear, translation[..., None]], axis=-1)


def apply_affine(matrix: tf.Tensor, points: tf.Tensor) -> tf.Tensor:
    """Moves points by affine maps.

    Args:
        matrix: float32 [..., 2, 3], such as the `crop_to_image` of an example.
        points: float32 [..., N, 2], (x, y).

    Returns:
        float32 [..., N, 2], the moved points.
    """
    # Written out: a batched matmul of 2 x 2 matrices costs more than its arithmetic.
    x, y = points[..., 0], points[..., 1]
    rows = [
        matrix[..., i, 0, None] * x
        + matrix[..., i, 1, None] * y
        + matrix[..., i, 2, None]
        for i in (0, 1)
    ]
    return tf.stack(rows, axis=-1)


def mark_missing(keypoints: tf.Tensor, visibility: tf.Tensor) -> tf.Tensor:
    """Puts missing keypoints at exactly (-1, -1) and leaves the others alone.

    Args:
        keypoints: float32 [..., 16, 2].
        visibility: integer [..., 16], values of `skeleton.Visibility`.

    Returns:
        float32 [..., 16, 2].
    """
    missing = tf.equal(visibility, int(skeleton.Visibility.MISSING))
    return tf.where(missing[..., None], MISSING_COORDINATE, keypoints)


def swap_mirrored(
    keypoints: tf.Tensor, visibility: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Exchanges left and right: rows [..., 16, 2] and [..., 16] of mirrored pairs."""
    return (
        tf.gather(keypoints, skeleton.MIRRORED, axis=-2),
        tf.gather(visibility, skeleton.MIRRORED, axis=-1),
    )


def flip_keypoints(
    keypoints: tf.Tensor, visibility: tf.Tensor, *, width: int | tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Mirrors a pose left to right, as reversing the rows of its image does.

    Integers are pixel centers, so column `x` lands on `width - 1 - x`. Missing
    keypoints stay at (-1, -1).

    Args:
        keypoints: float32 [..., 16, 2], (x, y) in pixels.
        visibility: integer [..., 16], values of `skeleton.Visibility`.
        width: Width in pixels of the image that is flipped alongside.

    Returns:
        Keypoints and visibility of the mirrored pose, shaped like the inputs.
    """
    keypoints = tf.convert_to_tensor(keypoints, tf.float32)
    last_column = tf.cast(width, tf.float32) - 1.0
    x, y = keypoints[..., 0], keypoints[..., 1]
    mirrored = tf.stack([last_column - x, y], axis=-1)
    mirrored, visibility = swap_mirrored(mirrored, visibility)
    return mark_missing(mirrored, visibility), visibility
