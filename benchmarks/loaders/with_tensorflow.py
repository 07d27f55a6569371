"""Loaders as TensorFlow users write them today."""

import tensorflow as tf

from loaders.corpus import Corpus
from loaders.with_mpii_pose import TRAINING, batches, in_memory
from mpii_pose.person import person_square
from mpii_pose.transforms import geometry, on_tensorflow
from mpii_pose.transforms.augmentation import apply_to_square
from mpii_pose.transforms.heatmaps import encode_heatmaps
from mpii_pose.transforms.library import Features

SIZE = 256
CELLS = 64


def projective_transform(corpus: Corpus) -> tf.data.Dataset:
    """Decodes the frame, then TensorFlow's own warp; the rest as in `PoseTransform`."""
    return batches(in_memory(corpus), _full_frame)


def _full_frame(example: Features) -> dict[str, tf.Tensor]:
    draw = TRAINING.draw(example)
    pose = example["keypoints"], example["visibility"]
    square = person_square(example["center"], example["scale"])
    crop_to_image = geometry.crop_to_image_matrix(
        *apply_to_square(on_tensorflow.xp, draw, *square, *pose),
        image_size=TRAINING.image_size,
        alignment=TRAINING.spec.grid,
        rotation=draw.rotation,
        flip=draw.flip,
    )
    image = tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.io.decode_jpeg(example["image"], channels=3)[None],
        transforms=tf.concat([tf.reshape(crop_to_image, [1, 6]), [[0.0, 0.0]]], 1),
        output_shape=[SIZE, SIZE],
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
        fill_value=0.0,
    )[0]
    keypoints, visibility = geometry.into_crop(
        on_tensorflow.xp, *pose, crop_to_image, draw.flip
    )
    heatmaps, weights = encode_heatmaps(keypoints, visibility)
    return {"image": image, "heatmaps": heatmaps, "weights": weights}


def tutorial(corpus: Corpus) -> tf.data.Dataset:
    """The tutorial's preprocessing as it is found in the wild.

    After ethanyanjiali/deep-vision, `Hourglass/tensorflow/preprocess.py`: full decode,
    crop, resize, and heatmaps whose patches are gathered cell by cell in TensorArrays.
    """
    return batches(in_memory(corpus), _tutorial_example, epochs=1)


def _tutorial_example(example: Features) -> tuple[tf.Tensor, tf.Tensor]:
    image = tf.io.decode_jpeg(example["image"], channels=3)
    shape = tf.shape(image)
    keypoints = tf.cast(example["keypoints"], tf.int32)
    labelled = tf.boolean_mask(keypoints, example["visibility"] > 0)
    margin = tf.cast(
        200.0 * example["scale"] * tf.random.uniform([], 0.1, 0.3), tf.int32
    )
    left, top = tf.unstack(tf.maximum(tf.reduce_min(labelled, axis=0) - margin, 0))
    right = tf.minimum(tf.reduce_max(labelled[:, 0]) + margin, shape[1])
    bottom = tf.minimum(tf.reduce_max(labelled[:, 1]) + margin, shape[0])
    image = image[top:bottom, left:right]
    x = tf.cast((keypoints[:, 0] - left) / (right - left) * CELLS, tf.int32)
    y = tf.cast((keypoints[:, 1] - top) / (bottom - top) * CELLS, tf.int32)
    image = tf.cast(tf.image.resize(image, (SIZE, SIZE)), tf.float32) / 127.5 - 1
    maps = tf.TensorArray(tf.float32, 16)
    for k in range(16):
        maps = maps.write(k, _tutorial_map(x[k], y[k], example["visibility"][k]))
    return image, tf.transpose(maps.stack(), [1, 2, 0])


def _tutorial_map(x: tf.Tensor, y: tf.Tensor, visibility: tf.Tensor) -> tf.Tensor:
    heatmap = tf.zeros((CELLS, CELLS))
    left, top = x - 3, y - 3
    if left >= CELLS or top >= CELLS or x + 3 < 0 or y + 3 < 0 or visibility == 0:
        return heatmap
    column, row = tf.meshgrid(tf.range(7), tf.range(7))
    squared = tf.cast(tf.square(column - 3) + tf.square(row - 3), tf.float32)
    patch = 12.0 * tf.exp(-squared / 2)
    indices = tf.TensorArray(tf.int32, 1, dynamic_size=True)
    values = tf.TensorArray(tf.float32, 1, dynamic_size=True)
    count = 0
    for j in tf.range(tf.maximum(0, -top), tf.minimum(7, CELLS - top)):
        for i in tf.range(tf.maximum(0, -left), tf.minimum(7, CELLS - left)):
            indices = indices.write(count, [top + j, left + i])
            values = values.write(count, patch[j][i])
            count += 1
    return tf.tensor_scatter_nd_update(heatmap, indices.stack(), values.stack())
