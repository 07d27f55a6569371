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
from etils import epath, epy

from mpii_pose.annotations import split as split_lib
from mpii_pose.annotations.person import (
    UNKNOWN,
    AnnotationError,
    PersonAnnotation,
    person_from_source,
)
from mpii_pose.skeleton import NUM_KEYPOINTS, Visibility

with epy.lazy_imports():  # SciPy takes longer to import than the whole package.
    import scipy.io

_VISIBILITY = {"0": Visibility.OCCLUDED, "1": Visibility.VISIBLE}


def read_matlab(path: epath.PathLike) -> Mapping[str, list[PersonAnnotation]]:
    """Reads the people of the official .mat.

    Validation people are those of `validation_people.csv` beside the file if there is
    one, else Tompson's. People without a center and a scale, and people of training
    images without keypoints, are left out, as everywhere.

    Raises:
        AnnotationError: The file is damaged or is not the release's.
    """
    path = epath.Path(path)
    listed = path.parent / split_lib.VALIDATION_PEOPLE_FILE
    validation = (
        split_lib.read_validation_people(listed)
        if listed.exists()
        else split_lib.tompson()
    )
    return split_lib.in_order(_people(path, _load_release(path), validation))


def _load_release(path: epath.Path) -> np.void:
    with path.open("rb") as file:
        try:
            content = scipy.io.loadmat(file, variable_names=["RELEASE"])
        except Exception as error:  # SciPy meets damage with errors of any kind.
            raise AnnotationError(
                f"{path}: not a MATLAB file SciPy can read ({error}); it may be "
                "truncated, so compare its size with the original's or fetch it again"
            ) from error
    release = content.get("RELEASE")
    if release is None or release.dtype.names is None or release.size != 1:
        raise AnnotationError(
            f"{path}: expected one struct named RELEASE and found none; is this "
            "mpii_human_pose_v1_u12_1.mat?"
        )
    return release.item(0) if isinstance(release.item(0), np.void) else release.flat[0]


def _people(
    path: epath.Path, release: np.void, validation: split_lib.ValidationPeople
) -> Iterator[tuple[str, PersonAnnotation]]:
    images = _field(release, "annolist")
    if images is None or images.dtype.names is None:
        raise AnnotationError(f"{path}: RELEASE has no struct array annolist")
    images = images.ravel()
    is_train = _one_per_image(path, release, "img_train", images.size)
    separated = _one_per_image(path, release, "single_person", images.size)
    activities = _one_per_image(path, release, "act", images.size)
    videos = _field(release, "video_list")
    if is_train is None:
        raise AnnotationError(f"{path}: RELEASE has no img_train")

    for i, image in enumerate(images):
        where = f"{path}: annolist({i + 1})"
        rects = _field(image, "annorect")
        if rects is None or rects.dtype.names is None:
            continue
        image_name = _text(where, _child(image, "image"), "name")
        about_image = _about_image(
            where, image, None if activities is None else activities[i], videos
        )
        singles = None if separated is None else separated[i].ravel().tolist()
        for j, rect in enumerate(rects.ravel()):
            place = f"{where}.annorect({j + 1})"
            center, scale = _child(rect, "objpos"), _field(rect, "scale")
            if center is None or scale is None:
                continue
            points = _points(place, rect) if is_train[i] else None
            if points is None and is_train[i]:
                continue
            keypoints, visibility = (None, None) if points is None else points
            person = person_from_source(
                place,
                image_name=image_name,
                points=keypoints,
                visibility=visibility,
                center=[_number(place, center, axis) for axis in "xy"],
                scale=_number(place, rect, "scale"),
                head_box=_head_box(place, rect),
                person_index=j,
                separated=UNKNOWN if singles is None else int(j + 1 in singles),
                **about_image,
            )
            yield (
                (validation.split_of(image_name, j) if is_train[i] else split_lib.TEST),
                person,
            )


def _one_per_image(
    path: epath.Path, release: np.void, name: str, num_images: int
) -> npt.NDArray[Any] | None:
    values = _field(release, name)
    if values is not None and values.size != num_images:
        raise AnnotationError(
            f"{path}: {name} must have one entry for each of the {num_images} images "
            f"of annolist, has {values.size}"
        )
    return None if values is None else values.ravel()


def _about_image(
    where: str,
    image: np.void,
    activity: np.void | None,
    videos: npt.NDArray[Any] | None,
) -> dict[str, Any]:
    """Returns the attributes that the people of an image share."""
    video_id, second = "", UNKNOWN
    if _field(image, "vididx") is not None:
        names: Any = [] if videos is None else videos.ravel()
        video = _number(where, image, "vididx")
        if video not in range(1, len(names) + 1):
            raise AnnotationError(
                f"{where}: vididx must be 1 to {len(names)}, the length of video_list, "
                f"got {video:g}"
            )
        video_id = str(names[int(video) - 1].item())
    if _field(image, "frame_sec") is not None:
        second = int(_number(where, image, "frame_sec"))
    return {
        "activity": _text(where, activity, "act_name"),
        "category": _text(where, activity, "cat_name"),
        "video_id": video_id,
        "frame_sec": second,
    }


def _points(
    where: str, rect: np.void
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int8]] | None:
    """Returns keypoints [16, 2] and visibility [16], or None where there are none."""
    points = _field(_child(rect, "annopoints"), "point")
    if points is None or points.dtype.names is None:
        return None
    keypoints = np.zeros((NUM_KEYPOINTS, 2))
    visibility = np.full(NUM_KEYPOINTS, Visibility.MISSING, np.int8)
    for point in points.ravel():
        number = _number(where, point, "id")
        if number not in range(NUM_KEYPOINTS):
            raise AnnotationError(
                f"{where}: point id must be 0 to {NUM_KEYPOINTS - 1}, got {number:g}"
            )
        k = int(number)
        keypoints[k] = _number(where, point, "x"), _number(where, point, "y")
        visibility[k] = _visibility(where, _field(point, "is_visible"))
    return keypoints, visibility


def _visibility(where: str, flag: npt.NDArray[Any] | None) -> Visibility:
    if flag is None:
        return Visibility.VISIBLE
    state = _VISIBILITY.get(str(flag.item())) if flag.size == 1 else None
    if state is None:
        raise AnnotationError(
            f"{where}: is_visible must be empty, 0 or 1, got {flag.tolist()}"
        )
    return state


def _head_box(where: str, rect: np.void) -> list[float] | None:
    sides = ("x1", "y1", "x2", "y2")
    if any(_field(rect, side) is None for side in sides):
        return None
    return [_number(where, rect, side) for side in sides]


def _field(struct: np.void | None, name: str) -> npt.NDArray[Any] | None:
    """Returns a field's array, or None where it is absent or empty."""
    if struct is None or name not in (struct.dtype.names or ()):
        return None
    value = struct[name]
    return value if isinstance(value, np.ndarray) and value.size else None


def _child(struct: np.void | None, name: str) -> np.void | None:
    """Returns a field that is one struct, or None where it is absent or empty."""
    value = _field(struct, name)
    return None if value is None or value.dtype.names is None else value.flat[0]


def _number(where: str, struct: np.void, name: str) -> float:
    value = _field(struct, name)
    if value is None or value.size != 1 or value.dtype.kind not in "biuf":
        raise AnnotationError(
            f"{where}: {name} must be one number, got "
            f"{None if value is None else value.tolist()!r:.80}"
        )
    return float(value.item())


def _text(where: str, struct: np.void | None, name: str) -> str:
    value = _field(struct, name)
    if value is None:
        return ""
    if value.size != 1 or value.dtype.kind != "U":
        raise AnnotationError(f"{where}: {name} must be text, got {value!r:.80}")
    return str(value.item())
