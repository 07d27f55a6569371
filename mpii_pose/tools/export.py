"""Writes annotations, datasets or predictions in other formats.

Examples:
  python -m mpii_pose export coco ~/mpii ~/mpii_coco
  python -m mpii_pose export yolo ~/mpii ~/mpii_yolo
  python -m mpii_pose export croissant ~/data/mpii_pose/person/1.0.0 ~/mpii_tables
  python -m mpii_pose export submission pred.mat ~/mpii pred_keypoints_mpii.mat

`python -m mpii_pose export FORMAT --help` describes a format.
"""

import argparse
import inspect
from typing import Any

from mpii_pose.checks import MpiiPoseError
from mpii_pose.formats.coco import write_coco
from mpii_pose.formats.predictions import read_predictions
from mpii_pose.formats.submission import write_submission
from mpii_pose.formats.yolo import DATASET_FILE, write_yolo
from mpii_pose.release import find, official
from mpii_pose.release.split import VALIDATION_OTHERS
from mpii_pose.tools import people


def add_parser(commands: Any) -> None:
    """Adds the command, with a command of its own for each format."""
    text = "write annotations or predictions in other formats"
    parser = commands.add_parser("export", help=text, description=__doc__)
    formats = parser.add_subparsers(required=True, metavar="FORMAT")

    def add(name: str, run: Any, text: str) -> Any:
        added = formats.add_parser(name, help=text, description=inspect.getdoc(run))
        added.set_defaults(run=run)
        return added

    coco = add("coco", run_coco, "annotations as COCO keypoints JSON")
    coco.add_path("path", "PATH", "a copy of MPII, or a dataset's folder")
    coco.add_path("folder", "DIR", "where to write")

    yolo = add("yolo", run_yolo, "images and labels for YOLO-pose")
    yolo.add_path("path", "PATH", "a copy of MPII, or a dataset's folder")
    yolo.add_path("folder", "DIR", "where to write; must not exist")
    yolo.add_path("--images", "FOLDER", "the folder with the images")
    text = "copy the images instead of linking to them"
    yolo.add_argument("--copy", action="store_true", help=text)

    text = "a dataset as Parquet tables with a Croissant description"
    croissant = add("croissant", run_croissant, text)
    croissant.add_path("path", "PATH", "a dataset's folder, with its version")
    croissant.add_path("folder", "DIR", "where to write; must not exist")
    text = "those to write (default: all)"
    croissant.add_argument("--splits", nargs="+", metavar="SPLIT", help=text)

    text = "predictions as MPII's pred_keypoints_mpii.mat"
    submission = add("submission", run_submission, text)
    submission.add_path("predictions", "PRED", "pred.mat")
    submission.add_path("path", "PATH", "a copy of MPII, or its .mat")
    submission.add_path("output", "FILE", "where to write")
    text = "write predictions with problems too"
    submission.add_argument("--force", action="store_true", help=text)


def run_coco(args: argparse.Namespace) -> int:
    """Writes DIR/person_keypoints_SPLIT.json for each split, in COCO's form.

    Points are 0-based, visibility is 0, 1 or 2. Center, scale, head_box and others are
    in fields of their own.
    """
    release = people.read_people_of(args.path)
    args.folder.mkdir(parents=True, exist_ok=True)
    for split, group in release.people.items():
        path = args.folder / f"person_keypoints_{split}.json"
        write_coco(path, group, image_sizes=release.image_sizes)
        print(f"Wrote {len(group):,} people to {path}")
    if unknown := people.unknown_sizes(release):
        left_out = "width and height are left out, and boxes are not cut to them"
        print(f"{unknown}: their {left_out}.")
    return 0


def run_yolo(args: argparse.Namespace) -> int:
    """Writes DIR with images and labels that Ultralytics trains YOLO-pose on.

      yolo pose train data=DIR/mpii_pose.yaml model=yolo11n-pose.pt

    `train` and `val` are Tompson's split; val has the labels of all people of its
    images where the official .mat is read. Boxes hold keypoints and head box, with a
    margin. People whom MPII did not label are negatives. DIR appears once it is whole.
    Of a dataset, only the labels are read: --images names its release's images.
    """
    release = people.read_people_of(args.path, image_folder=args.images)
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
            f"The {release.source} has no {VALIDATION_OTHERS}: labelled "
            "people of validation images who are not on Tompson's list count as such."
        )
    print(f"Wrote {args.folder / DATASET_FILE}")
    return 0


def run_croissant(args: argparse.Namespace) -> int:
    """Writes DIR with the examples of a dataset that was built, as Parquet tables.

    The tables are DIR/SPLIT/*.parquet, with JPEGs in them; DIR/croissant.json describes
    them to `mlcroissant` and others. Any config can be written, and takes as much disk
    as the dataset. DIR appears once it is whole. Nothing is published, and MPII's terms
    hold for the copy: research only.
    """
    from mpii_pose.formats.croissant import DESCRIPTION_FILE, write_croissant

    dataset = people.open_dataset(args.path)
    counts = write_croissant(
        args.folder, dataset, read=people.read_examples, splits=args.splits
    )
    for split, count in counts.items():
        print(f"{split}: {count:,} examples")
    print(f"Wrote {args.folder / DESCRIPTION_FILE}")
    return 0


def run_submission(args: argparse.Namespace) -> int:
    """Writes predictions of the test people as the struct array `pred`, for MPII.

    PRED has `preds` [11731, 16, 2], 1-based, in index order; NaN for people who are not
    predicted. Checked are the number of people, NaN, their order, and x and y
    exchanged. Predictions with problems are written with --force only. Needs the
    official .mat.
    """
    found = find.find(args.path)
    if not found.sources and people.find_datasets(args.path):
        raise MpiiPoseError(
            f"{args.path} holds built datasets, and a submission is made of a release: "
            f"name the folder with {official.MATLAB_FILE}; drawn people's is in "
            "downloads/mpii_pose_synthetic/ of their data_dir"
        )
    source = found.source
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
