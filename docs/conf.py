"""Settings of Sphinx, which makes the site: `scripts/docs`.

Docstrings are Google's style with the punctuation of Markdown; `to_rest` turns what
reStructuredText writes otherwise. Nothing in the site is loaded from elsewhere.
"""

import inspect
import pathlib
import re
import sys
from typing import Any

import numpy.typing as npt
from sphinx.util.inspect import stringify_signature
from sphinx.util.typing import stringify_annotation

ROOT = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import mpii_pose  # noqa: E402

project = "mpii_pose"
version = release = mpii_pose.__version__
html_title = f"mpii_pose {release}"
html_show_copyright = False

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
nitpicky = False

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False

myst_heading_anchors = 3
suppress_warnings = ["config.cache"]
pygments_style = "friendly"
pygments_dark_style = "monokai"

# Single backquotes, as in Markdown.
default_role = "code"
add_module_names = False
autodoc_default_options = {
    "members": True,
    "member-order": "bysource",
    "special-members": "__call__",
}
autodoc_class_signature = "mixed"
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 80
# What Sphinx writes for a type or value, and what pages say: docstrings have dtypes.
SHORT_TYPES = {
    re.escape(stringify_annotation(npt.ArrayLike, "smart")): "ArrayLike",
    r"~numpy\.ndarray(\[tuple\[[^]]*\], ~numpy\.dtype\[[^]]*\]\])?": "np.ndarray",
    r"~tensorflow\.[\w.]*\.DatasetV2": "tf.data.Dataset",
    r"~tensorflow\.[\w.]*\.Tensor": "tf.Tensor",
    r"~PIL\.Image\.Image": "PIL.Image.Image",
    "<factory>": "{}",
}
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_attr_annotations = False  # Signatures have them.
napoleon_custom_sections = [("Gives", "params_style")]


def to_rest(
    app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]
) -> None:
    """Turns a docstring, in place, to what napoleon reads as meant."""
    for i in reversed(range(1, len(lines) - 1)):
        before, after = lines[i - 1], lines[i + 1]
        indent = len(before) - len(before.lstrip())
        # An indented block is code.
        if not lines[i] and before and after.startswith(" " * (indent + 4)):
            lines[i : i + 1] = ["", " " * indent + "::", ""]
    # Quotes that napoleon knows, so that it finds no type before a colon in them.
    lines[:] = [re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``", line) for line in lines]
    # An underscore at the end of a word is no link, save in quotes of code.
    lines[:] = [re.sub(r"(?<=\w)_(?=[\s\"',.;)]|$)", r"\\_", line) for line in lines]
    # An empty type, so that napoleon takes no words before a colon for one.
    if what == "property":
        lines[0] = f": {lines[0]}"
    for i, line in enumerate(lines[:-1]):
        # Several named values, which napoleon would take for one.
        if line == "Returns:" and re.match(r"    \w+: ", lines[i + 1]):
            lines[i] = "Gives:"
        elif line == "Returns:":
            lines[i + 1] = f"    : {lines[i + 1].strip()}"


def shorten_types(
    app: Any,
    what: str,
    name: str,
    thing: Any,
    options: Any,
    given: str | None,
    result: str | None,
) -> tuple[str | None, str | None]:
    """Returns a signature with the short names of types."""
    if given == "(*args, **kwargs)":  # Of Keras' layers, whose `__init__` says more.
        own = inspect.signature(thing)
        given = stringify_signature(
            own, show_return_annotation=False, unqualified_typehints=True
        )
    for long, short in SHORT_TYPES.items():
        given = given and re.sub(long, short, given)
        result = result and re.sub(long, short, result)
    return given, result


def link_pages(app: Any, name: str, source: list[str]) -> None:
    """Makes links to files beside docs/ links to the pages that include them."""
    for page in ("changelog", "contributing", "security"):
        source[0] = source[0].replace(f"](../{page.upper()}.md", f"]({page}.md")


def check_names(app: Any, env: Any) -> None:
    """Warns, which fails a strict build, of public names that no page documents."""
    from sphinx.util import logging

    there = set(env.domaindata["py"]["objects"])
    missing = {f"mpii_pose.{name}" for name in mpii_pose.__all__} - there
    if missing:
        logging.getLogger(__name__).warning(
            "%s: in mpii_pose.__all__ and on no page of docs/api",
            ", ".join(sorted(missing)),
        )


def setup(app: Any) -> None:
    """Called by Sphinx."""
    # Before napoleon, whose priority is the default 500.
    app.connect("autodoc-process-docstring", to_rest, priority=400)
    app.connect("autodoc-process-signature", shorten_types)
    app.connect("source-read", link_pages)
    app.connect("env-check-consistency", check_names)
