"""Examples made for the tests, as the dataset would give them."""

import io
import itertools

import cv2
import numpy as np
from PIL import Image

from mpii_pose import skeleton
from mpii_pose.transforms import library
from mpii_pose.transforms.augmentation import Augmentation

LEFT_WRIST = skeleton.KEYPOINTS.index("left_wrist")
RIGHT_WRIST = skeleton.KEYPOINTS.index("right_wrist")
# OpenCV before version 5 rounds the positions of pixels to 1/32 px.
OPENCV_IS_EXACT = int(cv2.__version__.partition(".")[0]) >= 5
ALL_CHANGES = Augmentation(
    rotation=30.0,
    scale=0.25,
    flip=0.5,
    translation=0.1,
    half_body=0.5,
    channel_gain=0.2,
    contrast=0.2,
    brightness=0.1,
)


def jpeg(pixels, quality=100, subsampling="4:4:4"):
    """Encodes without color subsampling, so that dots stay where they are."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(
        stream, "JPEG", quality=quality, subsampling=subsampling
    )
    return stream.getvalue()


def noise(height, width, seed=0):
    """Smooth random pixels, so that compression and interpolation have work to do."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (height // 8 + 2, width // 8 + 2, 3), np.uint8)
    big = Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(big)


def example(image, *, keypoints=None, visibility=None, center=None, scale=1.0, index=0):
    """An example of the person whose square is centered on the image.

    Args:
        image: uint8 [H, W, 3].
        keypoints: float32 [16, 2]; by default all spread over the image.
        visibility: integer [16]; by default 2 where keypoints are labelled.
        center: float32 [2].
        scale: Person height divided by 200 px.
        index: Position in the split.

    Returns:
        The features that the map functions use, image decoded.
    """
    height, width = image.shape[:2]
    if keypoints is None:
        spread = np.linspace(0.2, 0.8, skeleton.NUM_KEYPOINTS, dtype=np.float32)
        keypoints = np.stack([spread * width, spread[::-1] * height], axis=-1)
    if visibility is None:
        visibility = np.where((keypoints == -1).all(axis=-1), 0, 2)
    if center is None:
        center = np.array([(width - 1) / 2, (height - 1) / 2 - 15 * scale])
    return {
        "image": image,
        "image_name": f"drawn_{index}.jpg",
        "index": np.int64(index),
        "keypoints": np.asarray(keypoints, np.float32),
        "visibility": np.asarray(visibility, np.int8),
        "center": np.asarray(center, np.float32),
        "scale": np.float32(scale),
        "head_size": np.float32(25 * scale),
    }


def tensors(example):
    """The same example as TensorFlow's tensors."""
    import tensorflow as tf  # What tests without it import this module too.

    return {name: tf.convert_to_tensor(value) for name, value in example.items()}


def encoded(example):
    """The same example with the image as JPEG bytes."""
    return {**example, "image": jpeg(example["image"])}


def dot(shape, center, sigma_px):
    """A Gaussian of peak 1 at (x, y), float [height, width]."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    squared = (columns - center[0]) ** 2 + (rows - center[1]) ** 2
    return np.exp(-squared / (2 * sigma_px**2))


def centroid(levels):
    """The center of gravity (x, y) of [height, width], noise below 5 % left out."""
    levels = np.where(levels > 0.05 * levels.max(), levels, 0)
    rows, columns = np.mgrid[: levels.shape[0], : levels.shape[1]]
    return np.array([(columns * levels).sum(), (rows * levels).sum()]) / levels.sum()


def warped(image, matrix, size):
    """Bilinear interpolation in float64, by the four nearest pixels; black outside."""
    rows, columns = np.mgrid[: size[0], : size[1]].astype(float)
    (a, b, c), (d, e, f) = np.asarray(matrix, np.float64)
    x, y = a * columns + b * rows + c, d * columns + e * rows + f
    padded = np.pad(image.astype(float), [(1, 1), (1, 1), (0, 0)])
    output = np.zeros((*size, 3))
    for column, row in itertools.product((0, 1), (0, 1)):
        left, top = np.floor(x) + column, np.floor(y) + row
        weight = (1 - np.abs(x - left)) * (1 - np.abs(y - top))
        left = np.clip(left, -1, image.shape[1]).astype(int) + 1
        top = np.clip(top, -1, image.shape[0]).astype(int) + 1
        output += weight[..., np.newaxis] * padded[top, left]
    return output


def averaged(image, ratio):
    """Means of blocks of pixels, those beyond the border as the outermost."""
    height, width = (-(-side // ratio) * ratio for side in image.shape[:2])
    more = [(0, height - image.shape[0]), (0, width - image.shape[1]), (0, 0)]
    blocks = np.pad(image.astype(float), more, mode="edge")
    shape = height // ratio, ratio, width // ratio, ratio, 3
    return blocks.reshape(shape).mean(axis=(1, 3))


def person(example):
    """An example's library, and its features as that checks them; a batch of arrays."""
    own = library.library_of(*example.values())
    return own, own.joined([library.checked(own, example)])
