"""The recommended input pipeline: from prepared files to batches, in one call."""

import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from mpii_pose.pipelines.sources import check_split, not_built, open_builder
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

_ARRAY_RECORD = tfds.core.FileFormat.ARRAY_RECORD
_TOO_FEW = (
    "input_pipeline gives fewer examples than there are. In a tf.data service, "
    "distribute by ShardingPolicy.OFF, DATA or FILE_OR_DATA; DYNAMIC is for training "
    "without num_epochs. Elsewhere, build the dataset again"
)


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

    With tf.data's service, pass no context. `ShardingPolicy.OFF` reads all on each
    worker; DATA and FILE_OR_DATA share the examples. So does DYNAMIC, in training
    without end: it is an error where the number of TFRecords is known.

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
            a builder. Drawn people are built first if they are not yet.
        data_dir: Where TFDS keeps its datasets, if `dataset` is a name.
        decoders: As `tfds.load` takes them, for a transform of one's own: with {},
            `image` is decoded, uint8 [H, W, 3]. By default it is not, so that the
            transform decodes only what it shows.
        seed: Seed of the order and of all transforms that have none: the same seed
            gives the same batches. Each repetition, and each reading for training, is
            shuffled and augmented differently.
        input_context: Which part of the examples to read, from `tf.distribute`.

    Returns:
        Batches of the transform's results.

    Raises:
        ValueError: An option is not valid, the dataset is not built (the message has
            the command), or there are too few examples for the workers, or for one
            batch.
    """
    forks.check("TensorFlow")
    check_split(split)
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
    if getattr(dataset.builder_config, "num_people", None):
        dataset.download_and_prepare()
    part = _part_of_worker(dataset, split, input_context)
    if input_context is not None:
        batch_size = input_context.get_per_replica_batch_size(batch_size)
    if decoders is None:
        decoders = {"image": tfds.decode.SkipDecoding()}
    # Explicit, so that all workers of a tf.data service shuffle alike.
    seed = _random_seed() if seed is None else operator.index(seed)
    seed &= 0x7FFFFFFFFFFFFFFF
    examples = _read(dataset, part, decoders, shuffle_seed=seed if training else None)
    length = int(examples.cardinality())
    if length < 0:
        length = dataset.info.splits[part].num_examples
    available = length * (num_epochs or 1)
    if training and num_epochs is not None and available < batch_size:
        raise ValueError(
            f"{available} examples in num_epochs={num_epochs} of {split!s} do not fill "
            f"one batch of {batch_size}, and training drops batches that are not full: "
            "take a smaller batch_size, more epochs, or training=False"
        )
    examples = examples.repeat(num_epochs if training or num_epochs else 1)
    if examples.cardinality() == tf.data.UNKNOWN_CARDINALITY:
        examples = _of_known_length(examples, available)
    return (
        _numbered(examples, length, seed, readings=training)
        .map(transform, num_parallel_calls=tf.data.AUTOTUNE)
        .batch(batch_size, drop_remainder=training)
        .prefetch(tf.data.AUTOTUNE)
        .with_options(_options(sharded=input_context is not None))
    )


def _numbered(
    examples: tf.data.Dataset, length: int, seed: int, *, readings: bool
) -> tf.data.Dataset:
    """Adds `epoch`, int64 [], and `draw_seed`, for transforms without a seed.

    Epochs have `length` examples and are numbered from 0. With `readings`, each further
    reading of the dataset begins at a random number, the same in each run: `Model.fit`
    reads a dataset of known length anew in each of its epochs. All numbers are part of
    an iterator's state, which can be saved.
    """
    # Another stream in each reading. It is zipped first, as FILE_OR_DATA looks for
    # files in the first input: it finds none and shards once, by DATA. With the
    # examples first it would shard twice.
    numbers, same = (
        tf.data.Dataset.random(seed=0, rerandomize_each_iteration=True)
        for _ in range(2)
    )
    first_of_all = next(iter(same))

    def add_numbers(first: tf.Tensor, element: Any) -> Any:
        number, (position, example) = element
        first = tf.where(first < 0, number, first)
        epoch = position // length + (first - first_of_all if readings else 0)
        draw_seed = tf.bitwise.bitwise_xor(number, seed)
        return first, {**example, "epoch": epoch, "draw_seed": draw_seed}

    start = tf.constant(-1, tf.int64)
    return tf.data.Dataset.zip(numbers, examples.enumerate()).scan(start, add_numbers)


def _of_known_length(examples: tf.data.Dataset, length: int) -> tf.data.Dataset:
    """Returns the examples, of that length, or raises an error if there are fewer.

    tf.data can assert a length too, in words that name no way out.
    """

    def too_few(number: tf.Tensor) -> tf.data.Dataset:
        tf.debugging.Assert(number < 0, [_TOO_FEW])  # Read only in place of an example.
        return tf.data.Dataset.from_tensors(empty)

    empty = tf.nest.map_structure(
        lambda spec: tf.zeros([side or 0 for side in spec.shape], spec.dtype),
        examples.element_spec,
    )
    # Without an end, as a service may tell only the second of two errors. A data set
    # inside of a function comes whole to each worker.
    end = tf.data.Dataset.random(seed=0).flat_map(too_few)
    asserted = tf.data.experimental.assert_cardinality(length)
    return examples.concatenate(end).take(length).apply(asserted)


def _random_seed() -> int:
    """Returns a number of TensorFlow's generator, which follows its global seed."""
    with tf.init_scope():
        return int(tf.random.uniform([], maxval=tf.int64.max, dtype=tf.int64))


def _part_of_worker(
    builder: tfds.core.DatasetBuilder,
    split: str | tfds.core.ReadInstruction,
    context: tf.distribute.InputContext | None,
) -> Any:
    """Returns the part of a split that this worker reads."""
    workers = 1 if context is None else context.num_input_pipelines
    if builder.info.splits:  # `tfds.testing.mock_data` has none.
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
    shuffle_seed: int | None,
) -> tf.data.Dataset:
    """Returns the examples of a split, shuffled if there is a seed."""
    if builder.info.splits and builder.info.file_format == _ARRAY_RECORD:
        return _read_by_number(builder, split, decoders, shuffle_seed)
    shuffle = shuffle_seed is not None
    try:
        examples = builder.as_dataset(
            split=split,
            shuffle_files=shuffle,
            decoders=decoders,
            read_config=tfds.ReadConfig(
                shuffle_seed=shuffle_seed,
                try_autocache=False,
                interleave_cycle_length=CYCLE_LENGTH,
                interleave_block_length=BLOCK_LENGTH,
                assert_cardinality=False,
            ),
        )
    except AssertionError:  # TFDS finds no data.
        raise not_built(builder) from None
    return examples.shuffle(SHUFFLE_BUFFER, seed=shuffle_seed) if shuffle else examples


def _read_by_number(
    builder: tfds.core.DatasetBuilder,
    split: Any,
    decoders: Mapping[str, Any],
    shuffle_seed: int | None,
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
    if shuffle_seed is not None:
        numbers = numbers.shuffle(len(records), seed=shuffle_seed)
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
