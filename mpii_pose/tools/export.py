"""`python -m mpii_pose export`: other formats."""

import argparse
from typing import Any

from mpii_pose.files import user_path

_EXAMPLES = """\
examples:
  python -m mpii_pose export coco ~/mpii ~/mpii_coco
  python -m mpii_pose export yolo ~/mpii ~/mpii_yolo
  python -m mpii_pose export croissant ~/data/mpii_pose/person/1.0.0 ~/mpii_tables
  python -m mpii_pose export submission pred.mat ~/mpii pred_keypoints_mpii.mat
"""
_COCO = """\
Writes DIR/person_keypoints_SPLIT.json for each split: COCO's keypoints format, 0-based,
visibility 0, 1, 2, and center, scale, head_box and others in fields of their own.
"""
_YOLO = """\
Writes DIR with images and labels that Ultralytics trains YOLO-pose on:
  yolo pose train data=DIR/mpii_pose.yaml model=yolo11n-pose.pt
`train` and `val` are Tompson's split; val has the labels of all people of its images
where the official .mat is read. Boxes hold keypoints and head box, with a margin.
People whom MPII did not label are negatives. Nothing half-written is left as DIR.
"""
_CROISSANT = """\
Writes DIR with the examples of a dataset that was built, of any config, as Parquet
tables (DIR/SPLIT/*.parquet, JPEGs in them), and DIR/croissant.json, which describes
them to `mlcroissant` and others. As large as the dataset. Nothing half-written is left
as DIR. Nothing is published, and MPII's terms hold for the copy: research only.
"""
_SUBMISSION = """\
Turns predictions of the test people (`preds` [11731, 16, 2], 1-based, in index order;
NaN for people who are not predicted) into the struct array `pred` that MPII evaluates,
and checks them: number, NaN, order, x and y exchanged. Where something is wrong nothing
is written, unless by --force. Needs the official .mat.
"""


def add_parser(commands: Any) -> None:
    """Adds the command."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = commands.add_parser(
        "export",
        help="write annotations or predictions in other formats",
        description="Writes annotations or predictions in other formats.",
        epilog=_EXAMPLES,
        formatter_class=raw,
    )
    formats = parser.add_subparsers(required=True, metavar="FORMAT")
    coco = formats.add_parser(
        "coco",
        help="annotations as COCO keypoints JSON",
        description=_COCO,
        formatter_class=raw,
    )
    coco.add_argument(
        "path",
        type=user_path,
        metavar="PATH",
        help="a copy of MPII, or a dataset's folder",
    )
    coco.add_argument("folder", type=user_path, metavar="DIR", help="where to write")
    coco.set_defaults(run=run_coco)
    yolo = formats.add_parser(
        "yolo",
        help="images and labels for YOLO-pose",
        description=_YOLO,
        formatter_class=raw,
    )
    yolo.add_argument("path", type=user_path, metavar="PATH", help="a copy of MPII")
    yolo.add_argument(
        "folder", type=user_path, metavar="DIR", help="where to write; must not exist"
    )
    yolo.add_argument(
        "--images", type=user_path, metavar="FOLDER", help="the folder with the images"
    )
    yolo.add_argument(
        "--copy", action="store_true", help="copy the images instead of linking to them"
    )
    yolo.set_defaults(run=run_yolo)
    croissant = formats.add_parser(
        "croissant",
        help="a dataset as Parquet tables with a Croissant description",
        description=_CROISSANT,
        formatter_class=raw,
    )
    croissant.add_argument(
        "path",
        type=user_path,
        metavar="PATH",
        help="a dataset's folder, with its version",
    )
    croissant.add_argument(
        "folder", type=user_path, metavar="DIR", help="where to write; must not exist"
    )
    croissant.add_argument(
        "--splits", nargs="+", metavar="SPLIT", help="those to write (default: all)"
    )
    croissant.set_defaults(run=run_croissant)
    submission = formats.add_parser(
        "submission",
        help="predictions as MPII's pred_keypoints_mpii.mat",
        description=_SUBMISSION,
        formatter_class=raw,
    )
    submission.add_argument(
        "predictions", type=user_path, metavar="PRED", help="pred.mat"
    )
    submission.add_argument(
        "path", type=user_path, metavar="PATH", help="a copy of MPII, or its .mat"
    )
    submission.add_argument(
        "output", type=user_path, metavar="FILE", help="where to write"
    )
    submission.add_argument(
        "--force", action="store_true", help="write predictions with problems too"
    )
    submission.set_defaults(run=run_submission)


def run_coco(args: argparse.Namespace) -> int:
    """Writes a file for each split."""
    from mpii_pose.formats.coco import write_coco
    from mpii_pose.tools.people import read_people_of

    release = read_people_of(args.path)
    args.folder.mkdir(parents=True, exist_ok=True)
    for split, people in release.people.items():
        path = args.folder / f"person_keypoints_{split}.json"
        write_coco(path, people, image_sizes=release.image_sizes)
        print(f"Wrote {len(people):,} people to {path}")
    if unknown := len(release.images_of_unknown_size):
        print(
            f"{unknown:,} images are missing or cannot be read: their width and height "
            "are left out, and boxes are not cut to them."
        )
    return 0


def run_yolo(args: argparse.Namespace) -> int:
    """Writes images and labels."""
    from mpii_pose.formats.yolo import DATASET_FILE, write_yolo
    from mpii_pose.release.release import read_sized_people
    from mpii_pose.release.split import VALIDATION_OTHERS

    release = read_sized_people(args.path, image_folder=args.images)
    if release.image_folder is None:
        raise FileNotFoundError(
            f"No images beside {args.path}; name their folder with --images"
        )
    counts = write_yolo(
        args.folder,
        release.people,
        image_folder=release.image_folder,
        image_sizes=release.image_sizes,
        copy=args.copy,
    )
    for split, (num_images, num_people) in counts.items():
        print(f"{split}: {num_people:,} people in {num_images:,} images")
    print("People without labels in these images are negatives to YOLO.")
    if VALIDATION_OTHERS not in release.people:
        print(
            f"The {release.source.kind.value} has no {VALIDATION_OTHERS}: labelled "
            "people of validation images who are not on Tompson's list count as such."
        )
    print(f"Wrote {args.folder / DATASET_FILE}")
    return 0


def run_croissant(args: argparse.Namespace) -> int:
    """Writes tables and their description."""
    from mpii_pose.formats.croissant import DESCRIPTION_FILE, write_croissant
    from mpii_pose.tools.datasets import open_dataset, read_examples

    counts = write_croissant(
        args.folder, open_dataset(args.path), read=read_examples, splits=args.splits
    )
    for split, count in counts.items():
        print(f"{split}: {count:,} examples")
    print(f"Wrote {args.folder / DESCRIPTION_FILE}")
    return 0


def run_submission(args: argparse.Namespace) -> int:
    """Writes the submission and prints what is wrong with it."""
    from mpii_pose.formats.predictions import read_predictions
    from mpii_pose.formats.submission import write_submission
    from mpii_pose.release import find, official

    source = find.find(args.path).source
    if source.kind is not find.SourceKind.MATLAB:
        raise FileNotFoundError(
            f"{args.path}: a submission needs the official .mat, "
            f"{official.MATLAB_FILE}, found {source}"
        )
    problems = write_submission(
        args.output,
        read_predictions(args.predictions),
        matlab_file=source.files["all"],
        force=args.force,
    )
    for problem in problems:
        print(f"PROBLEM  {problem}")
    print(f"Wrote {args.output}")
    return 0
