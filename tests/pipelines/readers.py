"""What tests let other processes read."""

import hashlib
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import psutil

from mpii_pose.pipelines.sources import DataSource


def digest(items: Iterable[Mapping[str, Any]]) -> str:
    """Returns a digest of all values of all items."""
    found = hashlib.sha256()
    for item in items:
        for name in sorted(item):
            found.update(np.asarray(item[name]).tobytes())
    return found.hexdigest()


def digests(source: DataSource) -> list[str]:
    """Returns the digest of each of two epochs, in the order of the source."""
    sampler = source.sampler(shuffle=False)
    return [digest(source[key] for key in sampler) for _ in range(2)]


def torch_digests(
    answer: Any, source: DataSource, start: str | None, workers: int, persistent: bool
) -> None:
    """Sends what `digests` returns, read by PyTorch's DataLoader."""
    from torch.utils.data import DataLoader

    loader = DataLoader(
        source,
        batch_size=None,
        sampler=source.sampler(shuffle=False),
        num_workers=workers,
        persistent_workers=persistent,
        multiprocessing_context=start,
    )
    answer.send([digest(loader) for _ in range(2)])


def modules_after_reading(source: DataSource) -> set[str]:
    """Returns which modules are there after an example was read."""
    assert source[0]
    return set(sys.modules)


def mebibytes_after_reading(source: DataSource, *times: int) -> list[float]:
    """Returns what memory the process has once all was read so often, and so often."""
    found = []
    for count in times:
        for epoch in range(count):
            for number in range(len(source)):
                source[epoch, number]
        found.append(psutil.Process().memory_info().rss / 2**20)
    return found
