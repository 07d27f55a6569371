"""HTML pages that need no other file and no network; they share a style."""

from typing import Any

import jinja2


def render(template: str, **values: Any) -> str:
    """Returns a page.

    Args:
        template: Its place below `mpii_pose/tools`; it includes `page.css`.
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
