"""Reads the official annotations, `mpii_human_pose_v1_u12_1.mat`.

The file holds one struct, RELEASE. What its documentation leaves out:

* A field may be absent (the structs of an array share their fields) or empty, which
  mean the same: `annorect`, and its `x1`, `annopoints`, `scale` and `objpos`.
* `is_visible` may be absent, empty, a number or a character. It is always empty for
  upper neck and head top, which are visible.
* Points come in any order and are told apart by `id`.
* Counting starts at 1, for pixels, `single_person` and `vididx`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from mpii_pose.person import (
    UNKNOWN,
    AnnotationError,
    PersonAnnotation,
    person_from_source,
)
from mpii_pose.release import matlab_structs as structs
from mpii_pose.release import split as split_lib
from mpii_pose.skeleton import NUM_KEYPOINTS, Visibility

# The .mat lists 24,987 images, the archive holds 24,984: it lacks these, which public
# code skips by name. None of them is in any copy of the annotations.
UNRELEASED_IMAGES = frozenset({"002878268.jpg", "013401523.jpg", "040348287.jpg"})

_VISIBILITY = {0.0: Visibility.OCCLUDED, 1.0: Visibility.VISIBLE}


def read_matlab(path: Any) -> Mapping[str, list[PersonAnnotation]]:
    """Reads the people of the official .mat, which may be one in a zip archive.

    Validation people are those of `validation_people.csv` beside the file if there is
    one, else Tompson's. People without a center and a scale, people of training images
    without keypoints, and those of `UNRELEASED_IMAGES` are left out, as everywhere.
    """
    path = structs.as_path(path)
    listed = path.parent / split_lib.VALIDATION_PEOPLE_FILE
    validation = (
        split_lib.read_validation_people(listed)
        if listed.exists()
        else split_lib.tompson()
    )
    people = split_lib.in_order(
        people_of_release(path, structs.load_release(path), validation)
    )
    if not people:
        raise AnnotationError(f"{path}: no image has a person with a center and scale")
    return people


def read_points(
    where: str, rect: Any
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int8]] | None:
    """Returns keypoints [16, 2] and visibility [16], or None where there are none."""
    points = structs.as_structs(
        structs.field(structs.child(rect, "annopoints"), "point")
    )
    if not points:
        return None
    keypoints = np.zeros((NUM_KEYPOINTS, 2))
    visibility = np.full(NUM_KEYPOINTS, Visibility.MISSING, np.int8)
    for point in points:
        number = structs.number(where, point, "id")
        if number not in range(NUM_KEYPOINTS):
            raise AnnotationError(
                f"{where}: point id must be 0 to {NUM_KEYPOINTS - 1}, got {number:g}"
            )
        k = int(number)
        keypoints[k] = (
            structs.number(where, point, "x"),
            structs.number(where, point, "y"),
        )
        visibility[k] = _visibility(where, structs.field(point, "is_visible"))
    return keypoints, visibility


def people_of_release(
    path: Any, release: Any, validation: split_lib.ValidationPeople
) -> Iterator[tuple[str, str, PersonAnnotation]]:
    """Yields split, place in the file and person of the struct RELEASE."""
    images = structs.as_structs(structs.field(release, "annolist"))
    is_train = _one_per_image(path, release, "img_train", len(images))
    separated = _one_per_image(path, release, "single_person", len(images))
    activities = _one_per_image(path, release, "act", len(images))
    video_ids = np.atleast_1d(getattr(release, "video_list", []))
    if not images or is_train is None or is_train.dtype.kind not in "biuf":
        raise AnnotationError(
            f"{path}: RELEASE must have annolist, and numbers in img_train"
        )

    for i, image in enumerate(images):
        where = f"{path}: annolist({i + 1})"
        rects = structs.as_structs(structs.field(image, "annorect"))
        if not rects:
            continue
        image_name = structs.text(where, structs.child(image, "image"), "name")
        if image_name in UNRELEASED_IMAGES:
            continue
        activity = None if activities is None else activities[i]
        about_image = {
            "activity": structs.text(where, activity, "act_name"),
            "category": structs.text(where, activity, "cat_name"),
            **_about_video(where, image, video_ids),
        }
        for j, rect in enumerate(rects):
            place = f"{where}.annorect({j + 1})"
            center = structs.child(rect, "objpos")
            points = read_points(place, rect) if is_train[i] else (None, None)
            if center is None or structs.field(rect, "scale") is None or points is None:
                continue
            person = person_from_source(
                place,
                image_name=image_name,
                points=points[0],
                visibility=points[1],
                center=[structs.number(place, center, axis) for axis in "xy"],
                scale=structs.number(place, rect, "scale"),
                head_box=_head_box(place, rect),
                person_index=j,
                separated=UNKNOWN
                if separated is None
                else int(j + 1 in np.atleast_1d(separated[i])),
                **about_image,
            )
            name = validation.split_of(image_name, j) if is_train[i] else split_lib.TEST
            yield name, place, person


def _one_per_image(
    path: Any, release: Any, name: str, num_images: int
) -> npt.NDArray[Any] | None:
    values = structs.field(release, name)
    if values is None:
        return None
    values = np.atleast_1d(values)
    if values.shape != (num_images,):
        raise AnnotationError(
            f"{path}: {name} must have one entry for each of the {num_images} images "
            f"of annolist, has {values.size}"
        )
    return values


def _about_video(
    where: str, image: Any, video_ids: npt.NDArray[Any]
) -> dict[str, str | int]:
    video_id, second = "", float(UNKNOWN)
    if structs.field(image, "vididx") is not None:
        video = structs.number(where, image, "vididx")
        if video not in range(1, len(video_ids) + 1):
            raise AnnotationError(
                f"{where}: vididx must be 1 to {len(video_ids)}, the length of "
                f"video_list, got {video:g}"
            )
        video_id = str(video_ids[int(video) - 1])
    if structs.field(image, "frame_sec") is not None:
        second = structs.number(where, image, "frame_sec")
        if not second.is_integer():
            raise AnnotationError(
                f"{where}: frame_sec must be an integer, got {second}"
            )
    return {"video_id": video_id, "frame_sec": int(second)}


def _visibility(where: str, flag: Any) -> Visibility:
    if flag is None:
        return Visibility.VISIBLE
    try:
        return _VISIBILITY[float(flag)]  # A number or a character.
    except (KeyError, TypeError, ValueError):
        raise AnnotationError(
            f"{where}: is_visible must be empty, 0 or 1, got {flag!r:.80}"
        ) from None


def _head_box(where: str, rect: Any) -> list[float] | None:
    sides = ("x1", "y1", "x2", "y2")
    if any(structs.field(rect, side) is None for side in sides):
        return None
    return [structs.number(where, rect, side) for side in sides]
