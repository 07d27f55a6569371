"""Trains on stored crops and on full frames of drawn people, and scores on frames.

    python benchmarks/train_on_crops.py --folder /tmp/mpii_pose_crops

For each seed, two networks that differ in what they were trained on alone; both are
scored on the full frames of the same validation people. Prints PCKh and the difference
with its 95 % interval, paired over people, for each seed and for all of them together.
"""

import argparse
import pathlib
import sys
from typing import Any

import mpii_pose

# isort: split
import numpy as np

EXAMPLES = str(pathlib.Path(__file__).parents[1] / "examples")


def main() -> None:
    """Parses the command line, trains and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=pathlib.Path, required=True)
    parser.add_argument("--num_people", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--image_size", type=int, default=128)
    parser.add_argument(
        "--pixels", type=int, default=160, help="stored per person square"
    )
    options = parser.parse_args()
    sys.path.append(EXAMPLES)
    import train

    frames, crops = build(options)
    found: dict[str, list[np.ndarray]] = {frames: [], crops: []}
    labels = read_labels(options.folder, frames)
    for seed in range(options.seeds):
        for config, predictions in found.items():
            output = options.folder / f"{config}_{seed}"
            arguments = {
                "config": config,
                "score_config": frames,
                "data_dir": options.folder,
                "output_dir": output,
                "seed": seed,
                "epochs": options.epochs,
                "image_size": options.image_size,
                "verbose": 0,
            }
            train.main([f"--{name}={value}" for name, value in arguments.items()])
            predictions.append(mpii_pose.read_predictions(output / "pred.mat"))
        print(f"seed {seed}: {compare(found[crops][-1:], found[frames][-1:], labels)}")
    print(f"all seeds: {compare(found[crops], found[frames], labels)}", flush=True)


def build(options: argparse.Namespace) -> tuple[str, str]:
    """Builds the same people as frames and as crops, and returns the configs' names."""
    from mpii_pose.mpii_pose_dataset_builder import PoseConfig

    layouts = {
        "drawn_frames": "person",
        "drawn_crops": {"name": "person_crop", "pixels": options.pixels},
    }
    for name, layout in layouts.items():
        config = PoseConfig(name=name, num_people=options.num_people, layout=layout)
        mpii_pose.Builder(data_dir=options.folder, config=config).download_and_prepare()
    frames, crops = layouts
    return frames, crops


def read_labels(folder: pathlib.Path, config: str) -> dict[str, np.ndarray]:
    """Returns what scores need of the validation people, in index order."""
    import tensorflow_datasets as tfds

    dataset = tfds.load(f"mpii_pose/{config}", data_dir=folder, split="validation")
    people = sorted(tfds.as_numpy(dataset), key=lambda example: example["index"])
    names = ("keypoints", "visibility", "head_size", "image_name")
    return {name: np.array([person[name] for person in people]) for name in names}


def compare(
    crops: list[np.ndarray], frames: list[np.ndarray], labels: dict[str, np.ndarray]
) -> Any:
    """Compares networks of one seed or more, as if each had people of its own."""
    repeated = {
        name: np.concatenate([values] * len(crops)) for name, values in labels.items()
    }
    return mpii_pose.compare_pckh(
        np.concatenate(crops),
        np.concatenate(frames),
        repeated["keypoints"],
        repeated["visibility"],
        repeated["head_size"],
        # All seeds of an image are drawn together.
        images=repeated["image_name"],
    )


if __name__ == "__main__":
    main()
