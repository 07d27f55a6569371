"""Writes images and people as the official annotation file.

Here points are (x, y) in pixels of the full image, 0-based, integers at pixel centers;
a missing keypoint is (-1, -1). In the file they are 1-based. It has several forms for
one thing, which are used in turn or by chance: a field is absent or empty, flags are
numbers or characters, points come in any order.
"""

import dataclasses
import io
import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import scipy.io

from mpii_pose.release.matlab import EMPTY, struct_array
from mpii_pose.skeleton import MPII, NUM_KEYPOINTS, Visibility

# Their `is_visible` is always empty: they were computed, not clicked.
_HEAD_KEYPOINTS = MPII.indices("upper_neck", "head_top")
# SciPy writes the date there; 116 bytes of text for people.
_HEADER = b"MATLAB 5.0 MAT-file, a release of drawn people".ljust(116)
# Fields of `annorect` that are there together or not at all.
_FIELD_GROUPS: tuple[tuple[str, ...], ...] = (
    *(("x1", "y1", "x2", "y2"), ("annopoints",)),
    *(("scale",), ("objpos",)),
)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ReleasePerson:
    """One entry of an image's `annorect`; everything may be unknown."""

    keypoints: np.ndarray = dataclasses.field(  # float [16, 2]
        default_factory=lambda: np.full((NUM_KEYPOINTS, 2), -1.0)
    )
    visibility: np.ndarray = dataclasses.field(  # int8 [16], values of `Visibility`
        default_factory=lambda: np.full(NUM_KEYPOINTS, Visibility.MISSING, np.int8)
    )
    center: np.ndarray | None = None  # float [2], rough middle (`objpos`)
    scale: float | None = None  # Height of the person divided by 200 px.
    head_box: np.ndarray | None = None  # float [4], (x1, y1, x2, y2)
    separated: bool = False  # Whether they stand clear of others (`single_person`).
    # Further numbers, such as {"head_r11": 0.5, "part_occ1": 1}.
    extra_fields: Mapping[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ReleaseImage:
    """One entry of `annolist`, `img_train` and `act`; unknown is None or ""."""

    name: str  # Base name of the image file.
    people: Sequence[ReleasePerson] = ()  # In the order of `annorect`.
    is_train: bool = True  # False for the images whose points MPII keeps.
    video_id: str = ""  # Of the video the image is from.
    frame_sec: int | None = None  # Second of that video.
    category: str = ""  # Group of activities.
    activity: str = ""  # What the people do.
    activity_id: int | None = None  # MPII's number of that activity.


def encode_release(images: Sequence[ReleaseImage], *, seed: int = 0) -> bytes:
    """Returns images, in the order of `annolist`, as a MATLAB 5 file with RELEASE.

    The same arguments give the same bytes; `seed` decides on forms and orders.
    """
    rng = np.random.default_rng(seed)
    keeps_empty = {group: itertools.cycle((False, True)) for group in _FIELD_GROUPS}
    video_ids = dict.fromkeys(image.video_id for image in images if image.video_id)
    video_numbers = {video_id: i for i, video_id in enumerate(video_ids, start=1)}
    entries = [
        {
            "image": struct_array([{"name": _text(image.name)}]),
            "annorect": _annorect(image.people, keeps_empty, rng),
            "frame_sec": _optional(image.frame_sec),
            "vididx": _optional(video_numbers.get(image.video_id)),
        }
        for image in images
    ]
    activities = [
        {
            "cat_name": _text(image.category),
            "act_name": _text(image.activity),
            "act_id": _optional(image.activity_id),
        }
        for image in images
    ]
    release = {
        "annolist": struct_array(entries),
        "img_train": np.array([[image.is_train for image in images]], np.uint8),
        "version": _text("12"),
        "single_person": _cells([_rows_of_separated(image) for image in images]).T,
        "act": struct_array(activities).T,
        "video_list": _cells([_text(video_id) for video_id in video_ids]),
    }
    file = io.BytesIO()
    scipy.io.savemat(file, {"RELEASE": struct_array([release])}, do_compression=True)
    return _HEADER + file.getvalue()[len(_HEADER) :]


def _rows_of_separated(image: ReleaseImage) -> np.ndarray:
    rows = [i for i, person in enumerate(image.people, start=1) if person.separated]
    return np.array(rows, np.uint8).reshape(-1, 1) if rows else EMPTY


def _annorect(
    people: Sequence[ReleasePerson],
    keeps_empty: Mapping[tuple[str, ...], Iterator[bool]],
    rng: np.random.Generator,
) -> np.ndarray:
    """Returns the people of an image; fields that nobody has are absent or empty."""
    if not people:
        return EMPTY
    rows = [_fields(person, rng) for person in people]
    kept: list[str] = []
    for group in _FIELD_GROUPS:
        if any(group[0] in row for row in rows) or next(keeps_empty[group]):
            kept.extend(group)
    kept.extend(dict.fromkeys(k for person in people for k in person.extra_fields))
    kept = kept or ["annopoints"]  # A struct needs a field.
    return struct_array([{name: row.get(name, EMPTY) for name in kept} for row in rows])


def _fields(person: ReleasePerson, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Returns the known values of one person, by name of field."""
    fields = {name: _number(value) for name, value in person.extra_fields.items()}
    if person.head_box is not None:
        corners = np.asarray(person.head_box, np.float64) + 1
        fields |= zip(("x1", "y1", "x2", "y2"), map(_number, corners), strict=True)
    if np.any(person.visibility != Visibility.MISSING):
        fields["annopoints"] = struct_array([{"point": _points(person, rng)}])
    if person.scale is not None:
        fields["scale"] = _number(person.scale)
    if person.center is not None:
        x, y = np.asarray(person.center, np.float64) + 1
        fields["objpos"] = struct_array([{"x": _number(x), "y": _number(y)}])
    return fields


def _points(person: ReleasePerson, rng: np.random.Generator) -> np.ndarray:
    """Returns the labelled points; half of those who are all visible have no flags."""
    labelled = np.flatnonzero(person.visibility != Visibility.MISSING)
    coordinates = np.asarray(person.keypoints, np.float64) + 1
    visible = person.visibility == Visibility.VISIBLE
    has_flags = not (visible[labelled].all() and rng.random() < 0.5)
    rows = []
    for point_id in rng.permutation(labelled):
        x, y = coordinates[point_id]
        row = {"x": _number(x), "y": _number(y), "id": _number(point_id)}
        if has_flags:
            flags = [EMPTY, _number(1), _text("1")]
            if not visible[point_id]:
                flags = [_number(0), _text("0")]
            elif point_id in _HEAD_KEYPOINTS:
                flags = [EMPTY]
            row["is_visible"] = flags[rng.integers(len(flags))]
        rows.append(row)
    return struct_array(rows)


def _number(value: float | np.number) -> np.ndarray:
    """Returns a 1 x 1 matrix of the smallest type that holds a number, as MATLAB."""
    if not float(value).is_integer():
        return np.array([[value]], np.float64)
    return np.array([[value]], np.min_scalar_type(int(value)))


def _optional(value: float | None) -> np.ndarray:
    return EMPTY if value is None else _number(value)


def _text(value: str) -> np.ndarray:
    return np.array(value) if value else EMPTY


def _cells(values: Sequence[np.ndarray]) -> np.ndarray:
    """Returns a 1 x n cell array."""
    array = np.empty((1, len(values)), object)
    array[0, :] = [*values, None][:-1]
    return array
