"""What setup.py asks for can be installed beside what users have."""

import ast
import pathlib

import pytest
from packaging.requirements import Requirement

SETUP = pathlib.Path(__file__).parents[1] / "setup.py"


@pytest.fixture(scope="module")
def required():
    """What the package itself needs, by name."""
    lists = {
        node.arg: ast.literal_eval(node.value)
        for node in ast.walk(ast.parse(SETUP.read_text()))
        if isinstance(node, ast.keyword) and node.arg == "install_requires"
    }
    found = map(Requirement, lists["install_requires"])
    return {requirement.name: requirement.specifier for requirement in found}


def test_old_tensorflow_gets_a_tensorflow_metadata_that_it_can_read(required):
    # TensorFlow 2.18 and 2.19 hold protobuf below 6; 1.17.3 was made with 4.25, and
    # 1.21.0 with 6.31 without requiring it.
    assert "2.18.0" in required["tensorflow"]
    assert "1.17.3" in required["tensorflow-metadata"]
    assert "1.21.0" not in required["tensorflow-metadata"]
