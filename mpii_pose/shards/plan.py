"""Plans the shards of a split, and writes one.

TFDS's own writers move every encoded example through a shuffle: a generator's through
temporary files, a Beam collection's through GroupByKey. For images that is a second
copy of the dataset, on disk or in memory. An example that only names its image file is
small, so here examples are put in order first and encoded as their shard is written.
Order, records and files are those that TFDS would have made.
"""

import collections
import concurrent.futures
import dataclasses
import itertools
import math
import os
import pickle
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow_datasets as tfds
from etils import epath

from mpii_pose import tfds_private
from mpii_pose.shards.encoding import ExampleEncoder
from mpii_pose.shards.images import ImageError, StoredImage

Example = dict[str, Any]
KeyExample = tuple[str, Example]

# Shards of this size or a little more, unless the user says otherwise.
SHARD_BYTES = 128 << 20
# What an example takes besides its image: 16 keypoints, names, record framing.
EXAMPLE_BYTES = 800


@dataclasses.dataclass(frozen=True)
class Shard:
    """A shard to write.

    Attributes:
        path: Path of the file to write.
        examples: Its (key, example) pairs, which are not encoded yet.
    """

    path: str
    examples: Sequence[KeyExample]

    def write(
        self,
        encoder: ExampleEncoder,
        writer: Any,
        on_written: Callable[[int], None] = lambda num_bytes: None,
        threads: int = 1,
    ) -> None:
        """Writes the shard; the file appears once it is whole.

        Args:
            encoder: Makes records of examples.
            writer: The builder's `tfds.core.writer.ExampleWriter`.
            on_written: Called with the size of each record.
            threads: How many read images, and crop them. They do not encode examples:
                they would wait for each other.

        Raises:
            ImageError: An image cannot be read; the message names the example.
            FileNotFoundError: The folder is not there, which TFDS would make again.
        """
        folder = epath.Path(self.path).parent
        # Folders of `gs://` are not there before their first file.
        if "://" not in self.path and not folder.exists():
            raise FileNotFoundError(
                f"{folder} is not there: its build has ended, or this host does not "
                "share --data_dir"
            )

        def encoded() -> Iterator[tuple[str, bytes]]:
            for key, example in _map_ahead(_read_images, self.examples, threads):
                record = encoder(example)
                on_written(len(record))
                yield key, record

        records: Iterable[tuple[str, bytes]] = encoded()
        if writer.file_format is tfds.core.FileFormat.PARQUET:
            # TFDS batches records with `islice(records, i, i + n)`, which skips some of
            # an iterator's and none of a list's.
            records = list(records)
        # TFDS removes files of this name, should a lost worker leave one behind.
        with tfds_private.incomplete_file(epath.Path(self.path)) as partial:
            writer.write(partial, records)


def _read_images(keyed: KeyExample) -> KeyExample:
    """Returns an example with the bytes of its images in the place of their files."""
    key, example = keyed
    try:
        images = {
            name: value.read()
            for name, value in example.items()
            if isinstance(value, StoredImage)
        }
    except ImageError as error:
        raise ImageError(f"Person {key}: {error}") from error
    return key, example | images


def _map_ahead(
    function: Callable[[Any], Any],
    items: Iterable[Any],
    threads: int = 2,
) -> Iterator[Any]:
    """Like `map`, but threads keep a few results ready."""
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        pending: collections.deque[concurrent.futures.Future[Any]] = collections.deque()
        try:
            for item in items:
                pending.append(pool.submit(function, item))
                if len(pending) > 4 * threads:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


class Selection(Sequence[KeyExample]):
    """Examples of a split, made when they are asked for.

    A plan holds positions, 8 bytes an example. Workers elsewhere are sent the examples
    themselves: those of their shard, not the split.
    """

    def __init__(self, examples: Sequence[KeyExample], positions: npt.NDArray[Any]):
        self._examples = examples
        self._positions = positions

    def __len__(self) -> int:
        return len(self._positions)

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return Selection(self._examples, self._positions[i])
        return self._examples[self._positions[i]]

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpack, (zlib.compress(pickle.dumps(list(self)), level=1),)


def _unpack(data: bytes) -> list[KeyExample]:
    return pickle.loads(zlib.decompress(data))


def plan_split(
    name: str,
    examples: Iterable[KeyExample],
    filename_template: Any,
    config: tfds.download.DownloadConfig,
) -> tuple[tfds.core.SplitInfo, list[Shard]]:
    """Puts the examples of a split in order and cuts them into shards.

    Args:
        name: Name of the split.
        examples: Its (key, example) pairs; a sequence may make them when asked, others
            are held in memory.
        filename_template: The builder's `tfds.core.ShardedFileTemplate` for the split.
        config: What the user asked for; `num_shards`, `min_shard_size`,
            `max_shard_size`, `max_examples_per_split` and `ignore_duplicates` count.

    Returns:
        The split, whose `num_bytes` is an estimate, and its shards.

    Raises:
        ValueError: There are no examples, two have the same key, or `num_shards` is
            below 1.
    """
    if not isinstance(examples, Sequence):
        examples = list(examples)
    keys: list[str] = []
    sizes: list[int] = []
    for key, example in itertools.islice(examples, config.max_examples_per_split):
        keys.append(key)
        sizes.append(_num_bytes(example))
    ordered = in_tfds_order(name, keys, ignore_duplicates=config.ignore_duplicates)
    if not ordered.size:
        raise ValueError(f"Split {name!r} has no examples")
    ends = shard_ends(np.array(sizes)[ordered], config)
    num_shards = len(ends) - 1
    split = tfds.core.SplitInfo(
        name=name,
        shard_lengths=[stop - start for start, stop in itertools.pairwise(ends)],
        num_bytes=sum(sizes),
        filename_template=filename_template,
    )
    shards = [
        Shard(os.fspath(path), Selection(examples, ordered[start:stop]))
        for path, (start, stop) in zip(
            filename_template.sharded_filepaths(num_shards),
            itertools.pairwise(ends),
            strict=True,
        )
    ]
    return split, shards


def in_tfds_order(
    split: str, keys: Iterable[str], *, ignore_duplicates: bool = False
) -> npt.NDArray[np.int64]:
    """Sorts examples as TFDS does, by the hash of the key salted with the split.

    Args:
        split: Name of the split.
        keys: Keys of its examples.
        ignore_duplicates: Leave out all but the first of equal keys.

    Returns:
        int64 [N], positions in `keys`.

    Raises:
        ValueError: Two examples have the same key.
    """
    keys = list(keys)
    hasher = tfds_private.Hasher(split)
    digests = np.fromiter(
        (divmod(hasher.hash_key(key), 1 << 64) for key in keys),
        dtype=[("high", np.uint64), ("low", np.uint64)],
        count=len(keys),
    )
    order = np.lexsort((digests["low"], digests["high"]))
    is_first = np.ones(len(keys), bool)
    is_first[1:] = digests[order][1:] != digests[order][:-1]
    if not (ignore_duplicates or is_first.all()):
        key = keys[order[~is_first][0]]
        raise ValueError(f"Two examples of split {split!r} have the key {key!r}")
    return order[is_first]


def shard_ends(
    sizes: npt.NDArray[Any], config: tfds.download.DownloadConfig
) -> list[int]:
    """Returns where shards begin and end, none larger than the user allows.

    TFDS's own rule (`ShardConfig.calculate_number_shards`) is a classmethod and so
    ignores the sizes that the user asks for, and does not look at those of examples.

    Args:
        sizes: int [N], bytes of the examples, in their order.
        config: What the user asked for.

    Returns:
        0, the end of each shard, the last of which is N.
    """
    if config.num_shards is not None and config.num_shards < 1:
        raise ValueError(f"num_shards must be 1 or more, got {config.num_shards}")
    shard_bytes = config.min_shard_size
    if shard_bytes == tfds_private.DEFAULT_MIN_SHARD_SIZE:
        shard_bytes = SHARD_BYTES
    num_bytes = int(sizes.sum())
    count = config.num_shards or max(
        2 ** int(math.log2(max(1, num_bytes / shard_bytes))),
        math.ceil(num_bytes / config.max_shard_size),
    )
    limit = max(config.max_shard_size, int(sizes.max()))
    while True:
        count = min(count, len(sizes))
        ends = [0, *tfds_private.get_shard_boundaries(len(sizes), count)]
        if config.num_shards or np.add.reduceat(sizes, ends[:-1]).max() <= limit:
            return ends
        count += 1 + count // 16


def _num_bytes(example: Example) -> int:
    images = (value for value in example.values() if isinstance(value, StoredImage))
    return EXAMPLE_BYTES + sum(image.num_bytes for image in images)
