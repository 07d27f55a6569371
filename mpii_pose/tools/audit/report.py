"""The findings about a release, as data and as text."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from etils import epath

from mpii_pose.person import PersonAnnotation
from mpii_pose.release.release import Release
from mpii_pose.release.split import shared_videos
from mpii_pose.tools.audit.checks import CHECKS, Check, stack_poses
from mpii_pose.tools.people import read_people_of


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
    """What was found out about a release."""

    release: Release
    defects: Sequence[Defect]  # One for each of `CHECKS`.

    @property
    def num_keypoints(self) -> int:
        """How many keypoints are labelled."""
        return int(sum(person.labelled.sum() for person in self.release.everybody))


def audit_people(
    people: Mapping[str, Sequence[PersonAnnotation]],
    *,
    image_sizes: Mapping[str, tuple[int, int]] | None = None,
) -> list[Defect]:
    """Looks for each kind of defect.

    Args:
        people: People by split, as `read_people` returns them.
        image_sizes: (height, width) in px by image name, where they are known.
    """
    everyone = [(split, person) for split in people for person in people[split]]
    poses = stack_poses([person for _, person in everyone], image_sizes)
    defects = []
    for check in CHECKS:
        amounts = check.measure(poses)
        worst = amounts.max(axis=1, initial=0.0)
        order = np.argsort(-worst, kind="stable")[: np.count_nonzero(worst)]
        findings = [
            Finding(
                split=everyone[i][0],
                person=everyone[i][1],
                keypoints=tuple(np.flatnonzero(amounts[i]).tolist()),
                amount=float(worst[i]),
            )
            for i in order
        ]
        defects.append(Defect(check=check, findings=findings))
    return defects


def audit_release(
    path: epath.PathLike, *, image_folder: epath.PathLike | None = None
) -> Audit:
    """Reads annotations and looks for defects; see `read_people_of`."""
    release = read_people_of(path, image_folder=image_folder)
    return Audit(
        release=release,
        defects=audit_people(release.people, image_sizes=release.image_sizes),
    )


def format_audit(audit: Audit) -> str:
    """Returns the counts as a table."""
    return "\n".join(_lines(audit))


def _lines(audit: Audit) -> Iterator[str]:
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
