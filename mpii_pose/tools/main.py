"""Parses the command line and runs a command.

A command is a module with `add_parser(commands)`, which sets `run` to a function from
the parsed arguments to the exit code. The module's docstring is what `--help` prints.
"""

import argparse
import inspect
import io
import os
import sys
from collections.abc import Sequence
from typing import Any

from mpii_pose.checks import MpiiPoseError
from mpii_pose.files import user_path
from mpii_pose.tools import audit, doctor, evaluate, export, predict

COMMANDS = (doctor, audit, evaluate, predict, export)

_DESCRIPTION = """\
Checks, scores and converts the MPII Human Pose dataset.

Examples:
  python -m mpii_pose doctor                  is everything installed?
  python -m mpii_pose doctor ~/mpii           is this copy of MPII whole, and MPII's?
  python -m mpii_pose audit ~/mpii            what is wrong with the annotations?
  python -m mpii_pose evaluate pred.mat ~/mpii   how good are these predictions?
  python -m mpii_pose predict model.keras photo.jpg  where are the keypoints?
  python -m mpii_pose export coco ~/mpii out  annotations as COCO keypoints JSON

`python -m mpii_pose COMMAND --help` describes a command. TFDS builds the dataset:
  tfds build mpii_pose/synthetic --imports mpii_pose
"""

# Exit codes: argparse's, and a shell's after the signals 2 (Ctrl-C) and 13 (a pipe
# whose reader is gone).
_NO_COMMAND, _INTERRUPTED, _CLOSED_PIPE = 2, 130, 141


class Parser(argparse.ArgumentParser):
    """A parser whose description is printed line by line, as it is written."""

    def __init__(self, *, description: str | None = None, **options: Any) -> None:
        super().__init__(
            description=inspect.cleandoc(description or ""),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            **options,
        )

    def add_path(self, name: str, metavar: str, text: str, **options: Any) -> None:
        """Adds an argument that is a path, in which `~` is the user's home."""
        self.add_argument(name, metavar=metavar, help=text, type=user_path, **options)


def make_parser() -> Parser:
    """Returns the parser of the whole command line."""
    parser = Parser(prog="python -m mpii_pose", description=_DESCRIPTION)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit code.

    Errors that files and users cause are printed as one line. Other errors are ours and
    are raised. By default `arguments` are those of the command line.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    if isinstance(sys.stdout, io.TextIOWrapper):  # Print "?" for what ASCII lacks.
        sys.stdout.reconfigure(errors="replace")
    parser = make_parser()
    if not arguments:
        parser.print_help(sys.stderr)
        return _NO_COMMAND
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
        return _CLOSED_PIPE
    except (OSError, MpiiPoseError) as error:
        text = str(error)
        if isinstance(error, OSError) and error.filename:
            text = f"{error.filename}: {error.strerror}"
        print(f"error: {text}", file=sys.stderr)
        return 1
