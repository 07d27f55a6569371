"""Datasets that were built, read for commands."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import tensorflow_datasets as tfds
from etils import epath


def open_dataset(folder: epath.PathLike) -> tfds.core.DatasetBuilder:
    """Returns the builder of a dataset that was built.

    Args:
        folder: Its, such as `~/tensorflow_datasets/mpii_pose/person/1.0.0`.

    Raises:
        FileNotFoundError: There is none.
        OSError: Its description is damaged.
    """
    if not (epath.Path(folder) / "dataset_info.json").exists():
        raise FileNotFoundError(
            f"{folder} is no dataset that was built, as it has no dataset_info.json; "
            "name a folder such as ~/tensorflow_datasets/mpii_pose/person/1.0.0"
        )
    try:
        return tfds.builder_from_directory(folder)
    except Exception as error:  # Whatever protobuf, JSON and TFDS say to damage.
        raise OSError(
            f"{folder} cannot be opened ({type(error).__name__}: {error}): build the "
            "dataset again"
        ) from error


def read_examples(builder: Any, split: str) -> Iterator[Mapping[str, Any]]:
    """Yields `stored_examples`.

    Raises:
        OSError: A record is damaged or missing.
    """
    count, expected = 0, builder.info.splits[split].num_examples
    try:
        for example in stored_examples(builder, split):
            yield example
            count += 1
    except Exception as error:  # Each format has errors of its own; TFDS counts.
        raise OSError(
            f"Split {split} of {builder.data_dir} has a damaged record or lacks one, "
            f"after {count:,} of {expected:,} ({type(error).__name__}: {error}): build "
            "the dataset again"
        ) from error


def stored_examples(builder: Any, split: str) -> Iterable[Mapping[str, Any]]:
    """Returns the examples of a split in NumPy, of any file format, in its order.

    Args:
        builder: That of the dataset.
        split: Its name. `image` remains the bytes of a JPEG.
    """
    decoders = {"image": tfds.decode.SkipDecoding()}
    if builder.info.file_format.value == "array_record":  # No format of TensorFlow's.
        return builder.as_data_source(split=split, decoders=decoders)
    config = tfds.ReadConfig(try_autocache=False, interleave_cycle_length=1)
    examples = builder.as_dataset(split=split, decoders=decoders, read_config=config)
    return examples.as_numpy_iterator()
