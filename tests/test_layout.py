"""Checks how the tests themselves are laid out."""

import ast
import pathlib

TESTS = pathlib.Path(__file__).parent


def imported(path):
    """Dotted names of the modules that a file may import."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_no_test_module_is_imported_by_another():
    modules = {path.stem for path in TESTS.rglob("test_*.py")}

    offenders = {
        str(path.relative_to(TESTS)): name
        for path in TESTS.rglob("*.py")
        for name in imported(path)
        if name.startswith("tests.") and modules & set(name.split("."))
    }

    assert not offenders
