"""`python -m mpii_pose export`: other formats."""

import argparse
from typing import Any

_EXAMPLES = """\
examples:
  python -m mpii_pose export coco ~/mpii ~/mpii_coco
  python -m mpii_pose export submission pred.mat ~/mpii pred_keypoints_mpii.mat
"""
_COCO = """\
Writes DIR/person_keypoints_SPLIT.json for each split: COCO's keypoints format, 0-based,
visibility 0, 1, 2, and center, scale, head_box and others in fields of their own.
"""
_SUBMISSION = """\
Turns predictions of the test people (`preds` [11731, 16, 2], 1-based, in index order;
NaN for people who are not predicted) into the struct array `pred` that MPII evaluates,
and checks them: number, NaN, order, x and y exchanged. Needs the official .mat.
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
    coco.add_argument("path", metavar="PATH", help="a copy of MPII")
    coco.add_argument("directory", metavar="DIR", help="where to write")
    coco.set_defaults(run=run_coco)
    submission = formats.add_parser(
        "submission",
        help="predictions as MPII's pred_keypoints_mpii.mat",
        description=_SUBMISSION,
        formatter_class=raw,
    )
    submission.add_argument("predictions", metavar="PRED", help="pred.mat")
    submission.add_argument("path", metavar="PATH", help="a copy of MPII, or its .mat")
    submission.add_argument("output", metavar="FILE", help="where to write")
    submission.set_defaults(run=run_submission)


def run_coco(args: argparse.Namespace) -> int:
    """Writes a file for each split."""
    from etils import epath

    from mpii_pose.formats.coco import write_coco
    from mpii_pose.release.release import read_sized_people

    release = read_sized_people(args.path)
    directory = epath.Path(args.directory)
    directory.mkdir(parents=True, exist_ok=True)
    for split, people in release.people.items():
        path = directory / f"person_keypoints_{split}.json"
        write_coco(path, people, image_sizes=release.image_sizes)
        print(f"Wrote {len(people):,} people to {path}")
    return 0


def run_submission(args: argparse.Namespace) -> int:
    """Writes the submission and prints what is wrong with it."""
    from mpii_pose.formats import predictions, submission
    from mpii_pose.release import find

    source = find.find_source(args.path)
    if source.kind is not find.SourceKind.MATLAB:
        raise ValueError(f"{args.path}: a submission needs the official .mat")
    matlab_file = source.files["all"]
    predicted = predictions.read_predictions(args.predictions)
    submission.write_submission(args.output, predicted, matlab_file=matlab_file)
    problems = submission.check_submission(args.output, matlab_file=matlab_file)
    for problem in problems:
        print(f"PROBLEM  {problem}")
    print(f"Wrote {args.output}")
    return min(len(problems), 1)
