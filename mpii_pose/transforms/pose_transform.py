"""The map function from an example of the dataset to crop, heatmaps and weights."""

import dataclasses
import functools
import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mpii_pose.checks import check_choice
from mpii_pose.person import person_square
from mpii_pose.transforms import geometry, other_trainers, simcc
from mpii_pose.transforms.augmentation import (
    DECISIONS,
    MAX_LEVEL,
    Augmentation,
    Draw,
    apply_to_square,
    no_change,
)
from mpii_pose.transforms.heatmaps import encode
from mpii_pose.transforms.library import Features, Library, Person, checked, library_of
from mpii_pose.transforms.spec import SPEC_FIELDS, CropSpec, set_fields

IMAGE_DTYPES = ("float32", "uint8")
TARGETS = ("heatmaps", "simcc")
# What an example can become: a function of a batch's features and names of images.
FORMS = {
    "features": lambda features, _: features,
    "supervised": other_trainers.supervised,
    "hrnet": other_trainers.hrnet,
    "hugging_face": other_trainers.hugging_face,
}


@dataclasses.dataclass(frozen=True, init=False)
class PoseTransform:
    """Makes a crop around the person, and its heatmaps: `ds.map(PoseTransform())`.

    The crop is HRNet's: a square of 250 x scale px, its center 15 x scale px below the
    release's. What lies outside the image is black. Images may be decoded, or still
    JPEG bytes, of which only what the crop shows is then decoded:

        ds = tfds.load(..., decoders={"image": tfds.decode.SkipDecoding()})
        ds = ds.map(PoseTransform(), num_parallel_calls=tf.data.AUTOTUNE)

    Examples of NumPy arrays, as `as_data_source` gives them, are transformed without
    TensorFlow, by NumPy and OpenCV, and become arrays: the same for the same draw.

    A transform is a value: equal to one of the same options, and can be pickled.

    Attributes:
        spec: What crop and heatmaps are. Its fields are taken by keyword too, and can
            be read here: `PoseTransform(image_size=(128, 128)).image_size`. A
            `heatmap_size` of None leaves heatmaps and weights to a `HeatmapEncoder`
            in the model.
        augmentation: What to change at random; None for evaluation.
        targets: "heatmaps", or "simcc" for the distributions of `encode_simcc`.
        image_dtype: "float32" in [-1, 1], or "uint8".
        seed: With a seed, the changes of an example depend on the seed, its `index`
            and, if it has one, its feature `epoch`, which pipelines number, and on
            nothing else. None draws anew each time.
        antialias: Whether large people are scaled down without aliasing. False
            interpolates between the image's own pixels, as HRNet does.
    """

    spec: CropSpec
    augmentation: Augmentation | None
    targets: str
    image_dtype: str
    seed: int | None
    antialias: bool

    def __init__(
        self,
        spec: CropSpec | None = None,
        *,
        augmentation: Augmentation | None = None,
        targets: str = "heatmaps",
        image_dtype: str = "float32",
        seed: int | None = None,
        antialias: bool = True,
        **fields: Any,
    ) -> None:
        check_choice("targets", targets, TARGETS)
        check_choice("image_dtype", image_dtype, IMAGE_DTYPES)
        if not isinstance(augmentation, Augmentation | None):
            raise ValueError(
                "augmentation must be None or an Augmentation, such as "
                f"Augmentation.hrnet(), got {augmentation!r}"
            )
        set_fields(
            self,
            spec=CropSpec.of(spec, **fields),
            augmentation=augmentation,
            targets=targets,
            image_dtype=image_dtype,
            seed=None if seed is None else operator.index(seed),
            antialias=antialias,
        )
        if targets == "simcc":
            _ = self.spec.simcc_bins  # Raises an error if there are none.

    def __getattr__(self, name: str) -> Any:
        """Returns a field of the spec; called for names that are no attribute."""
        if name in SPEC_FIELDS:
            return getattr(self.spec, name)
        raise AttributeError(f"PoseTransform has no attribute {name!r}")

    def __call__(self, example: Features) -> dict[str, Any]:
        """Transforms one example: tensors to tensors, all else to arrays.

        Args:
            example: Features of the dataset; `image` uint8 [H, W, 3] or JPEG bytes.
                All are arrays and Python's values, or some are TensorFlow's tensors.

        Returns:
            image: float32 or uint8 [height, width, 3].
            heatmaps: float32 [height, width, K], peak 1.
            heatmap_to_crop: float32 [2, 3], from heatmap cells to crop pixels.
            simcc_x: float32 [K, bins] instead of these two, with `targets="simcc"`.
            simcc_y: float32 [K, bins], likewise.
            weights: float32 [K].
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
        features: dict[str, Any] = self.many([example])[0]
        return features

    def many(
        self,
        examples: Sequence[Features],
        *,
        form: str = "features",
        draw: Draw | None = None,
    ) -> list[Any]:
        """Transforms examples of arrays, in less time than one after the other.

        Args:
            examples: As for `__call__`, with NumPy arrays or bytes.
            form: What each becomes: "features" as of `__call__`, or "supervised",
                "hrnet" or "hugging_face" as of these methods.
            draw: As for `apply`; None for one of each example's own.

        Returns:
            What the method returns, for each example.

        Raises:
            ValueError: As of `__call__`, or some examples alone have `image_to_frame`.
        """
        check_choice("form", form, FORMS)
        has_targets = self.targets == "simcc" or self.spec.heatmap_size is not None
        if form != "features" and not has_targets:
            raise ValueError(f"{form} needs a heatmap_size, got None")
        library = library_of(*(value for each in examples for value in each.values()))
        channels_first = form in ("hrnet", "hugging_face")
        if library.xp is not np and (channels_first or len(examples) > 1):
            raise ValueError(
                f"{form if channels_first else 'many'} takes examples of arrays, as of "
                "`data_source` and `tfds.as_numpy`, got TensorFlow's tensors"
            )

        def transform() -> list[Any]:
            person = library.joined([checked(library, each) for each in examples])
            features = self._features(library, person, draw, channels_first)
            return library.split(FORMS[form](features, person.image_name))

        made: list[Any] = library.call(transform) if examples else []
        return made

    def supervised(self, example: Features) -> tuple[Any, Any, Any]:
        """Transforms one example to what `keras.Model.fit` takes.

        The weights suit a loss with one value per keypoint, such as `HeatmapLoss`:
        Keras' own losses average over the keypoints first.

        Args:
            example: As for `__call__`.

        Returns:
            image, targets and weights. Targets are the heatmaps, or the pair of
            `simcc_x` and `simcc_y` for a model of two outputs and `SimCCLoss`.
        """
        made: tuple[Any, Any, Any] = self.many([example], form="supervised")[0]
        return made

    def hrnet(self, example: Features) -> tuple[Any, Any, Any, dict[str, Any]]:
        """Transforms one example, of arrays, to what HRNet's PyTorch code takes.

        Its `validate()` keeps predictions in the order in which they come: read the
        source `in_release_order()`. Its published networks are of `alignment="legacy"`.

        Args:
            example: As for `__call__`, with NumPy arrays or bytes.

        Returns:
            input: float32 [3, height, width], normalized as ImageNet's images.
            target: float32 [K, height, width], or a pair as of `supervised`.
            target_weight: float32 [K, 1].
            meta: What `train()` and `validate()` read, and more: `image`, the name of
                the image's file; `center` float32 [2] and `scale` float32 [2], in
                image pixels and in 200 of them, by which HRNet's `get_final_preds`
                takes heatmap cells to the image, in any `alignment`; `joints` float32
                [K, 2], `joints_vis` float32 [K, 1], `score` 1; and `crop_to_image`,
                `head_size` and `index` as of `__call__`.
        """
        made: tuple[Any, Any, Any, dict[str, Any]] = self.many([example], form="hrnet")[
            0
        ]
        return made

    def hugging_face(self, example: Features) -> dict[str, Any]:
        """Transforms one example, of arrays, to the inputs of Hugging Face's models.

        Models whose `forward` refuses labels, as ViTPose's does, are given
        `pixel_values` alone; the loss is of their `heatmaps` and the labels then.

        Args:
            example: As for `__call__`, with NumPy arrays or bytes.

        Returns:
            pixel_values: float32 [3, height, width], normalized as ImageNet's images.
            labels: float32 [K, height, width], the heatmaps, or a pair as of
                `supervised`.
            target_weights: float32 [K].
        """
        inputs: dict[str, Any] = self.many([example], form="hugging_face")[0]
        return inputs

    def draw(self, example: Features) -> Draw:
        """Draws the changes of one example: by its seed, or anew each time.

        Args:
            example: As for `__call__`.

        Returns:
            The decisions, for `apply`.
        """
        library = library_of(*example.values())
        draw: Draw = library.call(
            lambda: self._draw(library, library.joined([checked(library, example)]))
        )
        if library.xp is np:
            pairs = zip(draw, no_change(), strict=True)
            draw = Draw(*(np.reshape(value, like.shape) for value, like in pairs))
        return draw

    def apply(self, example: Features, draw: Draw) -> dict[str, Any]:
        """Transforms one example as was drawn.

        Args:
            example: As for `__call__`.
            draw: What `draw` returned, also that of another library, or of another
                example; or a choice of one's own.

        Returns:
            The features that `__call__` returns.
        """
        features: dict[str, Any] = self.many([example], draw=draw)[0]
        return features

    def _features(
        self, library: Library, person: Person, draw: Draw | None, channels_first: bool
    ) -> dict[str, Any]:
        """Returns the features of a person or of a batch."""
        if draw is None:
            draw = self._draw(library, person)
        elif library.xp is np:
            pairs, count = zip(draw, no_change(), strict=True), len(person.image)
            draw = Draw(*(np.array([v] * count, like.dtype) for v, like in pairs))
        crop_to_image = self._crop_to_image(library.xp, person, draw)
        window = library.read_window(
            person, crop_to_image, self.spec.image_size, self.antialias
        )
        recolor, image_dtype = _changes_colors(draw), self.image_dtype
        if channels_first:  # Levels as they were read, unless they have changed.
            image_dtype = "float32" if recolor else "uint8"
        options = self.spec, self.targets, image_dtype, recolor, channels_first
        features = library.compiled(_render, library, *options)(
            window, crop_to_image, person.keypoints, person.visibility, draw
        )
        if "heatmaps" in features:
            features["heatmap_to_crop"] = (
                library.xp.zeros_like(crop_to_image) + self.spec.heatmap_to_crop
            )
        head_size, to_frame = person.head_size, person.image_to_frame
        if to_frame is not None:
            crop_to_image = geometry.composed(library.xp, to_frame, crop_to_image)
            head_size = head_size * to_frame[..., 0, 0]  # One scale, nothing turned.
        return features | {
            "crop_to_image": crop_to_image,
            "head_size": head_size,
            "index": person.index,
        }

    def _draw(self, library: Library, person: Person) -> Draw:
        if self.augmentation is None:
            return no_change()
        seed = library.random_seed(person, self.seed)
        return self.augmentation.decide(
            library.xp, *library.random_numbers(seed, *DECISIONS)
        )

    def _crop_to_image(self, xp: Any, person: Person, draw: Draw) -> Any:
        """Returns float32 [..., 2, 3], from crop pixels to those of the image."""
        center, side = person_square(person.center, person.scale)
        center, side = apply_to_square(
            xp, draw, center, side, person.keypoints, person.visibility
        )
        return geometry.crop_matrix(
            xp,
            center,
            side,
            image_size=self.spec.image_size,
            alignment=self.spec.grid,
            rotation=draw.rotation,
            flip=draw.flip,
        )


def _render(
    library: Library,
    spec: CropSpec,
    targets: str,
    image_dtype: str,
    recolor: bool,
    channels_first: bool,
    window: Any,
    crop_to_image: Any,
    keypoints: Any,
    visibility: Any,
    draw: Draw,
) -> dict[str, Any]:
    """Makes image, pose and targets: no random numbers and no files, so XLA can."""
    xp = library.xp
    keypoints, visibility = geometry.into_crop(
        xp, keypoints, visibility, crop_to_image, draw.flip
    )
    finish = functools.partial(_finished, xp, image_dtype)
    colors = (draw.gain, draw.shift) if recolor else ()
    features = {
        "image": library.warp(window, spec.image_size, finish, *colors),
        "keypoints": keypoints,
        "visibility": visibility,
    }
    if targets == "simcc":
        x, y, weights = simcc.encode(xp, keypoints, visibility, spec)
        features |= {"simcc_x": x, "simcc_y": y, "weights": weights}
    elif spec.heatmap_size is not None:
        features["heatmaps"], features["weights"] = encode(
            xp, keypoints, visibility, spec, channels_first=channels_first
        )
    return features


def _finished(
    xp: Any, image_dtype: str, levels: Any, gain: Any = None, shift: Any = None
) -> Any:
    """Changes the colors of one image as was drawn, then range and dtype."""
    if levels.dtype == image_dtype == "uint8" and gain is None:
        return levels
    image = xp.array(levels, dtype="float32")
    if gain is not None:
        image *= gain
        image += shift
    if image_dtype == "uint8":
        return xp.array(xp.clip(image, 0.0, MAX_LEVEL) + 0.5, dtype="uint8")
    image *= np.float32(2.0 / MAX_LEVEL)
    image -= np.float32(1.0)
    return xp.clip(image, -1.0, 1.0)


def _changes_colors(draw: Draw) -> bool:
    """Returns whether a draw may change colors; of tensors that is not known yet."""
    return not all(
        isinstance(value, np.ndarray) and (value == neutral).all()
        for value, neutral in ((draw.gain, 1.0), (draw.shift, 0.0))
    )


if TYPE_CHECKING:  # Both have the functions of the Protocol.
    from mpii_pose.transforms import on_numpy, on_tensorflow

    _LIBRARIES: list[Library] = [on_numpy, on_tensorflow]
