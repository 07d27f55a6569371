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
import scipy.io

from mpii_pose.person import HEAD_SIZE_PER_SCALE
from mpii_pose.skeleton import Visibility

FOLDER = (pathlib.Path(__file__).parents[1] / "../shared/mpii").resolve()


class People(NamedTuple):
    """N people."""

    keypoints: np.ndarray  # [N, 16, 2], 0-based
    visibility: np.ndarray  # [N, 16]
    head_size: np.ndarray  # [N]
    images: np.ndarray  # [N], names
    center: np.ndarray  # [N, 2]
    scale: np.ndarray  # [N]


def read(*, validation_only: bool) -> People:
    """Returns the 2,958 validation people, or all 25,204."""
    people, is_validation = _all_people()
    chosen = is_validation | (not validation_only)
    return People(*(array[chosen] for array in people))


@functools.cache
def _all_people() -> tuple[People, np.ndarray]:
    with gzip.open(_existing("cpm_annotations.json.gz")) as file:
        records = json.load(file)
    points = np.array([record["joint_self"] for record in records])
    missing = (points == 0).all(axis=2)
    visibility = np.where(points[..., 2] > 0, Visibility.VISIBLE, Visibility.OCCLUDED)
    scale = np.array([record["scale_provided"] for record in records])
    people = People(
        keypoints=np.where(missing[..., np.newaxis], -1, points[..., :2] - 1),
        visibility=np.where(missing, Visibility.MISSING, visibility),
        head_size=HEAD_SIZE_PER_SCALE * scale,
        images=np.array([record["img_paths"] for record in records]),
        center=np.array([record["objpos"] for record in records]) - 1,
        scale=scale,
    )
    return people, np.array([record["isValidation"] == 1 for record in records])


def tompson() -> tuple[np.ndarray, ...]:
    """Returns Tompson's published predictions for the validation people.

    With truth, visibility and head size as published beside them, as `pckh` takes them.
    """
    mat = scipy.io.loadmat(_existing("validation_truth.mat"))
    corners = mat["headboxes_src"]
    return (
        mat["pos_pred_src"].transpose(2, 0, 1),
        mat["pos_gt_src"].transpose(2, 0, 1),
        2 * (1 - mat["jnt_missing"].T),
        0.6 * np.linalg.norm(corners[1] - corners[0], axis=0),
    )


def _existing(name: str) -> pathlib.Path:
    if not (FOLDER / name).exists():
        pytest.skip(f"no real MPII data: needs {FOLDER / name}")
    return FOLDER / name
