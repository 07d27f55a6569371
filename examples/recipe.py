"""What `train_pytorch.py` and `train_jax.py` share: the notebook's people and crops.

`train.py` has the same defaults, so all three train the same network.
"""

import argparse
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

import mpii_pose

SPEC = mpii_pose.CropSpec(image_size=(128, 128), heatmap_size=(32, 32), sigma=1.5)
LIGHT = mpii_pose.Augmentation(rotation=15.0, scale=0.1, flip=0.5)
LEARNING_RATE = 2e-3
BATCH_SIZE = 32


def parse(
    description: str | None, arguments: Sequence[str] | None
) -> argparse.Namespace:
    """Returns the options of the command line."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--config", default="synthetic", help="of the dataset; MPII itself is person")
    add(
        "--data_dir",
        help="TFDS's folder (default: ~/tensorflow_datasets); what is not there as "
        "array_record is read, and synthetic built, in DATA_DIR_array_record",
    )
    add("--epochs", type=int, default=20)
    add("--width", type=int, default=24, help="channels after the first layer")
    add("--workers", type=int, default=2, help="processes that read (PyTorch)")
    add("--seed", type=int, default=0)
    return parser.parse_args(arguments)


def sources(options: argparse.Namespace) -> tuple[Any, Any]:
    """Returns people to train on and to score; draws them if they are not there."""
    name = f"mpii_pose/{options.config}"
    builder = tfds.builder(name, data_dir=options.data_dir)
    if not builder.is_prepared() or builder.info.file_format.value == "tfrecord":
        # Beside TensorFlow's files, as TFDS has one format in a folder.
        folder = f"{builder.data_dir_root}_array_record"
        builder = tfds.builder(name, data_dir=folder, file_format="array_record")
    if options.config == "synthetic":
        builder.download_and_prepare()
    return tuple(
        mpii_pose.data_source(split, dataset=builder, transform=transform)
        for split, transform in {
            "train": mpii_pose.PoseTransform(
                SPEC, augmentation=LIGHT, seed=options.seed
            ),
            "validation": mpii_pose.PoseTransform(SPEC),
        }.items()
    )


def score(network: Callable[[np.ndarray], np.ndarray], people: Any) -> Any:
    """Returns PCKh of a function from images [1, H, W, 3] to heatmaps [1, h, w, 16]."""
    found, truth, visibility, head_size = [], [], [], []
    for person in people:
        heatmaps = network(person["image"][None])
        keypoints, _ = mpii_pose.decode_heatmaps(heatmaps, spec=SPEC)
        in_frame = (keypoints[0], person["keypoints"])
        predicted, true = (
            mpii_pose.crop_to_frame(points[None], person["crop_to_image"][None])[0]
            for points in in_frame
        )
        found.append(predicted)
        truth.append(true)
        visibility.append(person["visibility"])
        head_size.append(person["head_size"])
    return mpii_pose.pckh(found, truth, visibility, head_size)
