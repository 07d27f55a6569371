"""`python -m mpii_pose audit`: what is wrong with the annotations."""

import argparse
from typing import Any

from mpii_pose.files import user_path

_EXAMPLES = """\
examples:
  python -m mpii_pose audit ~/mpii
  python -m mpii_pose audit ~/mpii --html audit.html --examples 24
  python -m mpii_pose audit mpii_annotations.json.gz --images ~/mpii/images

PATH is a folder with a copy of MPII or a file of annotations: the official .mat,
mpii_annotations.json (CPM, pytorch-pose), train.json or valid.json (HRNet, MMPose),
or the folder of a dataset that was built (tensorflow_datasets/mpii_pose/image/1.0.0).
Images are looked for in the usual places there; without them the poses are drawn alone.
Nothing is corrected: everybody evaluates on the labels as they are.
"""


def add_parser(commands: Any) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "audit",
        help="count and show defects of the annotations",
        description="Counts keypoints outside images or crops, keypoints at the same "
        "place, impossible head sizes and suspected left/right swaps; shows the worst.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("path", type=user_path, metavar="PATH", help="a copy of MPII")
    parser.add_argument(
        "--images", type=user_path, metavar="DIR", help="the folder with the images"
    )
    parser.add_argument(
        "--html",
        type=user_path,
        metavar="FILE",
        help="write a page with pictures of the worst cases",
    )
    parser.add_argument(
        "--examples",
        type=_count,
        default=12,
        metavar="N",
        help="pictures for each kind of defect (default: %(default)s)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prints the counts and writes the page."""
    from mpii_pose.tools.audit.report import audit_release, format_audit

    audit = audit_release(args.path, image_folder=args.images)
    print(format_audit(audit))
    if args.html:
        from mpii_pose.tools import pages
        from mpii_pose.tools.audit.page import render_page

        pages.write(args.html, render_page(audit, max_examples=args.examples))
        print(f"\nWrote {args.html}")
    return 0


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be 0 or more, got {text}")
    return int(text)
