"""HTML pages that need no other file and no network; they share a frame and a style."""

from typing import Any

import jinja2
from etils import epath

from mpii_pose import files


def write(path: epath.PathLike, page: str) -> None:
    """Writes a page; the file appears once it is whole."""
    with files.whole_file(path) as file:
        file.write(page.encode())


def render(template: str, **values: Any) -> str:
    """Returns a page.

    Args:
        template: Its place below `mpii_pose/tools`; it extends `page.html.jinja`.
        **values: What the template names.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("mpii_pose.tools", ""),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["number"] = "{:,}".format
    return environment.get_template(template).render(**values)
