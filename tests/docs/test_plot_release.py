"""The script that plots the dataset card's figures works on any copy."""

import pathlib
import runpy
import sys

import pytest
from PIL import Image

SCRIPT = pathlib.Path(__file__).parents[2] / "docs" / "plot_release.py"


def test_figures_are_written_and_small(drawn_release, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    arguments = [str(SCRIPT), str(drawn_release), "--output", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", arguments)

    runpy.run_path(str(SCRIPT), run_name="__main__")

    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"visibility.png", "person_size.png", "images.png"}
    for name in names:
        assert (tmp_path / name).stat().st_size < 150_000
        assert Image.open(tmp_path / name).width > 600


def test_the_card_names_every_feature_and_its_figures():
    from mpii_pose.shards.layouts import FullFrame

    card = (SCRIPT.parent / "dataset_card.md").read_text()

    for name in FullFrame().features():
        assert f"`{name}`" in card, name
    for path in (SCRIPT.parent / "figures").iterdir():
        assert f"(figures/{path.name})" in card
