"""The requirements of setup.py can be installed beside what users have."""

import ast
import pathlib
import re

from packaging.requirements import Requirement

from mpii_pose.tools import doctor

ROOT = pathlib.Path(__file__).parents[1]


def argument(name):
    (value,) = (
        ast.literal_eval(node.value)
        for node in ast.walk(ast.parse((ROOT / "setup.py").read_text()))
        if isinstance(node, ast.keyword) and node.arg == name
    )
    return value


def test_the_guide_says_what_each_extra_is_for():
    (table,) = re.findall(
        r"^\| `pip install '\.\[EXTRA\]'` \|.*\n((?:\|.*\n)+)",
        (ROOT / "docs" / "build.md").read_text(),
        re.MULTILINE,
    )
    first_cells = (row.split("|")[1] for row in table.splitlines())
    named = re.findall(r"`(\w+)`", " ".join(first_cells))

    assert sorted(named) == sorted(argument("extras_require"))


def test_requirements_for_arrays_are_all_but_tensorflow_and_what_comes_with_it():
    text = (ROOT / "requirements-arrays.txt").read_text()
    lines = {line for line in text.splitlines() if not line.startswith("#")}

    required = {*argument("install_requires"), *argument("extras_require")["arrays"]}
    left_out = required - lines
    assert lines < required
    assert {Requirement(each).name for each in left_out} == {*doctor.NOT_FOR_ARRAYS}


def test_old_tensorflow_gets_a_tensorflow_metadata_that_it_can_read():
    found = map(Requirement, argument("install_requires"))
    required = {requirement.name: requirement.specifier for requirement in found}

    # TensorFlow 2.18 and 2.19 hold protobuf below 6; 1.17.3 was made with 4.25, and
    # 1.21.0 with 6.31 without requiring it.
    assert "2.18.0" in required["tensorflow"]
    assert "1.17.3" in required["tensorflow-metadata"]
    assert "1.21.0" not in required["tensorflow-metadata"]


def test_no_file_is_a_symbolic_link_which_is_a_text_in_zips_and_on_windows():
    files = [*ROOT.glob("*"), *(ROOT / "mpii_pose").rglob("*")]
    assert not [path for path in files if path.is_symlink()]
