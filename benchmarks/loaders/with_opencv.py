"""HRNet's recipe in two worker processes, as in PyTorch's DataLoader, and in grain.

Workers write batches into shared memory, as PyTorch's do: nothing is pickled but
numbers of batches.
"""

import multiprocessing
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np

from loaders.corpus import BATCH_SIZE, Corpus
from loaders.hrnet_recipe import CELLS, SIZE, read_example

NUM_WORKERS = 2
BATCHES_AHEAD = 2  # of each worker, PyTorch's default

Batch = tuple[np.ndarray, np.ndarray, np.ndarray]


def training_in_memory(corpus: Corpus) -> Iterator[Batch]:
    """From JPEG bytes in memory."""
    return _run_workers(corpus, from_files=False, train=True)


def training_from_files(corpus: Corpus) -> Iterator[Batch]:
    """From the JPEG files."""
    return _run_workers(corpus, from_files=True, train=True)


def evaluation_in_memory(corpus: Corpus) -> Iterator[Batch]:
    """From JPEG bytes in memory, without augmentation."""
    return _run_workers(corpus, from_files=False, train=False)


def training_with_grain(corpus: Corpus) -> Iterator[Any]:
    """The same function of an example in grain's threads."""
    import grain

    def transform(example: dict[str, Any], rng: np.random.Generator) -> Batch:
        return read_example(example["image"], example, rng=rng)

    cv2.setNumThreads(1)
    examples = [
        {**example, "image": np.frombuffer(example["image"], np.uint8)}
        for example in corpus.examples()
    ]
    dataset = (
        grain.MapDataset.source(examples)
        .seed(0)
        .repeat()
        .random_map(transform)
        .batch(BATCH_SIZE)
    )
    return iter(dataset.to_iter_dataset(grain.ReadOptions(prefetch_buffer_size=4)))


def _run_workers(corpus: Corpus, *, from_files: bool, train: bool) -> Iterator[Batch]:
    context = multiprocessing.get_context("fork")
    examples = corpus.examples()
    num_batches = len(examples) // BATCH_SIZE
    slots = [_shared_batch(context) for _ in range(NUM_WORKERS * BATCHES_AHEAD)]
    tasks, finished = context.Queue(), context.Queue()

    def work(worker: int) -> None:
        cv2.setNumThreads(1)
        rng = np.random.default_rng(worker) if train else None
        for slot, batch in iter(tasks.get, None):
            start = batch % num_batches * BATCH_SIZE
            for row, example in enumerate(examples[start : start + BATCH_SIZE]):
                if from_files:
                    path = corpus.images / example["image_name"].decode()
                    image = np.fromfile(path, np.uint8)
                else:
                    image = np.frombuffer(example["image"], np.uint8)
                parts = read_example(image, example, rng=rng)
                for values, part in zip(slots[slot], parts, strict=True):
                    values[row] = part
            finished.put(slot)

    for worker in range(NUM_WORKERS):
        context.Process(target=work, args=(worker,), daemon=True).start()
    for batch in range(len(slots)):
        tasks.put((batch, batch))
    return _collect(slots, tasks, finished)


def _collect(slots: list[Batch], tasks: Any, finished: Any) -> Iterator[Batch]:
    batch = len(slots)
    while True:
        slot = finished.get()
        yield slots[slot]
        tasks.put((slot, batch))
        batch += 1


def _shared_batch(context: Any) -> Batch:
    def array(shape: tuple[int, ...], code: str, dtype: Any) -> np.ndarray:
        memory = context.RawArray(code, int(np.prod(shape)))
        return np.frombuffer(memory, dtype).reshape(shape)

    return (
        array((BATCH_SIZE, SIZE, SIZE, 3), "B", np.uint8),
        array((BATCH_SIZE, 16, CELLS, CELLS), "f", np.float32),
        array((BATCH_SIZE, 16, 1), "f", np.float32),
    )
