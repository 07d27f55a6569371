"""The doctor says which versions are wrong and what to install."""

import importlib.metadata
import itertools
import os
import subprocess
import sys
import types

import pytest

from mpii_pose.release import disk, official
from mpii_pose.tools.doctor import environment
from mpii_pose.tools.doctor.diagnosis import State
from tests import builds


@pytest.mark.parametrize(
    ("requirement", "state", "words"),
    [
        ("numpy>=99", State.PROBLEM, "is not supported: mpii_pose needs >=99"),
        ("no-such-package>=1", State.PROBLEM, "pip install 'no-such-package>=1'"),
        ('numpy>=99; extra == "plot"', State.PROBLEM, "is not supported"),
        ("Python<3.11", State.PROBLEM, "Python 3."),
    ],
)
def test_what_is_not_as_required_is_said(requirement, state, words):
    (diagnosis,) = environment.check_requirements([requirement])

    assert diagnosis.state is state
    assert words in diagnosis.text


@pytest.mark.parametrize(
    "requirement",
    [
        *("numpy>=1.26", "tensorflow>=2.16", "Python>=3.11"),
        'no-such-package; python_version < "3"',
        'no-such-package; extra == "plot"',
    ],
)
def test_what_is_as_required_or_of_no_concern_is_left_out(requirement):
    assert list(environment.check_requirements([requirement])) == []


def test_a_package_that_cannot_be_imported_is_a_problem(tmp_path, monkeypatch):
    (tmp_path / "broken_package.py").write_text("raise RuntimeError('no such library')")
    monkeypatch.syspath_prepend(tmp_path)

    broken = environment.check_import("broken_package")

    assert broken.state is State.PROBLEM
    assert "RuntimeError: no such library" in broken.text
    assert environment.check_import("numpy").state is State.FINE


@pytest.mark.parametrize(
    ("free", "state"), [(1e9, State.NOTE), (4e10, State.NOTE), (1e11, State.FINE)]
)
def test_free_disk_is_compared_with_all_that_is_needed(
    tmp_path, monkeypatch, free, state
):
    usage = types.SimpleNamespace(free=free)
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda path: usage)

    diagnosis = environment.check_disk(tmp_path / "not" / "there" / "yet")

    assert diagnosis.state is state
    figures = [disk.in_gb(n) for n in official.DATASET_BYTES.values()]
    assert all(f"about {figure}" in diagnosis.text for figure in figures)
    assert f"= 47.2 GB; {disk.in_gb(free)} are free in {tmp_path}" in diagnosis.text
    assert ("--data_dir" in diagnosis.text) == (state is State.NOTE)


def write(path, num_bytes):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(num_bytes))


@pytest.fixture
def data_dir(tmp_path):
    """Downloads and what is in them, of which nothing is built."""
    write(tmp_path / "downloads" / "mpii_pose" / "archive.tar.gz", 2_000_000)
    extracted = tmp_path / "downloads" / "extracted" / "mpii_pose" / "archive.0"
    write(extracted / "images" / "1.jpg", 3_000_000)
    write(tmp_path / "mpii_pose" / "synthetic" / "1.0.0" / "dataset_info.json", 2)
    return tmp_path


def test_what_a_finished_build_left_behind_is_named_with_how_to_remove_it(data_dir):
    write(data_dir / "mpii_pose" / "person" / "1.0.0" / "dataset_info.json", 2)
    free = disk.bytes_in(data_dir / "downloads")

    (diagnosis,) = environment.check_leftovers(data_dir)

    assert diagnosis.state is State.NOTE
    assert diagnosis.text.startswith("mpii_pose/person/1.0.0 can be read without")
    assert free == 5_000_000
    command = diagnosis.text.splitlines()[-1]
    subprocess.run(command, shell=True, check=True)
    assert disk.bytes_in(data_dir / "downloads") == 0
    assert list(data_dir.glob("mpii_pose/*/1.0.0/dataset_info.json"))
    assert not list(environment.check_leftovers(data_dir))


def test_disk_is_told_of_what_is_not_built_yet(data_dir):
    for name, other in itertools.pairwise([*official.DATASET_BYTES, ""]):
        write(data_dir / "mpii_pose" / name / "1.0.0" / "dataset_info.json", 2)

        text = environment.check_disk(data_dir).text

        assert f"mpii_pose/{name} " not in text
        assert f"mpii_pose/{other}" in text or "All configs of MPII are built" in text


def test_what_a_build_still_needs_is_not_named(data_dir):
    assert not list(environment.check_leftovers(data_dir))


def test_what_a_killed_build_left_is_named_with_how_to_remove_it(data_dir):
    left = data_dir / "mpii_pose" / "person" / "incomplete.ABC123_1.0.0"
    left.mkdir(parents=True)

    (diagnosis,) = environment.check_leftovers(data_dir)

    assert diagnosis.state is State.NOTE
    assert f"rm -r {left}" in diagnosis.text


def test_a_package_that_is_not_installed_is_noted(monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "metadata", missing)

    first, *_ = environment.check_environment(None)

    assert first.state is State.NOTE
    assert "is not installed" in first.text


@pytest.mark.parametrize("broken", ["tensorflow", "tensorflow_datasets"])
def test_doctor_works_where_tensorflow_does_not(drawn_release, tmp_path, broken):
    (tmp_path / f"{broken}.py").write_text("raise RuntimeError('gencode')")
    path = os.pathsep.join([str(tmp_path), str(builds.ROOT)])

    process = subprocess.run(
        [sys.executable, "-m", "mpii_pose", "doctor", str(drawn_release)],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=100,
    )

    assert process.returncode == 1
    assert "Traceback" not in process.stderr
    assert f"PROBLEM  import {broken} fails: RuntimeError: gencode" in process.stdout
    assert "images with people are in" in process.stdout
