"""Commands teach, work, and say in words what goes wrong."""

import json
import re

import numpy as np
import pytest
import scipy.io

import mpii_pose
from mpii_pose.formats import predictions, submission
from mpii_pose.tools.main import main, make_parser

COMMANDS = (
    ["doctor"],
    ["audit"],
    ["export"],
    ["export", "coco"],
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
    for command in ([], ["doctor"], ["audit"], ["export"]):
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
    with pytest.raises(SystemExit, match="2"):
        main([])

    assert "COMMAND" in capsys.readouterr().err


def test_audit_prints_counts_and_writes_the_page(drawn_release, tmp_path, capsys):
    page = tmp_path / "audit.html"

    code = main(["audit", str(drawn_release), "--html", str(page), "--examples", "2"])

    assert code == 0
    assert "Keypoints outside the image" in capsys.readouterr().out
    assert page.read_text().startswith("<!DOCTYPE html>")


def test_errors_are_words_and_an_exit_code(tmp_path, capsys):
    code = main(["audit", str(tmp_path / "none")])

    assert code == 1
    assert f"in {tmp_path / 'none'}: there is no such" in capsys.readouterr().err


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


def test_submission_is_written_and_checked(drawn_release, tmp_path, capsys):
    people = mpii_pose.read_people(drawn_release)["test"]
    points = np.array([[person.center] * 16 for person in people], np.float64)
    predictions.write_predictions(tmp_path / "pred.mat", points)
    output = tmp_path / "pred_keypoints_mpii.mat"
    arguments = ["export", "submission", str(tmp_path / "pred.mat"), str(drawn_release)]

    assert main([*arguments, str(output)]) == 0

    matlab_file = next(drawn_release.glob("*/*.mat"))
    found = submission.read_submission(output, matlab_file=matlab_file)
    np.testing.assert_allclose(found, points)
    preds = scipy.io.loadmat(tmp_path / "pred.mat")["preds"]
    scipy.io.savemat(tmp_path / "pred.mat", {"preds": preds[..., ::-1]})
    assert main([*arguments, str(output)]) == 1
    assert "x and y are exchanged" in capsys.readouterr().out


def test_submission_needs_the_official_file(tmp_path, real_mpii, capsys):
    predictions.write_predictions(tmp_path / "pred.mat", np.zeros((3, 16, 2)))
    source = str(real_mpii / "cpm_annotations.json.gz")

    code = main(["export", "submission", str(tmp_path / "pred.mat"), source, "out.mat"])

    assert code == 1
    assert "needs the official .mat" in capsys.readouterr().err
