"""Reads the official annotations, `mpii_human_pose_v1_u12_1.mat`.

The file holds one struct, RELEASE. What its documentation leaves out:

* A field may be absent (the structs of an array share their fields) or empty, which
  mean the same: `annorect`, and its `x1`, `annopoints`, `scale` and `objpos`.
* `is_visible` may be absent, empty, a number or a character. It is always empty for
  upper neck and head top, which are visible.
* Points come in any order and are told apart by `id`.
* Counting starts at 1, for pixels, `single_person` and `vididx`.

SciPy squeezes: an array of one struct, number or text is that struct, number or text.
In messages, `where` is the file and the place in it.
"""

import io
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from etils import epath, epy

from mpii_pose.person import (
    UNKNOWN,
    AnnotationError,
    PersonAnnotation,
    person_from_source,
)
from mpii_pose.release import official
from mpii_pose.release import split as split_lib
from mpii_pose.skeleton import NUM_KEYPOINTS, Visibility

with epy.lazy_imports():  # SciPy takes longer to import than the whole package.
    import scipy.io

EMPTY = np.zeros((0, 0))  # MATLAB's [].

# The .mat lists 24,987 images, the archive holds 24,984: it lacks these, which public
# code skips by name. None of them is in any copy of the annotations.
UNRELEASED_IMAGES = frozenset({"002878268.jpg", "013401523.jpg", "040348287.jpg"})

_VISIBILITY: Final = {0.0: Visibility.OCCLUDED, 1.0: Visibility.VISIBLE}
# The release unpacks to some 20 times its size.
_MAX_RATIO: Final = 40
_SLACK_BYTES: Final = 1 << 20
_CHUNK: Final = 1 << 20


def read_matlab(path: Any) -> Mapping[str, list[PersonAnnotation]]:
    """Reads the people of the official .mat, which may be one in a zip archive.

    Validation people are those of `validation_people.csv` beside the file if there is
    one, else Tompson's. People without a center and a scale, people of training images
    without keypoints, and those of `UNRELEASED_IMAGES` are left out, as everywhere.
    """
    path = _as_path(path)
    listed = path.parent / split_lib.VALIDATION_PEOPLE_FILE
    if listed.exists():
        validation = split_lib.read_validation_people(listed)
    else:
        validation = split_lib.tompson()
    release = _structs(load_variable(path, "RELEASE"))
    if len(release) != 1:
        raise AnnotationError(
            f"{path}: expected one struct named RELEASE and found none; is this "
            f"{official.MATLAB_FILE}?"
        )
    people = split_lib.in_order(_people_of_release(path, release[0], validation))
    if not people:
        raise AnnotationError(f"{path}: no image has a person with a center and scale")
    return people


def load_variable(path: Any, name: str, *, squeeze: bool = True) -> Any:
    """Returns a variable of a MATLAB file, or None where it is absent.

    SciPy trusts files. Of all but the published one, known by its git id, the size that
    they unpack to is checked before.

    Args:
        path: The file, which may be one in a zip archive.
        name: The variable.
        squeeze: False for arrays with the axes they have in MATLAB, and structs as
            record arrays, which can be written again and take three times the memory.
    """
    path = _as_path(path)
    try:
        data = path.read_bytes()
        if official.git_blob_id(data) != official.MATLAB_GIT_BLOB:
            _check_unpacked_size(data)
        content = scipy.io.loadmat(
            io.BytesIO(data),
            variable_names=[name],
            squeeze_me=squeeze,
            struct_as_record=not squeeze,
        )
    except FileNotFoundError:
        raise
    except Exception as error:  # Damage gives errors of any kind.
        raise AnnotationError(
            f"{path}: not a MATLAB file SciPy can read ({error}); it may be "
            "truncated, so compare its size with the original's or fetch it again"
        ) from error
    return content.get(name)


def struct_array(rows: Sequence[Mapping[str, Any]]) -> npt.NDArray[Any]:
    """Returns a 1 x n struct array to be written; all rows have the fields of one."""
    names = tuple(rows[0])
    array = np.empty((1, len(rows)), [(name, object) for name in names])
    for column, row in enumerate(rows):
        array[0, column] = tuple(row[name] for name in names)
    return array


def _as_path(path: Any) -> Any:
    return path if isinstance(path, zipfile.Path) else epath.Path(path).expanduser()


def _check_unpacked_size(data: bytes) -> None:
    """Raises ValueError if a file is no MATLAB 5 file of a PC, or unpacks to much.

    It has a header of 128 bytes, and then variables: type, size, content.
    """
    if data[124:128] != b"\0\1IM":
        raise ValueError("no MATLAB 5 file")
    left, at = _MAX_RATIO * len(data) + _SLACK_BYTES, 128
    while at < len(data):
        is_packed = data[at] == 15
        end = at + 8 + int.from_bytes(data[at + 4 : at + 8], "little")
        unpacker, packed = zlib.decompressobj(), data[at + 8 : end]
        while is_packed and packed:
            left -= len(unpacker.decompress(packed, _CHUNK))
            if left < 0:
                raise ValueError(f"unpacks to more than {_MAX_RATIO} times its size")
            packed = unpacker.unconsumed_tail
        at = end


def _people_of_release(
    path: Any, release: Any, validation: split_lib.ValidationPeople
) -> Iterator[tuple[str, str, PersonAnnotation]]:
    """Yields split, place in the file and person of the struct RELEASE."""
    images = _structs(_field(release, "annolist"))
    is_train = _one_per_image(path, release, "img_train", len(images))
    separated = _one_per_image(path, release, "single_person", len(images))
    activities = _one_per_image(path, release, "act", len(images))
    video_ids = np.atleast_1d(getattr(release, "video_list", []))
    if not images or is_train is None or is_train.dtype.kind not in "biuf":
        raise AnnotationError(
            f"{path}: RELEASE must have annolist, and numbers in img_train"
        )

    release.annolist = None
    for i, image in enumerate(images):
        images[i] = None  # Its structs take ten times as much memory as its people.
        where = f"{path}: annolist({i + 1})"
        rects = _structs(_field(image, "annorect"))
        if not rects:
            continue
        image_name = _text(where, _child(image, "image"), "name")
        if image_name in UNRELEASED_IMAGES:
            continue
        activity = None if activities is None else activities[i]
        about_image = {
            "activity": _text(where, activity, "act_name"),
            "category": _text(where, activity, "cat_name"),
            **_about_video(where, image, video_ids),
        }
        for j, rect in enumerate(rects):
            place = f"{where}.annorect({j + 1})"
            center = _child(rect, "objpos")
            points = _points(place, rect) if is_train[i] else (None, None)
            if center is None or _field(rect, "scale") is None or points is None:
                continue
            person = person_from_source(
                place,
                image_name=image_name,
                points=points[0],
                visibility=points[1],
                center=[_number(place, center, axis) for axis in "xy"],
                scale=_number(place, rect, "scale"),
                head_box=_head_box(place, rect),
                person_index=j,
                separated=UNKNOWN
                if separated is None
                else int(j + 1 in np.atleast_1d(separated[i])),
                **about_image,
            )
            name = split_lib.TEST
            if is_train[i]:
                name = split_lib.split_of(image_name, j, validation)
            yield name, place, person


def _one_per_image(
    path: Any, release: Any, name: str, num_images: int
) -> npt.NDArray[Any] | None:
    values = _field(release, name)
    if values is None:
        return None
    values = np.atleast_1d(values)
    if values.shape != (num_images,):
        raise AnnotationError(
            f"{path}: {name} must have one entry for each of the {num_images} images "
            f"of annolist, has {values.size}"
        )
    return values


def _points(
    where: str, rect: Any
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int8]] | None:
    """Returns keypoints [16, 2] and visibility [16], or None where there are none."""
    points = _structs(_field(_child(rect, "annopoints"), "point"))
    if not points:
        return None
    keypoints = np.zeros((NUM_KEYPOINTS, 2))
    visibility = np.full(NUM_KEYPOINTS, Visibility.MISSING, np.int8)
    for point in points:
        number = _number(where, point, "id")
        if number not in range(NUM_KEYPOINTS):
            raise AnnotationError(
                f"{where}: point id must be 0 to {NUM_KEYPOINTS - 1}, got {number:g}"
            )
        k = int(number)
        keypoints[k] = _number(where, point, "x"), _number(where, point, "y")
        visibility[k] = _visibility(where, _field(point, "is_visible"))
    return keypoints, visibility


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
    if any(_field(rect, side) is None for side in sides):
        return None
    return [_number(where, rect, side) for side in sides]


def _about_video(
    where: str, image: Any, video_ids: npt.NDArray[Any]
) -> dict[str, str | int]:
    video_id, second = "", float(UNKNOWN)
    if _field(image, "vididx") is not None:
        video = _number(where, image, "vididx")
        if video not in range(1, len(video_ids) + 1):
            raise AnnotationError(
                f"{where}: vididx must be 1 to {len(video_ids)}, the length of "
                f"video_list, got {video:g}"
            )
        video_id = str(video_ids[int(video) - 1])
    if _field(image, "frame_sec") is not None:
        second = _number(where, image, "frame_sec")
        if not second.is_integer():
            raise AnnotationError(
                f"{where}: frame_sec must be an integer, got {second}"
            )
    return {"video_id": video_id, "frame_sec": int(second)}


def _structs(value: Any) -> list[Any]:
    """Returns the structs of an array, or of one; none if it is anything else."""
    struct_type = scipy.io.matlab.mat_struct
    if isinstance(value, np.ndarray):
        elements = value.ravel().tolist()
        return elements if all(type(e) is struct_type for e in elements) else []
    return [value] if type(value) is struct_type else []


def _field(struct: Any, name: str) -> Any:
    """Returns a field, or None where it is absent or empty."""
    value = getattr(struct, name, None)
    return None if isinstance(value, np.ndarray) and not value.size else value


def _child(struct: Any, name: str) -> Any:
    """Returns a field that is a struct, or None where it is absent or empty."""
    return next(iter(_structs(_field(struct, name))), None)


def _number(where: str, struct: Any, name: str) -> float:
    """Returns a field that must be one number."""
    value = _field(struct, name)
    if not isinstance(value, (int, float)):
        raise AnnotationError(f"{where}: {name} must be one number, got {value!r:.80}")
    return float(value)


def _text(where: str, struct: Any, name: str) -> str:
    """Returns a field that is one text, or "" where it is absent or empty."""
    value = _field(struct, name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise AnnotationError(f"{where}: {name} must be text, got {value!r:.80}")
    # A copy: SciPy's own strings, spread over its memory, would keep that from being
    # freed, 170 MB for MPII.
    return value.encode(errors="surrogatepass").decode(errors="surrogatepass")
