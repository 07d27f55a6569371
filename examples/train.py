"""Trains a network that finds keypoints, and prints its PCKh.

On drawn people, a small U-Net, minutes on a CPU:

    python examples/train.py

On MPII, "Simple Baselines" on a GPU (--config person_crop reads stored crops, which
takes a seventh of the disk; --score_config person then scores on full frames):

    python examples/train.py --config person --network ResNet50V2 --weights imagenet \
        --image_size 256 --sigma 2 --augmentation hrnet --batch_size 64 --epochs 140 \
        --learning_rate 1e-3 --precision mixed_float16

The same command again goes on after the last whole epoch in --output_dir, with batches
as at the very beginning; --epochs may be raised. Other options are refused there. There
are afterwards: options.json, log.csv, best.keras (by PCKh while training, or by loss
with --head simcc), pckh.md and pred.mat (of the last epoch; pckh_flip_test.md and
pred_flip_test.mat with --flip_test), backup/, from which it goes on, and with
--tensorboard its logs.
"""

import argparse
import functools
import json
import os
import pathlib
import shutil
import sys
from collections.abc import Sequence
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # 0 lets TensorFlow talk.

import mpii_pose

# isort: split
import keras
import networks
import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

AUGMENTATIONS = {
    "none": None,
    "light": mpii_pose.Augmentation(rotation=15.0, scale=0.1, flip=0.5),
    "hrnet": mpii_pose.Augmentation.hrnet(),
    "hourglass": mpii_pose.Augmentation.hourglass(),
}
LOSSES = {
    "divergence": networks.HeatmapDivergence,
    "squared": mpii_pose.HeatmapLoss,
}

OPTIONS_FILE = "options.json"
# What a training leaves in --output_dir, besides its options.
RESULTS = (
    "backup",
    "best.keras",
    "log.csv",
    "pckh.md",
    "pckh_flip_test.md",
    "pred.mat",
    "pred_flip_test.mat",
)
# Options that change where and how loudly a training runs, but not what is trained.
FREE_OPTIONS = (
    "data_dir",
    "distribute",
    "flip_test",
    "output_dir",
    "overwrite",
    "tensorboard",
    "verbose",
    "xla",
)


def main(arguments: Sequence[str] | None = None) -> mpii_pose.PCKhScores:
    """Trains, evaluates and returns the scores of the validation people."""
    options = parse(arguments)
    claim_output_dir(options)
    keras.utils.set_random_seed(options.seed)
    keras.mixed_precision.set_global_policy(options.precision)
    builder = tfds.builder(f"mpii_pose/{options.config}", data_dir=options.data_dir)
    transform = crops(options)
    train = mpii_pose.input_pipeline(
        "train",
        options.batch_size,
        transform=crops(options, training=True).supervised,
        dataset=builder,
        seed=options.seed,
    )
    people = builder.info.splits["train"].num_examples
    steps = options.steps_per_epoch or max(1, people // options.batch_size)
    scored = builder
    if options.score_config:
        scored = f"mpii_pose/{options.score_config}"
    found = {"dataset": scored, "data_dir": options.data_dir}
    validation = mpii_pose.input_pipeline(
        "validation", options.batch_size, transform=transform.supervised, **found
    )
    print(f"Training on {len(tf.config.list_physical_devices('GPU')) or 'no'} GPU")
    with strategy(options).scope():
        model = compiled_network(options, num_steps=steps * options.epochs)
    model.fit(
        train,
        steps_per_epoch=steps,
        epochs=options.epochs,
        validation_data=validation,
        shuffle=False,  # Keras would shuffle; the pipeline has.
        callbacks=callbacks(options),
        verbose=options.verbose,
    )
    people_to_find = mpii_pose.input_pipeline(
        "validation", options.batch_size, transform=transform, **found
    )
    scores, predicted = evaluate(model, people_to_find, options)
    how = "_flip_test" if options.flip_test else ""
    mpii_pose.write_predictions(options.output_dir / f"pred{how}.mat", predicted)
    (options.output_dir / f"pckh{how}.md").write_text(f"{scores}\n")
    print(scores)
    print(f"Wrote {options.output_dir / 'best.keras'}, the network of the best epoch,")
    print(f"and of the last epoch pckh{how}.md and pred{how}.mat beside it. Next:")
    if options.head == "heatmaps":
        best = options.output_dir / "best.keras"
        print(f"python -m mpii_pose predict {best} photo.jpg")
    print(f"python -m mpii_pose evaluate {options.output_dir}/pred{how}.mat RELEASE")
    return scores


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Returns the options of the command line; the defaults are the notebook's."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--config", default="synthetic", help="of the dataset; MPII itself is person")
    add("--score_config", help="of the people to validate on (default: --config)")
    add("--data_dir", help="where TFDS keeps datasets (default: ~/tensorflow_datasets)")
    add("--output_dir", type=pathlib.Path, default=pathlib.Path("runs/mpii_pose"))
    add("--overwrite", action="store_true", help="remove results in --output_dir first")
    add("--network", choices=("unet", *networks.BACKBONES), default="unet")
    add("--weights", help="of the backbone: imagenet, or a file (default: random)")
    add("--head", choices=("heatmaps", "simcc"), default="heatmaps")
    add("--loss", choices=LOSSES, default="divergence", help="of heatmaps")
    add("--augmentation", choices=AUGMENTATIONS, default="light")
    add("--image_size", type=int, default=128, help="of the crop; a multiple of 32")
    add("--sigma", type=float, default=1.5, help="of the targets, in heatmap cells")
    add("--batch_size", type=int, default=32, help="over all replicas")
    add("--epochs", type=int, default=20)
    add("--steps_per_epoch", type=int, help="default: each person once")
    add("--learning_rate", type=float, default=2e-3, help="at first; falls to 0")
    add("--seed", type=int, default=0)
    add("--precision", default="float32", help="or mixed_float16, mixed_bfloat16")
    add("--distribute", action="store_true", help="over all GPUs (MirroredStrategy)")
    add(
        "--xla",
        action=argparse.BooleanOptionalAction,
        default=bool(tf.config.list_physical_devices("GPU")),
        help="compile the network; pays on GPUs, not on CPUs",
    )
    add("--flip_test", action="store_true", help="evaluate on mirrored crops too")
    add("--tensorboard", action="store_true", help="log to it too; install it before")
    add("--verbose", type=int, default=1, help="2 prints one line for each epoch")
    options = parser.parse_args(arguments)
    if options.image_size % 32:
        parser.error(f"--image_size must be a multiple of 32, got {options.image_size}")
    return options


def claim_output_dir(options: argparse.Namespace) -> None:
    """Makes the output folder one of a training with these options, or exits.

    Nothing is changed in a folder that holds results of other options, unless they are
    to be overwritten.
    """
    folder = options.output_dir
    if options.overwrite:
        for name in (*RESULTS, OPTIONS_FILE, "tensorboard"):
            path = folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    wanted = {
        name: value for name, value in vars(options).items() if name not in FREE_OPTIONS
    }
    kept = [folder / name for name in RESULTS]
    if any(path.is_dir() or (path.exists() and path.stat().st_size) for path in kept):
        check_options(folder, wanted)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / OPTIONS_FILE).write_text(json.dumps(wanted, indent=2) + "\n")


def check_options(folder: pathlib.Path, wanted: dict[str, Any]) -> None:
    """Exits unless the results in a folder are of the wanted options.

    A training may go on for more epochs than it was begun with.
    """
    try:
        kept = dict(json.loads((folder / OPTIONS_FILE).read_text()))
    except (OSError, TypeError, ValueError):
        problem = (
            f"{folder} holds results, but {OPTIONS_FILE} does not say with which "
            f"options they were made."
        )
    else:
        differences = "; ".join(
            f"--{name} is {value}, was {kept.get(name)}"
            for name, value in wanted.items()
            if value != kept.get(name)
            and not (name == "epochs" and value > kept.get(name, value))
        )
        if not differences:
            return
        problem = f"{folder} holds a training with other options: {differences}."
    sys.exit(
        f"train.py: {problem}\nChoose another --output_dir, or start anew in this one "
        f"with --overwrite, which removes its results."
    )


def crop_spec(options: argparse.Namespace) -> mpii_pose.CropSpec:
    """Returns what crops are, and heatmaps a quarter of their size."""
    return mpii_pose.CropSpec(
        image_size=(options.image_size, options.image_size),
        heatmap_size=(options.image_size // 4, options.image_size // 4),
        sigma=options.sigma,
    )


def crops(
    options: argparse.Namespace, *, training: bool = False
) -> mpii_pose.PoseTransform:
    """Returns the transform to crops and what is learnt of them."""
    return mpii_pose.PoseTransform(
        crop_spec(options),
        targets=options.head,
        augmentation=AUGMENTATIONS[options.augmentation] if training else None,
        seed=options.seed,
    )


def strategy(options: argparse.Namespace) -> tf.distribute.Strategy:
    """Returns where the network is trained."""
    if options.distribute:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def compiled_network(options: argparse.Namespace, *, num_steps: int) -> keras.Model:
    """Returns the network with loss, metric and a learning rate that falls to 0."""
    spec, is_simcc = crop_spec(options), options.head == "simcc"
    if options.network == "unet":
        model = networks.unet(spec.image_size)
    else:
        model = networks.on_backbone(
            options.network, spec.image_size, weights=options.weights
        )
    if is_simcc:
        model = networks.with_simcc(model, spec.simcc_bins)
    rate = keras.optimizers.schedules.CosineDecay(options.learning_rate, num_steps)
    model.compile(
        optimizer=keras.optimizers.Adam(rate),
        loss=mpii_pose.SimCCLoss() if is_simcc else LOSSES[options.loss](),
        # Keras passes a metric one output alone, and SimCC has two.
        metrics=None if is_simcc else [mpii_pose.PCKh(spec=spec)],
        jit_compile=options.xla,
    )
    return model


def callbacks(options: argparse.Namespace) -> list[keras.callbacks.Callback]:
    """Returns what keeps checkpoints and logs, and goes on from them."""
    folder = options.output_dir
    best = ("val_loss", "min") if options.head == "simcc" else ("val_pckh", "max")
    found = [
        keras.callbacks.BackupAndRestore(folder / "backup", delete_checkpoint=False),
        keras.callbacks.ModelCheckpoint(
            folder / "best.keras", monitor=best[0], mode=best[1], save_best_only=True
        ),
        keras.callbacks.CSVLogger(folder / "log.csv", append=True),
    ]
    if options.tensorboard:
        found.append(keras.callbacks.TensorBoard(folder / "tensorboard"))
    return found


def evaluate(
    model: keras.Model, examples: tf.data.Dataset, options: argparse.Namespace
) -> tuple[mpii_pose.PCKhScores, np.ndarray]:
    """Scores a network on people of known head size.

    Args:
        model: From crops to heatmaps, or to SimCC's logits.
        examples: Batches of what a `PoseTransform` without augmentation returns.
        options: Of the command line.

    Returns:
        The scores, and keypoints float32 [N, 16, 2], (x, y) in pixels of the full
        image, in `index` order.
    """
    spec = crop_spec(options)
    metric = mpii_pose.PCKh(spec=spec)
    network = predict = tf.function(lambda images: model(images, training=False))
    if options.flip_test:
        predict = functools.partial(mpii_pose.flip_test, network, spec=spec)
    indices, predicted = [], []
    for batch in examples:
        predicted_maps = predict(batch["image"])
        if options.head == "simcc":
            keypoints, _ = mpii_pose.decode_simcc(*predicted_maps, spec=spec)
        else:
            keypoints, _ = mpii_pose.decode_heatmaps(predicted_maps, spec=spec)
        metric.update_state(batch, keypoints)
        indices.append(batch["index"])
        predicted.append(mpii_pose.crop_to_frame(keypoints, batch["crop_to_image"]))
    order = np.argsort(np.concatenate(indices))
    return metric.scores(), np.concatenate(predicted)[order]


if __name__ == "__main__":
    main()
