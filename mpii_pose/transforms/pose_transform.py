"""The map function from an example of the dataset to crop, heatmaps and weights."""

import dataclasses
import functools
from typing import Any

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
from mpii_pose.transforms.spec import CropSpec

IMAGE_DTYPES = ("float32", "uint8")
SPEC_FIELDS = frozenset(field.name for field in dataclasses.fields(CropSpec))


@dataclasses.dataclass(frozen=True, init=False)
class PoseTransform:
    """Makes a crop around the person, and its heatmaps: `ds.map(PoseTransform())`.

    The crop is HRNet's: a square of 250 x scale px, its center 15 x scale px below the
    release's. What lies outside the image is black. Images may be decoded, or still
    JPEG bytes, of which only what the crop shows is then decoded:

        ds = tfds.load(..., decoders={"image": tfds.decode.SkipDecoding()})
        ds = ds.map(PoseTransform(), num_parallel_calls=tf.data.AUTOTUNE)

    A transform is a value: equal to one of the same options, and can be pickled.

    Attributes:
        spec: What crop and heatmaps are. Its fields are taken by keyword too, and can
            be read here: `PoseTransform(image_size=(128, 128)).image_size`. A
            `heatmap_size` of None leaves heatmaps and weights to a `HeatmapEncoder`
            in the model.
        augmentation: What to change at random; None for evaluation.
        image_dtype: "float32" in [-1, 1], or "uint8".
        seed: With a seed, what happens to an example depends on the seed, its `index`
            and, where it has one, its feature `epoch` (see `number_epochs`), and on
            nothing else. None draws anew each time.
        antialias: Whether large people are scaled down without aliasing. False
            interpolates between the image's own pixels, as HRNet does.
    """

    spec: CropSpec
    augmentation: Augmentation | None
    image_dtype: str
    seed: int | None
    antialias: bool

    def __init__(
        self,
        spec: CropSpec | None = None,
        *,
        augmentation: Augmentation | None = None,
        image_dtype: str = "float32",
        seed: int | None = None,
        antialias: bool = True,
        **fields: Any,
    ) -> None:
        if image_dtype not in IMAGE_DTYPES:
            raise ValueError(
                f"image_dtype must be one of {', '.join(IMAGE_DTYPES)}, "
                f"got {image_dtype!r}"
            )
        if not isinstance(augmentation, Augmentation | None):
            raise ValueError(
                "augmentation must be None or an Augmentation, such as "
                f"Augmentation.hrnet(), got {augmentation!r}"
            )
        self.__dict__.update(
            spec=CropSpec.of(spec, **fields),
            augmentation=augmentation,
            image_dtype=image_dtype,
            seed=seed,
            antialias=antialias,
        )

    def __getattr__(self, name: str) -> Any:
        if name in SPEC_FIELDS:
            return getattr(self.spec, name)
        raise AttributeError(f"PoseTransform has no attribute {name!r}")

    @tf.autograph.experimental.do_not_convert
    def __call__(self, example: Features) -> dict[str, tf.Tensor]:
        """Transforms one example.

        Args:
            example: Features of the dataset; `image` uint8 [H, W, 3] or JPEG bytes.

        Returns:
            image: float32 or uint8 [height, width, 3].
            heatmaps: float32 [height, width, K], peak 1.
            weights: float32 [K].
            heatmap_to_crop: float32 [2, 3], from heatmap cells to crop pixels.
            keypoints: float32 [K, 2] in crop pixels, (-1, -1) where missing.
            visibility: integer [K], swapped with the keypoints on a flip.
            crop_to_image: float32 [2, 3], from crop pixels to pixels of the release's
                frame, also where a part of it is stored (`image_to_frame`).
            head_size: float32 [], in pixels of that frame.
            index: integer [].
        """
        example = examples.checked(example, skeleton=self.spec.skeleton)
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
        if self.spec.heatmap_size is None:
            raise ValueError("supervised needs a heatmap_size, got None")
        features = self(example)
        return features["image"], features["heatmaps"], features["weights"]

    def apply(self, example: Features, draw: Draw) -> dict[str, tf.Tensor]:
        """Transforms one example as was drawn; returns what `__call__` does."""
        spec = self.spec
        crop_to_image = self.crop_to_image(example, draw)
        window = find_window(
            example["image"],
            crop_to_image,
            image_size=spec.image_size,
            antialias=self.antialias,
        )
        pixels = read_window(example["image"], window)
        compiled = warp.xla_works()
        changes_colors = self.augmentation is not None and (
            self.augmentation.changes_colors
        )
        render = _renderer(spec, self.image_dtype, changes_colors, compiled)
        features = render(
            warp.flatten_pixels(pixels, pad=compiled),
            tf.shape(pixels)[:2],
            window.crop_to_window,
            crop_to_image,
            example["keypoints"],
            example["visibility"],
            draw,
        )
        if spec.heatmap_size is not None:
            features["heatmap_to_crop"] = tf.constant(spec.heatmap_to_crop)
        head_size = example["head_size"]
        if examples.IMAGE_TO_FRAME in example:
            to_frame = example[examples.IMAGE_TO_FRAME]
            crop_to_image = geometry.compose_affine(to_frame, crop_to_image)
            head_size = head_size * to_frame[0, 0]  # One scale, and nothing turned.
        return features | {
            "crop_to_image": crop_to_image,
            "head_size": head_size,
            "index": example["index"],
        }

    def crop_to_image(self, example: Features, draw: Draw) -> tf.Tensor:
        """Returns float32 [2, 3], from crop pixels to `image`'s, as was drawn."""
        center, side = person_square(example["center"], example["scale"])
        center, side = apply_to_square(
            draw,
            center,
            side,
            keypoints=example["keypoints"],
            visibility=example["visibility"],
            skeleton=self.spec.skeleton,
        )
        return geometry.crop_to_image_matrix(
            center,
            side,
            image_size=self.spec.image_size,
            alignment=Alignment.named(self.spec.alignment),
            rotation=draw.rotation,
            flip=draw.flip,
        )

    def _draw(self, example: Features) -> Draw:
        if self.augmentation is None:
            return no_change()
        return self.augmentation.draw(seed=examples.random_seed(example, self.seed))


@functools.lru_cache(maxsize=32)
def _renderer(
    spec: CropSpec, image_dtype: str, changes_colors: bool, compiled: bool
) -> tf.types.experimental.PolymorphicFunction:
    """Returns the arithmetic: no random numbers and no files, so XLA compiles it.

    Transforms that differ in nothing that matters here share what is compiled, which
    stays outside of them, so that they can be pickled and copied.
    """

    @functools.partial(tf.function, jit_compile=compiled, autograph=False)
    def render(
        flat_pixels: tf.Tensor,
        window_size: tf.Tensor,
        crop_to_window: tf.Tensor,
        crop_to_image: tf.Tensor,
        keypoints: tf.Tensor,
        visibility: tf.Tensor,
        draw: Draw,
    ) -> dict[str, tf.Tensor]:
        image = warp.warp(
            flat_pixels, window_size, crop_to_window, output_size=spec.image_size
        )
        if changes_colors:
            image = image * draw.gain + draw.shift
        keypoints = geometry.apply_affine(
            geometry.invert_affine(crop_to_image), keypoints
        )
        swapped = geometry.swap_mirrored(keypoints, visibility, skeleton=spec.skeleton)
        keypoints = tf.where(draw.flip, swapped[0], keypoints)
        visibility = tf.where(draw.flip, swapped[1], visibility)
        keypoints = geometry.mark_missing(keypoints, visibility)
        features = {
            "image": _finish_image(image, image_dtype),
            "keypoints": keypoints,
            "visibility": visibility,
        }
        if spec.heatmap_size is not None:
            features["heatmaps"], features["weights"] = encode_heatmaps(
                keypoints, visibility, spec=spec
            )
        return features

    return render


def _finish_image(image: tf.Tensor, dtype: str) -> tf.Tensor:
    if dtype == "uint8":
        return tf.cast(tf.clip_by_value(image, 0.0, MAX_LEVEL) + 0.5, tf.uint8)
    return tf.clip_by_value(image / (0.5 * MAX_LEVEL) - 1.0, -1.0, 1.0)
