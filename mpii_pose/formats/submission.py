"""Predictions of the test people as MPII asks for them: `pred_keypoints_mpii.mat`.

The file holds one variable, `pred`, a copy of `annolist(RELEASE.img_train == 0)` in
which `annorect(j).annopoints.point` has the fields x and y, 1-based, and id, 0 to 15.
MPII's toolkit (`evaluatePCKh.m`) takes from it the people who stand clear of others
(`single_person`, 7,247 of the 11,731); it looks up points by `id`, counts NaN as a miss
and needs `pred` to be as long as the test images.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from etils import epath

from mpii_pose.formats.predictions import (
    PredictionError,
    check_predictions,
    checked_predictions,
    write_variable,
)
from mpii_pose.person import AnnotationError
from mpii_pose.release import matlab, split
from mpii_pose.release.matlab import EMPTY, read_matlab


def write_submission(
    path: epath.PathLike,
    predicted: npt.ArrayLike,
    *,
    matlab_file: epath.PathLike,
    force: bool = False,
) -> list[str]:
    """Writes predictions of the test people as the file that MPII evaluates.

    Args:
        path: Where to write; MPII's name for it is `pred_keypoints_mpii.mat`.
        predicted: float [N, 16, 2], (x, y) in pixels of the full image, 0-based, of the
            people of `test` in `index` order. People whose points are all NaN get none:
            only the separated ones are evaluated.
        matlab_file: The official annotations, `mpii_human_pose_v1_u12_1.mat`.
        force: Write what `check_predictions` finds wrong.

    Returns:
        What is wrong with the predictions of the people who are evaluated, one sentence
        each; nothing unless `force`.

    Raises:
        PredictionError: There are not as many predictions as test people, or something
            is wrong with them. Nothing is written.
        AnnotationError: The annotations are damaged.
    """
    points = checked_predictions(predicted)
    people = read_matlab(matlab_file).get(split.TEST, [])
    if len(points) != len(people):
        raise PredictionError(
            f"predictions must be for the {len(people)} people of test in "
            f"{matlab_file}, one for each in index order, got {len(points)}"
        )
    evaluated = [person for person in people if person.separated != 0]
    problems = check_predictions(points[[p.index for p in evaluated]], evaluated)
    if problems and not force:
        raise not_written(path, problems, by="force=True, --force")
    pred = images_of_test(matlab_file)
    places = {image_name_of(image): i for i, image in enumerate(pred)}
    if len({(p.image_name, p.person_index) for p in people}) != len(people):
        raise AnnotationError(f"{matlab_file}: two test images have the same name")
    for person, pose in zip(people, points, strict=True):
        i = places[person.image_name]
        rects = _with_field(pred[i]["annorect"], "annopoints")
        rects.flat[person.person_index]["annopoints"] = annopoints(pose + 1)
        pred[i]["annorect"] = rects
    write_variable(path, "pred", pred[np.newaxis])
    return problems


def not_written(
    path: epath.PathLike, problems: Sequence[str], *, by: str
) -> PredictionError:
    """Returns the error for predictions with problems; `by` says how to force them."""
    return PredictionError(
        f"{path} was not written, as these predictions would score badly; correct "
        f"them, or force it ({by}):\n  " + "\n  ".join(problems)
    )


def images_of_test(matlab_file: epath.PathLike) -> npt.NDArray[np.void]:
    """Returns annolist(RELEASE.img_train == 0) as a record array."""
    release = matlab.load_variable(matlab_file, "RELEASE", squeeze=False)
    images, is_train = release["annolist"][0, 0], release["img_train"][0, 0]
    return images.ravel()[is_train.ravel() == 0]


def image_name_of(image: np.void) -> str:
    """Returns the name of an image; "" where it has none, and so no people."""
    try:
        return str(image["image"]["name"][0, 0][0])
    except (IndexError, ValueError):
        return ""


def _with_field(array: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
    """Returns a struct array that has a field, empty where it is new."""
    names = array.dtype.names or ()
    if name in names:
        return array
    copy = np.empty(array.shape, [(field, object) for field in (*names, name)])
    for field in names:
        copy[field] = array[field]
    for struct in copy.flat:
        struct[name] = EMPTY
    return copy


def annopoints(
    pose: npt.NDArray[np.float64], scores: npt.NDArray[np.float64] | None = None
) -> npt.NDArray[Any]:
    """Returns the struct of a pose, 1-based; empty where it is all NaN.

    With scores [K], each point has one, and those that are NaN are left out.
    """
    if np.isnan(pose).all():
        return EMPTY
    points = [{"x": x, "y": y, "id": float(k)} for k, (x, y) in enumerate(pose)]
    if scores is not None:
        points = [
            point | {"score": float(score)}
            for point, score, place in zip(points, scores, pose, strict=True)
            if not np.isnan(place).any()
        ]
    point = matlab.struct_array(points) if points else EMPTY
    return matlab.struct_array([{"point": point}])
