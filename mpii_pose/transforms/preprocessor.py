"""The input of the best-known Hourglass tutorial in TensorFlow, on our examples.

ethanyanjiali/deep-vision, `Hourglass/tensorflow/preprocess.py`: the crop follows the
labelled keypoints and is resized without keeping its aspect; heatmaps are patches with
peak 12.
"""

import dataclasses
import operator
from typing import Any

import numpy as np
import tensorflow as tf

from mpii_pose.checks import check_size
from mpii_pose.person import HEIGHT_PER_SCALE
from mpii_pose.skeleton import NUM_KEYPOINTS
from mpii_pose.transforms import on_tensorflow
from mpii_pose.transforms.geometry import GUARD
from mpii_pose.transforms.heatmaps import encode
from mpii_pose.transforms.library import Features, Person, checked, library_of
from mpii_pose.transforms.spec import CropSpec, set_fields

MARGIN = 0.2  # of the body's height
TRAINING_MARGINS = (0.1, 0.3)
SIGMA = 1.0
PEAK = 12.0


@dataclasses.dataclass(frozen=True)
class Preprocessor:
    """Makes (image, heatmaps) as the tutorial does: `ds.map(Preprocessor())`.

    Kept for code written for that tutorial. Use `PoseTransform` for new code.

    The image shows the labelled keypoints and a margin of 0.2 body heights, cut where
    it leaves the image, and is resized to `image_shape`. What was wrong is right here:
    missing keypoints do not move the crop, x is never taken for y, height and width
    are not mixed up, and a person without labels is shown by center and scale.

    Attributes:
        image_shape: Height, width and 3.
        heatmap_shape: Height, width and 16.
        is_train: Whether the margin is random, in [0.1, 0.3].
        seed: Seed of the margin, as in `PoseTransform`.
    """

    image_shape: tuple[int, int, int] = (256, 256, 3)
    heatmap_shape: tuple[int, int, int] = (64, 64, NUM_KEYPOINTS)
    is_train: bool = False
    seed: int | None = dataclasses.field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        for name, channels in (("image_shape", 3), ("heatmap_shape", NUM_KEYPOINTS)):
            shape = tuple(getattr(self, name))
            check_size(f"{name}[:2]", shape[:2])
            if shape[2:] != (channels,):
                raise ValueError(
                    f"{name} must be (height, width, {channels}), got {shape}"
                )
        if self.seed is not None:
            set_fields(self, seed=operator.index(self.seed))

    def __call__(self, example: Features) -> tuple[tf.Tensor, tf.Tensor]:
        """Transforms one example.

        Args:
            example: Features of the dataset, TensorFlow's tensors; `image` uint8
                [H, W, 3] or JPEG bytes.

        Returns:
            image: float32 [height, width, 3] in [-1, 1].
            heatmaps: float32 [height, width, 16], peak 12.

        Raises:
            ValueError: The example is of arrays, or a feature is absent, or of a wrong
                dtype or shape.
            tf.errors.InvalidArgumentError: A tensor's value cannot be used.
        """
        if library_of(*example.values()) is not on_tensorflow:
            raise ValueError(
                "Preprocessor takes an example of TensorFlow's tensors, as in "
                "`dataset.map`, got arrays: use PoseTransform, or tensors"
            )
        return on_tensorflow.call(self._transform, example)

    def _transform(self, example: Features) -> tuple[tf.Tensor, tf.Tensor]:
        person = checked(on_tensorflow, example)
        box = self._box(person)
        pixels = tf.image.resize(_read(person.image, box), self.image_shape[:2])
        return pixels / 127.5 - 1.0, self._heatmaps(person, tf.cast(box, tf.float32))

    def _box(self, person: Person) -> tf.Tensor:
        """Returns top, left, height and width of the crop, int32 [4]."""
        body_height = HEIGHT_PER_SCALE * person.scale
        labelled = (person.visibility > 0)[:, None]
        low = tf.reduce_min(tf.where(labelled, person.keypoints, np.inf), axis=0)
        high = tf.reduce_max(tf.where(labelled, person.keypoints, -np.inf), axis=0)
        anybody = tf.reduce_any(labelled)
        low = tf.where(anybody, low, person.center - body_height / 2)
        high = tf.where(anybody, high, person.center + body_height / 2)

        # The tutorial's arithmetic is in whole pixels.
        margin = tf.floor(body_height * self._margin(person))
        start, end = tf.floor(low) - margin, tf.floor(high) + margin
        limit = tf.cast(on_tensorflow.size_of(person.image), tf.float32)[::-1]
        start = tf.clip_by_value(start, 0.0, limit - 1.0)
        end = tf.clip_by_value(end, start + 1.0, limit)
        box = tf.concat([start[::-1], (end - start)[::-1]], axis=0)
        return tf.cast(box, tf.int32)

    def _margin(self, person: Person) -> Any:
        if not self.is_train:
            return MARGIN
        seed = on_tensorflow.random_seed(person, self.seed)
        low, high = TRAINING_MARGINS
        _, uniform = on_tensorflow.random_numbers(seed, 0, 1)
        return low + (high - low) * uniform[0]

    def _heatmaps(self, person: Person, box: tf.Tensor) -> tf.Tensor:
        """Returns patches of 7 x 7 cells around the rounded positions."""
        size = self.heatmap_shape[:2]
        spec = CropSpec(
            image_size=size, heatmap_size=size, sigma=SIGMA, encoding="msra"
        )
        places = (person.keypoints - box[1::-1]) / box[:1:-1]
        cells = tf.round(places * np.array(size[::-1], np.float32))
        heatmaps, _ = encode(on_tensorflow.xp, cells, person.visibility, spec)
        return PEAK * heatmaps


def _read(image: tf.Tensor, box: tf.Tensor) -> tf.Tensor:
    """Reads a box (top, left, height, width) inside an image, as the frame shows it."""
    start = tf.maximum(box[:2] - GUARD, 0)
    end = tf.minimum(box[:2] + box[2:] + GUARD, on_tensorflow.size_of(image))
    wider = tf.concat([start, end - start], axis=0)
    top, left = tf.unstack(box[:2] - start)
    pixels = on_tensorflow.read_box(image, wider, tf.constant(0))
    return pixels[top : top + box[2], left : left + box[3]]
