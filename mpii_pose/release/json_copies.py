"""Reads the copies of the annotations that circulate as JSON.

Both were converted from the official .mat and count from 1, as it does:

* CPM's `mpii_annotations.json` (Convolutional Pose Machines, used by pytorch-pose):
  train and validation in one file, with occlusion flags and without head boxes.
* HRNet's `train.json` and `valid.json` (SimpleBaselines, MMPose, many tutorials): a
  file for each split, without occlusion flags, head boxes and numbers of people.
  `test.json` has no labels.

In messages, `where` is the file and the place in it.
"""

import gzip
import io
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from etils import epath

from mpii_pose.person import AnnotationError, PersonAnnotation, person_from_source
from mpii_pose.release import split
from mpii_pose.skeleton import NUM_KEYPOINTS, Visibility

Records = Sequence[Mapping[str, Any]]

# The annotations of MPII unpack to 8 times their size.
_MAX_RATIO: Final = 100


def load_json(path: epath.PathLike) -> Any:
    """Loads a JSON file, which may be packed with gzip or have a byte order mark.

    Raises:
        AnnotationError: It is no JSON, or unpacks to too much.
    """
    path = epath.Path(path).expanduser()
    data = path.read_bytes()
    try:
        if data.startswith(b"\x1f\x8b"):
            limit = _MAX_RATIO * len(data)
            data = gzip.GzipFile(fileobj=io.BytesIO(data)).read(limit + 1)
            if len(data) > limit:
                raise ValueError(f"unpacks to more than {_MAX_RATIO} times its size")
        return json.loads(data)
    except (ValueError, EOFError, OSError, zlib.error, RecursionError) as error:
        raise AnnotationError(f"{path}: not a JSON file ({error})") from error


def load_records(path: epath.PathLike) -> list[dict[str, Any]]:
    """Loads a file that holds a list of people, one JSON object each."""
    records = load_json(path)
    if isinstance(records, dict) and "root" in records:  # MATLAB's savejson adds it.
        records = records["root"]
    if not isinstance(records, list) or not records:
        found = "an empty one" if records == [] else type(records).__name__
        raise AnnotationError(f"{path}: expected a list of people, found {found}")
    for i, record in enumerate(records):
        if not isinstance(record, dict):
            raise AnnotationError(
                f"{path}: record {i}: expected an object, found {record!r:.80}"
            )
    return records


def get(where: str, record: Mapping[str, Any], name: str) -> Any:
    """Returns a field that must be there."""
    if name not in record:
        raise AnnotationError(f"{where}: no field {name!r}, found {sorted(record)}")
    return record[name]


def _get_integer(where: str, record: Mapping[str, Any], name: str) -> int:
    """Returns a field that must be an integer, which may be written as 1.0."""
    value = get(where, record, name)
    if not isinstance(value, int | float) or value != value // 1:
        raise AnnotationError(f"{where}: {name} must be an integer, got {value!r:.80}")
    return int(value)


def is_cpm(records: Records) -> bool:
    """Returns whether records are CPM's."""
    return "joint_self" in records[0]


def is_hrnet(records: Records) -> bool:
    """Returns whether records are HRNet's of MPII, and not those of other people."""
    joints = records[0].get("joints", [None] * NUM_KEYPOINTS)
    has_fields = {"image", "center", "scale"} <= records[0].keys()
    return has_fields and isinstance(joints, list) and len(joints) == NUM_KEYPOINTS


def read_cpm(
    *paths: epath.PathLike,
) -> tuple[split.People, Mapping[str, tuple[int, int]]]:
    """Reads CPM's file, or several: people by split, and (height, width) by image."""
    people, sizes = [], {}
    records = [(path, i, r) for path in paths for i, r in enumerate(load_records(path))]
    for path, i, record in records:
        where = f"{path}: record {i}"
        person = _cpm_person(where, record)
        order = _get_integer(where, record, "annolist_index"), person.person_index
        is_validation = _get_integer(where, record, "isValidation") == 1
        name = split.VALIDATION if is_validation else split.TRAIN
        people.append((order, (name, where, person)))
        if {"img_height", "img_width"} <= record.keys():
            sizes[person.image_name] = (
                _get_integer(where, record, "img_height"),
                _get_integer(where, record, "img_width"),
            )
    people.sort(key=lambda entry: entry[0])  # As the release orders them.
    return split.in_order(entry for _, entry in people), sizes


def _cpm_person(where: str, record: Mapping[str, Any]) -> PersonAnnotation:
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
    return person_from_source(
        where,
        image_name=image_name,
        points=joints[:, :2],
        visibility=np.where(visible, Visibility.VISIBLE, Visibility.OCCLUDED),
        center=get(where, record, "objpos"),
        scale=get(where, record, "scale_provided"),
        person_index=_get_integer(where, record, "people_index") - 1,
    )


def read_hrnet(files: Mapping[str, epath.PathLike]) -> split.People:
    """Reads HRNet's files, one for each split: people by split."""
    people = []
    for name, path in files.items():
        for i, record in enumerate(load_records(path)):
            where = f"{path}: record {i}"
            points = visibility = None
            if name != split.TEST:
                points = get(where, record, "joints")
                flags = get(where, record, "joints_vis")
                if not isinstance(flags, list) or any(f not in (0, 1) for f in flags):
                    raise AnnotationError(
                        f"{where}: joints_vis must be a list of 0 or 1, got "
                        f"{flags!r:.80}"
                    )
                visibility = [Visibility.VISIBLE * int(flag) for flag in flags]
                if points is None and any(flags):
                    raise AnnotationError(
                        f"{where}: joints is null, but {sum(flags)} of joints_vis are 1"
                    )
            person = person_from_source(
                where,
                image_name=get(where, record, "image"),
                points=points,
                visibility=visibility,
                center=get(where, record, "center"),
                scale=get(where, record, "scale"),
            )
            people.append((name, where, person))
    return split.in_order(people)
