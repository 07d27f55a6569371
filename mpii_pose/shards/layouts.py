"""What is stored of a release: the features, the examples and their keys.

Adding a layout is adding a subclass of `FullFrame`; what it stores as an image is an
`ImageFile` or another `StoredImage`.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from mpii_pose.person import UNKNOWN, PersonAnnotation
from mpii_pose.shards.images import ImageFile
from mpii_pose.shards.plan import KeyExample
from mpii_pose.skeleton import MPII


@dataclasses.dataclass(frozen=True)
class FullFrame:
    """One example for each person, with the full image."""

    def features(self) -> dict[str, tfds.features.FeatureConnector]:
        """Returns the features of an example, by name."""
        return _person_features()

    def key(self, person: PersonAnnotation) -> str:
        """Returns the key of a person's example, which no other person has."""
        known = person.person_index != UNKNOWN
        number = person.person_index if known else person.index
        return f"{person.image_name}/{number}"

    def examples(
        self, people: Sequence[PersonAnnotation], images: Mapping[str, ImageFile]
    ) -> Sequence[KeyExample]:
        """Returns the (key, example) pairs of a split.

        Args:
            people: The people of the split.
            images: Their images by name.
        """
        return _FullFrameExamples(self, people, images)


@dataclasses.dataclass(frozen=True)
class _FullFrameExamples(Sequence[KeyExample]):
    """Makes each example when it is asked for: 40,000 people are planned first."""

    layout: FullFrame
    people: Sequence[PersonAnnotation]
    images: Mapping[str, ImageFile]

    def __len__(self) -> int:
        return len(self.people)

    def __getitem__(self, i: Any) -> Any:
        person = self.people[i]
        example = {name: getattr(person, name) for name in _PERSON_FEATURES}
        image = self.images[person.image_name]
        return self.layout.key(person), {"image": image, **example}


_PERSON_FEATURES = [field.name for field in dataclasses.fields(PersonAnnotation)]


def _person_features() -> dict[str, tfds.features.FeatureConnector]:
    pixels = "in pixels of the full image, 0-based, integers at pixel centers"

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
