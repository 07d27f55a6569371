"""Reads the JSON copies of the annotations that circulate.

Both formats were converted from the official .mat, count pixels from 1 as it does, and
lost part of it:

* CPM's `mpii_annotations.json` (Convolutional Pose Machines, used by pytorch-pose):
  train and validation in one file, occlusion flags, no head boxes.
* HRNet's `train.json` and `valid.json` (HRNet, SimpleBaselines, MMPose, many
  tutorials): a file a split, neither occlusion flags nor head boxes.
"""

import gzip
import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from etils import epath

from mpii_pose.person import (
    AnnotationError,
    PersonAnnotation,
    person_from_source,
)
from mpii_pose.release import split as split_lib
from mpii_pose.skeleton import Visibility

# The annotations of MPII unpack to 8 times their size.
_MAX_RATIO = 100


def load_records(path: epath.PathLike) -> list[dict[str, Any]]:
    """Loads a file that holds a list of people, one JSON object each.

    Args:
        path: The file; gzip is recognised by its content.

    Raises:
        AnnotationError: It is something else.
    """
    path = epath.Path(path)
    data = path.read_bytes()
    try:
        if data.startswith(b"\x1f\x8b"):
            data = _gunzip(data)
        records = json.loads(data)
    except (ValueError, EOFError, OSError, RecursionError) as error:
        raise AnnotationError(f"{path}: not a JSON file ({error})") from error
    if isinstance(records, dict) and "root" in records:  # MATLAB's savejson adds it.
        records = records["root"]
    if not isinstance(records, list):
        raise AnnotationError(
            f"{path}: expected a list of people, found {type(records).__name__}"
        )
    if not records:
        raise AnnotationError(f"{path}: expected a list of people, found an empty one")
    for i, record in enumerate(records):
        if not isinstance(record, dict):
            raise AnnotationError(
                f"{path}: record {i}: expected an object, found {record!r:.80}"
            )
    return records


def _gunzip(data: bytes) -> bytes:
    limit = _MAX_RATIO * len(data)
    with gzip.open(io.BytesIO(data)) as file:
        unpacked = file.read(limit + 1)
    if len(unpacked) > limit:
        raise ValueError(f"unpacks to more than {_MAX_RATIO} times its size")
    return unpacked


def is_cpm(path: epath.PathLike) -> bool:
    """Whether a file holds CPM's records, and not HRNet's."""
    return "joint_self" in load_records(path)[0]


def read_cpm(path: epath.PathLike) -> Mapping[str, list[PersonAnnotation]]:
    """Reads train and validation people from CPM's `mpii_annotations.json`.

    Raises:
        AnnotationError: The file is damaged or of another format.
    """
    path = epath.Path(path)
    seen: dict[tuple[str, int], int] = {}
    people = []
    for i, record in enumerate(load_records(path)):
        where = f"{path}: record {i}"
        split, order, person = _cpm_person(where, record)
        key = person.image_name, person.person_index
        if key in seen:
            raise AnnotationError(
                f"{where}, image {key[0]}: person {key[1]} stands already in record "
                f"{seen[key]}"
            )
        seen[key] = i
        people.append((order, split, person))
    people.sort(key=lambda entry: entry[0])
    return split_lib.in_order((split, person) for _, split, person in people)


def read_cpm_image_sizes(path: epath.PathLike) -> Mapping[str, tuple[int, int]]:
    """Returns (height, width) by image name; without those the file does not give.

    Raises:
        AnnotationError: The file is damaged or of another format.
    """
    return {
        record["img_paths"]: (
            _integer(f"{path}: record {i}", record, "img_height"),
            _integer(f"{path}: record {i}", record, "img_width"),
        )
        for i, record in enumerate(load_records(path))
        if {"img_paths", "img_height", "img_width"} <= record.keys()
    }


def _cpm_person(
    where: str, record: dict[str, Any]
) -> tuple[str, tuple[int, int], PersonAnnotation]:
    image_name = _get(where, record, "img_paths")
    rows = _get(where, record, "joint_self")
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
    person_index = _integer(where, record, "people_index") - 1
    person = person_from_source(
        where,
        image_name=image_name,
        points=joints[:, :2],
        visibility=np.where(missing, Visibility.MISSING, state),
        center=_get(where, record, "objpos"),
        scale=_get(where, record, "scale_provided"),
        person_index=person_index,
    )
    is_validation = _integer(where, record, "isValidation") == 1
    order = _integer(where, record, "annolist_index"), person_index
    return split_lib.VALIDATION if is_validation else split_lib.TRAIN, order, person


def read_hrnet(
    files: Mapping[str, epath.PathLike],
) -> Mapping[str, list[PersonAnnotation]]:
    """Reads people from HRNet's JSON files.

    Args:
        files: The file of each split. That of `test` has people without joints.

    Raises:
        AnnotationError: A file is damaged or of another format.
    """
    return split_lib.in_order(
        (split, person)
        for split, path in files.items()
        for person in _hrnet_people(epath.Path(path), split)
    )


def _hrnet_people(path: epath.Path, split: str) -> Iterator[PersonAnnotation]:
    seen: dict[tuple[str, bytes], int] = {}
    for i, record in enumerate(load_records(path)):
        where = f"{path}: record {i}"
        points = visibility = None
        if split != split_lib.TEST:
            points = _get(where, record, "joints")
            labelled = _get(where, record, "joints_vis")
            visibility = [_labelled(where, value) for value in _list(where, labelled)]
        person = person_from_source(
            where,
            image_name=_get(where, record, "image"),
            points=points,
            visibility=visibility,
            center=_get(where, record, "center"),
            scale=_get(where, record, "scale"),
        )
        # The format does not number people; the same one twice is the same throughout.
        pose = person.keypoints.tobytes() + person.center.tobytes()
        if (person.image_name, pose) in seen:
            raise AnnotationError(
                f"{where}, image {person.image_name}: the same person stands already "
                f"in record {seen[person.image_name, pose]}"
            )
        seen[person.image_name, pose] = i
        yield person


def _labelled(where: str, value: Any) -> Visibility:
    if value not in (0, 1):
        raise AnnotationError(f"{where}: joints_vis must be 0 or 1, got {value!r:.80}")
    return Visibility.VISIBLE if value else Visibility.MISSING


def _list(where: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise AnnotationError(f"{where}: expected a list, got {value!r:.80}")
    return value


def _get(where: str, record: dict[str, Any], name: str) -> Any:
    if name not in record:
        raise AnnotationError(f"{where}: no field {name!r}, found {sorted(record)}")
    return record[name]


def _integer(where: str, record: dict[str, Any], name: str) -> int:
    value = _get(where, record, name)
    if not isinstance(value, int | float) or value != value // 1:
        raise AnnotationError(f"{where}: {name} must be an integer, got {value!r:.80}")
    return int(value)
