"""What is stored of a release: the features, the examples and their keys.

Adding a layout is adding a subclass of `FullFrame`; what it stores as an image is an
`ImageFile` or another `StoredImage`.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
import PIL
import tensorflow_datasets as tfds

from mpii_pose.checks import check_choice
from mpii_pose.person import UNKNOWN, PersonAnnotation, person_square
from mpii_pose.release.split import VALIDATION, VALIDATION_OTHERS
from mpii_pose.shards.crop_box import fit_crop_box
from mpii_pose.shards.features import (
    OF_PERSON,
    PERSON_FEATURES,
    person_features,
    values_of,
)
from mpii_pose.shards.images import Crop, ImageError, ImageFile, StoredImage
from mpii_pose.shards.plan import KeyExample

SUBSAMPLINGS = ("4:4:4", "4:2:2", "4:2:0")


@dataclasses.dataclass(frozen=True)
class FullFrame:
    """One example for each person, with the full image.

    Attributes:
        name: The layout's, and that of its config.
        needs_image_sizes: Whether examples are made of the sizes of images too.
        supervised_keys: Input and target, for `as_supervised`.
    """

    name = "person"
    needs_image_sizes = False
    supervised_keys = ("image", "keypoints")

    def features(self) -> dict[str, tfds.features.FeatureConnector]:
        """Returns the features of an example, by name."""
        return person_features()

    def metadata(self) -> dict[str, Any]:
        """Returns what the metadata say of the layout."""
        return {}

    def splits(
        self, people: Mapping[str, Sequence[PersonAnnotation]]
    ) -> Mapping[str, Sequence[Any]]:
        """Returns what one example each is made of, by split, from people by split."""
        return people

    def people(self, item: Any) -> Sequence[PersonAnnotation]:
        """Returns the people of what one example is made of; all of one image."""
        return [item]

    def key(self, item: Any) -> str:
        """Returns the key of an example, which no other one has."""
        known = item.person_index != UNKNOWN
        number = item.person_index if known else item.index
        return f"{item.image_name}/{number}"

    def examples(
        self, items: Sequence[Any], images: Mapping[str, ImageFile]
    ) -> Sequence[KeyExample]:
        """Returns the (key, example) pairs of a split.

        Args:
            items: What they are made of, as `splits` returns it.
            images: Their images by name.
        """
        return _Examples(self, items, images)

    def example(self, item: Any, image: ImageFile) -> dict[str, Any]:
        """Returns an example."""
        return {"image": image, **values_of(item, PERSON_FEATURES)}


@dataclasses.dataclass(frozen=True, kw_only=True)
class PersonCrop(FullFrame):
    """One example for each person, with the part of the image around them.

    That part is a square, cut at the borders of the frame, reduced and encoded as a
    JPEG. What the example says of the person is in its pixels; `image_to_frame` leads
    back to the frame's. For crops larger than about 1.5 times `pixels`, and for
    augmentation that shows more than `reach` person squares, use the full frames.

    Attributes:
        pixels: How many stored pixels the side of the person's square has at most, 1 to
            10,000. That square, of 250 x scale px, is what HRNet's crop shows.
        reach: Side of what is stored, in sides of that square, 1 to 100. HRNet's
            augmentation reaches 1.8.
        quality: Of the JPEG, 1 to 100.
        subsampling: Of its colors: "4:4:4", "4:2:2" or "4:2:0".
    """

    pixels: int = 320
    reach: float = 1.8
    quality: int = 95
    subsampling: str = "4:4:4"

    name = "person_crop"
    needs_image_sizes = True

    def __post_init__(self) -> None:
        for name, low, high in (
            ("pixels", 1, 10_000),
            ("reach", 1, 100),
            ("quality", 1, 100),
        ):
            value = getattr(self, name)
            is_number = isinstance(value, int | float) and low <= value <= high
            if not is_number or (name != "reach" and value != int(value)):
                kind = "a number" if name == "reach" else "a whole number"
                raise ValueError(
                    f"{name} must be {kind}, {low} to {high}, got {value!r}"
                )
        check_choice("subsampling", self.subsampling, SUBSAMPLINGS)

    def features(self) -> dict[str, tfds.features.FeatureConnector]:
        """Returns the features of `FullFrame`, and `image_to_frame`."""
        image = tfds.features.Image(
            encoding_format="jpeg",
            doc=f"The square of {self.reach:g} person squares, cut at the borders of "
            f"the frame, with at most {self.pixels} px per person square; JPEG of "
            f"quality {self.quality}, {self.subsampling}.",
        )
        to_frame = tfds.features.Tensor(
            shape=(2, 3),
            dtype=np.float32,
            doc="From pixels of `image` to those of the release's frame.",
        )
        features = person_features("the image stored here")
        return {**features, "image": image, "image_to_frame": to_frame}

    def metadata(self) -> dict[str, Any]:
        """Returns the options, and the Pillow whose encoder decides the bytes."""
        return {
            "layout": {
                "name": self.name,
                **dataclasses.asdict(self),
                "pillow": PIL.__version__,
            }
        }

    def example(self, item: Any, image: ImageFile) -> dict[str, Any]:
        """Returns an example in pixels of the crop.

        Raises:
            ImageError: The size of the image is not known, as it cannot be read.
        """
        if image.size is None:
            _raise_why_unreadable(self.key(item), image)
        middle, side = person_square(item.center, np.float64(item.scale))
        box = fit_crop_box(
            middle, self.reach * side, image.size, reduction=side / self.pixels
        )
        corners = box.from_frame(item.head_box.reshape(2, 2)).reshape(4)
        return {
            **super().example(item, image),
            "image": Crop(image, box, self.quality, self.subsampling),
            "image_to_frame": box.image_to_frame(),
            "keypoints": np.where(
                item.labelled[:, np.newaxis],
                box.from_frame(item.keypoints),
                item.keypoints,
            ),
            "center": box.from_frame(item.center),
            "scale": item.scale / box.reduction,
            "head_box": corners if item.has_head_box else item.head_box,
            "head_size": item.head_size / box.reduction,
        }


def _raise_why_unreadable(key: str, image: StoredImage) -> NoReturn:
    """Says of an image without a size what `read` has to say of it."""
    try:
        image.read()
    except ImageError as error:
        raise ImageError(f"Person {key}: {error}") from error
    raise ImageError(f"Person {key}: {image} changed during the build")


@dataclasses.dataclass(frozen=True)
class WholeImage(FullFrame):
    """One example for each image, with all of its people.

    The splits are `train`, images without a validation person, `validation`, images
    with one, and `test`. The feature `split` of a person says which list they are on.
    """

    name = "image"
    supervised_keys = ("image", "people")

    def features(self) -> dict[str, tfds.features.FeatureConnector]:
        """Returns the features of an image, and `people` with those of a person."""
        features = person_features()
        people = {name: features.pop(name) for name in OF_PERSON}
        people["split"] = tfds.features.Text(
            doc="The split of the person in `person`: train, validation, "
            "validation_others (on nobody's validation list) or test."
        )
        return features | {
            "people": tfds.features.Sequence(
                people, doc="Everybody in the image of whom the release tells."
            )
        }

    def metadata(self) -> dict[str, Any]:
        """Returns the layout's name."""
        return {"layout": {"name": self.name}}

    def splits(
        self, people: Mapping[str, Sequence[PersonAnnotation]]
    ) -> Mapping[str, Sequence[Any]]:
        """Returns (split, person) pairs of each image, by split of the image."""
        splits: dict[str, dict[str, list[tuple[str, PersonAnnotation]]]] = {}
        for split, group in people.items():
            of_image = VALIDATION if split == VALIDATION_OTHERS else split
            images = splits.setdefault(of_image, {})
            for person in group:
                images.setdefault(person.image_name, []).append((split, person))
        return {
            split: [
                tuple(sorted(image, key=lambda pair: pair[1].person_index))
                for image in images.values()
            ]
            for split, images in splits.items()
        }

    def people(self, item: Any) -> Sequence[PersonAnnotation]:
        """Returns the people of an image."""
        return [person for _, person in item]

    def key(self, item: Any) -> str:
        """Returns the name of the image."""
        return item[0][1].image_name

    def example(self, item: Any, image: ImageFile) -> dict[str, Any]:
        """Returns an example."""
        of_image = [name for name in PERSON_FEATURES if name not in OF_PERSON]
        return {
            "image": image,
            **values_of(item[0][1], of_image),
            "people": [
                {**values_of(person, OF_PERSON), "split": split}
                for split, person in item
            ],
        }


@dataclasses.dataclass(frozen=True)
class _Examples(Sequence[KeyExample]):
    """Makes each example when it is asked for: 40,000 people are planned first."""

    layout: FullFrame
    items: Sequence[Any]
    images: Mapping[str, ImageFile]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, i: Any) -> Any:
        item = self.items[i]
        image = self.images[self.layout.people(item)[0].image_name]
        return self.layout.key(item), self.layout.example(item, image)


# Layouts by the names of their configs.
LAYOUTS = {layout.name: layout for layout in (FullFrame, PersonCrop, WholeImage)}


def layout_from(value: Any) -> FullFrame:
    """Returns a layout, its name, or {"name": ..., options} as a layout.

    Raises:
        ValueError: There is none of that name, or an option is out of range.
    """
    if isinstance(value, FullFrame):
        return value
    options = {"name": value} if isinstance(value, str) else dict(value)
    name = options.pop("name", None)
    check_choice("layout", name, LAYOUTS)
    return LAYOUTS[name](**options)
