"""Annotations as COCO keypoints JSON, and back.

COCO counts pixels from 0, as we do, and writes a missing keypoint as (0, 0, 0). What
it has no name for (center, scale, head box and the like) stands in fields of our own,
which COCO's tools leave alone; with them people read back as they were.

MPII draws no boxes around people. `bbox` (x, y, width, height) is the smallest one that
holds the labelled keypoints and the head box or, for people without keypoints, the
square of 200 x scale px around the center; it is cut to the image where its size is
known. `area` is that of `bbox`: MPII has no outlines, so OKS made from it is lenient.
"""

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from etils import epath

from mpii_pose.person import (
    UNKNOWN,
    AnnotationError,
    PersonAnnotation,
    person_from_source,
)
from mpii_pose.skeleton import BONES, KEYPOINTS, MIRRORED_PAIRS, Visibility

PERSON_CATEGORY: Mapping[str, Any] = {
    "id": 1,
    "name": "person",
    "supercategory": "person",
    "keypoints": list(KEYPOINTS),
    "skeleton": [[start + 1, end + 1] for start, end in BONES],  # COCO's count from 1.
    "mirrored_pairs": [
        [KEYPOINTS[right], KEYPOINTS[left]] for right, left in MIRRORED_PAIRS
    ],
}
_INFO = {
    "description": "MPII Human Pose",
    "url": "http://human-pose.mpi-inf.mpg.de",
    "year": 2014,
    "coordinates": "pixels of the full image, 0-based, integers at pixel centers",
}
_LICENSE = {"id": 1, "name": "Simplified BSD License; annotations for research"}

# Attributes of `PersonAnnotation` that people of one image share, and the others.
_OF_IMAGE = ("activity", "category", "video_id", "frame_sec")
_OF_PERSON = ("head_size", "index", "person_index", "separated")
_HEIGHT_PER_SCALE = 200.0


def people_to_coco(
    people: Sequence[PersonAnnotation],
    *,
    image_sizes: Mapping[str, tuple[int, int]] | None = None,
) -> dict[str, Any]:
    """Returns people of one split as the content of a COCO keypoints file.

    Args:
        people: As `read_people` returns them.
        image_sizes: (height, width) in px by image name; `width` and `height` are left
            out of images that it does not name.
    """
    sizes = image_sizes or {}
    images: dict[str, dict[str, Any]] = {}
    annotations = []
    for number, person in enumerate(people, start=1):
        name = person.image_name
        if name not in images:
            images[name] = {
                "id": len(images) + 1,
                "file_name": name,
                "license": _LICENSE["id"],
                **_size(sizes.get(name)),
                **{field: getattr(person, field) for field in _OF_IMAGE},
            }
        annotations.append(
            {
                "id": number,
                "image_id": images[name]["id"],
                "category_id": PERSON_CATEGORY["id"],
                "iscrowd": 0,
                **_geometry(person, sizes.get(name)),
                **{field: getattr(person, field) for field in _OF_PERSON},
            }
        )
    return {
        "info": _INFO,
        "licenses": [_LICENSE],
        "categories": [PERSON_CATEGORY],
        "images": list(images.values()),
        "annotations": annotations,
    }


def people_from_coco(
    content: Mapping[str, Any], *, where: str = "COCO"
) -> list[PersonAnnotation]:
    """Returns the people that `people_to_coco` was given, in the same order.

    Args:
        content: What `people_to_coco` returned, or a file of another origin with the 16
            keypoints of MPII and fields `center` and `scale`.
        where: Name of the file, for messages.

    Raises:
        AnnotationError: The content has other keypoints or lacks a field.
    """
    names = _get(where, _get(where, content, "categories")[0], "keypoints")
    if tuple(names) != KEYPOINTS:
        raise AnnotationError(
            f"{where}: the keypoints of categories[0] must be {list(KEYPOINTS)}, got "
            f"{names}"
        )
    images = {image["id"]: image for image in _get(where, content, "images")}
    return [
        _person(f"{where}: annotations[{i}]", record, images)
        for i, record in enumerate(_get(where, content, "annotations"))
    ]


def write_coco(
    path: epath.PathLike,
    people: Sequence[PersonAnnotation],
    *,
    image_sizes: Mapping[str, tuple[int, int]] | None = None,
) -> None:
    """Writes `people_to_coco` as a JSON file."""
    content = people_to_coco(people, image_sizes=image_sizes)
    epath.Path(path).write_text(json.dumps(content))


def read_coco(path: epath.PathLike) -> list[PersonAnnotation]:
    """Reads people from a JSON file that `write_coco` wrote.

    Raises:
        AnnotationError: The file is something else.
    """
    try:
        content = json.loads(epath.Path(path).read_text())
    except ValueError as error:
        raise AnnotationError(f"{path}: not a JSON file ({error})") from error
    if not isinstance(content, dict):
        raise AnnotationError(f"{path}: expected a JSON object")
    return people_from_coco(content, where=str(path))


def _size(size: tuple[int, int] | None) -> dict[str, int]:
    return {} if size is None else {"height": int(size[0]), "width": int(size[1])}


def _geometry(person: PersonAnnotation, size: tuple[int, int] | None) -> dict[str, Any]:
    labelled = person.visibility != Visibility.MISSING
    points = np.where(labelled[:, None], person.keypoints, 0.0)
    box = _box(person, person.keypoints[labelled], size)
    return {
        "keypoints": np.column_stack([points, person.visibility]).ravel().tolist(),
        "num_keypoints": int(labelled.sum()),
        "bbox": box,
        "area": box[2] * box[3],
        "center": person.center.tolist(),
        "scale": person.scale,
        "head_box": person.head_box.tolist(),
    }


def _box(
    person: PersonAnnotation,
    points: npt.NDArray[np.float32],
    size: tuple[int, int] | None,
) -> list[float]:
    half = person.scale * _HEIGHT_PER_SCALE / 2
    corners = [person.center - half, person.center + half]
    if points.size:
        has_head_box = (person.head_box != UNKNOWN).any()
        corners = [*points, *(person.head_box.reshape(2, 2) if has_head_box else ())]
    low, high = np.min(corners, axis=0), np.max(corners, axis=0)
    if size is not None:
        last = np.array([size[1] - 1, size[0] - 1])
        low, high = np.clip(low, 0, last), np.clip(high, 0, last)
    return [*low.astype(float).tolist(), *(high - low).astype(float).tolist()]


def _person(
    where: str, record: Mapping[str, Any], images: Mapping[Any, Mapping[str, Any]]
) -> PersonAnnotation:
    image = images.get(_get(where, record, "image_id"))
    if image is None:
        raise AnnotationError(f"{where}: no image has id {record['image_id']!r}")
    try:
        rows = np.array(_get(where, record, "keypoints"), np.float64).reshape(-1, 3)
    except (TypeError, ValueError):
        raise AnnotationError(
            f"{where}: keypoints must be numbers x, y, v, x, y, v ..., got "
            f"{record['keypoints']!r:.80}"
        ) from None
    box = record.get("head_box")
    if box is not None and all(side == UNKNOWN for side in box):
        box = None
    fields = {k: record[k] for k in _OF_PERSON if k in record and k != "head_size"}
    fields |= {k: image[k] for k in _OF_IMAGE if k in image}
    person = person_from_source(
        where,
        image_name=_get(where, image, "file_name"),
        points=rows[:, :2] + 1,
        visibility=rows[:, 2],
        center=_plus_one(_get(where, record, "center")),
        scale=_get(where, record, "scale"),
        head_box=None if box is None else _plus_one(box),
        **fields,
    )
    return dataclasses.replace(
        person, head_size=float(record.get("head_size", person.head_size))
    )


def _plus_one(values: Iterable[float]) -> list[float]:
    return [value + 1 for value in values]


def _get(where: str, record: Mapping[str, Any], name: str) -> Any:
    if name not in record:
        raise AnnotationError(f"{where}: no field {name!r}, found {sorted(record)}")
    return record[name]
