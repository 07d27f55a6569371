"""Runs the notebook as a user would, from an empty data folder: about four minutes."""

import pathlib
import sys

import nbformat
import pytest

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"
NOTEBOOK = EXAMPLES / "mpii_pose.ipynb"


slow = pytest.mark.slow  # Trains for minutes.


@pytest.fixture(scope="module")
def committed():
    return nbformat.read(NOTEBOOK, as_version=4)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    """The notebook after running."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(EXAMPLES), *sys.path])
        patch.setenv("TFDS_DATA_DIR", str(tmp_path_factory.mktemp("data")))
        import run_notebook

        return run_notebook.run(NOTEBOOK)


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


@slow
def test_network_learns_to_find_keypoints(outcome):
    total = score(outcome, "U-Net")

    assert total >= 80
    assert total > score(outcome, "mean pose") + 30


def test_committed_outputs_are_of_one_run_from_top_to_bottom(committed):
    counts = [cell.execution_count for cell in code_cells(committed)]

    assert counts == list(range(1, len(counts) + 1))


def test_committed_outputs_show_pictures_and_no_logs(committed):
    outputs = [output for cell in code_cells(committed) for output in cell.outputs]
    kinds = [kind for output in outputs for kind in output.get("data", {})]

    assert not [o for o in outputs if o.get("name") == "stderr"]
    assert not [o for o in outputs if o.output_type == "error"]
    assert sum(kind.startswith("image/") for kind in kinds) >= 6
    assert NOTEBOOK.stat().st_size < 600_000


@slow
def test_committed_scores_are_those_of_a_run(committed, outcome):
    # Threads sum in any order, so that two trainings never end quite alike.
    assert score(committed, "U-Net") == pytest.approx(score(outcome, "U-Net"), abs=5)
