"""Trains the notebook's network in JAX, without TensorFlow, and prints its PCKh.

    python examples/train_jax.py

The network is a Keras one on JAX's backend, used as the pure function that it is there.
"""

import os
import random
from collections.abc import Sequence
from typing import Any

os.environ["KERAS_BACKEND"] = "jax"

import jax
import keras
import networks
import numpy as np
import recipe

import mpii_pose


def main(arguments: Sequence[str] | None = None) -> mpii_pose.PCKhScores:
    """Trains, evaluates and returns the scores of the validation people."""
    options = recipe.parse(__doc__, arguments)
    train, validation = recipe.sources(options)
    # Of Keras's seeds; its own function would import TensorFlow.
    random.seed(options.seed)
    network = networks.unet(recipe.SPEC.image_size, width=options.width)
    loss = networks.HeatmapDivergence()
    steps = len(train) // recipe.BATCH_SIZE
    rate = keras.optimizers.schedules.CosineDecay(
        recipe.LEARNING_RATE, steps * options.epochs
    )
    optimizer = keras.optimizers.Adam(rate)
    optimizer.build(network.trainable_variables)
    variables, statistics, moments = (
        [variable.value for variable in each]
        for each in (
            network.trainable_variables,
            network.non_trainable_variables,
            optimizer.variables,
        )
    )

    def error(variables: Any, statistics: Any, batch: dict[str, Any]) -> Any:
        heatmaps, statistics = network.stateless_call(
            variables, statistics, batch["image"], training=True
        )
        return loss(batch["heatmaps"], heatmaps, batch["weights"]), statistics

    @jax.jit
    def step(variables: Any, statistics: Any, moments: Any, batch: Any) -> Any:
        (value, statistics), gradients = jax.value_and_grad(error, has_aux=True)(
            variables, statistics, batch
        )
        variables, moments = optimizer.stateless_apply(moments, gradients, variables)
        return value, variables, statistics, moments

    sampler = train.sampler(seed=options.seed)
    for epoch in range(options.epochs):
        keys, values = list(sampler), []
        for start in range(0, steps * recipe.BATCH_SIZE, recipe.BATCH_SIZE):
            examples = [train[key] for key in keys[start : start + recipe.BATCH_SIZE]]
            batch = {
                name: np.stack([example[name] for example in examples])
                for name in ("image", "heatmaps", "weights")
            }
            value, variables, statistics, moments = step(
                variables, statistics, moments, batch
            )
            values.append(float(value))
        print(f"epoch {epoch + 1}: loss {np.mean(values):.3f}", flush=True)

    @jax.jit
    def predict(image: Any) -> Any:
        return network.stateless_call(variables, statistics, image, training=False)[0]

    scores = recipe.score(lambda image: np.asarray(predict(image)), validation)
    print(scores)
    return scores


if __name__ == "__main__":
    main()
