"""The input of the best-known Hourglass tutorial in TensorFlow, on our examples.

ethanyanjiali/deep-vision, `Hourglass/tensorflow/preprocess.py`: the crop follows the
labelled keypoints and is resized without keeping its aspect; heatmaps are patches with
peak 12. For code and weights that were made with it; `PoseTransform` does better.
"""

import dataclasses
from typing import Any

import numpy as np

from mpii_pose import skeleton
from mpii_pose.checks import check_size
from mpii_pose.transforms import examples, geometry
from mpii_pose.transforms.arrays import namespace
from mpii_pose.transforms.examples import Features
from mpii_pose.transforms.heatmaps import encode_heatmaps
from mpii_pose.transforms.libraries import in_its_library, library_of

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

    @in_its_library
    def __call__(self, example: Features) -> tuple[Any, Any]:
        """Transforms one example.

        Args:
            example: Features of the dataset; `image` uint8 [H, W, 3] or JPEG bytes.

        Returns:
            image: float32 [height, width, 3] in [-1, 1].
            heatmaps: float32 [height, width, 16], peak 12.
        """
        example = examples.checked(example)
        library = library_of(*example.values())
        box = self._box(example, library.size_of(example))
        pixels = library.read_resized(example, box, self.image_shape[:2])
        heatmaps = self._heatmaps(example["keypoints"], example["visibility"], box)
        return pixels / np.float32(127.5) - 1.0, heatmaps

    def _box(self, example: Features, image_size: Any) -> Any:
        """Returns top, left, height and width of the crop, int32 [4]."""
        body_height = BODY_HEIGHT_PER_SCALE * example["scale"]
        xp = namespace(example["center"])
        labelled = geometry.is_labelled(example["visibility"])[:, None]
        keypoints = example["keypoints"]
        low = xp.min(xp.where(labelled, keypoints, np.inf), axis=0)
        high = xp.max(xp.where(labelled, keypoints, -np.inf), axis=0)
        anybody = xp.any(labelled)
        low = xp.where(anybody, low, example["center"] - body_height / 2)
        high = xp.where(anybody, high, example["center"] + body_height / 2)

        # The tutorial's arithmetic is in whole pixels.
        margin = xp.floor(body_height * self._margin(example))
        start, end = xp.floor(low) - margin, xp.floor(high) + margin
        limit = xp.array(image_size, dtype="float32")[::-1]
        start = xp.clip(start, 0.0, limit - 1.0)
        end = xp.clip(end, start + 1.0, limit)
        box = xp.concatenate([start[::-1], (end - start)[::-1]], axis=0)
        return xp.array(box, dtype="int32")

    def _margin(self, example: Features) -> Any:
        if not self.is_train:
            return MARGIN
        seed = examples.random_seed(example, self.seed)
        low, high = TRAINING_MARGINS
        _, uniform = library_of(seed).random_numbers(seed, 0, 1)
        return low + (high - low) * uniform[0]

    def _heatmaps(self, keypoints: Any, visibility: Any, box: Any) -> Any:
        """Returns patches of 7 x 7 cells around the rounded positions."""
        size = self.heatmap_shape[:2]
        xp = namespace(keypoints)
        box = xp.array(box, dtype="float32")
        cells = (keypoints - box[1::-1]) / box[:1:-1] * np.array(size[::-1], np.float32)
        heatmaps, _ = encode_heatmaps(
            library_of(cells).rounded(cells),
            visibility,
            image_size=size,
            heatmap_size=size,
            sigma=SIGMA,
            encoding="msra",
        )
        return PEAK * heatmaps
