"""`python -m mpii_pose doctor`: what is wrong, in words."""

import argparse
import sys
from typing import Any

from mpii_pose.files import user_path

_EXAMPLES = """\
examples:
  python -m mpii_pose doctor
  python -m mpii_pose doctor ~/mpii --data_dir /data/tensorflow_datasets
  python -m mpii_pose doctor ~/tensorflow_datasets

PATH is the folder that you would give to `tfds build --manual_dir`: it may hold the
official archives, what is in them, or a JSON copy of the annotations with images/.
Images are read as a build reads them, or their archive, which takes some minutes.
Or PATH is a prepared dataset, or a folder in which TFDS keeps some: every image of them
is decoded, which takes some minutes for all of MPII. Should TensorFlow stop with
"Invalid JPEG data", this names the image.
Exit code: 0 if nothing is wrong, 1 if there is a problem.
"""


def add_parser(commands: Any) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "doctor",
        help="check the installation, and a copy of MPII",
        description="Checks Python, packages and disk and, with PATH, whether that "
        "copy of MPII is whole and the original, or that dataset can be read.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "path",
        nargs="?",
        type=user_path,
        metavar="PATH",
        help="a copy of MPII, a dataset or a folder of datasets",
    )
    parser.add_argument(
        "--data_dir",
        type=user_path,
        metavar="DIR",
        help="where you build (default: PATH, if datasets are in it, or TFDS's)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prints how many problems there are, what they are, then what else was found."""
    from mpii_pose.tools.doctor.diagnosis import State
    from mpii_pose.tools.doctor.environment import check_environment
    from mpii_pose.tools.doctor.files import check_path, data_dir_of

    data_dir = args.data_dir or (args.path and data_dir_of(args.path))
    diagnoses = [*check_environment(data_dir)]
    if args.path is not None:
        print(f"Reading {args.path} ...", file=sys.stderr)
        diagnoses += check_path(args.path)
    problems = sum(diagnosis.state is State.PROBLEM for diagnosis in diagnoses)
    words = f"{problems} problem{'s' * (problems != 1)} found"
    print(words if problems else "All well")
    for state in State:
        for diagnosis in diagnoses:
            if diagnosis.state is state:
                print(diagnosis)
    return min(problems, 1)
