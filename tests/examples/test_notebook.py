"""Runs the notebook as a user would, from an empty data folder: about four minutes."""

import importlib.util
import inspect
import re
import sys

import nbformat
import pytest

from mpii_pose import synthetic
from tests import builds
from tests.examples.conftest import EXAMPLES

NOTEBOOK = EXAMPLES / "mpii_pose.ipynb"


@pytest.fixture(scope="module")
def committed():
    return nbformat.read(NOTEBOOK, as_version=4)


def run(path, data_dir):
    """The notebook after running, in a folder of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(EXAMPLES), *sys.path])
        patch.setenv("TFDS_DATA_DIR", str(data_dir))
        import run_notebook

        return run_notebook.run(path)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    return run(NOTEBOOK, tmp_path_factory.mktemp("data"))


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def score(notebook, row):
    """The last number of a row in the first table that has it."""
    for cell in code_cells(notebook):
        for output in cell.outputs:
            for line in output.get("data", {}).get("text/markdown", "").splitlines():
                first, *_, total = line.strip("| ").split("|")
                if first.strip() == row:
                    return float(total)
    raise AssertionError(f"no table has a row {row}")


def test_notebook_needs_no_file_beside_it(committed):
    modules = {path.stem for path in EXAMPLES.glob("*.py")}
    imported = {
        name.split(".")[0]
        for cell in code_cells(committed)
        for name in re.findall(r"^\s*(?:import|from) ([\w.]+)", cell.source, re.M)
    }

    assert imported >= {"mpii_pose", "keras"}
    assert not imported & modules


@pytest.mark.parametrize(
    "name", ["unet", "_convolve", "_heatmaps", "HeatmapDivergence"]
)
def test_notebook_shows_the_network_of_the_script(committed, name):
    import networks

    source = inspect.getsource(getattr(networks, name)).rstrip()

    assert any(source in cell.source for cell in code_cells(committed))


def test_first_cell_installs_clone_or_address(committed, tmp_path, monkeypatch):
    first = code_cells(committed)[0].source
    source = re.sub("%pip install (.*)", r'installed.append(f"\1")', first)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    address = "git+https://host/owner/mpii_pose"

    def installed(folder, repository):
        monkeypatch.chdir(folder)
        names = {"installed": []}
        exec(source.replace('REPOSITORY = ""', f"REPOSITORY = {repository!r}"), names)
        (arguments,) = names["installed"]
        return arguments.split()

    assert str(builds.ROOT) in installed(EXAMPLES, address)
    assert address in installed(tmp_path, address)
    with pytest.raises(ModuleNotFoundError, match="Set REPOSITORY to the address"):
        installed(tmp_path, "")


def stderr_of(notebook):
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    return [output for output in outputs if output.get("name") == "stderr"]


def test_committed_outputs_are_of_one_run_and_survive_other_formats(committed):
    counts = [cell.execution_count for cell in code_cells(committed)]
    assert counts == list(range(1, len(counts) + 1))
    assert not stderr_of(committed)
    outputs = [output for cell in code_cells(committed) for output in cell.outputs]
    assert not [o for o in outputs if o.output_type == "error"]
    shown = [item for o in outputs for item in {**o, **o.get("data", {})}.items()]
    assert sum(kind.startswith("image/") for kind, _ in shown) >= 6
    assert NOTEBOOK.stat().st_size < 600_000
    texts = [t for k, t in shown if isinstance(t, str) and not k.startswith("image/")]
    assert texts
    assert not [text for text in texts if "\b" in text or "\r" in text]
    assert not [text for text in texts if re.search(r"(\| +nan ){2}", text)]


@pytest.mark.slow
def test_network_learns_to_find_keypoints_without_a_word_on_stderr(outcome):
    total = score(outcome, "U-Net")

    assert total >= 80
    assert total > score(outcome, "mean pose") + 30
    assert not stderr_of(outcome)


@pytest.mark.slow
def test_committed_scores_are_those_of_a_run(committed, outcome):
    # Threads sum in any order, so that two trainings never end quite alike.
    assert score(committed, "U-Net") == pytest.approx(score(outcome, "U-Net"), abs=5)


@pytest.mark.slow
def test_one_word_makes_it_a_notebook_of_stored_crops(tmp_path):
    synthetic.write_release(tmp_path / "downloads/manual", num_people=150)
    text = NOTEBOOK.read_text()
    for here, there in (
        ("mpii_pose/synthetic", "mpii_pose/person_crop"),
        ("EPOCHS = 20", "EPOCHS = 1"),
    ):
        assert text.count(here) == 1
        text = text.replace(here, there)
    changed = tmp_path / "mpii_pose.ipynb"
    changed.write_text(text)

    assert score(run(changed, tmp_path), "U-Net") > 0
