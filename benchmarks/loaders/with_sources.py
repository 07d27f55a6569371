"""`data_source` in PyTorch's DataLoader, and in grain, from ArrayRecord files.

PyTorch's has two workers, as HRNet's loader in `with_torch`; they do not import
TensorFlow.
"""

from collections.abc import Iterable
from typing import Any

import mpii_pose
from loaders.corpus import BATCH_SIZE, EPOCHS, Corpus, InThisProcess

# As of `with_opencv`, which imports OpenCV.
NUM_WORKERS = 2

TRAINING = mpii_pose.PoseTransform(augmentation=mpii_pose.Augmentation.hrnet(), seed=0)
TRAINING_UINT8 = mpii_pose.PoseTransform(
    augmentation=mpii_pose.Augmentation.hrnet(), seed=0, image_dtype="uint8"
)
EVALUATION = mpii_pose.PoseTransform()


def loader(corpus: Corpus, *, train: bool = False) -> Iterable[Any]:
    """What HRNet's code takes, by two spawned workers."""
    from torch.utils.data import DataLoader

    people = _people(corpus, (TRAINING if train else EVALUATION).hrnet)
    return DataLoader(
        people,
        batch_size=BATCH_SIZE,
        sampler=_keys(people),
        num_workers=NUM_WORKERS,
        persistent_workers=True,
        multiprocessing_context="spawn",
    )


def alone(corpus: Corpus, *, train: bool = False) -> Iterable[Any]:
    """The same in this process, in lists instead of batches."""
    people = _people(corpus, (TRAINING if train else EVALUATION).hrnet)
    return InThisProcess(people, _keys(people))


def training_in_grain(corpus: Corpus) -> Iterable[Any]:
    """uint8 crops in grain's threads, as `with_opencv` makes them."""
    import grain

    people = _people(corpus, TRAINING_UINT8)
    keys = grain.MapDataset.range(len(people)).repeat(EPOCHS)
    dataset = keys.map_with_index(
        lambda position, number: people[position // len(people), number]
    )
    return dataset.batch(BATCH_SIZE).to_iter_dataset()


def _keys(people: Any) -> list[tuple[int, int]]:
    """Returns epoch and number of all items of all epochs, as one epoch."""
    return [(epoch, number) for epoch in range(EPOCHS) for number in range(len(people))]


def _people(corpus: Corpus, transform: Any) -> Any:
    builder = corpus.builder(file_format="array_record")
    return mpii_pose.data_source(corpus.split, dataset=builder, transform=transform)
