"""Counts suspicious annotations of a copy of MPII, and shows the worst on a page.

Counted are keypoints outside images or crops, keypoints at the same place, impossible
head sizes and suspected left/right swaps.

Examples:
  python -m mpii_pose audit ~/mpii
  python -m mpii_pose audit ~/mpii --html audit.html
  python -m mpii_pose audit mpii_annotations.json.gz --images ~/mpii/images

PATH is a folder with a copy of MPII or a file of annotations: the official .mat,
mpii_annotations.json (CPM, pytorch-pose), train.json or valid.json (HRNet, MMPose),
or the folder of a dataset that was built (tensorflow_datasets/mpii_pose/image/1.0.0).
Images are looked for in the usual places there; without them the page shows the poses
alone. Nothing is corrected: everybody evaluates on the labels as they are.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from mpii_pose.drawing import poses
from mpii_pose.drawing.poses import Color, Stroke
from mpii_pose.person import (
    HEAD_SIZE_FACTOR,
    HEAD_SIZE_PER_SCALE,
    NECK_TO_TOP,
    PersonAnnotation,
    person_square,
)
from mpii_pose.release.release import Release
from mpii_pose.release.split import shared_videos
from mpii_pose.skeleton import KEYPOINTS, MPII, NUM_KEYPOINTS
from mpii_pose.tools import pages
from mpii_pose.tools.people import read_people_of, unknown_sizes

MAX_EXAMPLES = 12  # Pictures of each kind of defect, each of some 15 kB.
_HALO: Color = (235, 30, 45)
_HALO_WIDTH, _LINE_WIDTH = 20.0, 2.5
# How far a head may be off before it is reported. Nearly all are within 0.01 and 0.02.
_SCALE_TOLERANCE, _LENGTH_TOLERANCE = 0.01, 0.1
# Shoulders and hips that point against each other are suspect where both are this long
# (in head sizes; a frontal person's are 2.1 and 0.8) and the angle is this large.
_MIN_TORSO_WIDTH, _MAX_COSINE = 0.75, -0.5

Size = tuple[int, int]


def add_parser(commands: Any) -> None:
    """Adds the command."""
    text = "count and show suspicious annotations"
    parser = commands.add_parser("audit", help=text, description=__doc__)
    parser.add_path("path", "PATH", "a copy of MPII, or a dataset's folder")
    parser.add_path("--images", "DIR", "the folder with the images")
    parser.add_path("--html", "FILE", "write a page with pictures of the worst cases")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prints the counts and writes the page."""
    audit = audit_release(read_people_of(args.path, image_folder=args.images))
    print(*audit_lines(audit), sep="\n")
    if args.html:
        pages.write(args.html, render_page(audit))
        print(f"\nWrote {args.html}")
    return 0


class Check(NamedTuple):
    """A kind of defect."""

    # From a person and the image's (height, width), where known, to float [16]: how far
    # each keypoint is off, 0 where it is fine.
    measure: Callable[[PersonAnnotation, Size | None], np.ndarray]
    unit: str  # Of what `measure` returns, as words after a number.
    title: str
    explanation: str  # What is measured and why, for readers of the report.
    shows_crop: bool = False  # Whether its pictures show the crop.

    @property
    def name(self) -> str:
        """The name of the function."""
        return self.measure.__name__


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
        """Number of keypoints concerned."""
        return sum(len(finding.keypoints) for finding in self.findings)


class Audit(NamedTuple):
    """A release and its defects, one of each kind in `CHECKS`."""

    release: Release
    defects: Sequence[Defect]

    @property
    def num_keypoints(self) -> int:
        """Number of labelled keypoints."""
        return int(sum(person.labelled.sum() for person in self.release.everybody))


def audit_release(release: Release) -> Audit:
    """Looks for each kind of defect in the people of a release."""
    defects = []
    for check in CHECKS:
        findings = []
        for split, people in release.people.items():
            for person in people:
                size = release.image_sizes.get(person.image_name)
                amounts = check.measure(person, size)
                if amounts.any():
                    concerned = tuple(np.flatnonzero(amounts).tolist())
                    worst = float(amounts.max())
                    findings.append(Finding(split, person, concerned, worst))
        findings.sort(key=lambda finding: -finding.amount)
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
    if unknown := unknown_sizes(audit.release):
        yield f"{unknown}, so whether keypoints lie outside them is not known."
    yield f"\n{'':34}{'keypoints':>10}{'people':>10}"
    for defect in audit.defects:
        people = len(defect.findings)
        yield f"{defect.check.title:34}{defect.num_keypoints:10,}{people:10,}"


def render_page(audit: Audit) -> str:
    """Returns the findings as an HTML page, with pictures of the worst ones."""
    legend = poses.SIDES | {"crop": poses.CROP}
    # JSON copies of the annotations have none.
    if any(person.has_head_box for person in audit.release.everybody):
        legend |= {"head box": poses.HEAD_BOX}
    examples = [list(_examples(audit.release, defect)) for defect in audit.defects]
    return pages.render(
        "audit.html.jinja",
        audit=audit,
        unknown_sizes=unknown_sizes(audit.release),
        legend=legend,
        defects=list(zip(audit.defects, examples, strict=True)),
    )


def _examples(release: Release, defect: Defect) -> Iterator[tuple[str, str, Finding]]:
    """Yields picture, names of keypoints and finding; those with an image first."""
    folder = release.image_folder

    def has_no_image(finding: Finding) -> bool:
        return folder is None or not (folder / finding.person.image_name).exists()

    for finding in sorted(defect.findings, key=has_no_image)[:MAX_EXAMPLES]:
        picture = draw_finding(finding, release, with_crop=defect.check.shows_crop)
        names = ", ".join(KEYPOINTS[k] for k in finding.keypoints).replace("_", " ")
        yield pages.data_uri(picture), names, finding


def draw_finding(
    finding: Finding, release: Release, *, with_crop: bool = False
) -> Image.Image:
    """Returns a picture of a person, with a red halo around the keypoints concerned.

    Without an image in the release, the pose alone is shown.
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
        np.concatenate(shown),
        person.head_size,
        pages.load_image(release.image_folder, person.image_name),
        release.image_sizes.get(person.image_name),
    )
    points = np.where(person.labelled[:, np.newaxis], person.keypoints, np.nan)
    concerned = [k for k in finding.keypoints if person.labelled[k]]
    halos = [Stroke(at, at, _HALO_WIDTH, _HALO) for at in place(points[concerned])]
    (left, top), (right, bottom) = place(crop)
    return poses.draw_pose(
        poses.draw_strokes(picture, halos),
        place(points),
        person.visibility,
        head_box=place(head).ravel() if person.has_head_box else None,
        crop_to_image=[[1, 0, left], [0, 1, top]] if with_crop else None,
        crop_size=(round(bottom - top), round(right - left)),
        line_width=_LINE_WIDTH,
    )


def outside_image(person: PersonAnnotation, image_size: Size | None) -> np.ndarray:
    """Returns how many px a keypoint lies beyond the centers of the outer pixels."""
    height, width = image_size or (np.inf, np.inf)
    points = person.keypoints
    beyond = np.maximum(-points, points - (width - 1, height - 1)).max(axis=1)
    return np.where(person.labelled & (beyond > 0), beyond, 0.0)


def coincident(person: PersonAnnotation, image_size: Size | None) -> np.ndarray:
    """Returns how many keypoints of the person are at one place, where not 1."""
    same = (person.keypoints[:, np.newaxis] == person.keypoints).all(axis=2)
    together = (same & person.labelled).sum(axis=1)
    return np.where(person.labelled & (together > 1), together, 0)


def outside_crop(person: PersonAnnotation, image_size: Size | None) -> np.ndarray:
    """Returns how many head sizes a keypoint lies outside HRNet's crop."""
    middle, side = person_square(person.center, np.float64(person.scale))
    from_middle = np.abs(person.keypoints - middle).max(axis=1)
    beyond = (from_middle - side / 2) / person.head_size
    return np.where(person.labelled & (beyond > 0), beyond, 0.0)


def impossible_head(person: PersonAnnotation, image_size: Size | None) -> np.ndarray:
    """Returns by how many percent the head's size is wrong, at upper neck and head top.

    The box's diagonal is 5/4 of the distance of these two, as MPII made it from them.
    """
    ends, size = list(MPII.indices("upper_neck", "head_top")), person.head_size
    off_scale = abs(size / (HEAD_SIZE_PER_SCALE * person.scale) - 1)
    found = [off_scale] if off_scale > _SCALE_TOLERANCE else []
    if person.labelled[ends].all():
        length = np.hypot(*np.diff(person.keypoints[ends].astype(float), axis=0)[0])
        off_length = abs(length / (NECK_TO_TOP * size / HEAD_SIZE_FACTOR) - 1)
        found += [off_length] if off_length > _LENGTH_TOLERANCE else []
    if image_size and size > min(image_size):
        found.append(size / min(image_size))
    amounts = np.zeros(NUM_KEYPOINTS)
    amounts[ends] = 100 * max(found, default=0.0)
    return amounts


def suspected_swap(person: PersonAnnotation, image_size: Size | None) -> np.ndarray:
    """Returns the distance, in head sizes, of left and right that may be exchanged.

    Bodies rarely do two things:
    * Shoulders and hips point against each other, by more than 120 degrees, and both
      are seen wide: left and right of one of them may be exchanged.
    * Both halves of a pair of limbs cross, thigh over thigh and shin over shin, or
      upper arm over upper arm and forearm over forearm: knees or elbows may be.
    Not found are a person whose left and right are exchanged throughout, and a pair of
    wrists or ankles: without the image such a pose looks right.
    """
    points, amounts = person.keypoints.astype(float), np.zeros(NUM_KEYPOINTS)
    torso = [*_pair("hip"), *_pair("shoulder")]
    hips, shoulders = (points[torso[1::2]] - points[torso[::2]]) / person.head_size
    widths = np.hypot(*hips), np.hypot(*shoulders)
    opposed = hips @ shoulders < _MAX_COSINE * widths[0] * widths[1]
    if person.labelled[torso].all() and opposed and min(widths) > _MIN_TORSO_WIDTH:
        amounts[torso] = min(widths)
    for parts in (("hip", "knee", "ankle"), ("shoulder", "elbow", "wrist")):
        limbs = np.array([_pair(part) for part in parts])
        upper, middle, lower = points[limbs]
        crossed = _cross(upper, middle) and _cross(middle, lower)
        if person.labelled[limbs].all() and crossed:
            amounts[limbs[1]] = np.hypot(*(middle[1] - middle[0])) / person.head_size
    return amounts


def _pair(part: str) -> tuple[int, ...]:
    return MPII.indices(f"right_{part}", f"left_{part}")


def _cross(starts: np.ndarray, ends: np.ndarray) -> bool:
    """Returns whether two lines cross, given by their starts and ends, [2, 2] each."""

    def side(start: np.ndarray, end: np.ndarray, point: np.ndarray) -> float:
        (x1, y1), (x2, y2) = end - start, point - start
        return x1 * y2 - y1 * x2

    (a, c), (b, d) = starts, ends
    return side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0


CHECKS = (
    Check(
        outside_image,
        "px outside",
        "Keypoints outside the image",
        "Labelled keypoints beyond the centers of the outermost pixels. Most of MPII's "
        "are head tops that the image cuts off.",
    ),
    Check(
        coincident,
        "at one place",
        "Keypoints at the same place",
        "Two or more labelled keypoints of a person at exactly the same coordinates. "
        "Some people are seen that way; others were clicked twice.",
    ),
    Check(
        outside_crop,
        "head sizes outside",
        "Keypoints outside the usual crop",
        "Nearly all code crops a square of 250 x scale px whose middle lies 15 x scale "
        "px below the center. These labelled keypoints are cut off: no network can "
        "find them, and they count as misses.",
        shows_crop=True,
    ),
    Check(
        impossible_head,
        "% off",
        "Impossible head sizes",
        "Head size is 25 x scale and 3/4 of the distance from upper neck to head top, "
        "as all three were made from the same head box. Here they disagree (by more "
        "than 1 % and 10 %), or the head is larger than the image.",
    ),
    Check(
        suspected_swap,
        "head sizes apart",
        "Suspected left/right swaps",
        "Shoulders and hips point against each other, or both halves of a pair of "
        "limbs cross (thigh over thigh and shin over shin). Bodies can do that, but "
        "rarely: look before you believe it.",
    ),
)
