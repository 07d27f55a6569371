"""The findings as one HTML page that needs no other file and no network."""

from collections.abc import Iterator

from mpii_pose.drawing import poses
from mpii_pose.skeleton import MPII
from mpii_pose.tools import close_ups, pages
from mpii_pose.tools.audit import thumbnails
from mpii_pose.tools.audit.report import Audit, Defect, Finding

MAX_EXAMPLES = 12
_LEGEND = poses.SIDES | {"head box": poses.HEAD_BOX, "crop": poses.CROP}


def render_page(audit: Audit, *, max_examples: int = MAX_EXAMPLES) -> str:
    """Returns the findings as HTML.

    Args:
        audit: The findings.
        max_examples: How many people are shown for each kind of defect, the worst ones
            and of those with an image first. A picture takes about 15 kB.
    """
    if max_examples < 0:
        raise ValueError(f"max_examples must be 0 or more, got {max_examples}")
    # JSON copies of the annotations do not tell them.
    any_head_box = any(person.has_head_box for person in audit.release.everybody)
    return pages.render(
        "audit/page.html.jinja",
        audit=audit,
        legend={
            name: color
            for name, color in _LEGEND.items()
            if color != poses.HEAD_BOX or any_head_box
        },
        defects=[
            (defect, list(_examples(audit, defect, max_examples)))
            for defect in audit.defects
        ],
    )


def _examples(
    audit: Audit, defect: Defect, max_examples: int
) -> Iterator[tuple[str, str, Finding]]:
    """Yields picture, names of keypoints and finding."""
    folder, sizes = audit.release.image_folder, audit.release.image_sizes

    def has_no_image(finding: Finding) -> bool:
        return folder is None or not (folder / finding.person.image_name).exists()

    for finding in sorted(defect.findings, key=has_no_image)[:max_examples]:
        name = finding.person.image_name
        picture = thumbnails.draw_finding(
            finding,
            image=close_ups.load_image(folder, name),
            image_size=sizes.get(name),
            with_crop=defect.check.shows_crop,
        )
        names = ", ".join(MPII.keypoints[k] for k in finding.keypoints)
        yield close_ups.data_uri(picture), names.replace("_", " "), finding
