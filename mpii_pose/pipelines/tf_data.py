"""The recommended input pipeline: from prepared files to batches, in one call."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tensorflow_datasets as tfds

from mpii_pose.transforms.augmentation import Augmentation
from mpii_pose.transforms.examples import Features
from mpii_pose.transforms.pose_transform import PoseTransform

# Encoded examples are 0.5 MB each. TFDS stores them shuffled and the order of files is
# shuffled too, so a small buffer mixes well.
SHUFFLE_BUFFER = 256
# Files read at once, and examples taken of each in turn. Examples are read ahead from
# several times as many files: TFDS's 16 and 16 take 1.3 GB more and are no faster.
CYCLE_LENGTH = 4
BLOCK_LENGTH = 1


def input_pipeline(
    split: str,
    batch_size: int,
    *,
    transform: Callable[[Features], Any] | None = None,
    training: bool | None = None,
    num_epochs: int | None = None,
    dataset: str | tfds.core.DatasetBuilder = "mpii_pose",
    data_dir: str | None = None,
    seed: int | None = None,
    input_context: tf.distribute.InputContext | None = None,
) -> tf.data.Dataset:
    """Reads, shuffles, transforms and batches a split.

    For training, batches are full, shuffled and without end: say `steps_per_epoch`.
    For evaluation, each example comes once, in a fixed order; `index` tells which it
    is. Images are decoded by the transform alone.

        train = input_pipeline("train", 32, seed=0)
        keras_train = input_pipeline("train", 32, transform=PoseTransform().supervised)

    On several workers, pass each its context; every example goes to one of them:

        strategy.distribute_datasets_from_function(
            lambda context: input_pipeline("train", 256, input_context=context))

    Args:
        split: A split of the dataset, or a part such as "train[:90%]".
        batch_size: Examples in a batch, over all replicas.
        transform: Map function of single examples, such as a `PoseTransform`, its
            `supervised`, or a `Preprocessor`. By default `PoseTransform()`, with
            HRNet's augmentation for training.
        training: Whether to shuffle, repeat and drop what does not fill a batch. By
            default, whether `split` begins with "train".
        num_epochs: How often to read the split, if not without end for training and
            once for evaluation.
        dataset: Name of the dataset, perhaps with config ("mpii_pose/synthetic"), or
            a builder. It is prepared first if it is not yet.
        data_dir: Where TFDS keeps its datasets, if `dataset` is a name.
        seed: Seed of the order and of the default transform: the same seed gives the
            same batches. Each repetition is shuffled and augmented differently.
        input_context: Which part of the examples to read, from `tf.distribute`.

    Returns:
        Batches of what the transform returns.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be 1 or more, got {batch_size}")
    if training is None:
        training = split.startswith("train")
    if transform is None:
        transform = PoseTransform(
            augmentation=Augmentation.hrnet() if training else None, seed=seed
        )
    if isinstance(dataset, str):
        dataset = tfds.builder(dataset, data_dir=data_dir)
    dataset.download_and_prepare()
    if input_context is not None:
        batch_size = input_context.get_per_replica_batch_size(batch_size)
        parts = tfds.even_splits(split, n=input_context.num_input_pipelines)
        split = parts[input_context.input_pipeline_id]

    examples = _read(dataset, split, shuffle=training, seed=seed)
    if training or num_epochs is not None:
        examples = number_epochs(examples, num_epochs=num_epochs)
    return (
        examples.map(transform, num_parallel_calls=tf.data.AUTOTUNE)
        .batch(batch_size, drop_remainder=training)
        .prefetch(tf.data.AUTOTUNE)
        .with_options(_options(sharded=input_context is not None))
    )


def number_epochs(
    examples: tf.data.Dataset, *, num_epochs: int | None = None
) -> tf.data.Dataset:
    """Repeats examples and numbers the repetitions.

    A transform with a seed changes an example in each `epoch` in another way.

    Args:
        examples: Dicts of features, of which there is a known number.
        num_epochs: How often; None for without end.

    Returns:
        The examples over and over, with `epoch`, int64 [], beginning at 0.
    """
    length = examples.cardinality()
    if length <= 0:
        raise ValueError(
            "the number of examples must be known and above 0, got cardinality "
            f"{int(length)}; number epochs before filtering"
        )
    return (
        examples.repeat(num_epochs)
        .enumerate()
        .map(lambda position, example: {**example, "epoch": position // length})
    )


def _read(
    builder: tfds.core.DatasetBuilder, split: str, *, shuffle: bool, seed: int | None
) -> tf.data.Dataset:
    """Returns the examples of a split, images still encoded."""
    examples = builder.as_dataset(
        split=split,
        shuffle_files=shuffle,
        decoders={"image": tfds.decode.SkipDecoding()},
        read_config=tfds.ReadConfig(
            shuffle_seed=seed,
            try_autocache=False,
            interleave_cycle_length=CYCLE_LENGTH,
            interleave_block_length=BLOCK_LENGTH,
        ),
    )
    return examples.shuffle(SHUFFLE_BUFFER, seed=seed) if shuffle else examples


def _options(*, sharded: bool) -> tf.data.Options:
    """Returns options for a fixed order, which costs nothing that can be measured."""
    policies = tf.data.experimental.AutoShardPolicy
    options = tf.data.Options()
    options.deterministic = True
    options.experimental_distribute.auto_shard_policy = (
        policies.OFF if sharded else policies.DATA
    )
    return options
