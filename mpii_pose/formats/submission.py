"""Predictions of the test people as MPII evaluates them: `pred_keypoints_mpii.mat`.

The file holds one variable, `pred`, a copy of `annolist(RELEASE.img_train == 0)` in
which `annorect(j).annopoints.point` has the fields x and y, 1-based, and id, 0 to 15.
MPII's toolkit (`evaluatePCKh.m`) takes from it the people who stand clear of others
(`single_person`, 7,247 of the 11,731); it looks up points by `id`, counts NaN as a miss
and needs `pred` to be as long as the test images.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from etils import epath

from mpii_pose.formats import predictions
from mpii_pose.release import matlab, split


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
        force: Write predictions with problems too.

    Returns:
        What `check_predictions` finds wrong with the predictions of the people who are
        evaluated; nothing unless `force`.

    Raises:
        PredictionError: There are not as many predictions as test people, or something
            is wrong with them. Nothing is written.
        AnnotationError: The annotations are damaged.
    """
    points = predictions.checked_predictions(predicted)
    people = matlab.read_matlab(matlab_file).get(split.TEST, [])
    if len(points) != len(people):
        raise predictions.PredictionError(
            f"predictions must be for the {len(people)} people of test in "
            f"{matlab_file}, one for each in index order, got {len(points)}"
        )
    evaluated = [person for person in people if person.separated != 0]
    problems = predictions.check_predictions(
        points[[p.index for p in evaluated]], evaluated
    )
    if problems and not force:
        raise predictions.PredictionError(
            f"{path} was not written, as these predictions would score badly; correct "
            "them, or force it (force=True, --force):\n  " + "\n  ".join(problems)
        )
    release = matlab.load_variable(matlab_file, "RELEASE", squeeze=False)[0, 0]
    pred = release["annolist"].ravel()[release["img_train"].ravel() == 0]
    place_of = {_name_of(image): place for place, image in enumerate(pred)}
    for person, pose in zip(people, points, strict=True):
        image = pred[place_of[person.image_name]]
        people_here = _with_annopoints(image["annorect"])
        people_here.flat[person.person_index]["annopoints"] = _annopoints(pose + 1)
        image["annorect"] = people_here
    predictions.write_variable(path, "pred", pred[np.newaxis])
    return problems


def _name_of(image: np.void) -> str:
    """Returns the name of an image; "" where it has none, and so no people."""
    try:
        return str(image["image"]["name"][0, 0][0])
    except (IndexError, ValueError):
        return ""


def _with_annopoints(people: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Returns structs that have the field `annopoints`, empty where it is new."""
    names = people.dtype.names or ()
    if "annopoints" in names:
        return people
    copy = np.empty(people.shape, [(name, object) for name in (*names, "annopoints")])
    for name in names:
        copy[name] = people[name]
    copy["annopoints"].fill(matlab.EMPTY)
    return copy


def _annopoints(pose: npt.NDArray[np.float64]) -> npt.NDArray[Any]:
    """Returns the struct of a pose, 1-based; empty where it is all NaN."""
    if np.isnan(pose).all():
        return matlab.EMPTY
    points = [{"x": x, "y": y, "id": float(k)} for k, (x, y) in enumerate(pose)]
    return matlab.struct_array([{"point": matlab.struct_array(points)}])
