"""HRNet's loader as published: PyTorch's `DataLoader` with torchvision's transforms.

After leoxiaobin/deep-high-resolution-net.pytorch, `tools/train.py` and `tools/test.py`:
the recipe of `hrnet_recipe`, `ToTensor` and `Normalize`, and all that
`JointsDataset.__getitem__` hands on, collated by two workers.
"""

import copy
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import torch
from torchvision import transforms

from loaders import hrnet_recipe
from loaders.corpus import BATCH_SIZE, EPOCHS, Corpus
from loaders.with_opencv import NUM_WORKERS


def training_in_memory(corpus: Corpus) -> torch.utils.data.DataLoader:
    """From JPEG bytes in memory."""
    return _loader(People(corpus, from_files=False, train=True))


def training_from_files(corpus: Corpus) -> torch.utils.data.DataLoader:
    """From the JPEG files."""
    return _loader(People(corpus, from_files=True, train=True))


def training_from_crops(corpus: Corpus) -> torch.utils.data.DataLoader:
    """From JPEG files of the stored crops."""
    return _loader(People(corpus.crops, from_files=True, train=True))


def training_dataset_alone(corpus: Corpus) -> "InThisProcess":
    """What the class gives for each stored crop: no workers, no batches."""
    return InThisProcess(People(corpus.crops, from_files=True, train=True))


def training_recipe_alone(corpus: Corpus) -> "InThisProcess":
    """The same without `ToTensor` and `Normalize`."""
    people = People(corpus.crops, from_files=True, train=True, normalize=False)
    return InThisProcess(people)


def evaluation_in_memory(corpus: Corpus) -> torch.utils.data.DataLoader:
    """From JPEG bytes in memory, without augmentation."""
    return _loader(People(corpus, from_files=False, train=False))


def evaluation_from_files(corpus: Corpus) -> torch.utils.data.DataLoader:
    """From the JPEG files, without augmentation."""
    return _loader(People(corpus, from_files=True, train=False))


def evaluation_from_crops(corpus: Corpus) -> torch.utils.data.DataLoader:
    """From JPEG files of the stored crops, without augmentation."""
    return _loader(People(corpus.crops, from_files=True, train=False))


def evaluation_dataset_alone(corpus: Corpus) -> "InThisProcess":
    """What the class gives for each stored crop, without augmentation."""
    return InThisProcess(People(corpus.crops, from_files=True, train=False))


class People(torch.utils.data.Dataset):
    """Every example some times, as `JointsDataset` gives it."""

    def __init__(
        self, corpus: Corpus, *, from_files: bool, train: bool, normalize: bool = True
    ) -> None:
        self._corpus, self._examples = corpus, corpus.examples()
        self._from_files, self._train = from_files, train
        if from_files:
            for example in self._examples:
                del example["image"]
        steps = [
            transforms.ToTensor(),
            transforms.Normalize(hrnet_recipe.MEAN, hrnet_recipe.DEVIATION),
        ]
        self._transform = transforms.Compose(steps if normalize else [])

    def __len__(self) -> int:
        return EPOCHS * len(self._examples)

    def __getitem__(self, position: int) -> tuple[Any, ...]:
        example = copy.deepcopy(self._examples[position % len(self._examples)])
        rng = np.random.default_rng(position) if self._train else None
        name = example["image_name"].decode()
        if self._from_files:
            image = np.fromfile(self._corpus.file(example), np.uint8)
        else:
            image = np.frombuffer(example["image"], np.uint8)
        crop, heatmaps, weights = hrnet_recipe.read_example(image, example, rng=rng)
        meta = {
            "image": name,
            "filename": "",
            "imgnum": "",
            "joints": example["keypoints"],
            "joints_vis": example["visibility"],
            "center": example["center"],
            "scale": example["scale"],
            "rotation": 0,
            "score": 1,
        }
        targets = torch.from_numpy(heatmaps), torch.from_numpy(weights)
        return self._transform(crop), *targets, meta


class InThisProcess:
    """Items one by one, as many as fill batches, in one thread."""

    def __init__(self, people: People) -> None:
        cv2.setNumThreads(1)
        torch.set_num_threads(1)
        self._people = people

    def __iter__(self) -> Iterator[list[Any]]:
        for start in range(0, len(self._people), BATCH_SIZE):
            yield [self._people[start + row] for row in range(BATCH_SIZE)]


def _loader(people: People) -> torch.utils.data.DataLoader:
    # The workers are kept between epochs, which is cheaper than HRNet's way.
    return torch.utils.data.DataLoader(
        people,
        batch_size=BATCH_SIZE,
        num_workers=NUM_WORKERS,
        persistent_workers=True,
        worker_init_fn=lambda _: cv2.setNumThreads(1),
        multiprocessing_context="fork",
    )
