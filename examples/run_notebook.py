"""Runs a notebook from top to bottom and writes its outputs into it.

python examples/run_notebook.py examples/mpii_pose.ipynb
"""

import pathlib
import sys
import tempfile

import nbclient
import nbformat


def run(path: pathlib.Path, *, timeout: float = 900.0) -> nbformat.NotebookNode:
    """Returns a notebook as it is after running, and leaves the file alone.

    Runs in an empty folder, so that a file beside the notebook is missed.

    Args:
        path: Of the notebook.
        timeout: Seconds that a cell may take.

    Raises:
        nbclient.exceptions.CellExecutionError: If a cell fails.
    """
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        nbclient.NotebookClient(
            notebook,
            timeout=timeout,
            record_timing=False,
            coalesce_streams=True,
            resources={"metadata": {"path": folder}},
        ).execute()
    return notebook


def tidy(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Returns a notebook without logs, and with each picture in one format."""
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        cell.outputs = [o for o in cell.outputs if o.get("name") != "stderr"]
        for output in cell.outputs:
            data = output.get("data", {})
            if "image/jpeg" in data:  # Pillow offers PNG too, ten times as large.
                data.pop("image/png", None)
    return notebook


def main() -> None:
    """Runs the notebook named on the command line."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    path = pathlib.Path(sys.argv[1])
    nbformat.write(tidy(run(path)), path)


if __name__ == "__main__":
    main()
