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

DOCS = pathlib.Path(__file__).parents[2] / "docs"


def documented():
    """Public names that the pages of the reference document."""
    pages = "".join(path.read_text() for path in (DOCS / "api").glob("*.md"))
    directives = r"^(?:\.\. auto\w+::|```\{py:data\}) mpii_pose\.(\w+)$"
    return re.findall(directives, pages, re.MULTILINE)


def test_the_reference_documents_every_public_name_once():
    assert sorted(documented()) == mpii_pose.__all__


def test_every_page_is_in_a_table_of_contents():
    contents = "".join(path.read_text() for path in DOCS.rglob("index.md"))
    entries = set(re.findall(r"^[\w/]+$", contents, re.MULTILINE))

    pages = {path.stem for path in DOCS.rglob("*.md") if "_build" not in path.parts}

    assert pages - {"index"} <= entries


@pytest.mark.slow
def test_pictures_of_the_guides_are_drawn_by_the_script(tmp_path, monkeypatch):
    script = str(DOCS / "draw_pictures.py")
    monkeypatch.setattr(sys, "argv", [script, "--output", str(tmp_path)])

    runpy.run_path(script, run_name="__main__")

    drawn = {path.name: Image.open(path) for path in tmp_path.iterdir()}
    assert drawn.keys() == {path.name for path in (DOCS / "pictures").iterdir()}
    for name, picture in drawn.items():
        assert picture.size == Image.open(DOCS / "pictures" / name).size
