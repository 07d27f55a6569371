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
from loaders.corpus import BATCH_SIZE, EPOCHS, Corpus
from loaders.with_opencv import NUM_WORKERS


def training_in_memory(corpus: Corpus) -> torch.utils.data.DataLoader:
    """From JPEG bytes in memory."""
    return _loader(People(corpus, from_files=False, train=True))


def training_from_files(corpus: Corpus) -> torch.utils.data.DataLoader:
    """From the JPEG files."""
    return _loader(People(corpus, from_files=True, train=True))


def evaluation_in_memory(corpus: Corpus) -> torch.utils.data.DataLoader:
    """From JPEG bytes in memory, without augmentation."""
    return _loader(People(corpus, from_files=False, train=False))


class People(torch.utils.data.Dataset):
    """Every example some times, as `JointsDataset` gives it."""

    def __init__(self, corpus: Corpus, *, from_files: bool, train: bool) -> None:
        self._corpus, self._examples = corpus, corpus.examples()
        self._from_files, self._train = from_files, train
        self._transform = transforms.Compose(
            [
                transforms.ToTensor(),
                transforms.Normalize(hrnet_recipe.MEAN, hrnet_recipe.DEVIATION),
            ]
        )

    def __len__(self) -> int:
        return EPOCHS * len(self._examples)

    def __getitem__(self, position: int) -> tuple[Any, ...]:
        example = copy.deepcopy(self._examples[position % len(self._examples)])
        rng = np.random.default_rng(position) if self._train else None
        name = example["image_name"].decode()
        if self._from_files:
            image = np.fromfile(self._corpus.images / name, np.uint8)
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
