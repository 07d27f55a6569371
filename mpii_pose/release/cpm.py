"""CPM's `mpii_annotations.json` (Convolutional Pose Machines, used by pytorch-pose).

Converted from the official .mat, 1-based as it is: train and validation in one file,
with occlusion flags and without head boxes.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mpii_pose.person import AnnotationError, PersonAnnotation, person_from_source
from mpii_pose.release import split
from mpii_pose.release.json_records import get, get_integer
from mpii_pose.skeleton import Visibility

Records = Sequence[Mapping[str, Any]]


def is_cpm(records: Records) -> bool:
    """Whether records are CPM's."""
    return "joint_self" in records[0]


def read_people(
    path: Any, records: Records
) -> Iterator[tuple[str, str, PersonAnnotation]]:
    """Yields split, place in the file and person, in the order of the release."""
    people = []
    for i, record in enumerate(records):
        where = f"{path}: record {i}"
        person = _person(where, record)
        order = get_integer(where, record, "annolist_index"), person.person_index
        is_validation = get_integer(where, record, "isValidation") == 1
        name = split.VALIDATION if is_validation else split.TRAIN
        people.append((order, (name, where, person)))
    for _, entry in sorted(people, key=lambda entry: entry[0]):
        yield entry


def read_image_sizes(path: Any, records: Records) -> Mapping[str, tuple[int, int]]:
    """Returns (height, width) by image name; without those the file does not give."""
    return {
        record["img_paths"]: (
            get_integer(f"{path}: record {i}", record, "img_height"),
            get_integer(f"{path}: record {i}", record, "img_width"),
        )
        for i, record in enumerate(records)
        if {"img_paths", "img_height", "img_width"} <= record.keys()
    }


def _person(where: str, record: Mapping[str, Any]) -> PersonAnnotation:
    image_name = get(where, record, "img_paths")
    rows = get(where, record, "joint_self")
    try:
        joints = np.array(rows, np.float64).reshape(-1, 3)
    except (TypeError, ValueError, OverflowError):
        raise AnnotationError(
            f"{where}, image {image_name}: joint_self must be rows of (x, y, visible), "
            f"got {rows!r:.80}"
        ) from None
    visible = joints[:, 2]
    if not np.isin(visible, (0, 1)).all():
        raise AnnotationError(
            f"{where}, image {image_name}: the visibility in joint_self must be 0 or "
            f"1, got {visible.tolist()}"
        )
    # A keypoint that is not visible was placed under what hides it, or not at all.
    missing = (joints == 0).all(axis=1)
    state = np.where(visible == 1, Visibility.VISIBLE, Visibility.OCCLUDED)
    return person_from_source(
        where,
        image_name=image_name,
        points=joints[:, :2],
        visibility=np.where(missing, Visibility.MISSING, state),
        center=get(where, record, "objpos"),
        scale=get(where, record, "scale_provided"),
        person_index=get_integer(where, record, "people_index") - 1,
    )
