"""The doctor says which versions are wrong and what to install."""

import types

import pytest

from mpii_pose.tools.doctor import environment
from mpii_pose.tools.doctor.diagnosis import State


@pytest.mark.parametrize(
    ("requirement", "state", "words"),
    [
        ("numpy>=1.26", State.FINE, "numpy "),
        ("numpy>=99", State.PROBLEM, "is not supported: mpii_pose needs >=99"),
        ("no-such-package>=1", State.PROBLEM, "pip install 'no-such-package>=1'"),
        ('no-such-package; extra == "plot"', State.NOTE, "'mpii_pose[plot]'"),
        ('numpy>=99; extra == "plot"', State.PROBLEM, "is not supported"),
    ],
)
def test_what_is_installed_is_compared_with_what_is_required(requirement, state, words):
    (diagnosis,) = environment.check_requirements([requirement])

    assert diagnosis.state is state
    assert words in diagnosis.text


@pytest.mark.parametrize(
    "requirement",
    ['no-such-package; python_version < "3"', 'no-such-package; extra == "test"'],
)
def test_what_is_of_no_concern_is_left_out(requirement):
    assert list(environment.check_requirements([requirement])) == []


def test_tensorflow_under_another_name_is_found():
    (diagnosis,) = environment.check_requirements(["tensorflow>=2.16"])

    assert diagnosis.state is State.FINE


@pytest.mark.parametrize(
    ("version", "state"),
    [("3.11.0", State.FINE), ("3.14.0rc1", State.FINE), ("3.10.9", State.PROBLEM)],
)
def test_python_is_compared_with_the_supported_versions(version, state):
    assert environment.check_python(version, ">=3.11").state is state


def test_a_package_that_cannot_be_imported_is_a_problem(tmp_path, monkeypatch):
    (tmp_path / "broken_package.py").write_text("raise RuntimeError('no such library')")
    monkeypatch.syspath_prepend(tmp_path)

    broken = environment.check_import("broken_package")

    assert broken.state is State.PROBLEM
    assert "RuntimeError: no such library" in broken.text
    assert environment.check_import("numpy").state is State.FINE


@pytest.mark.parametrize(("free", "state"), [(1e9, State.NOTE), (1e11, State.FINE)])
def test_free_disk_is_compared_with_what_a_build_takes(
    tmp_path, monkeypatch, free, state
):
    usage = types.SimpleNamespace(free=free)
    monkeypatch.setattr(environment.shutil, "disk_usage", lambda path: usage)

    diagnosis = environment.check_disk(tmp_path / "not" / "there" / "yet")

    assert diagnosis.state is state
    assert f"{free / 1e9:.1f} GB" in diagnosis.text


def test_a_package_that_is_not_installed_is_noted(monkeypatch):
    monkeypatch.setattr(environment, "_PACKAGE", "no_such_package_at_all")

    first, *_ = environment.check_environment()

    assert first.state is State.NOTE
    assert "is not installed" in first.text
