"""The doctor says which versions are wrong and what to install."""

import importlib.metadata
import os
import subprocess
import sys
import types

import pytest

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
    ("free", "state"), [(1e9, State.NOTE), (14e9, State.NOTE), (1e11, State.FINE)]
)
def test_free_disk_is_compared_with_all_that_is_needed(
    tmp_path, monkeypatch, free, state
):
    usage = types.SimpleNamespace(free=free)
    monkeypatch.setattr(environment.shutil, "disk_usage", lambda path: usage)

    diagnosis = environment.check_disk(tmp_path / "not" / "there" / "yet")

    assert diagnosis.state is state
    assert f"{free / 1e9:.1f} GB" in diagnosis.text
    assert state is State.FINE or "42.8 GB" in diagnosis.text


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
