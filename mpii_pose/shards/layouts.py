"""The stored form of a release: the features, the examples and their keys.

A layout is a subclass of `Layout`; its images are `StoredImage`s.
"""

import abc
import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import PIL
import tensorflow_datasets as tfds

from mpii_pose.checks import check_choice
from mpii_pose.person import UNKNOWN, PersonAnnotation, person_square
from mpii_pose.release.split import VALIDATION, VALIDATION_OTHERS
from mpii_pose.shards.images import Crop, ImageFile, fit_crop_box, naming_person
from mpii_pose.shards.plan import Examples, KeyExample
from mpii_pose.skeleton import MPII

SUBSAMPLINGS = ("4:4:4", "4:2:2", "4:2:0")

PERSON_FEATURES = [field.name for field in dataclasses.fields(PersonAnnotation)]
# Features in which the people of one image differ.
OF_PERSON = (
    *("index", "person_index", "keypoints", "visibility", "center", "scale"),
    *("head_box", "head_size", "separated"),
)


@dataclasses.dataclass(frozen=True)
class Layout(abc.ABC):
    """Base of the layouts: an example is made of an item, here of one person."""

    name = ""  # Also that of its config.
    supervised_keys = ("image", "keypoints")  # Input and target of `as_supervised`.

    @abc.abstractmethod
    def features(self) -> dict[str, tfds.features.FeatureConnector]:
        """Returns the features of an example, by name."""

    @abc.abstractmethod
    def example(self, item: Any, image: ImageFile) -> dict[str, Any]:
        """Returns the example of an item.

        Raises:
            ImageError: The layout needs the size of the image, which cannot be read.
        """

    def metadata(self) -> dict[str, Any]:
        """Returns the layout's name and options, to be stored with the dataset."""
        return {"name": self.name, **dataclasses.asdict(self)}

    def splits(
        self, people: Mapping[str, Sequence[PersonAnnotation]]
    ) -> Mapping[str, Sequence[Any]]:
        """Returns the items of each split; `example` makes one example of one item."""
        return people

    def people(self, item: Any) -> Sequence[PersonAnnotation]:
        """Returns the people of an item; all are in one image."""
        return [item]

    def key(self, item: Any) -> str:
        """Returns the key of an example, which is unique in its split."""
        known = item.person_index != UNKNOWN
        number = item.person_index if known else item.index
        return f"{item.image_name}/{number}"

    def examples(
        self, items: Sequence[Any], images: Mapping[str, ImageFile]
    ) -> Iterable[KeyExample]:
        """Returns the (key, example) pairs of items; `images` are theirs, by name."""

        def make(item: Any) -> KeyExample:
            key = self.key(item)
            with naming_person(key):
                image = images[self.people(item)[0].image_name]
                return key, self.example(item, image)

        return Examples(make, items)


class FullFrame(Layout):
    """One example for each person, with the full image."""

    name = "person"

    def features(self) -> dict[str, tfds.features.FeatureConnector]:
        """Returns the features of a person and the image."""
        return person_features()

    def example(self, item: Any, image: ImageFile) -> dict[str, Any]:
        """Returns an example in pixels of the image."""
        return {"image": image, **_values(item, PERSON_FEATURES)}


@dataclasses.dataclass(frozen=True, kw_only=True)
class PersonCrop(Layout):
    """One example for each person, with the part of the image around them.

    That part is a square, cut at the borders of the frame, reduced and encoded as a
    JPEG. Points and sizes are in its pixels; `image_to_frame` leads back to the
    frame's. Use the full frames for crops larger than about 1.5 times `pixels`, and for
    augmentation that shows more than `reach` person squares.

    Attributes:
        pixels: The largest side of the person's square in stored pixels, 1 to 10,000.
            That square, of 250 x scale px, is what HRNet's crop shows.
        reach: Side of the stored part, in sides of that square, 1 to 100. HRNet's
            augmentation reaches 1.8.
        quality: Of the JPEG, 1 to 100.
        subsampling: Of its colors: "4:4:4", "4:2:2" or "4:2:0".
    """

    pixels: int = 320
    reach: float = 1.8
    quality: int = 95
    subsampling: str = "4:4:4"

    name = "person_crop"

    def __post_init__(self) -> None:
        for name, high in (("pixels", 10_000), ("reach", 100), ("quality", 100)):
            value = getattr(self, name)
            kind = "a number" if name == "reach" else "a whole number"
            is_within = isinstance(value, int | float) and 1 <= value <= high
            if not is_within or (name != "reach" and value % 1):
                raise ValueError(f"{name} must be {kind}, 1 to {high}, got {value!r}")
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
        """Adds the version of Pillow, which decides the bytes."""
        return {**super().metadata(), "pillow": PIL.__version__}

    def example(self, item: Any, image: ImageFile) -> dict[str, Any]:
        """Returns an example in pixels of the crop."""
        middle, side = person_square(item.center, np.float64(item.scale))
        size, reduction = image.known_size(), side / self.pixels
        box = fit_crop_box(middle, self.reach * side, size, reduction=reduction)
        keypoints, head_box = item.keypoints.copy(), item.head_box
        keypoints[item.labelled] = box.from_frame(keypoints[item.labelled])
        if item.has_head_box:
            head_box = box.from_frame(head_box.reshape(2, 2)).reshape(4)
        return {
            **_values(item, PERSON_FEATURES),
            "image": Crop(image, box, self.quality, self.subsampling),
            "image_to_frame": box.image_to_frame(),
            "keypoints": keypoints,
            "center": box.from_frame(item.center),
            "scale": item.scale / box.reduction,
            "head_box": head_box,
            "head_size": item.head_size / box.reduction,
        }


class WholeImage(Layout):
    """One example for each image, with all of its people.

    The splits are `train`, images without a validation person, `validation`, images
    with one, and `test`. An item is a tuple of (split, person) pairs.
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
        doc = "Everybody in the image of whom the release tells."
        return {**features, "people": tfds.features.Sequence(people, doc=doc)}

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
        """Returns the example of an image."""
        of_image = [name for name in PERSON_FEATURES if name not in OF_PERSON]
        people = [{**_values(p, OF_PERSON), "split": split} for split, p in item]
        return {"image": image, **_values(item[0][1], of_image), "people": people}


# Layouts by the names of their configs.
LAYOUTS = {layout.name: layout for layout in (FullFrame, PersonCrop, WholeImage)}


def layout_from(value: Any) -> Layout:
    """Returns a layout from one, from its name, or from {"name": ..., options}.

    Raises:
        ValueError: There is none of that name, or an option is out of range.
    """
    if isinstance(value, Layout):
        return value
    options = {"name": value} if isinstance(value, str) else dict(value)
    name = options.pop("name", None)
    check_choice("layout", name, LAYOUTS)
    return LAYOUTS[name](**options)


def _values(person: PersonAnnotation, names: Iterable[str]) -> dict[str, Any]:
    return {name: getattr(person, name) for name in names}


def person_features(
    image: str = "the full image",
) -> dict[str, tfds.features.FeatureConnector]:
    """Returns TFDS's features of a person whose points are in pixels of `image`."""
    pixels = f"in pixels of {image}, 0-based, integers at pixel centers"

    def tensor(doc: str, shape: tuple[int, ...], dtype: Any = np.float32) -> Any:
        return tfds.features.Tensor(shape=shape, dtype=dtype, doc=doc)

    def scalar(doc: str, dtype: Any) -> Any:
        return tfds.features.Scalar(dtype=dtype, doc=doc)

    def text(doc: str) -> Any:
        return tfds.features.Text(doc=doc)

    return {
        "image": tfds.features.Image(
            encoding_format="jpeg",
            doc="The full image. RGB JPEG files are stored byte for byte; grey, CMYK "
            "and other files are encoded anew as RGB JPEG; EXIF is ignored.",
        ),
        "image_name": text('File name of the image, such as "015601864.jpg".'),
        "index": scalar(
            "Position of the person among those of the split, in the order of the "
            "release. TFDS shuffles; predictions are handed in in this order.",
            np.int64,
        ),
        "person_index": scalar(
            "0-based position of the person among those of the image; -1 where the "
            "source does not tell.",
            np.int64,
        ),
        "keypoints": tensor(
            f"(x, y) {pixels}; (-1, -1) where missing. In order: "
            f"{', '.join(MPII.keypoints)}.",
            (MPII.num_keypoints, 2),
        ),
        "visibility": tensor(
            "0 missing, 1 occluded, 2 visible. The JSON copies of HRNet and MMPose do "
            "not tell occluded from visible; read from them it is never 1.",
            (MPII.num_keypoints,),
            np.int8,
        ),
        "center": tensor(f"Rough middle of the person, (x, y) {pixels}.", (2,)),
        "scale": scalar("Height of the person divided by 200 px.", np.float32),
        "head_box": tensor(
            f"Head box (x1, y1, x2, y2) {pixels}; -1s where the source has none.", (4,)
        ),
        "head_size": scalar(
            "The unit of PCKh in pixels: 0.6 x the diagonal of the head box, which is "
            "25 x scale.",
            np.float32,
        ),
        "separated": scalar(
            "1 if the person stands clear of others (single_person), 0 if not, -1 "
            "where the source does not tell.",
            np.int8,
        ),
        "activity": text('Activity, such as "bicycling, mountain"; "" if unknown.'),
        "category": text('Group of activities, such as "bicycling"; "" if unknown.'),
        "video_id": text('Id of the YouTube video of the image; "" if unknown.'),
        "frame_sec": scalar(
            "Second of the video at which the image was taken; -1 if unknown.", np.int32
        ),
    }
