"""This package, and the limit of anything that decodes the same windows."""

from typing import Any

import numpy as np
import tensorflow as tf

from loaders.corpus import BATCH_SIZE, EPOCHS, Corpus
from mpii_pose.pipelines.tf_data import input_pipeline
from mpii_pose.transforms import on_tensorflow
from mpii_pose.transforms.augmentation import Augmentation
from mpii_pose.transforms.geometry import find_window
from mpii_pose.transforms.library import Features
from mpii_pose.transforms.pose_transform import PoseTransform

TRAINING = PoseTransform(augmentation=Augmentation.hrnet(), image_dtype="uint8", seed=0)
TRAINING_FLOAT = PoseTransform(augmentation=Augmentation.hrnet(), seed=0)
EVALUATION = PoseTransform(image_dtype="uint8")
EVALUATION_FLOAT = PoseTransform()


def in_memory(corpus: Corpus) -> tf.data.Dataset:
    """Returns the examples, images as JPEG bytes."""
    examples = corpus.examples()
    columns = {
        name: np.array([example[name] for example in examples])
        for name in examples[0]
        if name != "image"
    }
    columns["image"] = [example["image"] for example in examples]
    return tf.data.Dataset.from_tensor_slices(columns)


def batches(
    dataset: tf.data.Dataset, transform: Any, *, epochs: int = EPOCHS
) -> tf.data.Dataset:
    """Maps and batches as `input_pipeline` does."""
    dataset = dataset.repeat(epochs).map(transform, num_parallel_calls=tf.data.AUTOTUNE)
    return dataset.batch(BATCH_SIZE).prefetch(tf.data.AUTOTUNE)


def training_in_memory(corpus: Corpus) -> tf.data.Dataset:
    """`PoseTransform` with HRNet's augmentation."""
    return batches(in_memory(corpus), TRAINING)


def training_in_memory_float(corpus: Corpus) -> tf.data.Dataset:
    """The same with images as float32."""
    return batches(in_memory(corpus), TRAINING_FLOAT)


def training_from_files(corpus: Corpus) -> tf.data.Dataset:
    """`input_pipeline` on TFRecord files."""
    return _from_files(corpus, TRAINING)


def from_files(corpus: Corpus, *, train: bool = False) -> tf.data.Dataset:
    """The same with images as float32, or without augmentation."""
    transform = TRAINING_FLOAT if train else EVALUATION_FLOAT
    return _from_files(corpus, transform, training=train)


def _from_files(
    corpus: Corpus, transform: PoseTransform, *, training: bool = True
) -> tf.data.Dataset:
    return input_pipeline(
        corpus.split,
        BATCH_SIZE,
        training=training,
        num_epochs=EPOCHS,
        dataset=corpus.builder(),
        transform=transform,
        seed=0,
    )


def evaluation_in_memory(corpus: Corpus) -> tf.data.Dataset:
    """`PoseTransform` without augmentation."""
    return batches(in_memory(corpus), EVALUATION)


def training_windows_only(corpus: Corpus) -> tf.data.Dataset:
    """Decodes the windows that training sees, found beforehand, and nothing else."""
    return _windows_only(corpus, TRAINING)


def evaluation_windows_only(corpus: Corpus) -> tf.data.Dataset:
    """Decodes the windows that evaluation sees, and nothing else."""
    return _windows_only(corpus, EVALUATION)


def _windows_only(corpus: Corpus, transform: PoseTransform) -> tf.data.Dataset:
    def find(example: Features) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        crop_to_image = transform(example)["crop_to_image"]
        box, exponent, _ = find_window(
            on_tensorflow.xp,
            tf.cast(on_tensorflow.size_of(example["image"]), tf.float32),
            crop_to_image,
            transform.image_size,
            transform.antialias,
        )
        return example["image"], box, exponent

    found = list(in_memory(corpus).map(find))
    images, boxes, exponents = map(list, zip(*found, strict=True))
    dataset = tf.data.Dataset.from_tensor_slices((images, boxes, exponents))
    return batches(dataset, lambda *window: tf.shape(on_tensorflow.read_box(*window)))
