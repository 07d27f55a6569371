"""Predictions of the test people as MPII asks for them: `pred_keypoints_mpii.mat`.

The file holds one variable, `pred`, a copy of `annolist(RELEASE.img_train == 0)` in
which `annorect(j).annopoints.point` has the fields x and y, 1-based, and id, 0 to 15.
MPII's toolkit (`evaluatePCKh.m`) takes from it the people who stand clear of others
(`single_person`, 7,247 of the 11,731); it looks up points by `id`, counts NaN as a miss
and needs `pred` to be as long as the test images.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from etils import epath, epy

from mpii_pose.formats.predictions import check_predictions, checked_predictions
from mpii_pose.person import AnnotationError
from mpii_pose.release import matlab_structs as structs
from mpii_pose.release import split
from mpii_pose.release.matlab import read_matlab, read_points
from mpii_pose.skeleton import NUM_KEYPOINTS, Visibility

with epy.lazy_imports():  # SciPy takes longer to import than the whole package.
    import scipy.io


def write_submission(
    path: epath.PathLike, predicted: npt.ArrayLike, *, matlab_file: epath.PathLike
) -> None:
    """Writes predictions of the test people as the file that MPII evaluates.

    Args:
        path: Where to write; MPII's name for it is `pred_keypoints_mpii.mat`.
        predicted: float [N, 16, 2], (x, y) in pixels of the full image, 0-based, of the
            people of `test` in `index` order. People whose points are all NaN get none:
            only the separated ones are evaluated.
        matlab_file: The official annotations, `mpii_human_pose_v1_u12_1.mat`.

    Raises:
        ValueError: There are not as many predictions as test people.
        AnnotationError: The annotations are damaged.
    """
    points = checked_predictions(predicted)
    pred = _test_images(matlab_file)
    people = list(_located(pred))
    if len(points) != len(people):
        raise ValueError(
            f"predictions must be for the {len(people)} people of test in "
            f"{matlab_file}, one for each in index order, got {len(points)}"
        )
    for (i, j), pose in zip(people, points, strict=True):
        rects = _with_field(pred[i]["annorect"], "annopoints")
        rects.flat[j]["annopoints"] = _annopoints(pose + 1)
        pred[i]["annorect"] = rects
    with epath.Path(path).open("wb") as file:
        scipy.io.savemat(file, {"pred": pred[np.newaxis]}, do_compression=True)


def read_submission(
    path: epath.PathLike, *, matlab_file: epath.PathLike
) -> npt.NDArray[np.float64]:
    """Reads back what `write_submission` or another tool wrote.

    Returns:
        float64 [N, 16, 2], (x, y) in pixels of the full image, 0-based, of the people
        of `test` in `index` order; NaN where there is no prediction.

    Raises:
        AnnotationError: The file is not made from the test images of `matlab_file`.
    """
    pred = structs.as_structs(structs.load_variable(path, "pred"))
    if not pred:
        raise AnnotationError(f"{path}: expected a struct array named pred")
    expected = _test_images(matlab_file)
    if len(pred) != len(expected):
        raise AnnotationError(
            f"{path}: pred must have the {len(expected)} test images of {matlab_file}, "
            f"has {len(pred)}; is it annolist(RELEASE.img_train == 0)?"
        )
    for i, (image, original) in enumerate(zip(pred, expected, strict=True), start=1):
        found = structs.text(str(path), structs.child(image, "image"), "name")
        name = original["image"]["name"].item().item()
        if found != name:
            raise AnnotationError(
                f"{path}: pred({i}) must be image {name}, is {found}; the images must "
                "stay in the order of annolist"
            )
    poses = [
        _pose(f"{path}: pred({i + 1}).annorect({j + 1})", pred[i], j)
        for i, j in _located(expected)
    ]
    return np.array(poses).reshape(-1, NUM_KEYPOINTS, 2)


def check_submission(path: epath.PathLike, *, matlab_file: epath.PathLike) -> list[str]:
    """Looks for mistakes in a submission before MPII does.

    Returns:
        What is wrong with the predictions of the people who are evaluated, one sentence
        each; see `check_predictions`.

    Raises:
        AnnotationError: The file is not made from the test images of `matlab_file`.
    """
    points = read_submission(path, matlab_file=matlab_file)
    people = read_matlab(matlab_file).get(split.TEST, [])
    evaluated = [person for person in people if person.separated != 0]
    return check_predictions(points[[person.index for person in evaluated]], evaluated)


def _test_images(matlab_file: epath.PathLike) -> npt.NDArray[np.void]:
    """Returns annolist(RELEASE.img_train == 0) as a record array."""
    release = structs.load_variable(matlab_file, "RELEASE", squeeze=False)
    fields = set(() if release is None else release.dtype.names or ())
    if not {"annolist", "img_train"} <= fields:
        raise AnnotationError(
            f"{matlab_file}: expected a struct RELEASE with annolist and img_train"
        )
    images, is_train = release["annolist"][0, 0], release["img_train"][0, 0]
    return images.ravel()[is_train.ravel() == 0]


def _located(images: npt.NDArray[np.void]) -> Iterator[tuple[int, int]]:
    """Yields (image, person) of the people of `test`, 0-based, in index order."""
    for i, rects in enumerate(images["annorect"]):
        if {"objpos", "scale"} <= set(rects.dtype.names or ()):
            for j, rect in enumerate(rects.flat):
                if rect["objpos"].size and rect["scale"].size:
                    yield i, j


def _with_field(array: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
    """Returns a copy of a struct array that has a field, empty where it is new."""
    fields = {known: array[known] for known in array.dtype.names or ()}
    fields.setdefault(name, _empty(array.shape))
    copy = np.empty(array.shape, [(field, object) for field in fields])
    for field, values in fields.items():
        copy[field] = values
    return copy


def _empty(shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Returns a cell array of MATLAB's []."""
    cells = np.empty(shape, object)
    for at in np.ndindex(shape):
        cells[at] = np.zeros((0, 0))
    return cells


def _annopoints(pose: npt.NDArray[np.float64]) -> npt.NDArray[Any]:
    """Returns the struct of a pose, 1-based; empty where it is all NaN."""
    if np.isnan(pose).all():
        return np.zeros((0, 0))
    points = np.empty(
        (1, NUM_KEYPOINTS), [(field, object) for field in ("x", "y", "id")]
    )
    for k, (x, y) in enumerate(pose):
        points[0, k] = x, y, float(k)
    annopoints = np.empty((1, 1), [("point", object)])
    annopoints[0, 0]["point"] = points
    return annopoints


def _pose(where: str, image: Any, j: int) -> npt.NDArray[np.float64]:
    """Returns the keypoints [16, 2] of a person, 0-based; NaN where there are none."""
    rects = structs.as_structs(structs.field(image, "annorect"))
    found = read_points(where, rects[j]) if j < len(rects) else None
    if found is None:
        return np.full((NUM_KEYPOINTS, 2), np.nan)
    keypoints, visibility = found
    keypoints[visibility == Visibility.MISSING] = np.nan
    return keypoints - 1
