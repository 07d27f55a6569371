"""Builds a dataset of MPII, or of drawn people, as `tfds build` does.

Examples:
  python -m mpii_pose build synthetic
  python -m mpii_pose build person ~/mpii
  python -m mpii_pose build person_crop ~/mpii --file_format array_record
  python -m mpii_pose build image --download --data_dir /data/tensorflow_datasets

CONFIG is person (a person, with the full image), person_crop (with a reduced crop),
image (an image, with all its people) or synthetic (drawn people, without a release).
RELEASE is a folder with a copy of MPII: the official archives, what is in them, or a
JSON copy of the annotations with images/. Apache Beam is not needed, and TensorFlow
only for tfrecord. `tfds build` has more options.
"""

import argparse
import importlib.util
import shlex
from typing import Any

from mpii_pose.checks import MpiiPoseError
from mpii_pose.release import official

SYNTHETIC = "synthetic"
CONFIGS = (*official.DATASET_BYTES, SYNTHETIC)
# Of files -> the package that writes them.
FORMATS = {
    "tfrecord": "tensorflow",
    "array_record": "array_record",
    "parquet": "pyarrow",
}


def add_parser(commands: Any) -> None:
    """Adds the command."""
    text = "build a dataset for TFDS"
    parser = commands.add_parser("build", help=text, description=__doc__)
    text = f"one of {', '.join(CONFIGS)} (default: %(default)s)"
    options = {"default": SYNTHETIC, "choices": CONFIGS, "metavar": "CONFIG"}
    parser.add_argument("config", nargs="?", help=text, **options)
    parser.add_path("release", "RELEASE", "a copy of MPII", nargs="?")
    text = "download the official archives, 12.9 GB, unless there is a RELEASE"
    parser.add_argument("--download", action="store_true", help=text)
    parser.add_path("--data_dir", "DIR", "where to build (default: TFDS's folder)")
    text = "tfrecord (the default, where TensorFlow is), array_record or parquet"
    options = {"choices": [*FORMATS], "metavar": "FORMAT"}
    parser.add_argument("--file_format", help=text, **options)
    text = "build again what is there"
    parser.add_argument("--overwrite", action="store_true", help=text)
    text = "build the first N examples of each split"
    parser.add_argument("--max_examples_per_split", type=int, metavar="N", help=text)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Builds the dataset unless it is there, and prints where and what it is."""
    from mpii_pose.mpii_pose_dataset_builder import Builder

    options = {"config": args.config, "data_dir": args.data_dir}
    builder = Builder(**options)
    is_built = builder.is_prepared()
    if is_built:
        file_format = builder.info.file_format.value
    else:
        has_tensorflow = importlib.util.find_spec("tensorflow")
        file_format = "tfrecord" if has_tensorflow else "array_record"
    wanted = args.file_format or file_format
    if is_built and wanted != file_format:
        raise MpiiPoseError(
            f"{builder.data_path} is there as {file_format}. Build {wanted} beside it, "
            "with another --data_dir; or remove it first: rm -r "
            f"{shlex.quote(str(builder.data_path))}"
        )
    if args.overwrite or not is_built:
        if importlib.util.find_spec(FORMATS[wanted]) is None:
            raise MpiiPoseError(
                f"{wanted} needs {FORMATS[wanted]}: pip install {FORMATS[wanted]}, or "
                f"choose another --file_format: {', '.join(FORMATS)}"
            )
        builder = Builder(**options, file_format=wanted)
        _build(builder, args)
        print(f"Built: {builder.data_path}")
    else:
        print(f"Already there (--overwrite builds again): {builder.data_path}")
    if builder.info.metadata.get("drawn") and args.config != SYNTHETIC:
        print("The people are drawn: none of them is MPII's")
    for name, split in builder.info.splits.items():
        print(f"{name}: {split.num_examples:,} examples")
    return 0


def _build(builder: Any, args: argparse.Namespace) -> None:
    import tensorflow_datasets as tfds

    count, drawn = args.max_examples_per_split, args.config == SYNTHETIC
    if count is not None and count < 1:
        raise MpiiPoseError(f"--max_examples_per_split must be 1 or more, got {count}")
    if drawn and args.release:
        raise MpiiPoseError(
            f"{SYNTHETIC} is drawn, and takes no release: {args.release}"
        )
    if not (drawn or args.release or args.download):
        raise MpiiPoseError(
            f"{args.config} is built from a copy of MPII. Name its folder: python -m "
            f"mpii_pose build {args.config} RELEASE\nor let it be downloaded, 12.9 GB, "
            f"with --download. {SYNTHETIC} needs no copy."
        )
    config = tfds.download.DownloadConfig(
        manual_dir=args.release, max_examples_per_split=count
    )
    if args.overwrite:
        config.download_mode = tfds.download.GenerateMode.REUSE_CACHE_IF_EXISTS
    builder.download_and_prepare(download_config=config)
