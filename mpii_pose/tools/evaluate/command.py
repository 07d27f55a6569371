"""`python -m mpii_pose evaluate`: how good predictions are, and what is wrong."""

import argparse
from typing import Any

from mpii_pose.files import user_path
from mpii_pose.skeleton import SKELETONS

_EXAMPLES = """\
examples:
  python -m mpii_pose evaluate pred.mat ~/mpii
  python -m mpii_pose evaluate pred.mat mpii_annotations.json --html pred.html
  python -m mpii_pose evaluate new.npy ~/mpii --compare old.mat --html new.html
  python -m mpii_pose evaluate results.json ~/mpii --skeleton coco17

PREDICTIONS is pred.mat (HRNet, MMPose 0.x, pytorch-pose), preds.h5 (Hourglass), .npy or
.npz [N, 16, 2], all in index order, or COCO results (.json, with image_id). .mat and
.h5 count pixels from 1, the others from 0, unless --base says otherwise.
PATH is a folder with a copy of MPII or a file of annotations, as for `audit`. Images
are needed only for the pictures on the page.
"""


def add_parser(commands: Any) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "evaluate",
        help="score predictions, and compare two",
        description="Prints PCKh in each dialect with 95 % intervals, by slice, the "
        "kinds of errors and a constant offset; writes a page with the worst.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "predictions", type=user_path, metavar="PREDICTIONS", help="the file to score"
    )
    parser.add_argument(
        "path",
        type=user_path,
        metavar="PATH",
        nargs="?",
        help="a copy of MPII (default: this folder, else TFDS's manual downloads)",
    )
    parser.add_argument(
        "--compare", type=user_path, metavar="OTHER", help="predictions to compare with"
    )
    parser.add_argument(
        "--split", default="validation", help="whose predictions (default: %(default)s)"
    )
    parser.add_argument(
        "--base", type=int, choices=(0, 1), help="from which pixel the files count"
    )
    parser.add_argument(
        "--skeleton",
        choices=tuple(SKELETONS),
        default="mpii",
        help="of the files; of another than MPII's, the shared keypoints are scored",
    )
    parser.add_argument(
        "--images", type=user_path, metavar="DIR", help="the folder with the images"
    )
    parser.add_argument(
        "--html", type=user_path, metavar="FILE", help="write a page with pictures"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prints the scores and writes the page."""
    from mpii_pose.tools.evaluate.report import evaluate, format_report
    from mpii_pose.tools.evaluate.truth import default_path, read_truth

    truth = read_truth(
        args.path or default_path(), split_name=args.split, image_folder=args.images
    )
    report = evaluate(
        args.predictions,
        truth,
        compare=args.compare,
        base=args.base,
        skeleton=SKELETONS[args.skeleton],
    )
    print(format_report(report))
    if args.html:
        from mpii_pose.tools import pages
        from mpii_pose.tools.evaluate.page import render_page

        pages.write(args.html, render_page(report))
        print(f"\nWrote {args.html}")
    return 0
