"""HRNet's recipe in two worker processes, as in PyTorch's DataLoader, and in grain.

Workers write batches into shared memory, as PyTorch's do: nothing is pickled but
numbers of batches.
"""

import multiprocessing
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import cv2
import numpy as np

import mpii_pose
from loaders.corpus import BATCH_SIZE, EPOCHS, Corpus
from loaders.hrnet_recipe import CELLS, SIZE, normalize, read_example

NUM_WORKERS = 2
BATCHES_AHEAD = 2  # of each worker, PyTorch's default

Batch = tuple[np.ndarray, np.ndarray, np.ndarray]


def training_in_memory(corpus: Corpus) -> "Workers":
    """From JPEG bytes in memory."""
    return Workers(corpus, from_files=False, train=True)


def training_in_memory_float(corpus: Corpus) -> "Workers":
    """From JPEG bytes in memory, images normalized to float32."""
    return Workers(corpus, from_files=False, train=True, dtype=np.float32)


def training_from_files(corpus: Corpus) -> "Workers":
    """From the JPEG files."""
    return Workers(corpus, from_files=True, train=True)


def evaluation_in_memory(corpus: Corpus) -> "Workers":
    """From JPEG bytes in memory, without augmentation."""
    return Workers(corpus, from_files=False, train=False)


def training_with_grain(corpus: Corpus) -> Iterable[Any]:
    """The same function of an example in grain's threads."""
    return _with_grain(corpus.examples())


def training_with_grain_from_files(corpus: Corpus) -> Iterable[Any]:
    """The same, which reads the ArrayRecord files that `with_sources` reads."""
    builder = corpus.builder(file_format="array_record")
    return _with_grain(mpii_pose.data_source(corpus.split, dataset=builder))


def _with_grain(examples: Sequence[dict[str, Any]]) -> Iterable[Any]:
    import grain

    def transform(example: dict[str, Any], rng: np.random.Generator) -> Batch:
        image = np.frombuffer(example["image"], np.uint8)
        return read_example(image, example, rng=rng)

    cv2.setNumThreads(1)
    dataset = grain.MapDataset.source(examples).seed(0).repeat(EPOCHS)
    return dataset.random_map(transform).batch(BATCH_SIZE).to_iter_dataset()


class Workers:
    """Processes that make batches in turn, in shared memory."""

    def __init__(
        self, corpus: Corpus, *, from_files: bool, train: bool, dtype: Any = np.uint8
    ) -> None:
        self._corpus, self._examples = corpus, corpus.examples()
        self._from_files, self._train = from_files, train
        context = multiprocessing.get_context("fork")
        slots = range(NUM_WORKERS * BATCHES_AHEAD)
        self._slots = [_shared_batch(context, dtype) for _ in slots]
        self._tasks, self._finished = context.Queue(), context.Queue()
        for worker in range(NUM_WORKERS):
            context.Process(target=self._work, args=(worker,), daemon=True).start()

    def __iter__(self) -> Iterator[Batch]:
        num_batches = len(self._examples) // BATCH_SIZE
        batches = iter(list(range(num_batches)) * EPOCHS)
        for slot, batch in zip(range(len(self._slots)), batches, strict=False):
            self._tasks.put((slot, batch))
        for _ in range(num_batches * EPOCHS):
            slot = self._finished.get()
            yield self._slots[slot]
            if (batch := next(batches, None)) is not None:
                self._tasks.put((slot, batch))

    def _work(self, worker: int) -> None:
        cv2.setNumThreads(1)
        rng = np.random.default_rng(worker) if self._train else None
        while True:
            slot, batch = self._tasks.get()
            start = batch * BATCH_SIZE
            examples = self._examples[start : start + BATCH_SIZE]
            for row, example in enumerate(examples):
                parts = read_example(self._jpeg(example), example, rng=rng)
                for values, part in zip(self._slots[slot], parts, strict=True):
                    if values.dtype != part.dtype:
                        part = normalize(part)
                    values[row] = part
            self._finished.put(slot)

    def _jpeg(self, example: dict[str, Any]) -> np.ndarray:
        if self._from_files:
            return np.fromfile(self._corpus.file(example), np.uint8)
        return np.frombuffer(example["image"], np.uint8)


def _shared_batch(context: Any, dtype: Any) -> Batch:
    def array(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        num_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
        return np.frombuffer(context.RawArray("B", num_bytes), dtype).reshape(shape)

    return (
        array((BATCH_SIZE, SIZE, SIZE, 3), dtype),
        array((BATCH_SIZE, 16, CELLS, CELLS), np.float32),
        array((BATCH_SIZE, 16, 1), np.float32),
    )
