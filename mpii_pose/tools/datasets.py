"""Datasets that were built, read for commands."""

from collections.abc import Iterable, Mapping
from typing import Any

import tensorflow_datasets as tfds


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
