"""Heatmaps as they are defined, and places to put their tops."""

import numpy as np

SIZE = (64, 64)


def gaussians(cells, size=SIZE, sigma=2.0):
    """Maps [..., h, w, K] of Gaussians at `cells` [..., K, 2], (x, y) in cells."""
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float32)[..., np.newaxis]
    cells = np.asarray(cells, np.float32)[..., np.newaxis, np.newaxis, :, :]
    distance2 = (x - cells[..., 0]) ** 2 + (y - cells[..., 1]) ** 2
    return np.exp(-distance2 / (2 * sigma**2)).astype(np.float32)


def random_cells(shape=(5, 16), size=SIZE, margin=8.0, seed=0):
    random = np.random.default_rng(seed)
    high = np.array(size[::-1]) - 1 - margin
    return random.uniform(margin, high, (*shape, 2)).astype(np.float32)
