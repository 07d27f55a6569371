"""The map function from an example of the dataset to crop, heatmaps and weights."""

import dataclasses
import functools

import tensorflow as tf

from mpii_pose.person import person_square
from mpii_pose.transforms import examples, geometry
from mpii_pose.transforms.augmentation import (
    MAX_LEVEL,
    Augmentation,
    Draw,
    apply_to_square,
    no_change,
)
from mpii_pose.transforms.examples import Features
from mpii_pose.transforms.geometry import Alignment
from mpii_pose.transforms.heatmaps import encode_heatmaps
from mpii_pose.transforms.pixels import warp
from mpii_pose.transforms.pixels.decode_window import find_window, read_window
from mpii_pose.transforms.spec import check_size

IMAGE_DTYPES = ("float32", "uint8")


@dataclasses.dataclass(frozen=True, kw_only=True)
class PoseTransform:
    """Makes a crop around the person, and its heatmaps: `ds.map(PoseTransform())`.

    The crop is HRNet's: a square of 250 x scale px, its center 15 x scale px below the
    release's. What lies outside the image is black. Images may be decoded, or still
    JPEG bytes, of which only what the crop shows is then decoded:

        ds = tfds.load(..., decoders={"image": tfds.decode.SkipDecoding()})
        ds = ds.map(PoseTransform(), num_parallel_calls=tf.data.AUTOTUNE)

    Attributes:
        image_size: Height and width of the crop.
        heatmap_size: Height and width of the heatmaps; None leaves heatmaps and
            weights to a `HeatmapEncoder` in the model.
        sigma: Standard deviation of the Gaussians in heatmap cells.
        augmentation: What to change at random; None for evaluation.
        alignment: "half_pixel" or "udp", both exact under flips, or "legacy" (HRNet).
        encoding: "unbiased" or "msra", see `encode_heatmaps`.
        weighting: "labelled", "visible" or "all", see `encode_heatmaps`.
        image_dtype: "float32" in [-1, 1], or "uint8".
        seed: With a seed, what happens to an example depends on the seed, its `index`
            and, where it has one, its feature `epoch` (see `number_epochs`), and on
            nothing else. None draws anew each time.
        antialias: Whether large people are scaled down without aliasing. False
            interpolates between the image's own pixels, as HRNet does.
    """

    image_size: tuple[int, int] = (256, 256)
    heatmap_size: tuple[int, int] | None = (64, 64)
    sigma: float = 2.0
    augmentation: Augmentation | None = None
    alignment: str = "half_pixel"
    encoding: str = "unbiased"
    weighting: str = "labelled"
    image_dtype: str = "float32"
    seed: int | None = None
    antialias: bool = True

    def __post_init__(self) -> None:
        if self.image_dtype not in IMAGE_DTYPES:
            raise ValueError(
                f"image_dtype must be one of {', '.join(IMAGE_DTYPES)}, "
                f"got {self.image_dtype!r}"
            )
        if not isinstance(self.augmentation, Augmentation | None):
            raise ValueError(
                "augmentation must be None or an Augmentation, such as "
                f"Augmentation.hrnet(), got {self.augmentation!r}"
            )
        check_size("image_size", self.image_size)
        self._alignment.spans(self.image_size)
        if self.heatmap_size is not None:
            check_size("heatmap_size", self.heatmap_size)
            self._alignment.spans(self.heatmap_size)

    @tf.autograph.experimental.do_not_convert
    def __call__(self, example: Features) -> dict[str, tf.Tensor]:
        """Transforms one example.

        Args:
            example: Features of the dataset; `image` uint8 [H, W, 3] or JPEG bytes.

        Returns:
            image: float32 or uint8 [height, width, 3].
            heatmaps: float32 [height, width, 16], peak 1.
            weights: float32 [16].
            keypoints: float32 [16, 2] in crop pixels, (-1, -1) where missing.
            visibility: integer [16], swapped with the keypoints on a flip.
            crop_to_image: float32 [2, 3], from crop pixels to image pixels.
            head_size: float32 [], in image pixels.
            index: integer [].
        """
        example = examples.checked(example)
        return self.apply(example, self._draw(example))

    def supervised(self, example: Features) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Transforms one example to what `keras.Model.fit` takes.

        The weights suit a loss with one value per keypoint, such as `HeatmapLoss`:
        Keras' own losses average over the keypoints first.

        Args:
            example: As for `__call__`.

        Returns:
            image, heatmaps and weights.
        """
        if self.heatmap_size is None:
            raise ValueError("supervised needs a heatmap_size, got None")
        features = self(example)
        return features["image"], features["heatmaps"], features["weights"]

    def apply(self, example: Features, draw: Draw) -> dict[str, tf.Tensor]:
        """Transforms one example as was drawn; returns what `__call__` does."""
        crop_to_image = self.crop_to_image(example, draw)
        window = find_window(
            example["image"],
            crop_to_image,
            image_size=self.image_size,
            antialias=self.antialias,
        )
        pixels = read_window(example["image"], window)
        features = self._render(
            warp.flatten_pixels(pixels, pad=warp.xla_works()),
            tf.shape(pixels)[:2],
            window.crop_to_window,
            crop_to_image,
            example["keypoints"],
            example["visibility"],
            draw,
        )
        return features | {
            "crop_to_image": crop_to_image,
            "head_size": example["head_size"],
            "index": example["index"],
        }

    def crop_to_image(self, example: Features, draw: Draw) -> tf.Tensor:
        """Returns float32 [2, 3], from crop pixels to image pixels, as was drawn."""
        center, side = person_square(example["center"], example["scale"])
        center, side = apply_to_square(
            draw,
            center,
            side,
            keypoints=example["keypoints"],
            visibility=example["visibility"],
        )
        return geometry.crop_to_image_matrix(
            center,
            side,
            image_size=self.image_size,
            alignment=self._alignment,
            rotation=draw.rotation,
            flip=draw.flip,
        )

    @property
    def _alignment(self) -> Alignment:
        return Alignment.named(self.alignment)

    def _draw(self, example: Features) -> Draw:
        if self.augmentation is None:
            return no_change()
        return self.augmentation.draw(seed=examples.random_seed(example, self.seed))

    @functools.cached_property
    def _render(self) -> tf.types.experimental.PolymorphicFunction:
        return tf.function(
            self._render_ops, jit_compile=warp.xla_works(), autograph=False
        )

    def _render_ops(
        self,
        flat_pixels: tf.Tensor,
        window_size: tf.Tensor,
        crop_to_window: tf.Tensor,
        crop_to_image: tf.Tensor,
        keypoints: tf.Tensor,
        visibility: tf.Tensor,
        draw: Draw,
    ) -> dict[str, tf.Tensor]:
        """Does the arithmetic: no random numbers and no files, so XLA compiles it."""
        image = warp.warp(
            flat_pixels, window_size, crop_to_window, output_size=self.image_size
        )
        keypoints = geometry.apply_affine(
            geometry.invert_affine(crop_to_image), keypoints
        )
        swapped = geometry.swap_mirrored(keypoints, visibility)
        keypoints = tf.where(draw.flip, swapped[0], keypoints)
        visibility = tf.where(draw.flip, swapped[1], visibility)
        keypoints = geometry.mark_missing(keypoints, visibility)
        features = {
            "image": self._finish_image(image, draw),
            "keypoints": keypoints,
            "visibility": visibility,
        }
        if self.heatmap_size is not None:
            features["heatmaps"], features["weights"] = encode_heatmaps(
                keypoints,
                visibility,
                image_size=self.image_size,
                heatmap_size=self.heatmap_size,
                sigma=self.sigma,
                alignment=self.alignment,
                encoding=self.encoding,
                weighting=self.weighting,
            )
        return features

    def _finish_image(self, image: tf.Tensor, draw: Draw) -> tf.Tensor:
        if self.augmentation is not None and self.augmentation.changes_colors:
            image = image * draw.gain + draw.shift
        if self.image_dtype == "uint8":
            return tf.cast(tf.clip_by_value(image, 0.0, MAX_LEVEL) + 0.5, tf.uint8)
        return tf.clip_by_value(image / (0.5 * MAX_LEVEL) - 1.0, -1.0, 1.0)
