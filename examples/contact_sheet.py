"""Draws examples of a dataset with their skeletons, on one picture; builds it before.

python examples/contact_sheet.py --config synthetic --output contact_sheet.png
"""

import argparse
import pathlib

import tensorflow_datasets as tfds

import mpii_pose


def main() -> None:
    """Builds what is not built, prints what is there, and writes the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", default="synthetic")
    parser.add_argument("--data_dir", help="default: ~/tensorflow_datasets")
    parser.add_argument("--split", default="train")
    parser.add_argument("--count", type=int, default=16)
    parser.add_argument("--output", type=pathlib.Path, default="contact_sheet.png")
    options = parser.parse_args()

    builder = tfds.builder(f"mpii_pose/{options.config}", data_dir=options.data_dir)
    builder.download_and_prepare()
    print(f"mpii_pose/{options.config} is in {builder.data_dir}:")
    for name, split in builder.info.splits.items():
        print(
            f"  {name}: {split.num_examples} people in {split.num_shards} shards, "
            f"{split.num_bytes / 1e6:.1f} MB"
        )
    count = min(options.count, builder.info.splits[options.split].num_examples)
    dataset = mpii_pose.input_pipeline(  # It reads files of any format.
        f"{options.split}[:{count}]",
        batch_size=1,
        training=False,
        dataset=builder,
        transform=dict,
        decoders={},
    )
    examples = list(tfds.as_numpy(dataset.unbatch()))
    sheet = mpii_pose.contact_sheet(
        [
            mpii_pose.draw_pose(
                example["image"],
                example["keypoints"],
                example["visibility"],
                head_box=example["head_box"],
            )
            for example in examples
        ],
        captions=[
            f"{example['image_name'].decode()} {example['activity'].decode()}"
            for example in examples
        ],
    )
    sheet.save(options.output)
    print(f"Examples with their skeletons are drawn in {options.output.resolve()}")


if __name__ == "__main__":
    main()
