"""Trains the notebook's network in PyTorch, without TensorFlow, and prints its PCKh.

    python examples/train_pytorch.py

The network is a Keras one on PyTorch's backend, where it is a `torch.nn.Module` like
any other; so are loader, loop and optimizer.
"""

import os
import random
from collections.abc import Sequence

os.environ["KERAS_BACKEND"] = "torch"

import networks
import numpy as np
import recipe
import torch
from torch.utils.data import DataLoader

import mpii_pose


def main(arguments: Sequence[str] | None = None) -> mpii_pose.PCKhScores:
    """Trains, evaluates and returns the scores of the validation people."""
    options = recipe.parse(__doc__, arguments)
    train, validation = recipe.sources(options)
    loader = DataLoader(
        train,
        recipe.BATCH_SIZE,
        sampler=train.sampler(seed=options.seed),
        drop_last=True,
        num_workers=options.workers,
        persistent_workers=options.workers > 0,
        multiprocessing_context="spawn" if options.workers else None,
    )
    # Of Keras's seeds, by which it makes the weights.
    random.seed(options.seed)
    network = networks.unet(recipe.SPEC.image_size, width=options.width)
    loss = networks.HeatmapDivergence()
    optimizer = torch.optim.Adam(network.parameters(), recipe.LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
        optimizer, len(loader) * options.epochs
    )
    for epoch in range(options.epochs):
        network.train()
        values = []
        for batch in loader:
            heatmaps = network(batch["image"], training=True)
            value = loss(batch["heatmaps"], heatmaps, batch["weights"])
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            schedule.step()
            values.append(value.item())
        print(f"epoch {epoch + 1}: loss {np.mean(values):.3f}", flush=True)

    network.eval()

    def predict(image: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return network(torch.from_numpy(image), training=False).numpy()

    scores = recipe.score(predict, validation)
    print(scores)
    return scores


if __name__ == "__main__":
    main()
