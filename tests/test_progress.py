import sys
import types

import pytest
from absl import logging

from mpii_pose import progress


@pytest.fixture
def logged(monkeypatch):
    lines = []
    monkeypatch.setattr(logging, "info", lambda text, *args: lines.append(text % args))
    return lines


def test_without_a_terminal_it_is_logged_also_where_a_kernel_could_run(
    logged, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))

    progress.say("12.9 GB")

    assert logged == ["12.9 GB"]
    assert not capsys.readouterr().out


def test_in_a_notebook_it_is_printed(logged, monkeypatch, capsys):
    shell = types.SimpleNamespace(kernel=object())
    ipython = types.SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", ipython)

    progress.say("12.9 GB")

    assert capsys.readouterr().out == "12.9 GB\n"
    assert not logged
