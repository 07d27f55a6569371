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
from mpii_pose.release import official, split
from mpii_pose.skeleton import NUM_KEYPOINTS, Visibility

with epy.lazy_imports():  # SciPy takes longer to import than the whole package.
    import scipy.io

EMPTY = np.zeros((0, 0))  # MATLAB's [].

# The .mat lists 24,987 images, the archive holds 24,984: it lacks these, which public
# code skips by name. None of them is in any copy of the annotations.
UNRELEASED_IMAGES = frozenset({"002878268.jpg", "013401523.jpg", "040348287.jpg"})

_HEAD_BOX: Final = ["x1", "y1", "x2", "y2"]
_VISIBILITY: Final = {0.0: Visibility.OCCLUDED, 1.0: Visibility.VISIBLE}
# The release unpacks to some 20 times its size.
_MAX_RATIO: Final = 40
_SLACK_BYTES: Final = 1 << 20
_CHUNK: Final = 1 << 20


def read_matlab(path: Any) -> split.People:
    """Reads the people of the official .mat, which may be one in a zip archive.

    Validation people are those of `validation_people.csv` beside the file if there is
    one, else Tompson's. People without a center and a scale, people of training images
    without keypoints, and those of `UNRELEASED_IMAGES` are left out, as everywhere.
    """
    path = _as_path(path)
    listed = path.parent / split.VALIDATION_PEOPLE_FILE
    own_list = listed.exists()
    validation = split.read_validation_people(listed) if own_list else split.tompson()
    release = _structs(load_variable(path, "RELEASE"))
    if len(release) != 1:
        raise AnnotationError(
            f"{path}: expected one struct named RELEASE and found none; is this "
            f"{official.MATLAB_FILE}?"
        )
    people = split.in_order(_people_of_release(path, release[0], validation))
    if not people:
        raise AnnotationError(f"{path}: no image has a person with a center and scale")
    return people


def load_variable(path: Any, name: str, *, squeeze: bool = True) -> Any:
    """Returns a variable of a MATLAB file, or None where it is absent.

    SciPy trusts files. Of all but the published one, known by its git id, the size that
    they unpack to is checked before. Without `squeeze`, arrays have the axes they have
    in MATLAB, and structs are record arrays, which can be written again and take three
    times the memory.
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
    except Exception as error:  # Damage gives errors of any kind.
        if isinstance(error, OSError) and error.errno:
            raise  # The file is not there, or may not be read.
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
    path: Any, release: Any, validation: Mapping[str, frozenset[int]]
) -> Iterator[tuple[str, str, PersonAnnotation]]:
    """Yields split, place in the file and person of the struct RELEASE."""
    images = _structs(_field(release, "annolist"))
    is_train, separated, activities = (
        _one_per_image(path, release, name, len(images))
        for name in ("img_train", "single_person", "act")
    )
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
        image_name = _text(where, _child(image, "image"), "name") if rects else ""
        if not rects or image_name in UNRELEASED_IMAGES:
            continue
        activity = None if activities is None else activities[i]
        about_image: dict[str, Any] = {
            "activity": _text(where, activity, "act_name"),
            "category": _text(where, activity, "cat_name"),
        }
        if _field(image, "vididx") is not None:
            video = _integer(where, image, "vididx", range(1, len(video_ids) + 1))
            about_image["video_id"] = str(video_ids[video - 1])
        if _field(image, "frame_sec") is not None:
            seconds = range(UNKNOWN, 1 << 31)
            about_image["frame_sec"] = _integer(where, image, "frame_sec", seconds)
        for j, rect in enumerate(rects):
            place = f"{where}.annorect({j + 1})"
            center = _child(rect, "objpos")
            points, visibility = _points(place, rect) if is_train[i] else (None, None)
            is_unlabelled = is_train[i] and points is None
            if center is None or _field(rect, "scale") is None or is_unlabelled:
                continue
            sides = [s for s in _HEAD_BOX if _field(rect, s) is not None]
            box = [_number(place, rect, side) for side in sides]
            person = person_from_source(
                place,
                image_name=image_name,
                points=points,
                visibility=visibility,
                center=[_number(place, center, axis) for axis in "xy"],
                scale=_number(place, rect, "scale"),
                head_box=box if sides == _HEAD_BOX else None,
                person_index=j,
                separated=UNKNOWN
                if separated is None
                else int(j + 1 in np.atleast_1d(separated[i])),
                **about_image,
            )
            name = split.TRAIN if is_train[i] else split.TEST
            if is_train[i] and image_name in validation:
                is_listed = j in validation[image_name]
                name = split.VALIDATION if is_listed else split.VALIDATION_OTHERS
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


def _points(where: str, rect: Any) -> tuple[Any, Any]:
    """Returns keypoints [16, 2] and visibility [16], or twice None without any."""
    points = _structs(_field(_child(rect, "annopoints"), "point"))
    if not points:
        return None, None
    keypoints = np.zeros((NUM_KEYPOINTS, 2))
    visibility = np.full(NUM_KEYPOINTS, Visibility.MISSING, np.int8)
    for point in points:
        k = _integer(where, point, "id", range(NUM_KEYPOINTS))
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


def _integer(where: str, struct: Any, name: str, allowed: range) -> int:
    """Returns a field that must be one of some integers."""
    number = _number(where, struct, name)
    if not (number.is_integer() and int(number) in allowed):
        raise AnnotationError(
            f"{where}: {name} must be an integer from {allowed.start} to "
            f"{allowed.stop - 1}, got {number:g}"
        )
    return int(number)


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
