"""HRNet's `train.json` and `valid.json` (SimpleBaselines, MMPose, many tutorials).

Converted from the official .mat, 1-based as it is: a file a split, with neither
occlusion flags nor head boxes nor numbers of people. `test.json` has no labels.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mpii_pose.person import AnnotationError, PersonAnnotation, person_from_source
from mpii_pose.release import split as split_lib
from mpii_pose.release.json_records import get
from mpii_pose.skeleton import NUM_KEYPOINTS, Visibility

Records = Sequence[Mapping[str, Any]]


def is_hrnet(records: Records) -> bool:
    """Whether records are HRNet's of MPII, and not those of other people."""
    joints = records[0].get("joints", [None] * NUM_KEYPOINTS)
    has_fields = {"image", "center", "scale"} <= records[0].keys()
    return has_fields and isinstance(joints, list) and len(joints) == NUM_KEYPOINTS


def read_people(
    path: Any, records: Records, split: str
) -> Iterator[tuple[str, str, PersonAnnotation]]:
    """Yields split, place in the file and person; `split` is everybody's in it."""
    for i, record in enumerate(records):
        where = f"{path}: record {i}"
        points = visibility = None
        if split != split_lib.TEST:
            points = get(where, record, "joints")
            labelled = get(where, record, "joints_vis")
            if not isinstance(labelled, list):
                raise AnnotationError(
                    f"{where}: joints_vis: expected a list, got {labelled!r:.80}"
                )
            visibility = [_visibility(where, value) for value in labelled]
        yield (
            split,
            where,
            person_from_source(
                where,
                image_name=get(where, record, "image"),
                points=points,
                visibility=visibility,
                center=get(where, record, "center"),
                scale=get(where, record, "scale"),
            ),
        )


def _visibility(where: str, value: Any) -> Visibility:
    if value not in (0, 1):
        raise AnnotationError(f"{where}: joints_vis must be 0 or 1, got {value!r:.80}")
    return Visibility.VISIBLE if value else Visibility.MISSING
