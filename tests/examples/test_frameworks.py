"""The examples for other frameworks train, without TensorFlow; JAX's always."""

import importlib.util

import pytest

from tests import builds
from tests.examples.conftest import EXAMPLES

_RUN = """
import sys
sys.path.insert(0, {folder!r})
import {name}
if __name__ == "__main__":
    scores = {name}.main(sys.argv[1:])
    assert "tensorflow" not in sys.modules
    print("total:", scores.total)
"""


@pytest.mark.slow
@pytest.mark.parametrize("framework", ["jax", "torch"])
def test_example_learns_without_tensorflow(framework, tmp_path):
    if importlib.util.find_spec(framework) is None:
        pytest.skip(f"needs {framework}")
    name = {"jax": "train_jax", "torch": "train_pytorch"}[framework]
    program = tmp_path / "program.py"
    program.write_text(_RUN.format(folder=str(EXAMPLES), name=name))

    folder = str(tmp_path / "data")
    builds.build(folder, config="synthetic", max_examples_per_split=1)  # TFRecords
    options = ["--epochs", "3", "--width", "12", "--data_dir", folder]
    run = builds.run("python", str(program), *options)

    assert run.returncode == 0, run.stderr
    assert float(run.stdout.rpartition("total:")[2]) > 30
    sheet = str(tmp_path / "sheet.png")  # Of the files that the example has built.
    options = ["--data_dir", f"{folder}_array_record", "--output", sheet]
    drawn = builds.run("python", str(EXAMPLES / "contact_sheet.py"), *options)
    assert drawn.returncode == 0, drawn.stderr
