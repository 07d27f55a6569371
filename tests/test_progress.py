"""Progress is shown by default: as bars where somebody watches, else as lines."""

import sys
import types

import pytest
import tensorflow_datasets as tfds

from mpii_pose import progress


@pytest.mark.parametrize("place", ["terminal", "notebook", "file", "switched off"])
def test_progress_is_shown_as_bars_or_lines(place, monkeypatch, capsys):
    # Where a kernel could run, but does not.
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    if place == "terminal":
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    if place == "notebook":
        shell = types.SimpleNamespace(kernel=object())
        ipython = types.SimpleNamespace(get_ipython=lambda: shell)
        monkeypatch.setitem(sys.modules, "IPython", ipython)
    if place == "switched off":
        tfds.disable_progress_bar()

    try:
        with progress.step("Reading"):
            seen = list(progress.bar(range(2), desc="archive"))
    finally:
        tfds.enable_progress_bar()

    assert seen == [0, 1]
    shown = capsys.readouterr().err
    states = [line.partition("%")[0] for line in shown.split("\n") if line]
    if place in ("terminal", "notebook"):
        assert "\rReading" in shown
        assert "\rarchive:   0%" in shown
    else:
        lines = ["Reading", "archive:   0", "archive: 100"]
        assert states == lines * (place == "file")
