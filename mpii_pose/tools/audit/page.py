"""The findings as one HTML page that needs no other file and no network."""

import functools
import importlib.resources

import jinja2
from etils import epath

from mpii_pose import files
from mpii_pose.drawing import poses as visualize
from mpii_pose.skeleton import KEYPOINTS
from mpii_pose.tools.audit import thumbnails
from mpii_pose.tools.audit.report import Audit, Defect, Finding

MAX_EXAMPLES = 12
_LEGEND = (
    ("right", visualize.RIGHT),
    ("left", visualize.LEFT),
    ("middle", visualize.MIDDLE),
    ("head box", visualize.HEAD_BOX),
    ("crop", visualize.CROP),
)
_TEMPLATE = "page.html.jinja"


def write_page(
    path: epath.PathLike, audit: Audit, *, max_examples: int = MAX_EXAMPLES
) -> None:
    """Writes the page; see `render_page`."""
    page = render_page(audit, max_examples=max_examples)
    with files.whole_file(path) as file:
        file.write(page.encode())


def render_page(audit: Audit, *, max_examples: int = MAX_EXAMPLES) -> str:
    """Returns the findings as HTML.

    Args:
        audit: The findings.
        max_examples: How many people are shown for each kind of defect, the worst ones
            and of those with an image first. A picture takes about 15 kB.
    """
    if max_examples < 0:
        raise ValueError(f"max_examples must be 0 or more, got {max_examples}")
    return _template().render(
        audit=audit,
        legend=_LEGEND,
        defects=[
            (defect, _examples(audit, defect, max_examples)) for defect in audit.defects
        ],
    )


@functools.cache
def _template() -> jinja2.Template:
    text = importlib.resources.files("mpii_pose.tools.audit") / _TEMPLATE
    environment = jinja2.Environment(
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["number"] = "{:,}".format
    return environment.from_string(text.read_text())


def _examples(audit: Audit, defect: Defect, max_examples: int) -> list[dict[str, str]]:
    findings = sorted(
        defect.findings, key=lambda finding: not _has_image(audit, finding)
    )
    return [_example(audit, defect, finding) for finding in findings[:max_examples]]


def _has_image(audit: Audit, finding: Finding) -> bool:
    folder = audit.release.image_folder
    return folder is not None and (folder / finding.person.image_name).exists()


def _example(audit: Audit, defect: Defect, finding: Finding) -> dict[str, str]:
    person = finding.person
    picture = thumbnails.draw_finding(
        finding,
        image=thumbnails.load_image(audit.release.image_folder, person.image_name),
        image_size=audit.release.image_sizes.get(person.image_name),
        with_crop=defect.check.shows_crop,
    )
    names = [KEYPOINTS[k].replace("_", " ") for k in finding.keypoints]
    return {
        "picture": thumbnails.data_uri(picture),
        "image_name": person.image_name,
        "place": f"{finding.split}, index {person.index}",
        "keypoints": ", ".join(names),
        "amount": f"{finding.amount:.3g} {defect.check.unit}",
    }
