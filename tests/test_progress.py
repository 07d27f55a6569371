"""Bars are shown where somebody watches, and logged elsewhere."""

import sys
import types

import pytest

from mpii_pose import progress


@pytest.mark.parametrize("place", ["terminal", "notebook", "log"])
def test_bar_is_shown_or_logged(place, log, monkeypatch, capsys):
    # Where a kernel could run, but does not.
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    if place == "terminal":
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    if place == "notebook":
        shell = types.SimpleNamespace(kernel=object())
        ipython = types.SimpleNamespace(get_ipython=lambda: shell)
        monkeypatch.setitem(sys.modules, "IPython", ipython)

    with progress.bar(total=2, desc="archive") as bar:
        bar.update(2)

    assert ("archive:" in log.text) == (place == "log")
    assert ("archive:" in capsys.readouterr().err) == (place != "log")
