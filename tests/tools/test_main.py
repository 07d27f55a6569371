"""Commands teach, work, and say in words what goes wrong."""

import json
import re
import shutil
import struct
import subprocess
import sys

import numpy as np
import pytest
import scipy.io

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


def test_audit_prints_counts_and_writes_the_page(drawn_release, tmp_path, capsys):
    page = tmp_path / "audit.html"

    code = main(["audit", str(drawn_release), "--html", str(page), "--examples", "2"])

    assert code == 0
    printed = capsys.readouterr().out
    assert "Keypoints outside the image" in printed
    assert "videos have frames in both train and validation" in printed
    assert page.read_text().startswith("<!DOCTYPE html>")


@pytest.mark.parametrize("number", ["-1", "many"])
def test_a_wrong_option_is_named_before_anything_is_read(number, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["audit", "nowhere", "--examples", number])

    assert "argument --examples: must be 0 or more" in capsys.readouterr().err


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


@pytest.fixture
def giant(drawn_release, tmp_path):
    """A release in which an image says that it is 65,500 px wide and high."""
    shutil.copytree(drawn_release, tmp_path / "mpii")
    image = min((tmp_path / "mpii" / "images").iterdir())
    data = image.read_bytes()
    at = data.index(b"\xff\xc0") + 5
    image.write_bytes(data[:at] + 2 * struct.pack(">H", 65_500) + data[at + 4 :])
    return tmp_path / "mpii"


def test_a_giant_image_has_no_size_and_stops_no_command(giant, tmp_path, capsys):
    page = str(tmp_path / "audit.html")

    assert main(["audit", str(giant), "--html", page, "--examples", "99"]) == 0
    assert main(["export", "coco", str(giant), str(tmp_path / "coco")]) == 0

    audited, exported = capsys.readouterr().out.split("Wrote " + page)
    assert "1 images are missing or cannot be read" in audited
    assert "1 images are missing or cannot be read" in exported
    unknown = {
        image["file_name"]
        for path in (tmp_path / "coco").iterdir()
        for image in json.loads(path.read_text())["images"]
        if "width" not in image
    }
    assert len(unknown) == 1


def test_doctor_fails_on_a_problem_only(drawn_release, tmp_path, capsys):
    problem = main(["doctor", str(tmp_path), "--data_dir", str(tmp_path)])
    text = capsys.readouterr().out

    assert problem == 1
    first, second, *_ = text.splitlines()
    assert first.endswith("found")
    assert second.startswith("PROBLEM")
    assert "No annotations of MPII" in text


def test_doctor_says_that_a_drawn_release_is_whole(drawn_release, capsys):
    main(["doctor", str(drawn_release)])

    assert "images with people are in" in capsys.readouterr().out


def test_coco_files_hold_all_splits_with_image_sizes(drawn_release, tmp_path):
    code = main(["export", "coco", str(drawn_release), str(tmp_path / "coco")])

    assert code == 0
    for split, people in mpii_pose.read_people(drawn_release).items():
        path = tmp_path / "coco" / f"person_keypoints_{split}.json"
        content = json.loads(path.read_text())
        assert len(content["annotations"]) == len(people)
        assert all(image["width"] > 0 for image in content["images"])


@pytest.fixture
def submission_of(drawn_release, tmp_path):
    """Runs `export submission` on points that lie at the centers, changed."""
    people = mpii_pose.read_people(drawn_release)["test"]
    points = np.array([[person.center] * 16 for person in people], np.float64)

    def run(change, *options):
        mpii_pose.write_predictions(tmp_path / "pred.mat", change(points))
        paths = [tmp_path / "pred.mat", drawn_release, tmp_path / "out.mat"]
        return main(["export", "submission", *map(str, paths), *options])

    return run


def poses_in(path):
    (images,) = scipy.io.loadmat(path, struct_as_record=True)["pred"]
    rects = [rect for image in images for rect in image["annorect"].ravel()]
    return sum("annopoints" in rect.dtype.names and rect[-1].size for rect in rects)


def test_submission_without_problems_is_written(submission_of, tmp_path, capsys):
    assert submission_of(lambda points: points) == 0

    assert poses_in(tmp_path / "out.mat") > 0
    assert capsys.readouterr().out == f"Wrote {tmp_path / 'out.mat'}\n"


def test_submission_with_problems_is_written_by_force_only(
    submission_of, tmp_path, capsys
):
    assert submission_of(lambda points: points[..., ::-1]) == 1

    error = capsys.readouterr().err
    assert "x and y are exchanged" in error
    assert "--force" in error
    assert not (tmp_path / "out.mat").exists()

    assert submission_of(lambda points: points[..., ::-1], "--force") == 0

    assert "PROBLEM  The predicted poses do not follow" in capsys.readouterr().out
    assert (tmp_path / "out.mat").exists()


def test_submission_of_other_people_is_refused_even_by_force(
    submission_of, tmp_path, capsys
):
    assert submission_of(lambda points: points[1:], "--force") == 1

    assert "people of test" in capsys.readouterr().err
    assert not (tmp_path / "out.mat").exists()


def test_submission_needs_the_official_file(tmp_path, real_mpii, capsys):
    mpii_pose.write_predictions(tmp_path / "pred.mat", np.zeros((3, 16, 2)))
    source = str(real_mpii / "cpm_annotations.json.gz")

    code = main(["export", "submission", str(tmp_path / "pred.mat"), source, "out.mat"])

    assert code == 1
    assert "needs the official .mat" in capsys.readouterr().err
