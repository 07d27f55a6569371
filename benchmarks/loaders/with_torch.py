"""HRNet's loader as published: PyTorch's `DataLoader` with torchvision's transforms.

After leoxiaobin/deep-high-resolution-net.pytorch, `tools/train.py` and `tools/test.py`:
the recipe of `hrnet_recipe`, `ToTensor` and `Normalize`, and all that
`JointsDataset.__getitem__` hands on, collated by two workers.
"""

import copy
from typing import Any

import cv2
import numpy as np
import torch
from torchvision import transforms

from loaders import hrnet_recipe
from loaders.corpus import BATCH_SIZE, EPOCHS, Corpus, InThisProcess
from loaders.with_opencv import NUM_WORKERS


def loader(
    corpus: Corpus, *, train: bool = False, from_files: bool = False
) -> torch.utils.data.DataLoader:
    """Batches by two workers, of JPEG files, or of their bytes in memory."""
    return torch.utils.data.DataLoader(
        People(corpus, from_files=from_files, train=train),
        batch_size=BATCH_SIZE,
        num_workers=NUM_WORKERS,
        persistent_workers=True,  # Cheaper than HRNet's way.
        worker_init_fn=lambda _: cv2.setNumThreads(1),
        multiprocessing_context="fork",
    )


def alone(
    corpus: Corpus, *, train: bool = False, normalize: bool = False
) -> InThisProcess:
    """What the class gives for each file: no workers, no batches.

    Without `normalize`, it leaves `ToTensor` and `Normalize` out.
    """
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    people = People(corpus, from_files=True, train=train, normalize=normalize)
    return InThisProcess(people, range(len(people)))


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
