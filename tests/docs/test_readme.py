"""A newcomer who follows the README from top to bottom stumbles over nothing."""

import os
import re
import subprocess
import sys

import pytest

from mpii_pose.release import disk, official
from tests import builds

README = (builds.ROOT / "README.md").read_text()
# Blocks that need what only the user has.
_EXAMPLE_ONLY = ("path/to/",)


def python_blocks():
    blocks = re.findall(r"^```python\n(.*?)^```", README, re.M | re.S)
    return [block for block in blocks if not any(w in block for w in _EXAMPLE_ONLY)]


def run(code, folder):
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=os.environ
        | {"PYTHONPATH": str(builds.ROOT), "TFDS_DATA_DIR": str(folder / "data")}
        | {"MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def test_the_first_snippet_registers_the_dataset_before_it_loads_it():
    first = python_blocks()[0]

    assert first.index("import mpii_pose") < first.index("tfds.load")
    assert first.index("import mpii_pose") < first.index("import tensorflow_datasets")


def test_a_notebook_shows_the_picture_once():
    (shown,) = (line for line in README.splitlines() if "show_examples(" in line)

    # Its value would be shown as well.
    assert shown.startswith("figure = ")


@pytest.mark.slow
def test_every_snippet_runs_as_printed_one_after_the_other(tmp_path):
    process = run("\n".join(python_blocks()), tmp_path)

    assert process.returncode == 0, process.stderr[-3000:]
    assert re.search(r"PCKh@0.5 \(official\) \|.* 100\.00 \|$", process.stdout, re.M)
    assert (tmp_path / "pose.keras").exists()

    load = "import mpii_pose.keras, keras; m = keras.models.load_model('pose.keras')"
    loaded = run(f"{load}; print(type(m.loss).__name__)", tmp_path)

    assert loaded.stdout.strip() == "HeatmapLoss", loaded.stderr[-3000:]


@pytest.mark.parametrize("name", ["docs/build.md", "docs/dataset_card.md"])
def test_tables_of_disk_have_the_figures_that_a_build_tells(name):
    text = (builds.ROOT / name).read_text()

    for layout, num_bytes in official.DATASET_BYTES.items():
        row = rf"^\| `{layout}` \|.* about {disk.in_gb(num_bytes)} \|"
        assert re.search(row, text, re.MULTILINE), layout


def test_disk_is_told_as_a_build_tells_it():
    words = " ".join(README.split())
    person, crop = (official.DATASET_BYTES[name] for name in ("person", "person_crop"))

    assert f"about {disk.in_gb(person)} for the dataset with all four splits" in words
    assert f"some {disk.in_gb(crop)} instead of {person / 1e9:.1f}," in words
