"""Draws the pictures of the guides, of drawn people only.

python docs/draw_pictures.py --output docs/pictures
"""

import argparse
import pathlib
import tempfile
from collections.abc import Sequence

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

import mpii_pose
from mpii_pose import mpii_pose_dataset_builder

NUM_PEOPLE, SEED = 60, 1  # The same people in each run.
COLUMNS = 4
TILE = (220, 220)


def main(arguments: Sequence[str] | None = None) -> None:
    """Builds a small drawn dataset in a temporary folder and draws from it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=pathlib.Path, default="docs/pictures")
    output = parser.parse_args(arguments).output
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as data_dir:
        examples = read_examples(data_dir)
    for name, picture in {
        "people.png": draw_people(examples),
        "crops.png": draw_crops(examples),
    }.items():
        # A palette makes the files a third as large.
        picture.quantize(128).save(output / name, optimize=True)


def read_examples(data_dir: str) -> Sequence[dict]:
    """Returns people of the training split, as NumPy, in the order of `index`."""
    config = mpii_pose_dataset_builder.PoseConfig(
        name="pictures", num_people=NUM_PEOPLE, seed=SEED
    )
    builder = mpii_pose.Builder(data_dir=data_dir, config=config)
    builder.download_and_prepare()
    examples = tfds.as_numpy(builder.as_dataset(split="train"))
    return sorted(examples, key=lambda example: example["index"])


def draw_people(examples: Sequence[dict]) -> Image.Image:
    """Draws people with their skeletons, close up, with the least black around them."""
    images = [np.asarray(mpii_pose.draw_example(each)["image"]) for each in examples]
    images.sort(key=lambda image: np.mean(image.max(axis=2) == 0))
    return sheet(images[: 2 * COLUMNS])


def draw_crops(examples: Sequence[dict]) -> Image.Image:
    """Draws crops of training above their heatmaps."""
    transform = mpii_pose.PoseTransform(
        augmentation=mpii_pose.Augmentation.hrnet(), image_dtype="uint8", seed=0
    )
    crops = [transform(example) for example in examples[:COLUMNS]]
    images = [np.asarray(crop["image"]) for crop in crops]
    heatmaps = [
        mpii_pose.draw_heatmaps(image, np.asarray(crop["heatmaps"]))
        for image, crop in zip(images, crops, strict=True)
    ]
    return sheet([*images, *heatmaps])


def sheet(images: Sequence) -> Image.Image:
    """Arranges square images in rows."""
    return mpii_pose.contact_sheet(images, columns=COLUMNS, tile_size=TILE)


if __name__ == "__main__":
    main()
