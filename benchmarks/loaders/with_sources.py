"""`data_source` in PyTorch's DataLoader, and in grain, from ArrayRecord files.

PyTorch's has two workers, as HRNet's loader in `with_torch`; they do not import
TensorFlow.
"""

from collections.abc import Iterable
from typing import Any

import mpii_pose
from loaders.corpus import BATCH_SIZE, EPOCHS, Corpus

# As of `with_opencv`, which imports OpenCV.
NUM_WORKERS = 2

TRAINING = mpii_pose.PoseTransform(augmentation=mpii_pose.Augmentation.hrnet(), seed=0)
TRAINING_UINT8 = mpii_pose.PoseTransform(
    augmentation=mpii_pose.Augmentation.hrnet(), seed=0, image_dtype="uint8"
)
EVALUATION = mpii_pose.PoseTransform()


def training_in_torch(corpus: Corpus) -> Iterable[Any]:
    """What HRNet's code takes, by two spawned workers."""
    return _loader(corpus, TRAINING)


def evaluation_in_torch(corpus: Corpus) -> Iterable[Any]:
    """The same without augmentation."""
    return _loader(corpus, EVALUATION)


def training_from_crops_in_torch(corpus: Corpus) -> Iterable[Any]:
    """From stored crops."""
    return _loader(corpus.crops, TRAINING)


def evaluation_from_crops_in_torch(corpus: Corpus) -> Iterable[Any]:
    """From stored crops, without augmentation."""
    return _loader(corpus.crops, EVALUATION)


def training_in_grain(corpus: Corpus) -> Iterable[Any]:
    """uint8 crops in grain's threads, as `with_opencv` makes them."""
    import grain

    people = _people(corpus, TRAINING_UINT8)
    keys = grain.MapDataset.range(len(people)).repeat(EPOCHS)
    dataset = keys.map_with_index(
        lambda position, number: people[position // len(people), number]
    )
    return dataset.batch(BATCH_SIZE).to_iter_dataset()


def _loader(corpus: Corpus, transform: mpii_pose.PoseTransform) -> Iterable[Any]:
    from torch.utils.data import DataLoader

    people = _people(corpus, transform.hrnet)
    # All epochs as one, as `with_torch` has them.
    keys = [(epoch, i) for epoch in range(EPOCHS) for i in range(len(people))]
    return DataLoader(
        people,
        batch_size=BATCH_SIZE,
        sampler=keys,
        num_workers=NUM_WORKERS,
        persistent_workers=True,
        multiprocessing_context="spawn",
    )


def _people(corpus: Corpus, transform: Any) -> Any:
    builder = corpus.builder(file_format="array_record")
    return mpii_pose.data_source(corpus.split, dataset=builder, transform=transform)
