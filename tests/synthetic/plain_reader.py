"""Reads an official .mat in the plainest way: a reference for what the writer wrote."""

import io

import numpy as np
import scipy.io


def load(mat: bytes):
    """The struct RELEASE, untouched but for SciPy's squeezing."""
    file = scipy.io.loadmat(io.BytesIO(mat), struct_as_record=False, squeeze_me=True)
    return file["RELEASE"]


def rects(entry) -> list:
    """The people of an entry of `annolist`."""
    annorect = entry.annorect
    return [] if np.size(annorect) == 0 else list(np.atleast_1d(annorect))


def has(struct, name: str) -> bool:
    """Whether a field is there and not empty."""
    return name in struct._fieldnames and np.size(getattr(struct, name)) > 0


def points(rect) -> list:
    """The labelled points of a person."""
    if not has(rect, "annopoints"):
        return []
    return list(np.atleast_1d(rect.annopoints.point))


def flag(point) -> str:
    """How `is_visible` is written: absent, empty, number or text, with its value."""
    if "is_visible" not in point._fieldnames:
        return "absent"
    value = point.is_visible
    if isinstance(value, str):
        return f"text {value}"
    return "empty" if np.size(value) == 0 else f"number {int(value)}"


def keypoints(rect) -> tuple[np.ndarray, np.ndarray]:
    """0-based keypoints [16, 2] and visibility [16], by the package's conventions."""
    positions, visibility = np.full((16, 2), -1.0), np.zeros(16, np.int8)
    for point in points(rect):
        positions[point.id] = float(point.x) - 1, float(point.y) - 1
        visibility[point.id] = 1 if flag(point).endswith("0") else 2
    return positions, visibility
