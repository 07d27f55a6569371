"""Examples as pictures, for the functions with which TFDS shows a dataset.

TFDS shows an example's `image` and none of its other features. Here the skeleton is
drawn into that image once it is read: the stored example needs no class of this
package.
"""

import io
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import PIL.Image

from mpii_pose.drawing.poses import draw_pose
from mpii_pose.pictures import as_rgb, refusing_truncated_images
from mpii_pose.transforms.arrays import load_module
from mpii_pose.transforms.library import library_of
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
        The same features, with another `image`: uint8 [256, 256, 3], the crop that
        `PoseTransform` makes; of a whole image, uint8 [H, W, 3].
    """
    if "people" in example:
        people = [example["people"][name] for name in ("keypoints", "visibility")]
        picture = _called(_draw_all, [None, None, 3], example["image"], *people)
    else:
        crop = _CROP(example)
        features = [crop[name] for name in ("image", "keypoints", "visibility")]
        picture = _called(_draw, crop["image"].shape, *features)
    return {**example, "image": picture}


def _called(function: Callable[..., np.ndarray], shape: Any, *arrays: Any) -> Any:
    """Returns a picture of NumPy's, uint8 of a shape, as an array of their library."""
    if library_of(*arrays).xp is np:
        return function(*arrays)
    tf = load_module("tensorflow")
    return tf.ensure_shape(tf.numpy_function(function, arrays, tf.uint8), shape)


def _draw(
    image: np.ndarray, keypoints: np.ndarray, visibility: np.ndarray
) -> np.ndarray:
    return np.asarray(draw_pose(image, keypoints, visibility, line_width=_LINE_WIDTH))


def _draw_all(
    image: bytes | np.ndarray, keypoints: np.ndarray, visibility: np.ndarray
) -> np.ndarray:
    picture: Any = image
    if isinstance(image, bytes):
        with refusing_truncated_images(), PIL.Image.open(io.BytesIO(image)) as opened:
            picture = np.asarray(as_rgb(opened))
    for person in zip(keypoints, visibility, strict=True):
        picture = draw_pose(picture, *person)
    return np.asarray(picture)
