"""Walks the public names: each is documented, takes options by keyword, names shapes.

A name added to `mpii_pose.__all__` is checked without a change here.
"""

import ast
import dataclasses
import importlib
import inspect
import itertools
import pathlib
import re

import pytest

import mpii_pose
from tests import builds

# Parameters with a default that may be given by position all the same.
OPTIONAL_BY_POSITION = {
    # As in the features' order.
    "draw_pose": {"visibility"},
    # The interface of the tutorial that it was written for.
    "Preprocessor": {"image_shape", "heatmap_shape", "is_train"},
    # Keras passes it by position.
    "PCKh.update_state": {"sample_weight"},
}
# Functions of more than four things that all have to be given.
GIVEN = {"compare_pckh": 5, "multi_person_ap": 5}
# Arrays of any library.
ARRAYS = (
    *("crop_to_image", "head_box", "head_size", "heatmaps", "keypoints"),
    *("predicted", "truth", "visibility", "y_pred", "y_true"),
)


def public():
    """Returns the public functions and classes, and the methods of classes, by name."""
    found = {}
    for name in mpii_pose.__all__:
        thing = getattr(mpii_pose, name)
        if inspect.isfunction(thing) or inspect.isclass(thing):
            found[name] = thing
        if inspect.isclass(thing) and name != "Builder":  # Its methods are TFDS's.
            methods = inspect.getmembers_static(thing, inspect.isfunction)
            own = [n for n, _ in methods if n in vars(thing) and not n.startswith("_")]
            found |= {f"{name}.{n}": getattr(thing, n) for n in own}
    return found


PUBLIC = public()


def parameters(name):
    """Returns the parameters of a callable, without `self` and `cls`."""
    if name in ("Builder", "AnnotationError"):  # TFDS's and Python's
        return []
    found = inspect.signature(PUBLIC[name]).parameters.values()
    return [p for p in found if p.name not in ("self", "cls")]


def documentation(name):
    """Returns a docstring, and those of the functions that it refers to."""
    text = inspect.getdoc(PUBLIC[name]) or ""
    others = re.findall(r"(?:as in|[Ss]ee|Equals) `(?:mpii_pose\.)?(\w+)`", text)
    found = [text, *(inspect.getdoc(PUBLIC[n]) for n in others if n in PUBLIC)]
    return "\n".join(found)


def entry(name, text):
    """Returns the text of an argument or attribute; "" where there is none."""
    pattern = rf"^( +)\*{{0,2}}{name}: (?!See ).*(?:\n\1 +.*)*"
    found = re.search(pattern, text, re.MULTILINE)
    return found[0] if found else ""


def is_method(name):
    """Returns whether a line may do, as the class has the rest."""
    return "." in name


def test_all_names_what_is_imported_lazily_and_nothing_else_is_offered():
    tree = ast.parse(pathlib.Path(mpii_pose.__file__).read_text())
    (lazy,) = (node for node in tree.body if isinstance(node, ast.With))
    imported = {a.asname or a.name for node in lazy.body for a in node.names}

    assert mpii_pose.__all__ == sorted(mpii_pose.__all__) == dir(mpii_pose)
    assert set(mpii_pose.__all__) == imported | {"skeleton", "skeletons"}


def test_importing_the_package_registers_the_dataset_and_loads_no_tensorflow():
    code = (
        "import sys, mpii_pose, tensorflow_datasets as tfds;"
        "assert 'mpii_pose' in tfds.list_builders(with_community_datasets=False);"
        "print(sorted({'tensorflow', 'keras', 'scipy', 'matplotlib', 'apache_beam'}"
        " & {*sys.modules}))"
    )

    assert builds.output_of(code).strip() == "[]"


def test_a_name_that_does_not_exist_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"mpii_pose.* has no attribute 'pckhh'"):
        mpii_pose.pckhh  # noqa: B018


def test_everything_is_documented_in_a_line_and_a_paragraph():
    modules = {n: importlib.import_module(getattr(mpii_pose, n).__name__)
               for n in ("skeleton", "synthetic", "visualize")}  # fmt: skip
    for name, thing in (PUBLIC | modules).items():
        first, *rest = (inspect.getdoc(thing) or "").splitlines() or [""]

        assert first.endswith((".", ":")), f"{name}: {first!r}"
        assert not rest or rest[0] == "", name


def test_each_parameter_is_documented_and_what_is_returned():
    for name in itertools.filterfalse(is_method, PUBLIC):
        text, is_class = documentation(name), inspect.isclass(PUBLIC[name])
        free = {"name", "dtype", "kwargs"} if is_class else set()

        for parameter in parameters(name):
            by_keyword = parameter.kind is parameter.VAR_KEYWORD and "keyword" in text
            documented = entry(parameter.name, text) or f"`{parameter.name}`" in text
            known = parameter.name in free or by_keyword or documented
            assert known, f"{name}: {parameter.name}"
        if not is_class and "None" not in str(inspect.signature(PUBLIC[name]))[-8:]:
            assert re.search("Returns", text), name


def test_options_are_given_by_keyword_and_seeds_always():
    kind = inspect.Parameter
    kinds = kind.POSITIONAL_OR_KEYWORD, kind.VAR_POSITIONAL
    for name in PUBLIC:
        by_position = [p for p in parameters(name) if p.kind in kinds]
        options = {p.name for p in by_position if p.default is not p.empty}

        assert options <= OPTIONAL_BY_POSITION.get(name, set()) | {"spec"}, name
        assert len(by_position) <= GIVEN.get(name, 4), name
        assert "seed" not in {p.name for p in by_position}, name


def test_shapes_of_arrays_are_documented():
    for name in itertools.filterfalse(is_method, PUBLIC):
        text = documentation(name)
        for parameter in parameters(name):
            if parameter.name in ARRAYS and parameter.annotation is not float:
                said = entry(parameter.name, text)
                where = f"{name}: {parameter.name}"
                assert re.search(r"\[.*\]", said) or "For each" in said, where


def test_values_are_frozen():
    values = [thing for thing in PUBLIC.values() if dataclasses.is_dataclass(thing)]

    assert values
    assert all(value.__dataclass_params__.frozen for value in values)
