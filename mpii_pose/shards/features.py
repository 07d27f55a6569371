"""What is stored of a person: the names, types and meanings of the features."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from mpii_pose.person import PersonAnnotation
from mpii_pose.skeleton import MPII

PERSON_FEATURES = [field.name for field in dataclasses.fields(PersonAnnotation)]
# What people of one image do not share.
OF_PERSON = (
    *("index", "person_index", "keypoints", "visibility", "center", "scale"),
    *("head_box", "head_size", "separated"),
)


def values_of(person: PersonAnnotation, names: Sequence[str]) -> dict[str, Any]:
    """Returns features of a person by name."""
    return {name: getattr(person, name) for name in names}


def person_features(
    image: str = "the full image",
) -> dict[str, tfds.features.FeatureConnector]:
    """Returns TFDS's features of a person; `image` says in whose pixels they are."""
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
