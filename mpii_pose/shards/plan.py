"""Plans the shards of a split, and writes one.

TFDS's own writers move every encoded example through a shuffle: a generator's through
temporary files, a Beam collection's through GroupByKey. For images that is a second
copy of the dataset, on disk or in memory. Examples that only name their image files are
small, so here they are put in order first and encoded as their shard is written. Order,
records and files are those that TFDS would have made.
"""

import collections
import concurrent.futures
import dataclasses
import itertools
import math
import os
import pickle
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow_datasets as tfds
from etils import epath

from mpii_pose import tfds_private
from mpii_pose.checks import MpiiPoseError
from mpii_pose.shards.images import StoredImage, naming_person

Example = dict[str, Any]
KeyExample = tuple[str, Example]

# Shards of this size or a little more, unless the user asks for others.
SHARD_BYTES = 128 << 20
# Size of an example without its image: 16 keypoints, names, record framing.
EXAMPLE_BYTES = 800
# Images that each thread reads before they are written.
_AHEAD = 4


class Examples(Iterable[KeyExample]):
    """The (key, example) pairs of a split, made of its items each time they are read.

    A plan of 40,000 people holds their items only. Workers elsewhere are sent the
    examples of their shard, packed.
    """

    def __init__(self, make: Callable[[Any], KeyExample], items: Sequence[Any]):
        self._make = make
        self._items = items

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[KeyExample]:
        return map(self._make, self._items)

    def at(self, positions: Iterable[int]) -> "Examples":
        """Returns some of the examples."""
        return Examples(self._make, [self._items[i] for i in positions])

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpacked, (zlib.compress(pickle.dumps(list(self)), level=1),)


def _unpacked(data: bytes) -> list[KeyExample]:
    return pickle.loads(zlib.decompress(data))


class ExampleEncoder:
    """Encodes examples as `FeaturesDict.serialize_example` does.

    Keys are sorted, so that two runs give the same bytes.
    """

    def __init__(self, features: tfds.features.FeaturesDict):
        self._features = features
        self._serializer = tfds_private.ExampleSerializer(
            features.get_serialized_info()
        )

    def __call__(self, example: Example) -> bytes:
        """Returns the serialized `tf.train.Example`."""
        encoded = self._features.encode_example(example)
        proto = self._serializer.get_tf_example(encoded)
        return proto.SerializeToString(deterministic=True)


@dataclasses.dataclass(frozen=True)
class Shard:
    """A file to write, and its examples, whose images are not read yet."""

    path: str
    examples: Examples | list[KeyExample]

    def write(
        self,
        encoder: ExampleEncoder,
        writer: Any,
        on_written: Callable[[], object] = lambda: None,
        threads: int = 1,
    ) -> None:
        """Writes the shard; the file appears once it is whole.

        `writer` is the builder's `tfds.core.writer.ExampleWriter`. `on_written` is
        called after each example. The threads read and crop images; they do not encode
        examples, as they would wait for each other.

        Raises:
            ImageError: An image cannot be read; the message names the example.
            FileNotFoundError: The folder is missing.
        """

        def encoded() -> Iterator[tuple[str, bytes]]:
            for key, example in _map_ahead(_read_images, self.examples, threads):
                yield key, encoder(example)
                on_written()

        records: Iterable[tuple[str, bytes]] = encoded()
        if writer.file_format is tfds.core.FileFormat.PARQUET:
            # TFDS batches records with `islice(records, i, i + n)`, which skips some of
            # an iterator's and none of a list's.
            records = list(records)
        path = epath.Path(self.path)
        folder = path.parent
        # TFDS would make it anew. `gs://` has no folders before their first file.
        if "://" not in self.path and not folder.exists():
            raise FileNotFoundError(
                f"{folder} is not there: its build has ended, or this host does not "
                "share --data_dir"
            )
        # TFDS removes files of this name, if a lost worker leaves one behind.
        with tfds_private.incomplete_file(path) as partial:
            writer.write(partial, records)


def _read_images(keyed: KeyExample) -> KeyExample:
    """Returns an example with the bytes of its images."""
    key, example = keyed
    with naming_person(key):
        images = {name: image.read() for name, image in _images_of(example).items()}
    return key, example | images


def _images_of(example: Example) -> Mapping[str, StoredImage]:
    return {k: value for k, value in example.items() if isinstance(value, StoredImage)}


def _map_ahead(
    function: Callable[[Any], Any], items: Iterable[Any], threads: int
) -> Iterator[Any]:
    """Works as `map` does, while threads make the next few results."""
    pending: collections.deque[concurrent.futures.Future[Any]] = collections.deque()
    pool = concurrent.futures.ThreadPoolExecutor(threads)
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) > _AHEAD * threads:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def plan_split(
    name: str,
    examples: Iterable[KeyExample],
    filename_template: Any,
    config: tfds.download.DownloadConfig,
) -> tuple[tfds.core.SplitInfo, list[Shard]]:
    """Returns a split, whose `num_bytes` is an estimate, and its shards in order.

    Examples that are no `Examples` are kept in memory. `filename_template` is the
    builder's `tfds.core.ShardedFileTemplate`. Of the user's options, those on shards,
    `max_examples_per_split` and `ignore_duplicates` are heeded.

    Raises:
        ValueError: There are no examples, two have the same key, or `num_shards` is
            below 1.
    """
    if not isinstance(examples, Examples):
        examples = Examples(lambda pair: pair, list(examples))
    keys: list[str] = []
    sizes: list[int] = []
    for key, example in itertools.islice(examples, config.max_examples_per_split):
        keys.append(key)
        image_bytes = [image.num_bytes for image in _images_of(example).values()]
        sizes.append(EXAMPLE_BYTES + sum(image_bytes))
    order = in_tfds_order(name, keys, ignore_duplicates=config.ignore_duplicates)
    if not order:
        raise MpiiPoseError(f"Split {name!r} has no examples")
    ends = shard_ends(np.array(sizes)[order], config)
    split = tfds.core.SplitInfo(
        name=name,
        shard_lengths=[stop - start for start, stop in itertools.pairwise(ends)],
        num_bytes=sum(sizes),
        filename_template=filename_template,
    )
    paths = filename_template.sharded_filepaths(len(ends) - 1)
    shards = [
        Shard(os.fspath(path), examples.at(order[start:stop]))
        for path, (start, stop) in zip(paths, itertools.pairwise(ends), strict=True)
    ]
    return split, shards


def in_tfds_order(
    split: str, keys: Sequence[str], *, ignore_duplicates: bool = False
) -> list[int]:
    """Returns positions in `keys`, sorted as by TFDS: by hashes salted with the split.

    Of equal keys there is only the first with `ignore_duplicates`, else a ValueError.
    """
    hasher = tfds_private.Hasher(split)
    hashes = [hasher.hash_key(key) for key in keys]
    order: list[int] = []
    for i in sorted(range(len(keys)), key=hashes.__getitem__):
        if not order or hashes[i] != hashes[order[-1]]:
            order.append(i)
        elif not ignore_duplicates:
            raise MpiiPoseError(
                f"Two examples of split {split!r} have the key {keys[i]!r}"
            )
    return order


def shard_ends(
    sizes: npt.NDArray[Any], config: tfds.download.DownloadConfig
) -> list[int]:
    """Returns 0 and the end of each shard, none larger than the user allows.

    TFDS's own rule (`ShardConfig.calculate_number_shards`) ignores the sizes that the
    user asks for, and those of the examples: `sizes` [N], in bytes.
    """
    if config.num_shards is not None and config.num_shards < 1:
        raise MpiiPoseError(f"num_shards must be 1 or more, got {config.num_shards}")
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
