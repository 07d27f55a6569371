"""Parses the command line and runs a command.

A command is a module with `add_parser(commands)`, which sets `run` to a function that
takes the parsed arguments and returns the exit code. Modules import what they run when
they run it, so that `--help` is quick.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from mpii_pose.checks import MpiiPoseError
from mpii_pose.tools import export, predict
from mpii_pose.tools.audit import command as audit
from mpii_pose.tools.doctor import command as doctor
from mpii_pose.tools.evaluate import command as evaluate

COMMANDS = (doctor, audit, evaluate, predict, export)

_EXAMPLES = """\
examples:
  python -m mpii_pose doctor                  is everything installed?
  python -m mpii_pose doctor ~/mpii           is this copy of MPII whole, and MPII's?
  python -m mpii_pose audit ~/mpii            what is wrong with the annotations?
  python -m mpii_pose evaluate pred.mat ~/mpii   how good are these predictions?
  python -m mpii_pose predict model.keras photo.jpg  where are the keypoints?
  python -m mpii_pose export coco ~/mpii out  annotations as COCO keypoints JSON

`python -m mpii_pose COMMAND --help` says more. Building the dataset is TFDS's own:
  tfds build mpii_pose/synthetic --imports mpii_pose
"""


# Exit codes of a shell for what ended by signal 2 (Ctrl-C) and 13 (a closed pipe).
_INTERRUPTED, _NOBODY_READS = 130, 141
_NOTHING_ASKED = 2  # As of argparse.


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit code.

    What files and users cause is printed as a line; our own mistakes are raised.

    Args:
        arguments: Those of the command line, by default.
    """
    parser = make_parser()
    if not (sys.argv[1:] if arguments is None else arguments):
        parser.print_help(sys.stderr)
        return _NOTHING_ASKED
    args = parser.parse_args(arguments)
    try:
        code = args.run(args)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print("\nInterrupted", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:  # By `| head`: let Python write the rest nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _NOBODY_READS
    except (OSError, ValueError) as error:
        if not isinstance(error, OSError | MpiiPoseError):
            raise
        print(f"error: {_words(error)}", file=sys.stderr)
        return 1


def _words(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error)


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
