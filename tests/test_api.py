"""Walks the public names: documented, options by keyword, shapes said.

A name added to `mpii_pose.__all__` is checked without a change here.
"""

import ast
import dataclasses
import enum
import importlib
import inspect
import pathlib
import re
import subprocess
import sys

import pytest

import mpii_pose

# Parameters with a default that may be given by position all the same.
OPTIONAL_BY_POSITION = {
    # What is drawn, as in the features' order.
    "draw_pose": {"visibility"},
    # The interface that the code which uses it was written for.
    "Preprocessor": {"image_shape", "heatmap_shape", "is_train"},
    # Keras passes it by position.
    "PCKh.update_state": {"sample_weight"},
}
# Functions of more than four things that all have to be given.
GIVEN = {"compare_pckh": 5, "multi_person_ap": 5}
# Arrays, whatever their annotation: libraries differ, and some take any.
ARRAYS = {
    "crop_to_image",
    "head_box",
    "head_size",
    "heatmaps",
    "images",
    "keypoints",
    "predicted",
    "truth",
    "visibility",
    "y_pred",
    "y_true",
}


def public(name):
    """What a name stands for; a module itself, not its lazy stand-in."""
    thing = getattr(mpii_pose, name)
    is_module = not (inspect.isclass(thing) or inspect.isfunction(thing))
    return importlib.import_module(thing.__name__) if is_module else thing


def walk():
    """Yields the callables behind the public names, by dotted name."""
    modules = []
    for name in mpii_pose.__all__:
        thing = public(name)
        if inspect.ismodule(thing):
            modules.append((name, thing))
            continue
        yield name, thing
        if inspect.isclass(thing):
            for inner, value in vars(thing).items():
                if inspect.isfunction(value) and not inner.startswith("_"):
                    yield f"{name}.{inner}", value
    for name, module in modules:
        for inner, value in vars(module).items():
            own = getattr(value, "__module__", None) == module.__name__
            exported = own or inner in getattr(module, "__all__", ())
            is_new = inner not in mpii_pose.__all__ and not inner.startswith("_")
            if callable(value) and exported and is_new:
                yield f"{name}.{inner}", value


PUBLIC = dict(walk())
# Options of the builder are TFDS's, and enumerations and errors have none.
WITH_OPTIONS = {
    name: thing
    for name, thing in PUBLIC.items()
    if not inspect.isclass(thing)
    or not issubclass(thing, (mpii_pose.Builder, enum.Enum, Exception))
}
# A method needs no more than its line where its class or its base class says the rest.
WITHOUT_METHODS = [
    name
    for name in WITH_OPTIONS
    if not inspect.isclass(PUBLIC.get(name.rpartition(".")[0]))
]
every_public_name = pytest.mark.parametrize("name", PUBLIC)
every_name_with_options = pytest.mark.parametrize("name", WITH_OPTIONS)
every_name_but_methods = pytest.mark.parametrize("name", WITHOUT_METHODS)


def parameters(name):
    """The parameters of a callable, without `self` and `cls`."""
    found = inspect.signature(WITH_OPTIONS[name]).parameters.values()
    return [p for p in found if p.name not in ("self", "cls")]


def is_array(parameter):
    """Whether a parameter is an array, by its annotation or, if any goes, its name."""
    annotation = str(parameter.annotation)
    if re.search(r"Sequence|Mapping|Callable|<class '(int|float|str|bool)", annotation):
        return "_NestedSequence" in annotation  # NumPy's ArrayLike, written out.
    return parameter.name in ARRAYS or bool(re.search(r"Tensor|ndarray", annotation))


def sections(thing):
    """The parts of a Google-style docstring by heading; "" is what stands before."""
    heading, found = "", {"": []}
    for line in (inspect.getdoc(thing) or "").splitlines():
        if match := re.fullmatch(r"(Args|Attributes|Returns|Yields|Raises):", line):
            heading = match[1]
            found[heading] = []
        else:
            found[heading].append(line)
    return {heading: "\n".join(lines) for heading, lines in found.items()}


def entries(thing):
    """What `Args` and `Attributes` say of each name."""
    parts = sections(thing)
    text = "\n".join(parts.get(heading, "") for heading in ("Args", "Attributes"))
    found, name = {}, None
    for line in text.splitlines():
        if match := re.fullmatch(r"    \*{0,2}(\w+): ?(.*)", line):
            name = match[1]
            found[name] = match[2]
        elif name:
            found[name] += " " + line.strip()
    # A function may say "as in `other`" of what it passes on.
    found = {n: text for n, text in found.items() if not text.startswith("See `")}
    for other in re.findall(r"(?:as in|[Ss]ee|Equals) `(\w+)`", inspect.getdoc(thing)):
        if other in PUBLIC and PUBLIC[other] is not thing:
            found = entries(PUBLIC[other]) | found
    return found


def test_all_is_sorted_and_names_what_is_imported_lazily():
    tree = ast.parse(pathlib.Path(mpii_pose.__file__).read_text())
    (lazy,) = (node for node in tree.body if isinstance(node, ast.With))
    imported = {
        alias.asname or alias.name for node in lazy.body for alias in node.names
    }

    assert mpii_pose.__all__ == sorted(mpii_pose.__all__)
    assert set(mpii_pose.__all__) == imported | {"Builder"}
    assert set(mpii_pose.__all__) <= set(dir(mpii_pose))


def test_importing_the_package_registers_the_dataset_and_loads_no_tensorflow():
    code = (
        "import sys, mpii_pose, tensorflow_datasets as tfds;"
        "assert 'mpii_pose' in tfds.list_builders(with_community_datasets=False);"
        "print(sorted({'tensorflow', 'keras', 'scipy', 'matplotlib'} & {*sys.modules}))"
    )

    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert found.stdout.strip() == "[]"


def test_a_name_that_does_not_exist_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"mpii_pose.* has no attribute 'pckhh'"):
        mpii_pose.pckhh  # noqa: B018


@pytest.mark.parametrize("name", mpii_pose.__all__)
def test_modules_and_names_say_what_they_are_in_one_line(name):
    first, *rest = (inspect.getdoc(public(name)) or "").splitlines()

    assert first.endswith("."), f"{name}: {first!r}"
    assert not rest or rest[0] == ""


@every_public_name
def test_docstring_is_there(name):
    assert PUBLIC[name].__doc__


@every_name_but_methods
def test_each_parameter_is_documented(name):
    thing = WITH_OPTIONS[name]
    foreign = {"kwargs", "name", "dtype"} if isinstance(thing, type) else {"kwargs"}
    text = sections(thing)[""]

    missing = [
        p.name
        for p in parameters(name)
        if p.name not in entries(thing)
        and p.name not in foreign
        and f"`{p.name}`" not in text
        and not (p.kind is p.VAR_KEYWORD and "by keyword" in inspect.getdoc(thing))
    ]

    assert not missing, f"{name}: {missing}"


@every_name_but_methods
def test_what_is_returned_is_said(name):
    thing = WITH_OPTIONS[name]
    returned = inspect.signature(thing).return_annotation
    nothing = (None, "None", inspect.Signature.empty)

    said = sections(thing)
    starts = said[""].startswith(("Returns", "Whether"))
    assert inspect.isclass(thing) or returned in nothing or "Returns" in said or starts


@every_name_with_options
def test_options_are_given_by_keyword(name):
    allowed = OPTIONAL_BY_POSITION.get(name, set())

    by_position = {
        p.name
        for p in parameters(name)
        if p.kind is p.POSITIONAL_OR_KEYWORD and p.default is not p.empty
    }

    assert by_position <= allowed | {"spec"}


@every_name_with_options
def test_few_things_are_given_by_position(name):
    by_position = [p for p in parameters(name) if p.kind is p.POSITIONAL_OR_KEYWORD]

    assert len(by_position) <= GIVEN.get(name, 4)
    assert "seed" not in {p.name for p in by_position}
    assert not any(p.kind is p.VAR_POSITIONAL for p in parameters(name))


@every_name_but_methods
def test_shapes_of_arrays_are_said(name):
    thing = WITH_OPTIONS[name]
    said = entries(thing)

    shapeless = [
        p.name
        for p in parameters(name)
        if is_array(p)
        and not re.search(r"\[[^]]*\]", said.get(p.name, "") or sections(thing)[""])
    ]

    assert not shapeless, f"{name}: {shapeless}"


def test_values_are_frozen():
    values = [t for t in PUBLIC.values() if dataclasses.is_dataclass(t)]

    assert values
    for value in values:
        assert value.__dataclass_params__.frozen, value.__name__


def test_completion_offers_what_is_public():
    assert dir(mpii_pose) == sorted(mpii_pose.__all__)
