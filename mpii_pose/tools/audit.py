"""Counts suspicious annotations of a copy of MPII, and shows the worst on a page.

Counted are keypoints outside images or crops, keypoints at the same place, impossible
head sizes and suspected left/right swaps.

Examples:
  python -m mpii_pose audit ~/mpii
  python -m mpii_pose audit ~/mpii --html audit.html --examples 24
  python -m mpii_pose audit mpii_annotations.json.gz --images ~/mpii/images

PATH is a folder with a copy of MPII or a file of annotations: the official .mat,
mpii_annotations.json (CPM, pytorch-pose), train.json or valid.json (HRNet, MMPose),
or the folder of a dataset that was built (tensorflow_datasets/mpii_pose/image/1.0.0).
Images are looked for in the usual places there; without them the page shows the poses
alone. Nothing is corrected: everybody evaluates on the labels as they are.
"""

import argparse
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from mpii_pose.drawing import poses
from mpii_pose.drawing.lines import Color, Stroke, draw_strokes
from mpii_pose.person import PersonAnnotation, person_square
from mpii_pose.release.release import Release
from mpii_pose.release.split import shared_videos
from mpii_pose.skeleton import KEYPOINTS
from mpii_pose.tools import pages
from mpii_pose.tools.audit_checks import CHECKS, Check, stack_poses
from mpii_pose.tools.people import read_people_of

MAX_EXAMPLES = 12
_LEGEND = poses.SIDES | {"head box": poses.HEAD_BOX, "crop": poses.CROP}
_HALO: Color = (235, 30, 45)
_HALO_WIDTH, _LINE_WIDTH = 20.0, 2.5


def add_parser(commands: Any) -> None:
    """Adds the command."""
    text = "count and show suspicious annotations"
    parser = commands.add_parser("audit", help=text, description=__doc__)
    parser.add_path("path", "PATH", "a copy of MPII, or a dataset's folder")
    parser.add_path("--images", "DIR", "the folder with the images")
    parser.add_path("--html", "FILE", "write a page with pictures of the worst cases")
    parser.add_argument(
        "--examples",
        type=_count,
        default=MAX_EXAMPLES,
        metavar="N",
        help="pictures for each kind of defect (default: %(default)s)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prints the counts and writes the page."""
    audit = audit_release(read_people_of(args.path, image_folder=args.images))
    print(*audit_lines(audit), sep="\n")
    if args.html:
        pages.write(args.html, render_page(audit, max_examples=args.examples))
        print(f"\nWrote {args.html}")
    return 0


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be 0 or more, got {text}")
    return int(text)


class Finding(NamedTuple):
    """A person with a defect."""

    split: str
    person: PersonAnnotation
    keypoints: tuple[int, ...]  # Indices of those concerned.
    amount: float  # How bad the worst of them is, in the unit of the check.


class Defect(NamedTuple):
    """All that a check found."""

    check: Check
    findings: Sequence[Finding]  # The worst first.

    @property
    def num_keypoints(self) -> int:
        """How many keypoints are concerned."""
        return sum(len(finding.keypoints) for finding in self.findings)


class Audit(NamedTuple):
    """A release and its defects, one of each kind in `CHECKS`."""

    release: Release
    defects: Sequence[Defect]

    @property
    def num_keypoints(self) -> int:
        """How many keypoints are labelled."""
        return int(sum(person.labelled.sum() for person in self.release.everybody))


def audit_release(release: Release) -> Audit:
    """Looks for each kind of defect in the people of a release."""
    splits = [split for split, people in release.people.items() for _ in people]
    people = release.everybody
    stacked = stack_poses(people, release.image_sizes)
    defects = []
    for check in CHECKS:
        amounts = check.measure(stacked)
        worst = amounts.max(axis=1, initial=0.0)
        order = np.argsort(-worst, kind="stable")[: np.count_nonzero(worst)]
        findings = [
            Finding(
                split=splits[i],
                person=people[i],
                keypoints=tuple(np.flatnonzero(amounts[i]).tolist()),
                amount=float(worst[i]),
            )
            for i in order
        ]
        defects.append(Defect(check, findings))
    return Audit(release, defects)


def audit_lines(audit: Audit) -> Iterator[str]:
    """Yields the lines of a text: what was read, and a table of the counts."""
    groups = audit.release.people.items()
    counts = ", ".join(f"{len(people):,} {split}" for split, people in groups)
    yield f"Read {len(audit.release.everybody):,} people ({counts})"
    yield f"from the {audit.release.source},"
    yield f"with {audit.num_keypoints:,} labelled keypoints."
    if (videos := shared_videos(audit.release.people)) is not None:
        yield f"{len(videos):,} videos have frames in both train and validation."
    if unknown := len(audit.release.images_of_unknown_size):
        yield (
            f"{unknown:,} images are missing or cannot be read, so whether keypoints "
            "lie outside them is not known."
        )
    yield f"\n{'':34}{'keypoints':>10}{'people':>10}"
    for defect in audit.defects:
        people = len(defect.findings)
        yield f"{defect.check.title:34}{defect.num_keypoints:10,}{people:10,}"


def render_page(audit: Audit, *, max_examples: int = MAX_EXAMPLES) -> str:
    """Returns the findings as an HTML page.

    Args:
        audit: The findings.
        max_examples: How many people are shown for each kind of defect, the worst ones
            and of those with an image first. A picture takes about 15 kB.
    """
    if max_examples < 0:
        raise ValueError(f"max_examples must be 0 or more, got {max_examples}")
    # JSON copies of the annotations have none.
    any_head_box = any(person.has_head_box for person in audit.release.everybody)
    return pages.render(
        "audit.html.jinja",
        audit=audit,
        legend={
            name: color
            for name, color in _LEGEND.items()
            if color != poses.HEAD_BOX or any_head_box
        },
        defects=[
            (defect, list(_examples(audit.release, defect, max_examples)))
            for defect in audit.defects
        ],
    )


def _examples(
    release: Release, defect: Defect, max_examples: int
) -> Iterator[tuple[str, str, Finding]]:
    """Yields picture, names of keypoints and finding."""
    folder = release.image_folder

    def has_no_image(finding: Finding) -> bool:
        return folder is None or not (folder / finding.person.image_name).exists()

    for finding in sorted(defect.findings, key=has_no_image)[:max_examples]:
        name = finding.person.image_name
        picture = draw_finding(
            finding,
            image=pages.load_image(folder, name),
            image_size=release.image_sizes.get(name),
            with_crop=defect.check.shows_crop,
        )
        names = ", ".join(KEYPOINTS[k] for k in finding.keypoints).replace("_", " ")
        yield pages.data_uri(picture), names, finding


def draw_finding(
    finding: Finding,
    *,
    image: Image.Image | None,
    image_size: tuple[int, int] | None,
    with_crop: bool = False,
) -> Image.Image:
    """Returns a picture of a person, with a red halo around the keypoints concerned.

    Args:
        finding: The person and the keypoints concerned.
        image: The image; None shows the pose alone.
        image_size: Its (height, width), known or not, to show its borders.
        with_crop: Whether to show all of the usual crop, and its outline.
    """
    person = finding.person
    middle, crop_side = person_square(person.center, np.float64(person.scale))
    crop = np.stack([middle - crop_side / 2, middle + crop_side / 2])
    head = person.head_box.reshape(2, 2)
    shown = [person.center[np.newaxis], person.keypoints[person.labelled]]
    if person.has_head_box:
        shown.append(head)
    if with_crop:
        shown.append(crop)
    picture, place = pages.close_up(
        np.concatenate(shown), person.head_size, image, image_size
    )
    points = np.where(person.labelled[:, np.newaxis], person.keypoints, np.nan)
    concerned = [k for k in finding.keypoints if person.labelled[k]]
    halos = [Stroke(at, at, _HALO_WIDTH, _HALO) for at in place(points[concerned])]
    (left, top), (right, bottom) = place(crop)
    return poses.draw_pose(
        draw_strokes(picture, halos),
        place(points),
        person.visibility,
        head_box=place(head).ravel() if person.has_head_box else None,
        crop_to_image=[[1, 0, left], [0, 1, top]] if with_crop else None,
        crop_size=(round(bottom - top), round(right - left)),
        line_width=_LINE_WIDTH,
    )
