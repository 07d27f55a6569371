"""Commands explain themselves, and print errors of files and users in one line."""

import re
import subprocess
import sys
from unittest import mock

import numpy as np
import pytest

import mpii_pose
from mpii_pose.checks import MpiiPoseError
from mpii_pose.formats.predictions import PredictionError
from mpii_pose.release.archives import ArchiveError
from mpii_pose.shards.images import ImageError
from mpii_pose.tools import export
from mpii_pose.tools.main import main, make_parser


@pytest.mark.parametrize(
    "command",
    [
        *("", "build", "doctor", "audit", "evaluate", "predict", "export"),
        *(f"export {name}" for name in ("coco", "yolo", "croissant", "submission")),
    ],
)
def test_help_explains_each_command_with_examples_that_parse(command, capsys):
    with pytest.raises(SystemExit, match="0"):
        main([*command.split(), "--help"])

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("usage: python -m mpii_pose")
    assert len(lines) > 10
    examples = [line for line in lines if line.startswith("  python -m mpii_pose")]
    assert examples or " " in command
    for example in examples:
        words, *_ = re.split(r"\s{2,}", example.strip())  # An explanation may follow.
        assert callable(make_parser().parse_args(words.split()[3:]).run), example


def test_no_command_is_an_error(capsys):
    assert main([]) == 2

    assert "python -m mpii_pose doctor" in capsys.readouterr().err


@pytest.fixture
def run(monkeypatch):
    """Runs a command that raises an error."""

    def run(error):
        monkeypatch.setattr(export, "run_coco", mock.Mock(side_effect=error))
        return main(["export", "coco", "a", "b"])

    return run


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (mpii_pose.AnnotationError("a.mat: no x"), 1, "error: a.mat: no x\n"),
        (ImageError("1.jpg: no image"), 1, "error: 1.jpg: no image\n"),
        (ArchiveError("a.zip: damaged"), 1, "error: a.zip: damaged\n"),
        (PredictionError("too few"), 1, "error: too few\n"),
        (MpiiPoseError("no such"), 1, "error: no such\n"),
        (FileNotFoundError("nothing in /x"), 1, "error: nothing in /x\n"),
        (PermissionError(13, "No", "/x/y"), 1, "error: /x/y: No\n"),
        (OSError(28, "Disk full"), 1, "error: [Errno 28] Disk full\n"),
        (KeyboardInterrupt(), 130, "\nInterrupted\n"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_errors_of_files_and_users_are_one_line(error, code, line, run, capsys):
    assert run(error) == code

    assert capsys.readouterr().err == line


@pytest.mark.parametrize(
    "error", [ValueError, KeyError, TypeError, RuntimeError, ModuleNotFoundError]
)
def test_our_own_mistakes_are_raised(error, run):
    with pytest.raises(error, match="a bug"):
        run(error("a bug"))


def test_a_reader_that_stops_reading_gets_no_complaint(drawn_release):
    command = [sys.executable, "-m", "mpii_pose", "audit", str(drawn_release)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        process.stdout.close()  # As `| head` does.
        errors = process.stderr.read()

    assert errors == ""
    assert process.returncode == 141


def test_paths_may_start_at_home(drawn_release, drawn_people, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mpii").symlink_to(drawn_release)
    points = np.array([[p.center] * 16 for p in drawn_people["test"]], np.float64)
    mpii_pose.write_predictions("~/pred.mat", points)

    assert main(["audit", "~/mpii", "--images", "~/mpii/images", "--html", "~/a"]) == 0
    assert main(["export", "coco", "~/mpii", "~/coco"]) == 0
    assert main(["export", "submission", "~/pred.mat", "~/mpii", "~/out.mat"]) == 0

    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"mpii", "pred.mat", "a", "coco", "out.mat"}
    args = make_parser().parse_args(["doctor", "~/mpii", "--data_dir", "~/data"])
    assert (args.path, args.data_dir) == (tmp_path / "mpii", tmp_path / "data")
