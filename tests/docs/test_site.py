"""The site has a place for every public name, and its pictures are made by a script.

`scripts/docs` builds it, and fails on any warning.
"""

import pathlib
import re
import runpy
import sys

import pytest
from PIL import Image

import mpii_pose
from mpii_pose.shards.layouts import FullFrame

DOCS = pathlib.Path(__file__).parents[2] / "docs"


def test_the_reference_documents_every_public_name_once():
    pages = "".join(path.read_text() for path in (DOCS / "api").glob("*.md"))
    directives = r"^(?:\.\. auto\w+::|```\{py:data\}) mpii_pose\.(\w+)$"

    assert sorted(re.findall(directives, pages, re.MULTILINE)) == mpii_pose.__all__


def test_every_page_is_in_a_table_of_contents():
    contents = "".join(path.read_text() for path in DOCS.rglob("index.md"))
    entries = set(re.findall(r"^[\w/]+$", contents, re.MULTILINE))

    pages = {path.stem for path in DOCS.rglob("*.md") if "_build" not in path.parts}

    assert pages - {"index"} <= entries


def test_signatures_name_types_as_code_does():
    inspect = pytest.importorskip("sphinx.util.inspect")
    shorten = runpy.run_path(str(DOCS / "conf.py"))["shorten_types"]
    long = inspect.signature(mpii_pose.convert_keypoints)
    text = inspect.stringify_signature(long, unqualified_typehints=True)

    given, result = shorten(*5 * [None], *text.split(" -> "))

    assert (given.split(",")[0], result) == ("(keypoints: ArrayLike", "np.ndarray")


def run_script(name, *arguments, output, monkeypatch):
    """Runs a script of the documentation; returns its pictures by name."""
    script = str(DOCS / name)
    monkeypatch.setattr(sys, "argv", [script, *arguments, "--output", str(output)])
    runpy.run_path(script, run_name="__main__")
    return {path.name: Image.open(path) for path in output.iterdir()}


@pytest.mark.slow
def test_pictures_of_the_guides_are_drawn_by_the_script(tmp_path, monkeypatch):
    drawn = run_script("draw_pictures.py", output=tmp_path, monkeypatch=monkeypatch)

    assert drawn.keys() == {path.name for path in (DOCS / "pictures").iterdir()}
    for name, picture in drawn.items():
        assert picture.size == Image.open(DOCS / "pictures" / name).size


def test_figures_of_the_card_are_small(drawn_release, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")

    figures = run_script(
        "plot_release.py", str(drawn_release), output=tmp_path, monkeypatch=monkeypatch
    )

    assert figures.keys() == {"visibility.png", "person_size.png", "images.png"}
    for name, figure in figures.items():
        assert (tmp_path / name).stat().st_size < 150_000
        assert figure.width > 600


def test_the_card_names_every_feature_and_its_figures():
    card = (DOCS / "dataset_card.md").read_text()

    for name in FullFrame().features():
        assert f"`{name}`" in card, name
    for path in (DOCS / "figures").iterdir():
        assert f"(figures/{path.name})" in card
