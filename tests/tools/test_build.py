"""The command builds what `tfds build` does, asks before a download, and is brief."""

from unittest import mock

import pytest

import mpii_pose
from mpii_pose.release import download
from mpii_pose.tools import build
from mpii_pose.tools.main import main
from mpii_pose.tools.people import open_dataset, read_examples
from tests import builds


@pytest.fixture
def run(drawn_release, tmp_path, capsys):
    """Runs the command; returns exit code, lines of output and of errors."""

    def run(*options, config="person", release=drawn_release):
        words = ["build", config, *([str(release)] if release else []), *options]
        code = main([*words, "--data_dir", str(tmp_path / "data")])
        printed = capsys.readouterr()
        return code, printed.out.splitlines(), printed.err.splitlines()

    return run


@pytest.mark.parametrize("file_format", build.FORMATS)
def test_command_builds_the_dataset_and_prints_its_splits(
    file_format, run, drawn_release, drawn_people, tmp_path
):
    code, lines, _ = run("--file_format", file_format)

    folder = tmp_path / "data" / "mpii_pose" / "person" / "1.0.0"
    counts = [f"{name}: {len(group)} examples" for name, group in drawn_people.items()]
    assert code == 0
    drawn = "The people are drawn: none of them is MPII's"
    assert lines[-6:] == [f"Built: {folder}", drawn, *counts]
    other = builds.build(tmp_path / "other", drawn_release)
    found = list(read_examples(open_dataset(folder), "validation"))
    builds.assert_same_examples(found, list(read_examples(other, "validation")))


def test_what_is_there_is_built_again_only_when_asked(run):
    assert run("--max_examples_per_split", "3")[1][-4] == "train: 3 examples"

    code, lines, _ = run(release=None)
    assert code == 0
    assert lines[0].startswith("Already there (--overwrite builds again): ")
    assert lines[2] == "train: 3 examples"
    assert run("--overwrite")[1][-4] == "train: 34 examples"
    code, _, (error,) = run("--file_format", "parquet", "--overwrite")
    assert code == 1
    assert "as tfrecord. Build parquet beside it, with another --data_dir" in error


def test_nothing_is_downloaded_unasked(run, monkeypatch):
    asked = mock.Mock(side_effect=ConnectionError("no network"))
    monkeypatch.setattr(download, "download_release", asked)

    for config in ("person", "person_crop", "image"):
        code, _, errors = run(config=config, release=None)
        assert code == 1
        assert f"python -m mpii_pose build {config} RELEASE" in errors[0]
        assert "--download" in errors[1]
    asked.assert_not_called()

    code, _, errors = run("--download", release=None)
    assert (code, errors[-1]) == (1, "error: no network")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"release": "/none"}, "No annotations of MPII Human Pose in /none"),
        ({"config": "synthetic"}, "synthetic is drawn, and takes no release"),
    ],
)
def test_errors_take_a_few_lines(options, words, run):
    code, _, errors = run(**options)

    assert code == 1
    assert words in errors[0]
    assert len(errors) == 1
    assert run("--max_examples_per_split", "0")[2] == [
        "error: --max_examples_per_split must be 1 or more, got 0"
    ]


def test_an_unknown_config_is_answered_with_the_known_ones(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["build", "persons"])

    error = capsys.readouterr().err
    assert all(repr(name) in error for name in mpii_pose.Builder.builder_configs)
