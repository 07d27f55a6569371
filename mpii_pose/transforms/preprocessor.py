"""The input of the best-known Hourglass tutorial in TensorFlow, on our examples.

ethanyanjiali/deep-vision, `Hourglass/tensorflow/preprocess.py`: the crop follows the
labelled keypoints and is resized without keeping its aspect; heatmaps are patches with
peak 12. For code and weights that were made with it; `PoseTransform` does better.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from mpii_pose import skeleton
from mpii_pose.transforms import examples, geometry
from mpii_pose.transforms.examples import Features
from mpii_pose.transforms.heatmaps import encode_heatmaps
from mpii_pose.transforms.pixels import decode_window
from mpii_pose.transforms.spec import check_size

BODY_HEIGHT_PER_SCALE = 200.0
MARGIN = 0.2  # of the body's height
TRAINING_MARGINS = (0.1, 0.3)
SIGMA = 1.0
PEAK = 12.0


@dataclasses.dataclass(frozen=True)
class Preprocessor:
    """Makes (image, heatmaps) as the tutorial does: `ds.map(Preprocessor())`.

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
    heatmap_shape: tuple[int, int, int] = (64, 64, skeleton.NUM_KEYPOINTS)
    is_train: bool = False
    seed: int | None = dataclasses.field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        for name, channels in (
            ("image_shape", 3),
            ("heatmap_shape", skeleton.NUM_KEYPOINTS),
        ):
            shape = tuple(getattr(self, name))
            check_size(f"{name}[:2]", shape[:2])
            if shape[2:] != (channels,):
                raise ValueError(
                    f"{name} must be (height, width, {channels}), got {shape}"
                )

    @tf.autograph.experimental.do_not_convert
    def __call__(self, example: Features) -> tuple[tf.Tensor, tf.Tensor]:
        """Transforms one example.

        Args:
            example: Features of the dataset; `image` uint8 [H, W, 3] or JPEG bytes.

        Returns:
            image: float32 [height, width, 3] in [-1, 1].
            heatmaps: float32 [height, width, 16], peak 12.
        """
        example = examples.checked(example)
        image = example["image"]
        box = self._box(example, decode_window.size_of(image))
        pixels = decode_window.read_box(image, box)
        pixels = tf.image.resize(pixels, self.image_shape[:2])
        heatmaps = self._heatmaps(example["keypoints"], example["visibility"], box)
        return pixels / 127.5 - 1.0, heatmaps

    def _box(self, example: Features, image_size: tf.Tensor) -> tf.Tensor:
        """Returns top, left, height and width of the crop, int32 [4]."""
        body_height = BODY_HEIGHT_PER_SCALE * example["scale"]
        labelled = geometry.is_labelled(example["visibility"])[:, None]
        keypoints = example["keypoints"]
        low = tf.reduce_min(tf.where(labelled, keypoints, np.inf), axis=0)
        high = tf.reduce_max(tf.where(labelled, keypoints, -np.inf), axis=0)
        anybody = tf.reduce_any(labelled)
        low = tf.where(anybody, low, example["center"] - body_height / 2)
        high = tf.where(anybody, high, example["center"] + body_height / 2)

        # The tutorial's arithmetic is in whole pixels.
        margin = tf.floor(body_height * self._margin(example))
        start, end = tf.floor(low) - margin, tf.floor(high) + margin
        limit = tf.cast(image_size[::-1], tf.float32)
        start = tf.clip_by_value(start, 0.0, limit - 1.0)
        end = tf.clip_by_value(end, start + 1.0, limit)
        box = tf.concat([start[::-1], (end - start)[::-1]], axis=0)
        return tf.cast(box, tf.int32)

    def _margin(self, example: Features) -> tf.Tensor | float:
        if not self.is_train:
            return MARGIN
        seed = examples.random_seed(example, self.seed)
        low, high = TRAINING_MARGINS
        return tf.random.stateless_uniform([], seed, minval=low, maxval=high)

    def _heatmaps(
        self, keypoints: tf.Tensor, visibility: tf.Tensor, box: tf.Tensor
    ) -> tf.Tensor:
        """Returns patches of 7 x 7 cells around the rounded positions."""
        size = self.heatmap_shape[:2]
        box = tf.cast(box, tf.float32)
        cells = (keypoints - box[1::-1]) / box[:1:-1] * np.array(size[::-1], np.float32)
        heatmaps, _ = encode_heatmaps(
            tf.round(cells),
            visibility,
            image_size=size,
            heatmap_size=size,
            sigma=SIGMA,
            encoding="msra",
        )
        return PEAK * heatmaps
