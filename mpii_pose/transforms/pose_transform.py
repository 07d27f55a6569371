"""The map function from an example of the dataset to crop, heatmaps and weights."""

import dataclasses
from typing import Any

from mpii_pose.checks import check_choice
from mpii_pose.person import person_square
from mpii_pose.transforms import channels_first, examples, geometry
from mpii_pose.transforms.augmentation import (
    Augmentation,
    Draw,
    apply_to_square,
    no_change,
)
from mpii_pose.transforms.examples import Features
from mpii_pose.transforms.geometry import Alignment
from mpii_pose.transforms.libraries import in_its_library, library_of
from mpii_pose.transforms.rendering import Look
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

    Examples of NumPy arrays, as `as_data_source` gives them, are transformed without
    TensorFlow, by NumPy and Pillow, and become arrays: the same for the same draw.

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
        check_choice("image_dtype", image_dtype, IMAGE_DTYPES)
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

    @in_its_library
    def __call__(self, example: Features) -> dict[str, Any]:
        """Transforms one example.

        Args:
            example: Features of the dataset; `image` uint8 [H, W, 3] or JPEG bytes.
                All are arrays and Python's values, or some are TensorFlow's tensors.

        Returns:
            Tensors for tensors, arrays for all else:

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

        Raises:
            ValueError: A feature is absent, or of a wrong dtype or shape; of an
                example of arrays, a value that cannot be used too.
            tf.errors.InvalidArgumentError: A tensor's value cannot be used.
        """
        return self._transform(example, self.image_dtype)

    def supervised(self, example: Features) -> tuple[Any, Any, Any]:
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

    def hrnet(self, example: Features) -> tuple[Any, Any, Any, dict[str, Any]]:
        """Transforms one example, of arrays, to what HRNet's PyTorch code takes.

        Args:
            example: As for `__call__`, with NumPy arrays or bytes.

        Returns:
            input: float32 [3, height, width], normalized as ImageNet's images.
            target: float32 [K, height, width].
            target_weight: float32 [K, 1].
            meta: `center` float32 [2] and `scale` float32 [2], in image pixels and in
                200 of them, by which HRNet takes predictions to the image if
                `alignment` is "legacy"; `joints`, `joints_vis`, `score`; and
                `crop_to_image`, `head_size` and `index` as of `__call__`.
        """
        self.spec.known_heatmap_size()
        return channels_first.hrnet(self._unscaled(example))

    def hugging_face(self, example: Features) -> dict[str, Any]:
        """Transforms one example, of arrays, to the inputs of Hugging Face's models.

        Models whose `forward` refuses labels, as ViTPose's does, are given
        `pixel_values` alone; the loss is of their `heatmaps` and the labels then.

        Args:
            example: As for `__call__`, with NumPy arrays or bytes.

        Returns:
            pixel_values: float32 [3, height, width], normalized as ImageNet's images.
            labels: float32 [K, height, width], the heatmaps.
            target_weights: float32 [K].
        """
        self.spec.known_heatmap_size()
        return channels_first.hugging_face(self._unscaled(example))

    @in_its_library
    def draw(self, example: Features) -> Draw:
        """Decides what changes of one example: that of its seed, or anew each time.

        Args:
            example: As for `__call__`.

        Returns:
            What `apply` takes.
        """
        return self._draw(examples.checked(example))

    @in_its_library
    def apply(self, example: Features, draw: Draw) -> dict[str, Any]:
        """Transforms one example as was drawn.

        Args:
            example: As for `__call__`.
            draw: What `draw` returned, also that of another library, or of another
                example; or a choice of one's own.

        Returns:
            What `__call__` does.
        """
        example = examples.checked(example)
        return self._apply(example, draw, self.image_dtype)

    @in_its_library
    def _unscaled(self, example: Features) -> dict[str, Any]:
        """Transforms one example to levels as they were read, unless colors change."""
        return self._transform(example, None)

    def _transform(self, example: Features, image_dtype: str | None) -> dict[str, Any]:
        example = examples.checked(example)
        return self._apply(example, self._draw(example), image_dtype)

    def _apply(
        self, example: Features, draw: Draw, image_dtype: str | None
    ) -> dict[str, Any]:
        library = library_of(*example.values())
        draw = library.as_draw(draw)
        crop_to_image = self.crop_to_image(example, draw)
        changes_colors = self.augmentation is not None and (
            self.augmentation.changes_colors
        )
        look = Look(self.spec, image_dtype, self.antialias, changes_colors)
        features = library.render(example, crop_to_image, draw, look)
        if self.spec.heatmap_size is not None:
            features["heatmap_to_crop"] = library.constant(self.spec.heatmap_to_crop)
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

    def crop_to_image(self, example: Features, draw: Draw) -> Any:
        """Returns float32 [2, 3], from crop pixels to `image`'s, as was drawn."""
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
            image_size=self.spec.image_size,
            alignment=Alignment.named(self.spec.alignment),
            rotation=draw.rotation,
            flip=draw.flip,
        )

    def _draw(self, example: Features) -> Draw:
        if self.augmentation is None:
            return no_change()
        return self.augmentation.draw(seed=examples.random_seed(example, self.seed))
