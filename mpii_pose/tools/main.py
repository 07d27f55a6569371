"""Parses the command line and runs a command.

A command is a module with `add_parser(commands)`, which sets `run` to a function that
takes the parsed arguments and returns the exit code. Modules import what they run when
they run it, so that `--help` is quick.
"""

import argparse
import sys
from collections.abc import Sequence

from mpii_pose.tools import export
from mpii_pose.tools.audit import command as audit
from mpii_pose.tools.doctor import command as doctor

COMMANDS = (doctor, audit, export)

_EXAMPLES = """\
examples:
  python -m mpii_pose doctor                  is everything installed?
  python -m mpii_pose doctor ~/mpii           is this copy of MPII whole, and MPII's?
  python -m mpii_pose audit ~/mpii            what is wrong with the annotations?
  python -m mpii_pose export coco ~/mpii out  annotations as COCO keypoints JSON

`python -m mpii_pose COMMAND --help` says more. Building the dataset is TFDS's own:
  tfds build mpii_pose/synthetic --imports mpii_pose
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit code.

    Args:
        arguments: Those of the command line, by default.
    """
    args = make_parser().parse_args(arguments)
    try:
        return args.run(args)
    except (OSError, ValueError) as error:  # Files that are missing, or lie.
        print(f"error: {error}", file=sys.stderr)
        return 1


def make_parser() -> argparse.ArgumentParser:
    """Returns the parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="python -m mpii_pose",
        description="Looks at and converts the MPII Human Pose dataset.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(commands)
    return parser
