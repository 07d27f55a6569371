"""Examples by number, without TensorFlow: for PyTorch, JAX, grain and plain loops."""

import dataclasses
import importlib.util
import operator
import os
import shlex
import sys
import types
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, overload

import numpy as np
import tensorflow_datasets as tfds
from etils import epath

from mpii_pose import tfds_private
from mpii_pose.files import user_path
from mpii_pose.release import official
from mpii_pose.transforms import forks
from mpii_pose.transforms.pose_transform import FORMS, PoseTransform

Key = int | tuple[int, int]

_SAME_EACH_EPOCH = (
    "the transform has a seed, and numbers alone name no epoch: each epoch augments a "
    "person in the same way. Read source[epoch, number], as DataLoader(source, "
    "sampler=source.sampler()) does; or use PoseTransform(seed=None)"
)

# For examples by number; there is no ArrayRecord for Windows.
_BY_NUMBER = "array_record" if importlib.util.find_spec("array_record") else "parquet"


def data_source(
    split: str,
    *,
    dataset: str | tfds.core.DatasetBuilder = "mpii_pose",
    data_dir: str | None = None,
    transform: Callable[[dict[str, Any]], Any] | None = None,
) -> "DataSource":
    """Opens a split as a sequence, which reads an example when it is indexed.

    TensorFlow is not imported. The dataset must be built with
    `--file_format array_record`, or parquet where there is no ArrayRecord: their
    examples can be read in any order.

        transform = PoseTransform(augmentation=Augmentation.hrnet(), seed=0)
        train = data_source("train", transform=transform)
        loader = torch.utils.data.DataLoader(
            train, 32, sampler=train.sampler(seed=0), num_workers=2,
            multiprocessing_context="spawn")

    Args:
        split: A split of the dataset, a part such as "train[:90%]", or a sum such as
            "train+validation".
        dataset: Name of the dataset, perhaps with config ("mpii_pose/synthetic"), or
            a builder.
        data_dir: Where TFDS keeps its datasets, if `dataset` is a name.
        transform: Function of single examples, such as a `PoseTransform`. It must be
            possible to pickle it if workers are spawned. None for the examples as they
            are stored: NumPy arrays and numbers, `image` and other strings as bytes.

    Returns:
        A sequence, with length, `[number]` and slices. It can be iterated, pickled, and
        read in threads and in other processes: spawned ones, or ones that were forked
        before anything was read.

        `source[epoch, number]` adds a feature `epoch` to the example: a transform with
        a seed then changes the example differently in each epoch. `source.sampler()`
        yields such pairs, epoch after epoch. It works with PyTorch's workers, be they
        persistent or not. With another sampler, or `shuffle=True`, the seed changes
        the example in the same way in each epoch: a warning is given, by PyTorch's
        workers at once, elsewhere when more was read than there are examples.

    Raises:
        ValueError: There is no such split, or the dataset is not built, or not so that
            its examples can be read by number; the message has the command.
        RuntimeError: When read in a process that was forked from one that had read:
            ArrayRecord would hang in it or end it.
    """
    check_split(split)
    if isinstance(dataset, str):
        dataset = open_builder(dataset, data_dir)
    _check_is_built(dataset)
    examples: Sequence[Any]
    if all(map(_is_plain, dataset.info.features.values())):
        method = tfds.decode.DeserializeMethod.RAW_BYTES
        records = dataset.as_data_source(split, deserialize_method=method)
        examples = _PlainExamples(records, dataset.info.features.get_serialized_info())
    else:
        examples = dataset.as_data_source(
            split, decoders={"image": tfds.decode.SkipDecoding()}
        )
    return DataSource(examples, range(len(examples)), transform)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class DataSource(Sequence):
    """The sequence that `data_source` returns.

    Attributes:
        examples: All examples of the split as they are stored.
        numbers: Which of them are in this sequence, in its order.
        transform: The function that makes an item of an example; None for the example.
    """

    examples: Sequence[dict[str, Any]]
    numbers: Sequence[int]
    transform: Callable[[dict[str, Any]], Any] | None = None
    # How many numbers were read without an epoch, and whether that was warned of.
    _plain: types.SimpleNamespace = dataclasses.field(
        default_factory=lambda: types.SimpleNamespace(reads=0, warned=False), init=False
    )

    def __len__(self) -> int:
        return len(self.numbers)

    @overload
    def __getitem__(self, key: Key) -> Any: ...
    @overload
    def __getitem__(self, key: slice) -> "DataSource": ...
    def __getitem__(self, key: Key | slice) -> Any:
        if isinstance(key, slice):
            return dataclasses.replace(self, numbers=self.numbers[key])
        return self.__getitems__([key])[0]

    def __getitems__(self, keys: Sequence[Key]) -> list[Any]:
        """Reads the items of a batch, as PyTorch's `DataLoader` asks for them."""
        examples = [self._example(key) for key in keys]
        if self.transform is None:
            return examples
        owner = getattr(self.transform, "__self__", self.transform)
        form = getattr(self.transform, "__name__", "features")
        if isinstance(owner, PoseTransform) and form in FORMS:
            return owner.many(examples, form=form)
        return list(map(self.transform, examples))

    def _example(self, key: Key) -> dict[str, Any]:
        epoch, number = key if isinstance(key, tuple) else (None, key)
        forks.check("ArrayRecord")
        example = {
            name: _as_arrays(value)
            for name, value in self.examples[self.numbers[number]].items()
        }
        if epoch is not None:
            example["epoch"] = np.int64(epoch)
        elif _is_seeded(self.transform):
            self._note_plain_read()
        return example

    def _note_plain_read(self) -> None:
        """Warns once of epochs that are all the same, as soon as there are epochs."""
        self._plain.reads += 1
        has_epochs = self._plain.reads > len(self) or _is_first_torch_worker()
        if has_epochs and not self._plain.warned:
            self._plain.warned = True
            warnings.warn(_SAME_EACH_EPOCH, stacklevel=5)

    def __repr__(self) -> str:
        return f"DataSource of {len(self)} examples, transform {self.transform!r}"

    def in_release_order(self) -> "DataSource":
        """Returns the same examples in the order of the release, which TFDS shuffles.

        Programs that keep predictions as they come, as HRNet's `validate()` does, then
        write them as scores and files expect them. It reads each example once, without
        decoding its image: a moment for validation. Processes that read it are to be
        spawned, or forked before.

        Raises:
            ValueError: The examples are not people of one split.
        """
        stored = dataclasses.replace(self, transform=None)
        places = [example.get("index", -1) for example in stored]
        if len({*places} - {-1}) < len(places):
            raise ValueError(
                "in_release_order sorts people of one split by their `index`, which "
                "people of two splits share and examples of the config image lack"
            )
        numbers = [self.numbers[place] for place in np.argsort(places)]
        return dataclasses.replace(self, numbers=numbers)

    def sampler(
        self,
        *,
        shuffle: bool = True,
        seed: int = 0,
        rank: int = 0,
        num_replicas: int = 1,
    ) -> "EpochSampler":
        """Returns the keys of this sequence, in another order in each epoch.

        Args:
            shuffle: Whether to shuffle; else keys come in the sequence's order.
            seed: Seed of the order: the same seed gives the same orders.
            rank: Number of this training process, from 0.
            num_replicas: Number of training processes. Each key goes to one of them. If
                shuffled, all get equally many keys, and other keys are left over in
                each epoch.
        """
        return EpochSampler(
            len(self), shuffle=shuffle, seed=seed, rank=rank, num_replicas=num_replicas
        )


class EpochSampler:
    """Pairs of epoch and number, a sampler for PyTorch.

    Each iteration is the next epoch. The training process alone counts the epochs, and
    workers get them with the numbers.

    Attributes:
        epoch: The epoch of the next iteration; set it to go on after a checkpoint.
    """

    def __init__(
        self, length: int, *, shuffle: bool, seed: int, rank: int, num_replicas: int
    ) -> None:
        if not 0 <= rank < num_replicas:
            raise ValueError(
                f"rank must be 0 to num_replicas - 1, got {rank} of {num_replicas}"
            )
        self.epoch = 0
        self._length, self._shuffle = length, shuffle
        self._seed = operator.index(seed) & 0xFFFFFFFFFFFFFFFF
        self._rank, self._num_replicas = rank, num_replicas

    def __len__(self) -> int:
        return len(self._part(range(self._length)))

    def __iter__(self) -> Iterator[tuple[int, int]]:
        # Counted once the first key is taken: PyTorch makes iterators it never uses.
        epoch, self.epoch = self.epoch, self.epoch + 1
        order: Sequence[int] = range(self._length)
        if self._shuffle:
            generator = np.random.default_rng([self._seed, epoch])
            order = generator.permutation(self._length).tolist()
        for number in self._part(order):
            yield epoch, number

    def set_epoch(self, epoch: int) -> None:
        """Sets the epoch of the next iteration, as PyTorch's trainers do."""
        self.epoch = epoch

    def _part(self, order: Sequence[int]) -> Sequence[int]:
        if self._shuffle:
            order = order[: self._length // self._num_replicas * self._num_replicas]
        return order[self._rank :: self._num_replicas]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class _PlainExamples(Sequence):
    """Examples of plain features, parsed in half of TFDS's time."""

    records: Sequence[bytes]
    specs: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, number: Any) -> Any:
        stored = tfds_private.Example.FromString(self.records[number]).features.feature
        example = {}
        for name, spec in self.specs.items():
            feature = stored[name]
            values = getattr(feature, feature.WhichOneof("kind")).value
            array = np.array(values, spec.np_dtype).reshape(spec.shape)
            example[name] = array if spec.shape else array.item()
        return example


def _is_plain(feature: Any) -> bool:
    """Returns whether a feature is stored as it is read, when no image is decoded."""
    stored, read = feature.get_serialized_info(), feature.get_tensor_info()
    is_tensor = isinstance(feature, tfds.features.Tensor) and stored == read
    return is_tensor or isinstance(feature, tfds.features.Image)


def open_builder(name: str, data_dir: str | None) -> tfds.core.DatasetBuilder:
    """Returns `tfds.builder` of a folder whose `~` is the user's home."""
    folder = None if data_dir is None else os.fspath(user_path(data_dir))
    return tfds.builder(name, data_dir=folder)


def check_split(split: Any) -> None:
    """Raises ValueError for what is no split, such as a list of them."""
    if not isinstance(split, str | tfds.core.ReadInstruction):
        raise ValueError(
            "split must be a text such as 'train', 'train[:90%]' or 'train+validation',"
            f" or a tfds.core.ReadInstruction, got {split!r}"
        )


def not_built(builder: tfds.core.DatasetBuilder, file_format: str = "") -> ValueError:
    """Returns the error for a dataset that is not built, with the command."""
    folder = builder.data_path.parents[2]
    infos = (folder / builder.name).glob("*/*/dataset_info.json")
    built = ", ".join(sorted({path.parents[1].name for path in infos})) or "nothing"
    return ValueError(
        f"{builder.name}/{builder.builder_config.name} is not built in {folder} (built "
        f"there: {built}). Build it{_command(builder, folder, file_format)}"
    )


def _command(
    builder: tfds.core.DatasetBuilder, folder: epath.Path, file_format: str
) -> str:
    """Ends the sentence "Build it": from what, and by which command."""
    config, where = builder.builder_config.name, os.fspath(folder)
    options = ["--file_format", file_format] if file_format else []
    words = shlex.join([*options, "--data_dir", where])
    if config in official.DATASET_BYTES:
        return (
            " from your copy of MPII in ~/mpii (--download in its place downloads "
            f"12.9 GB): python -m mpii_pose build {config} ~/mpii {words}"
        )
    if config == "synthetic":
        return f": python -m mpii_pose build {config} {words}"
    return (
        f": mpii_pose.Builder(config={config}, data_dir={where!r}, file_format="
        f"{file_format or None!r}).download_and_prepare()"
    )


def _check_is_built(builder: tfds.core.DatasetBuilder) -> None:
    """Raises ValueError unless examples can be read by number."""
    if not builder.info.splits:
        raise not_built(builder, _BY_NUMBER)
    formats = {each.value for each in builder.info.available_file_formats()}
    if formats & {"parquet", _BY_NUMBER}:
        return
    found, path = ", ".join(sorted(formats)), builder.data_path
    missing = " and ArrayRecord is not installed" * ("array_record" in formats)
    # In the same folder TFDS would refuse another format, or delete this one.
    folder = path.parents[2].with_name(f"{path.parents[2].name}_{_BY_NUMBER}")
    raise ValueError(
        f"{path} has {found} files, whose examples cannot be read by number{missing}. "
        "Pass another data_dir, and build it there"
        f"{_command(builder, folder, _BY_NUMBER)}"
    )


def _is_seeded(transform: Any) -> bool:
    """Returns whether a `PoseTransform`, or a method of one, augments by a seed."""
    transform = getattr(transform, "__self__", transform)
    return (
        isinstance(transform, PoseTransform)
        and transform.augmentation is not None
        and transform.seed is not None
    )


def _is_first_torch_worker() -> bool:
    """Returns whether this is PyTorch's worker 0, which may live for one epoch."""
    torch_data = sys.modules.get("torch.utils.data")
    worker = torch_data.get_worker_info() if torch_data else None
    return worker is not None and worker.id == 0


def _as_arrays(value: Any) -> Any:
    """Returns the features of a sequence as arrays, as `tfds.as_numpy` gives them."""
    if not isinstance(value, dict):
        return value
    return {name: np.asarray(values) for name, values in value.items()}
