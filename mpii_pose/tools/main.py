"""Parses the command line and runs a command.

A command is a module with `add_parser(commands)`, which sets `run` to a function from
the parsed arguments to the exit code. The module's docstring is what `--help` prints.
"""

import argparse
import io
import os
import pathlib
import re
import sys
from collections.abc import Sequence
from typing import Any

import mpii_pose
from mpii_pose.checks import MpiiPoseError, not_installed
from mpii_pose.files import user_path
from mpii_pose.tools import audit, build, doctor, evaluate, export, predict

_DESCRIPTION = """\
Builds, checks, scores and converts the MPII Human Pose dataset.

Examples:
  python -m mpii_pose build person ~/mpii     a dataset that TFDS loads
  python -m mpii_pose doctor                  is everything installed?
  python -m mpii_pose doctor ~/mpii           is this copy of MPII whole, and MPII's?
  python -m mpii_pose audit ~/mpii            what is wrong with the annotations?
  python -m mpii_pose evaluate pred.mat ~/mpii   how good are these predictions?
  python -m mpii_pose predict model.keras photo.jpg  where are the keypoints?
  python -m mpii_pose export coco ~/mpii out  annotations as COCO keypoints JSON

`python -m mpii_pose COMMAND --help` describes a command.
"""


class Parser(argparse.ArgumentParser):
    """A parser whose description is printed line by line, as it is written."""

    def __init__(self, **options: Any) -> None:
        as_written = argparse.RawDescriptionHelpFormatter
        super().__init__(formatter_class=as_written, **options)

    def add_path(self, name: str, metavar: str, text: str, **options: Any) -> None:
        """Adds an argument that is a path, in which `~` is the user's home."""
        self.add_argument(name, metavar=metavar, help=text, type=user_path, **options)


def make_parser() -> Parser:
    """Returns the parser of the whole command line."""
    name = pathlib.Path(sys.argv[0]).stem
    prog = name if name == "mpii-pose" else "python -m mpii_pose"
    parser = Parser(prog=prog, description=_DESCRIPTION)
    version = f"mpii_pose {mpii_pose.__version__}"
    parser.add_argument("--version", action="version", version=version)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (build, doctor, audit, evaluate, predict, export):
        command.add_parser(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit code.

    Errors that files and users cause are printed as one line. Other errors are ours and
    are raised. By default `arguments` are those of the command line.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow greets.
    if isinstance(sys.stdout, io.TextIOWrapper):  # Print "?" for what ASCII lacks.
        sys.stdout.reconfigure(errors="replace")
    parser = make_parser()
    if not arguments:
        parser.print_help(sys.stderr)
        return 2  # As argparse's errors.
    # To argparse "-5,10,100,200" is an option. After a space it is a value.
    is_box = re.compile(r"-[\d.].*,").match
    args = parser.parse_args([f" {a}" if is_box(a) else a for a in arguments])
    try:
        code = args.run(args)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt as error:
        print(f"\n{str(error) or 'Interrupted'}", file=sys.stderr)
        return 130  # As a shell's after the signal 2.
    except BrokenPipeError:  # By `| head`: let Python write the rest nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141  # As a shell's after the signal 13.
    except ModuleNotFoundError as error:
        missing = not_installed("this command", error)
        if missing is error:
            raise
        print(f"error: {missing}", file=sys.stderr)
        return 1
    except (OSError, MpiiPoseError) as error:
        text = str(error)
        if isinstance(error, OSError) and error.filename:
            text = f"{error.filename}: {error.strerror}"
        print(f"error: {text}", file=sys.stderr)
        return 1
