"""The recommended input pipeline: from prepared files to batches, in one call."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from mpii_pose.pipelines.sources import open_builder
from mpii_pose.transforms import forks
from mpii_pose.transforms.augmentation import Augmentation
from mpii_pose.transforms.library import Features
from mpii_pose.transforms.pose_transform import PoseTransform

# Encoded examples are 0.5 MB each. TFDS stores them shuffled and the order of files is
# shuffled too, so a small buffer mixes well.
SHUFFLE_BUFFER = 256
# Files read at once, and examples taken from each in turn. Examples are read ahead from
# several times as many files: TFDS's 16 and 16 take 1.3 GB more and are no faster.
CYCLE_LENGTH = 4
BLOCK_LENGTH = 1

# Whole splits, and whether they are for training.
SPLITS = {"train": True, "validation": False, "validation_others": False, "test": False}


def input_pipeline(
    split: str | tfds.core.ReadInstruction,
    batch_size: int,
    *,
    transform: Callable[[Features], Any] | None = None,
    training: bool | None = None,
    num_epochs: int | None = None,
    dataset: str | tfds.core.DatasetBuilder = "mpii_pose",
    data_dir: str | None = None,
    decoders: Mapping[str, Any] | None = None,
    seed: int | None = None,
    input_context: tf.distribute.InputContext | None = None,
) -> tf.data.Dataset:
    """Reads, shuffles, transforms and batches a split.

    For training, batches are full, shuffled and without end. With `num_epochs=1` they
    have a length, and each reading shuffles and augments anew, as `Model.fit` needs it.
    For evaluation, each example comes once, in a fixed order; `index` identifies it.
    The transform alone decodes images.

        train = input_pipeline("train", 32, seed=0)
        supervised = PoseTransform(augmentation=Augmentation.hrnet()).supervised
        model.fit(input_pipeline("train", 32, transform=supervised, num_epochs=1), ...)

    On several workers, pass each its context; every example goes to one of them:

        strategy.distribute_datasets_from_function(
            lambda context: input_pipeline("train", 256, input_context=context))

    Args:
        split: A split of the dataset, a part such as "train[:90%]", a sum such as
            "train+validation", or a `tfds.core.ReadInstruction`.
        batch_size: Examples in a batch, over all replicas.
        transform: Map function of single examples, such as a `PoseTransform`, its
            `supervised`, or a `Preprocessor`. By default `PoseTransform()`, with
            HRNet's augmentation for training. Its example has `image` as the bytes of
            a JPEG, unless `decoders` are given.
        training: Whether to shuffle, to repeat and to drop a batch that is not full. By
            default, True for "train" and False for other whole splits; required for a
            part or a sum.
        num_epochs: How often to read the split, if not without end for training and
            once for evaluation.
        dataset: Name of the dataset, perhaps with config ("mpii_pose/synthetic"), or
            a builder. It is prepared first if it is not yet.
        data_dir: Where TFDS keeps its datasets, if `dataset` is a name.
        decoders: As `tfds.load` takes them, for a transform of one's own: with {},
            `image` is decoded, uint8 [H, W, 3]. By default it is not, so that the
            transform decodes only what it shows.
        seed: Seed of the order and of the default transform: the same seed gives the
            same batches. Each repetition, and each reading for training, is shuffled
            and augmented differently.
        input_context: Which part of the examples to read, from `tf.distribute`.

    Returns:
        Batches of the transform's results.

    Raises:
        ValueError: An option is not valid, or there are too few examples for the
            workers, or for one batch.
    """
    forks.check("TensorFlow")
    if batch_size < 1:
        raise ValueError(f"batch_size must be 1 or more, got {batch_size}")
    if num_epochs is not None and num_epochs < 1:
        raise ValueError(f"num_epochs must be None, or 1 or more, got {num_epochs}")
    if training is None:
        training = SPLITS.get(str(split))
    if training is None:
        raise ValueError(
            f"{split!s} is none of {', '.join(SPLITS)}, of which it is known whether "
            "they are for training. For a part or a sum of them, pass training=True to "
            "shuffle, augment and repeat it without end, or training=False to read "
            "each example once, in a fixed order"
        )
    if transform is None:
        transform = PoseTransform(
            augmentation=Augmentation.hrnet() if training else None, seed=seed
        )
    if isinstance(dataset, str):
        dataset = open_builder(dataset, data_dir)
    dataset.download_and_prepare()
    part = _part_of_worker(dataset, split, input_context)
    if input_context is not None:
        batch_size = input_context.get_per_replica_batch_size(batch_size)
    available = dataset.info.splits[part].num_examples * (num_epochs or 1)
    if training and num_epochs is not None and available < batch_size:
        raise ValueError(
            f"{available} examples in num_epochs={num_epochs} of {split!s} do not fill "
            f"one batch of {batch_size}, and training drops batches that are not full: "
            "take a smaller batch_size, more epochs, or training=False"
        )

    if decoders is None:
        decoders = {"image": tfds.decode.SkipDecoding()}
    examples = _read(dataset, part, decoders, shuffle=training, seed=seed)
    if training or num_epochs is not None:
        examples = number_epochs(examples, num_epochs=num_epochs)
    if training:
        examples = _number_readings(examples)

    def transformed(example: Features, draw_seed: tf.Tensor) -> Any:
        return transform({**example, "draw_seed": draw_seed})

    # Seeds for transforms that have none. They are part of an iterator's state, which
    # can be saved; the state of TensorFlow's own generator cannot.
    draw_seeds = tf.data.Dataset.random(rerandomize_each_iteration=True)
    return (
        tf.data.Dataset.zip(examples, draw_seeds)
        .map(transformed, num_parallel_calls=tf.data.AUTOTUNE)
        .batch(batch_size, drop_remainder=training)
        .prefetch(tf.data.AUTOTUNE)
        .with_options(_options(sharded=input_context is not None))
    )


def number_epochs(
    examples: tf.data.Dataset, *, num_epochs: int | None = None
) -> tf.data.Dataset:
    """Repeats examples and numbers the repetitions.

    A transform with a seed changes an example differently in each `epoch`.

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


def _number_readings(examples: tf.data.Dataset) -> tf.data.Dataset:
    """Adds a random number to `epoch`, the same in one reading; 0 in the first reading.

    `Model.fit` reads a dataset of known length anew in each of its epochs, and each
    reading must be augmented differently. The number is part of an iterator's state,
    which can be saved; a variable is not.
    """

    def same_in_a_reading(
        kept: tf.Tensor, number: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        kept = tf.where(kept < 0, number, kept)
        return kept, kept

    def numbers() -> tf.data.Dataset:
        numbers = tf.data.Dataset.random(seed=0, rerandomize_each_iteration=True)
        return numbers.scan(tf.constant(-1, tf.int64), same_in_a_reading)

    first = next(iter(numbers()))
    return tf.data.Dataset.zip(examples, numbers()).map(
        lambda example, number: {**example, "epoch": example["epoch"] + number - first}
    )


def _part_of_worker(
    builder: tfds.core.DatasetBuilder,
    split: str | tfds.core.ReadInstruction,
    context: tf.distribute.InputContext | None,
) -> Any:
    """Returns the part of a split that this worker reads."""
    workers = 1 if context is None else context.num_input_pipelines
    examples = builder.info.splits[split].num_examples
    if examples < workers:
        raise ValueError(
            f"{split!s} of {builder.info.full_name} has {examples} examples for "
            f"{workers} worker(s), and each needs one"
        )
    if context is None:
        return split
    return tfds.even_splits(split, n=workers)[context.input_pipeline_id]


def _read(
    builder: tfds.core.DatasetBuilder,
    split: Any,
    decoders: Mapping[str, Any],
    *,
    shuffle: bool,
    seed: int | None,
) -> tf.data.Dataset:
    """Returns the examples of a split."""
    if builder.info.file_format == tfds.core.FileFormat.ARRAY_RECORD:
        return _read_by_number(builder, split, decoders, shuffle=shuffle, seed=seed)
    examples = builder.as_dataset(
        split=split,
        shuffle_files=shuffle,
        decoders=decoders,
        read_config=tfds.ReadConfig(
            shuffle_seed=seed,
            try_autocache=False,
            interleave_cycle_length=CYCLE_LENGTH,
            interleave_block_length=BLOCK_LENGTH,
        ),
    )
    return examples.shuffle(SHUFFLE_BUFFER, seed=seed) if shuffle else examples


def _read_by_number(
    builder: tfds.core.DatasetBuilder,
    split: Any,
    decoders: Mapping[str, Any],
    *,
    shuffle: bool,
    seed: int | None,
) -> tf.data.Dataset:
    """Does what `_read` does with ArrayRecord files, which `as_dataset` cannot read."""
    records = builder.as_data_source(
        split, deserialize_method=tfds.decode.DeserializeMethod.RAW_BYTES
    )

    def record_of(number: np.ndarray) -> bytes:
        forks.check("ArrayRecord")
        record: bytes = records[int(number)]
        return record

    def read(number: tf.Tensor) -> dict[str, tf.Tensor]:
        record = tf.numpy_function(record_of, [number], tf.string, stateful=False)
        return builder.info.features.deserialize_example(
            tf.ensure_shape(record, []), decoders=decoders
        )

    numbers = tf.data.Dataset.range(len(records))
    if shuffle:
        numbers = numbers.shuffle(len(records), seed=seed)
    return numbers.map(read, num_parallel_calls=CYCLE_LENGTH)


def _options(*, sharded: bool) -> tf.data.Options:
    """Returns options for a fixed order, which costs nothing that can be measured."""
    policies = tf.data.experimental.AutoShardPolicy
    options = tf.data.Options()
    options.deterministic = True
    options.experimental_distribute.auto_shard_policy = (
        policies.OFF if sharded else policies.DATA
    )
    return options
