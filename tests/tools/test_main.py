"""Commands explain themselves, and print errors of files and users in one line."""

import re
import subprocess
import sys

import numpy as np
import pytest

import mpii_pose
from mpii_pose.formats import predictions
from mpii_pose.release.archives import ArchiveError
from mpii_pose.shards.images import ImageError
from mpii_pose.tools.main import main, make_parser

COMMANDS = (
    ["doctor"],
    ["audit"],
    ["evaluate"],
    ["predict"],
    ["export"],
    ["export", "coco"],
    ["export", "yolo"],
    ["export", "croissant"],
    ["export", "submission"],
)


@pytest.mark.parametrize("command", [[], *COMMANDS], ids=" ".join)
def test_help_explains_each_command(command, capsys):
    with pytest.raises(SystemExit, match="0"):
        main([*command, "--help"])

    text = capsys.readouterr().out
    assert text.startswith("usage: python -m mpii_pose")
    assert len(text.splitlines()) > 10


def test_every_example_in_the_help_is_a_command_that_parses(capsys):
    examples = []
    for command in ([], *([each[0]] for each in COMMANDS if len(each) == 1)):
        with pytest.raises(SystemExit):
            main([*command, "--help"])
        lines = capsys.readouterr().out.splitlines()
        examples += [line for line in lines if line.startswith("  python -m mpii_pose")]

    assert len(examples) > 8
    for line in examples:
        command, *_ = re.split(r"\s{2,}", line.strip())  # An explanation may follow.
        arguments = command.split()[3:]
        assert callable(make_parser().parse_args(arguments).run), line


def test_no_command_is_an_error(capsys):
    assert main([]) == 2

    assert "python -m mpii_pose doctor" in capsys.readouterr().err


def test_errors_are_words_and_an_exit_code(tmp_path, capsys):
    code = main(["audit", str(tmp_path / "none")])

    assert code == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert str(tmp_path / "none") in error


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (mpii_pose.AnnotationError("a.mat: no x"), "error: a.mat: no x\n"),
        (ImageError("1.jpg: no image"), "error: 1.jpg: no image\n"),
        (ArchiveError("a.zip: damaged"), "error: a.zip: damaged\n"),
        (predictions.PredictionError("too few"), "error: too few\n"),
        (FileNotFoundError("nothing in /x"), "error: nothing in /x\n"),
        (PermissionError(13, "No", "/x/y"), "error: /x/y: No\n"),
        (OSError(28, "Disk full"), "error: [Errno 28] Disk full\n"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_files_and_users_cause_is_one_line(error, line, monkeypatch, capsys):
    def run(args):
        raise error

    monkeypatch.setattr("mpii_pose.tools.export.run_coco", run)

    assert main(["export", "coco", "a", "b"]) == 1
    assert capsys.readouterr().err == line


@pytest.mark.parametrize("error", [ValueError, KeyError, TypeError, RuntimeError])
def test_our_own_mistakes_show_where_they_are(error, monkeypatch):
    def run(args):
        raise error("a bug")

    monkeypatch.setattr("mpii_pose.tools.export.run_coco", run)

    with pytest.raises(error, match="a bug"):
        main(["export", "coco", "a", "b"])


def test_an_interrupted_command_says_so_in_a_line(monkeypatch, capsys):
    def run(args):
        raise KeyboardInterrupt

    monkeypatch.setattr("mpii_pose.tools.export.run_coco", run)

    assert main(["export", "coco", "a", "b"]) == 130
    assert capsys.readouterr().err == "\nInterrupted\n"


def test_a_reader_that_stops_reading_hears_no_complaint(drawn_release):
    command = [sys.executable, "-m", "mpii_pose", "audit", str(drawn_release)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        process.stdout.close()  # As `| head` does.
        errors = process.stderr.read()

    assert errors == ""
    assert process.returncode == 141


def test_every_path_may_start_at_the_home(drawn_release, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mpii").symlink_to(drawn_release)
    test_people = mpii_pose.read_people(drawn_release)["test"]
    points = np.array([[person.center] * 16 for person in test_people], np.float64)
    mpii_pose.write_predictions("~/pred.mat", points)

    assert main(["audit", "~/mpii", "--images", "~/mpii/images", "--html", "~/a"]) == 0
    assert main(["export", "coco", "~/mpii", "~/coco"]) == 0
    assert main(["export", "submission", "~/pred.mat", "~/mpii", "~/out.mat"]) == 0

    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"mpii", "pred.mat", "a", "coco", "out.mat"}
    args = make_parser().parse_args(["doctor", "~/mpii", "--data_dir", "~/data"])
    assert (args.path, args.data_dir) == (tmp_path / "mpii", tmp_path / "data")
