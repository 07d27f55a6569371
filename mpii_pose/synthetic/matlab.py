"""Writes images and people as the official annotation file.

In the file everything follows MPII: points 1-based, what is unknown is left out. The
official file says one thing in several ways: a field is absent or empty, flags are
numbers or characters, points come in any order. `quirks_seed` mixes those ways as the
official file does; the content is the same with and without.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import scipy.io

from mpii_pose import skeleton
from mpii_pose.skeleton import Visibility
from mpii_pose.synthetic.contents import ReleaseImage, ReleasePerson

# Their `is_visible` is always empty: they were computed, not clicked.
_HEAD_KEYPOINTS = (
    skeleton.KEYPOINTS.index("upper_neck"),
    skeleton.KEYPOINTS.index("head_top"),
)
# SciPy writes the date there; 116 bytes of text for people.
_HEADER = b"MATLAB 5.0 MAT-file, a release of drawn people".ljust(116)
_EMPTY = np.zeros((0, 0))


def encode_release(
    images: Sequence[ReleaseImage],
    *,
    version: str = "12",
    quirks_seed: int | None = None,
) -> bytes:
    """Encodes images as the bytes of `mpii_human_pose_v1_u12_1.mat`.

    Args:
        images: In the order of `annolist`.
        version: The release's `version`.
        quirks_seed: Seed of the mixture of the ways in which the official file says
            things; None for the plainest way throughout.

    Returns:
        A MATLAB 5 file with the struct RELEASE; the same bytes for the same arguments.
    """
    if not images:
        raise ValueError("a release needs at least one image, got none")
    video_ids = list(dict.fromkeys(i.video_id for i in images if i.video_id))
    entries = []
    for number, image in enumerate(images):
        seed = None if quirks_seed is None else [quirks_seed, number]
        quirks = None if seed is None else np.random.default_rng(seed)
        in_video = image.video_id != ""
        entries.append(
            {
                "image": _struct([{"name": _text(image.name)}]),
                "annorect": _annorect(image.people, quirks),
                "frame_sec": _optional(image.frame_sec),
                "vididx": _number(video_ids.index(image.video_id) + 1)
                if in_video
                else _EMPTY,
            }
        )
    release = {
        "annolist": _struct(entries),
        "img_train": np.array([[image.is_train for image in images]], np.uint8),
        "version": _text(version),
        "single_person": _cells([_separated(image) for image in images]).T,
        "act": _struct([_activity(image) for image in images]).T,
        "video_list": _cells([_text(video_id) for video_id in video_ids]),
    }
    file = io.BytesIO()
    scipy.io.savemat(file, {"RELEASE": _struct([release])}, do_compression=True)
    return _HEADER + file.getvalue()[len(_HEADER) :]


def _activity(image: ReleaseImage) -> dict[str, np.ndarray]:
    return {
        "cat_name": _text(image.category),
        "act_name": _text(image.activity),
        "act_id": _optional(image.activity_id),
    }


def _separated(image: ReleaseImage) -> np.ndarray:
    """The 1-based positions of separated people, one a row."""
    rows = [i + 1 for i, person in enumerate(image.people) if person.separated]
    return np.array(rows, np.uint8).reshape(-1, 1) if rows else _EMPTY


def _annorect(
    people: Sequence[ReleasePerson], quirks: np.random.Generator | None
) -> np.ndarray:
    """All people of one image: MATLAB gives them the same fields."""
    if not people:
        return _EMPTY
    rows = [_fields(person, quirks) for person in people]
    kept: list[str] = []
    for group in _FIELD_GROUPS:
        known = any(name in row for row in rows for name in group)
        empty_is_told = quirks is not None and quirks.random() < 0.5
        if known or empty_is_told:
            kept.extend(group)
    kept.extend(dict.fromkeys(k for person in people for k in person.extra_fields))
    kept = kept or ["annopoints"]
    return _struct([{name: row.get(name, _EMPTY) for name in kept} for row in rows])


_FIELD_GROUPS = (("x1", "y1", "x2", "y2"), ("annopoints",), ("scale",), ("objpos",))


def _fields(
    person: ReleasePerson, quirks: np.random.Generator | None
) -> dict[str, np.ndarray]:
    """What is known of one person, by name of field."""
    fields = {name: _number(value) for name, value in person.extra_fields.items()}
    if person.head_box is not None:
        corners = np.asarray(person.head_box, np.float64) + 1
        fields |= zip(("x1", "y1", "x2", "y2"), map(_number, corners), strict=True)
    if np.any(person.visibility != Visibility.MISSING):
        fields["annopoints"] = _struct([{"point": _points(person, quirks)}])
    if person.scale is not None:
        fields["scale"] = _number(person.scale)
    if person.center is not None:
        x, y = np.asarray(person.center, np.float64) + 1
        fields["objpos"] = _struct([{"x": _number(x), "y": _number(y)}])
    return fields


def _points(person: ReleasePerson, quirks: np.random.Generator | None) -> np.ndarray:
    labelled = np.flatnonzero(person.visibility != Visibility.MISSING)
    coordinates = np.asarray(person.keypoints, np.float64) + 1
    codings: Sequence[Callable[[bool], np.ndarray]] = (_number,)
    flags_told = True
    if quirks is not None:
        labelled = quirks.permutation(labelled)
        codings = _FLAG_CODINGS
        all_visible = np.all(person.visibility[labelled] == Visibility.VISIBLE)
        flags_told = not all_visible or quirks.random() < 0.5
    rows = []
    for point_id in labelled:
        x, y = coordinates[point_id]
        row = {"x": _number(x), "y": _number(y), "id": _number(point_id)}
        if flags_told:
            visible = bool(person.visibility[point_id] == Visibility.VISIBLE)
            coding = codings[
                0 if quirks is None else int(quirks.integers(len(codings)))
            ]
            unflagged = visible and point_id in _HEAD_KEYPOINTS
            row["is_visible"] = _EMPTY if unflagged else coding(visible)
        rows.append(row)
    return _struct(rows)


def _flag_text(visible: bool) -> np.ndarray:
    return _text(str(int(visible)))


def _flag_or_empty(visible: bool) -> np.ndarray:
    return _EMPTY if visible else _number(0)


def _number(value: float | np.number) -> np.ndarray:
    """A 1 x 1 matrix in the smallest type that holds it, as MATLAB stores numbers."""
    if not float(value).is_integer():
        return np.array([[value]], np.float64)
    return np.array([[value]], np.min_scalar_type(int(value)))


_FLAG_CODINGS = (_number, _flag_text, _flag_or_empty)


def _optional(value: float | None) -> np.ndarray:
    return _EMPTY if value is None else _number(value)


def _text(value: str) -> np.ndarray:
    return np.array(value) if value else _EMPTY


def _struct(rows: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """A 1 x n struct array; all rows have the fields of the first."""
    names = tuple(rows[0])
    array = np.empty((1, len(rows)), [(name, object) for name in names])
    for column, row in enumerate(rows):
        array[0, column] = tuple(row[name] for name in names)
    return array


def _cells(values: Sequence[np.ndarray]) -> np.ndarray:
    array = np.empty((1, len(values)), object)
    for column, value in enumerate(values):
        array[0, column] = value
    return array
