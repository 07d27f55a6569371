"""Annotations as COCO keypoints JSON.

COCO counts pixels from 0, as we do, and writes a missing keypoint as (0, 0, 0). Values
that it has no name for (center, scale, head box and the like) are in fields of our own,
which COCO's tools ignore; nothing of a person is lost.

MPII has no boxes around people. `bbox` (x, y, width, height) is the smallest one that
holds the labelled keypoints and the head box or, where that has no area, the square of
200 x scale px around the center; it is cut to the image where its size is known. MPII
has no outlines: `segmentation` is the polygon of `bbox`, and `area` its area, so OKS
made from it is lenient.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from etils import epath

from mpii_pose import files
from mpii_pose.person import HEIGHT_PER_SCALE, PersonAnnotation
from mpii_pose.skeleton import MPII, NUM_KEYPOINTS

_INFO = {
    "description": "MPII Human Pose",
    "url": "http://human-pose.mpi-inf.mpg.de",
    "year": 2014,
    "coordinates": "pixels of the full image, 0-based, integers at pixel centers",
}
_LICENSE = {"id": 1, "name": "Simplified BSD License; annotations for research"}
_CATEGORY = {
    "id": 1,
    "name": "person",
    "supercategory": "person",
    "keypoints": list(MPII.keypoints),
    # COCO counts keypoints from 1.
    "skeleton": [[start + 1, end + 1] for start, end in MPII.bone_indices],
}

# Attributes of `PersonAnnotation` that people of one image share, and the others.
_OF_IMAGE = ("activity", "category", "video_id", "frame_sec")
_OF_PERSON = ("scale", "head_size", "index", "person_index", "separated")


def people_to_coco(
    people: Sequence[PersonAnnotation],
    *,
    image_sizes: Mapping[str, tuple[int, int]] | None = None,
    sigmas: Sequence[float] | None = None,
) -> dict[str, Any]:
    """Returns people of one split as the content of a COCO keypoints file.

    Args:
        people: As `read_people` returns them.
        image_sizes: (height, width) in px by image name; `width` and `height` are left
            out of images that it does not name.
        sigmas: [16], those of OKS, written as `sigmas` into the category, a field that
            is not COCO's; by default none, as nobody measured MPII's. State the sigmas
            with each OKS that you publish.

    Raises:
        ValueError: There is not one sigma above 0 for each keypoint.
    """
    category = dict(_CATEGORY)
    if sigmas is not None:
        category["sigmas"] = [float(sigma) for sigma in sigmas]
        if len(sigmas) != NUM_KEYPOINTS or not all(0 < sigma < 10 for sigma in sigmas):
            raise ValueError(
                f"sigmas must be {NUM_KEYPOINTS} numbers above 0, one for each "
                f"keypoint of {MPII.name}, got {category['sigmas']}"
            )
    images: dict[str, dict[str, Any]] = {}
    annotations = []
    for number, person in enumerate(people, start=1):
        name = person.image_name
        size = (image_sizes or {}).get(name)
        if name not in images:
            images[name] = {
                "id": len(images) + 1,
                "file_name": name,
                "license": _LICENSE["id"],
                **_size(size),
                **{field: getattr(person, field) for field in _OF_IMAGE},
            }
        points = np.where(person.labelled[:, np.newaxis], person.keypoints, 0.0)
        triples = np.column_stack([points, person.visibility])
        box = x, y, width, height = _box(person, size)
        right, bottom = x + width, y + height
        annotations.append(
            {
                "id": number,
                "image_id": images[name]["id"],
                "category_id": category["id"],
                "iscrowd": 0,
                "keypoints": triples.ravel().tolist(),
                "num_keypoints": int(person.labelled.sum()),
                "bbox": box,
                "segmentation": [[x, y, right, y, right, bottom, x, bottom]],
                "area": width * height,
                "center": person.center.tolist(),
                "head_box": person.head_box.tolist(),
                **{field: getattr(person, field) for field in _OF_PERSON},
            }
        )
    return {
        "info": _INFO,
        "licenses": [_LICENSE],
        "categories": [category],
        "images": list(images.values()),
        "annotations": annotations,
    }


def write_coco(
    path: epath.PathLike, people: Sequence[PersonAnnotation], **options: Any
) -> None:
    """Writes `people_to_coco`, which takes the same options, as a JSON file."""
    content = people_to_coco(people, **options)
    with files.whole_file(path) as file:
        file.write(json.dumps(content).encode())


def _size(size: tuple[int, int] | None) -> dict[str, int]:
    return {} if size is None else {"height": int(size[0]), "width": int(size[1])}


def _box(person: PersonAnnotation, size: tuple[int, int] | None) -> list[float]:
    """Returns `bbox` of a person in an image of (height, width)."""
    half = person.scale * HEIGHT_PER_SCALE / 2
    square = [person.center - half, person.center + half]
    head = person.head_box.reshape(2, 2) if person.has_head_box else ()
    around = [*person.keypoints[person.labelled], *head]
    limits = (-np.inf, np.inf) if size is None else (0, np.array(size[::-1]) - 1)
    for corners in (around if person.labelled.any() else square, square):
        low, high = (np.clip(end(corners, axis=0), *limits) for end in (np.min, np.max))
        if (high > low).all():
            break
    return [*low.astype(float).tolist(), *(high - low).astype(float).tolist()]
