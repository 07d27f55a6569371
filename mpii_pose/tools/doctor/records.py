"""Looks at a prepared dataset: whether every record and image can be read."""

import concurrent.futures
import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import tensorflow_datasets as tfds
from etils import epath

from mpii_pose.shards.images import check_pixels
from mpii_pose.tools.datasets import stored_examples
from mpii_pose.tools.doctor.diagnosis import Diagnosis, fine, problem, some

_BATCH = 256


def check_records(folder: epath.PathLike) -> Iterator[Diagnosis]:
    """Reads every record and decodes every image of a prepared dataset.

    A decoder's own error names no image, and many a damage is none to it, see
    `check_pixels`. In the default format what changed since the build is found by the
    checksums of the records.

    Args:
        folder: The dataset's, such as "mpii_pose/person/1.0.0" of the data folder.
    """
    try:
        builder = tfds.builder_from_directory(folder)
        splits = builder.info.splits
    except Exception as error:  # Whatever protobuf, JSON and TFDS say to damage.
        yield problem(
            f"{folder} cannot be opened ({type(error).__name__}: {error}): build the "
            "dataset again"
        )
        return
    for name, split in splits.items():
        undecodable: list[str] = []
        count = 0
        try:
            for example, decodes in _decode(stored_examples(builder, name)):
                count += 1
                if not decodes:
                    index = f" (index {example['index']})" if "index" in example else ""
                    undecodable.append(example["image_name"].decode() + index)
            if count != split.num_examples:
                raise EOFError(f"{count:,} records, expected {split.num_examples:,}")
        except Exception as error:  # Each format has errors of its own.
            yield problem(
                f"Split {name} of {folder} has a damaged record or lacks one "
                f"({type(error).__name__}: {error}): build the dataset again"
            )
            continue
        if undecodable:
            yield problem(
                f"libjpeg finds damage in {len(undecodable):,} images of split {name} "
                f"of {folder}: {some(undecodable)}; fetch them again and build the "
                "dataset again"
            )
        else:
            yield fine(
                f"libjpeg reads the images of all {count:,} in {name} of "
                f"{builder.info.full_name}"
            )


def _decode(
    examples: Iterable[Mapping[str, Any]],
) -> Iterator[tuple[Mapping[str, Any], bool]]:
    """Yields examples, and whether their images are read without a warning."""
    examples = iter(examples)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        while batch := list(itertools.islice(examples, _BATCH)):
            yield from zip(batch, pool.map(_decodes, batch), strict=True)


def _decodes(example: Mapping[str, Any]) -> bool:
    try:
        check_pixels(example["image"])
    except ValueError:
        return False
    return True
