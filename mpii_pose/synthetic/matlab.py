"""Writes images and people as the official annotation file.

In the file everything follows MPII: points 1-based, what is unknown is left out. The
official file says one thing in several ways: a field is absent or empty, flags are
numbers or characters, points come in any order. All those ways are used in turn.
"""

import io
import itertools
from collections.abc import Sequence

import numpy as np
import scipy.io

from mpii_pose import skeleton
from mpii_pose.release.matlab import EMPTY, struct_array
from mpii_pose.skeleton import Visibility
from mpii_pose.synthetic.annotations import ReleaseImage, ReleasePerson

# Their `is_visible` is always empty: they were computed, not clicked.
_HEAD_KEYPOINTS = skeleton.MPII.indices("upper_neck", "head_top")
# SciPy writes the date there; 116 bytes of text for people.
_HEADER = b"MATLAB 5.0 MAT-file, a release of drawn people".ljust(116)
# Fields of `annorect` that are there together or not at all.
_FIELD_GROUPS = (("x1", "y1", "x2", "y2"), ("annopoints",), ("scale",), ("objpos",))


def encode_release(images: Sequence[ReleaseImage], *, seed: int = 0) -> bytes:
    """Returns images, in the order of `annolist`, as a MATLAB 5 file with RELEASE.

    The same arguments give the same bytes; `seed` is that of the order of points.
    """
    if not images:
        raise ValueError("a release needs at least one image, got none")
    video_ids = dict.fromkeys(image.video_id for image in images if image.video_id)
    video_numbers = {video_id: i for i, video_id in enumerate(video_ids, start=1)}
    wording = _Wording(seed)
    entries = [
        {
            "image": struct_array([{"name": _text(image.name)}]),
            "annorect": _annorect(image.people, wording),
            "frame_sec": _optional(image.frame_sec),
            "vididx": _optional(video_numbers.get(image.video_id)),
        }
        for image in images
    ]
    release = {
        "annolist": struct_array(entries),
        "img_train": np.array([[image.is_train for image in images]], np.uint8),
        "version": _text("12"),
        "single_person": _cells([_separated(image) for image in images]).T,
        "act": struct_array([_activity(image) for image in images]).T,
        "video_list": _cells([_text(video_id) for video_id in video_ids]),
    }
    file = io.BytesIO()
    scipy.io.savemat(file, {"RELEASE": struct_array([release])}, do_compression=True)
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
    return np.array(rows, np.uint8).reshape(-1, 1) if rows else EMPTY


class _Wording:
    """Says things in all the ways of the official file, in turn."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)  # Shuffles points.
        # Whether the points of someone who is all visible have no flags.
        self.omits_flags = itertools.cycle((True, False))
        # By field, whether one that nobody in the image has is there, empty.
        self.keeps_empty = {
            field: itertools.cycle((False, True)) for field, *_ in _FIELD_GROUPS
        }
        self._flags = itertools.cycle(
            (
                _number,
                lambda visible: _text("1" if visible else "0"),
                lambda visible: EMPTY if visible else _number(0),
            )
        )

    def flag(self, visible: bool) -> np.ndarray:
        """How it is said that a point is visible."""
        return next(self._flags)(visible)


def _annorect(people: Sequence[ReleasePerson], wording: _Wording) -> np.ndarray:
    """All people of one image: MATLAB gives them the same fields."""
    if not people:
        return EMPTY
    rows = [_fields(person, wording) for person in people]
    kept: list[str] = []
    for group in _FIELD_GROUPS:
        if any(group[0] in row for row in rows) or next(wording.keeps_empty[group[0]]):
            kept.extend(group)
    kept.extend(dict.fromkeys(k for person in people for k in person.extra_fields))
    kept = kept or ["annopoints"]  # A struct needs a field.
    return struct_array([{name: row.get(name, EMPTY) for name in kept} for row in rows])


def _fields(person: ReleasePerson, wording: _Wording) -> dict[str, np.ndarray]:
    """What is known of one person, by name of field."""
    fields = {name: _number(value) for name, value in person.extra_fields.items()}
    if person.head_box is not None:
        corners = np.asarray(person.head_box, np.float64) + 1
        fields |= zip(("x1", "y1", "x2", "y2"), map(_number, corners), strict=True)
    if np.any(person.visibility != Visibility.MISSING):
        fields["annopoints"] = struct_array([{"point": _points(person, wording)}])
    if person.scale is not None:
        fields["scale"] = _number(person.scale)
    if person.center is not None:
        x, y = np.asarray(person.center, np.float64) + 1
        fields["objpos"] = struct_array([{"x": _number(x), "y": _number(y)}])
    return fields


def _points(person: ReleasePerson, wording: _Wording) -> np.ndarray:
    labelled = np.flatnonzero(person.visibility != Visibility.MISSING)
    coordinates = np.asarray(person.keypoints, np.float64) + 1
    visible = person.visibility == Visibility.VISIBLE
    flags_are_told = not (visible[labelled].all() and next(wording.omits_flags))
    rows = []
    for point_id in wording.rng.permutation(labelled):
        x, y = coordinates[point_id]
        row = {"x": _number(x), "y": _number(y), "id": _number(point_id)}
        if flags_are_told:
            has_none = point_id in _HEAD_KEYPOINTS and visible[point_id]
            row["is_visible"] = EMPTY if has_none else wording.flag(visible[point_id])
        rows.append(row)
    return struct_array(rows)


def _number(value: float | np.number) -> np.ndarray:
    """A 1 x 1 matrix in the smallest type that holds it, as MATLAB stores numbers."""
    if not float(value).is_integer():
        return np.array([[value]], np.float64)
    return np.array([[value]], np.min_scalar_type(int(value)))


def _optional(value: float | None) -> np.ndarray:
    return EMPTY if value is None else _number(value)


def _text(value: str) -> np.ndarray:
    return np.array(value) if value else EMPTY


def _cells(values: Sequence[np.ndarray]) -> np.ndarray:
    array = np.empty((1, len(values)), object)
    for column, value in enumerate(values):
        array[0, column] = value
    return array
