"""Examples as pictures, for the functions with which TFDS shows a dataset.

TFDS shows an example's `image` and nothing that belongs to it. Here the skeleton is
drawn into that image, so what is stored stays as it is, and reading it needs no class
of this package.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mpii_pose.drawing.poses import draw_pose
from mpii_pose.transforms.libraries import library_of
from mpii_pose.transforms.pose_transform import PoseTransform

# Thick enough to be seen in the dataframe's thumbnails of 128 px.
_LINE_WIDTH = 4.0
_CROP = PoseTransform(image_size=(256, 256), heatmap_size=None, image_dtype="uint8")


def draw_example(example: Mapping[str, Any]) -> dict[str, Any]:
    """Replaces the image of an example by its person, close up, with the skeleton.

    An example of the layout `image` keeps its image, and gets all skeletons.

        tfds.show_examples(ds.map(mpii_pose.draw_example), info)
        tfds.as_dataframe(ds.take(4).map(mpii_pose.draw_example), info)

    Args:
        example: Features of the dataset, tensors or arrays; `image` decoded or JPEG
            bytes.

    Returns:
        The same features, but for `image`, uint8 [256, 256, 3], the crop that
        `PoseTransform` makes; of a whole image, uint8 [H, W, 3].
    """
    library = library_of(*example.values())
    if "people" in example:
        image = library.decoded(example["image"])
        people = [example["people"][name] for name in ("keypoints", "visibility")]
        drawn = library.drawn(_draw_all, [None, None, 3], image, *people)
    else:
        crop = _CROP(example)
        features = [crop[name] for name in ("image", "keypoints", "visibility")]
        drawn = library.drawn(_draw, crop["image"].shape, *features)
    return {**example, "image": drawn}


def _draw(
    image: np.ndarray, keypoints: np.ndarray, visibility: np.ndarray
) -> np.ndarray:
    return np.asarray(draw_pose(image, keypoints, visibility, line_width=_LINE_WIDTH))


def _draw_all(
    image: np.ndarray, keypoints: np.ndarray, visibility: np.ndarray
) -> np.ndarray:
    drawn: Any = image
    for person in zip(keypoints, visibility, strict=True):
        drawn = draw_pose(drawn, *person)
    return np.asarray(drawn)
