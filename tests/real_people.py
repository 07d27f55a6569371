"""The real annotations as arrays; tests that need them skip where there are none.

They are not part of the project.
"""

import functools
import gzip
import json
import pathlib
from typing import NamedTuple

import numpy as np
import pytest

from mpii_pose.person import HEAD_SIZE_PER_SCALE
from mpii_pose.skeleton import Visibility

FOLDER = (pathlib.Path(__file__).parents[1] / "../shared/mpii").resolve()


class People(NamedTuple):
    """N people, up to M others in the image of one."""

    keypoints: np.ndarray  # [N, 16, 2], 0-based
    visibility: np.ndarray  # [N, 16]
    head_size: np.ndarray  # [N]
    images: np.ndarray  # [N], names
    others: np.ndarray  # [N, M, 16, 2], of the same image; NaN where there are none


def read(*, validation_only: bool) -> People:
    """Returns the 2,958 validation people, or all 25,204."""
    people = _all_people()
    chosen = people.is_validation | (not validation_only)
    return People(*(array[chosen] for array in people[1:]))


class _AllPeople(NamedTuple):
    is_validation: np.ndarray
    keypoints: np.ndarray
    visibility: np.ndarray
    head_size: np.ndarray
    images: np.ndarray
    others: np.ndarray


@functools.cache
def _all_people() -> _AllPeople:
    path = FOLDER / "cpm_annotations.json.gz"
    if not path.exists():
        pytest.skip(f"needs the real annotations in {path}")
    with gzip.open(path) as file:
        records = json.load(file)
    points = np.array([record["joint_self"] for record in records])
    missing = (points == 0).all(axis=2)
    visibility = np.where(points[..., 2] > 0, Visibility.VISIBLE, Visibility.OCCLUDED)
    most = max(int(record["numOtherPeople"]) for record in records)
    others = np.full((len(records), most, 16, 2), np.nan)
    for row, record in zip(others, records, strict=True):
        if count := int(record["numOtherPeople"]):
            poses = np.reshape(record["joint_others"], (count, 16, 3))
            absent = (poses == 0).all(axis=2)[..., np.newaxis]
            row[:count] = np.where(absent, np.nan, poses[..., :2] - 1)
    return _AllPeople(
        is_validation=np.array([record["isValidation"] == 1 for record in records]),
        keypoints=np.where(missing[..., np.newaxis], -1, points[..., :2] - 1),
        visibility=np.where(missing, Visibility.MISSING, visibility),
        head_size=HEAD_SIZE_PER_SCALE
        * np.array([record["scale_provided"] for record in records]),
        images=np.array([record["img_paths"] for record in records]),
        others=others,
    )
