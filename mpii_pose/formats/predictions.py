"""Predicted keypoints as `pred.mat`, and what may be wrong with them.

Public code hands predictions on in a MATLAB file with one variable, `preds` [N, 16, 2],
which counts pixels from 1 as the release does; person `i` is the one with that `index`
in its split.
"""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from etils import epath, epy

from mpii_pose import files
from mpii_pose.checks import MpiiPoseError
from mpii_pose.person import AnnotationError, PersonAnnotation
from mpii_pose.release import matlab
from mpii_pose.skeleton import MPII, Skeleton, Visibility

with epy.lazy_imports():  # SciPy takes longer to import than the whole package.
    import scipy.io

# The middle of a pose lies near the center of its person. Where the two are not
# correlated over people, predictions are in another order, or not in pixels of the full
# image. (Other checkers take the thorax, which not everybody predicts.)
MIN_CORRELATION = 0.5
_MIN_PEOPLE = 3
# A prediction this close to the truth, in head sizes, tells where the grid lies.
_CLOSE = 0.1
_MIN_CLOSE = 100
# Counting from 1 moves all points by (1, 1); half of it cannot be chance.
_HALF_PIXEL = 0.5


class PredictionError(MpiiPoseError):
    """Predictions are not of the people or keypoints they should be of."""


def write_predictions(
    path: epath.PathLike, predicted: npt.ArrayLike, *, skeleton: Skeleton = MPII
) -> None:
    """Writes `pred.mat`.

    Args:
        path: Where to write.
        predicted: float [N, K, 2], (x, y) in pixels of the full image, 0-based, in
            `index` order; K is 16 for MPII.
        skeleton: Which K keypoints there are.
    """
    write_variable(path, "preds", checked_predictions(predicted, skeleton) + 1)


def write_variable(path: epath.PathLike, name: str, array: npt.NDArray[Any]) -> None:
    """Writes a MATLAB file that holds one variable."""
    with files.whole_file(path) as file:
        scipy.io.savemat(file, {name: array}, do_compression=True)


def read_predictions(
    path: epath.PathLike, *, skeleton: Skeleton = MPII
) -> npt.NDArray[np.float64]:
    """Reads `pred.mat`, [N, K, 2] or, as in old .h5 files, [2, K, N].

    [2, K, 2] can be either and is read as two people, [N, K, 2], with a warning.

    Args:
        path: The file.
        skeleton: Which K keypoints there are, 16 for MPII.

    Returns:
        float64 [N, K, 2], (x, y) in pixels of the full image, 0-based.

    Raises:
        AnnotationError: The file is something else.
    """
    path = files.user_path(path)
    preds = matlab.load_variable(path, "preds", squeeze=False)
    return of_people(path, preds, skeleton=skeleton) - 1


def of_people(
    path: epath.PathLike, preds: Any, *, skeleton: Skeleton = MPII
) -> npt.NDArray[np.float64]:
    """Returns what a file holds as predictions [N, K, 2], pixels counted as there.

    Args:
        path: The file, for messages.
        preds: [N, K, 2] or [2, K, N]; a third number, the score, is left out.
        skeleton: Which K keypoints there are.

    Raises:
        AnnotationError: It is something else.
    """
    if not isinstance(preds, np.ndarray) or preds.dtype.kind not in "iuf":
        raise AnnotationError(f"{path}: expected an array of numbers named preds")
    count = skeleton.num_keypoints
    turned = preds.shape[:2] == (2, count) and preds.shape[2:] != (2,)
    if preds.ndim == 3 and preds.shape[1:] in ((count, 2), (count, 3)) and not turned:
        if preds.shape[:2] == (2, count):
            warnings.warn(
                f"{path}: preds {list(preds.shape)} is read as [people, keypoints, x "
                "and y]; turn it if it is [x and y, keypoints, people]",
                stacklevel=3,
            )
    elif preds.ndim == 3 and turned:
        preds = preds.transpose(2, 1, 0)
    else:
        raise AnnotationError(
            f"{path}: expected preds [N, {count}, 2], or [2, {count}, N] as in old .h5 "
            f"files, got {preds.shape}"
        )
    return checked_predictions(preds[..., :2], skeleton)


def check_predictions(
    predicted: npt.ArrayLike,
    people: Sequence[PersonAnnotation],
    *,
    where: npt.ArrayLike | None = None,
) -> list[str]:
    """Looks for the usual mistakes in predictions.

    Args:
        predicted: float [N, 16, 2], (x, y) in pixels of the full image, 0-based.
        people: The people of the split, in `index` order, labelled or not.
        where: bool [16], the keypoints that are to be predicted; default all.

    Returns:
        What is wrong, one sentence each: a number of people that is not that of the
        split, coordinates that are not finite, points far from their people (another
        order, x and y exchanged, pixels of a crop) and, where people are labelled, a
        grid that is off by one pixel.
    """
    points = checked_predictions(predicted)
    if len(points) != len(people):
        return [
            f"There are predictions for {len(points)} people and {len(people)} people "
            "in the split; send one for each, in index order."
        ]
    problems = []
    missing = ~np.all(np.isfinite(points), axis=2)
    points = np.where(missing[..., np.newaxis], np.nan, points)
    asked = missing if where is None else missing & np.asarray(where, bool)
    if count := np.sum(asked):
        people_with = np.sum(np.any(asked, axis=1))
        problems.append(
            f"{count} keypoints of {people_with} people are not finite; each is "
            "counted as a miss."
        )
    centers = np.array([person.center for person in people], np.float64).reshape(-1, 2)
    known = ~np.all(missing, axis=1)
    problems += far_from_people(points[known], centers[known])
    return problems + _off_by_one(points, people)


def checked_predictions(
    predicted: npt.ArrayLike, skeleton: Skeleton = MPII
) -> npt.NDArray[np.float64]:
    """Returns predictions as float64 [N, K, 2].

    Raises:
        PredictionError: They have another shape.
    """
    points = np.asarray(predicted, np.float64)
    if points.ndim != 3 or points.shape[1:] != (skeleton.num_keypoints, 2):
        raise PredictionError(
            f"predictions must have shape [N, {skeleton.num_keypoints}, 2], got "
            f"{points.shape}"
        )
    return points


def far_from_people(
    points: npt.NDArray[np.float64], centers: npt.NDArray[np.float64]
) -> list[str]:
    """Says in a sentence if points [N, M, 2] do not follow their centers [N, 2]."""
    if len(points) < _MIN_PEOPLE:
        return []
    middles = np.nanmedian(points, axis=1)
    x, y = _correlations(middles, centers)
    if min(x, y) >= MIN_CORRELATION:
        return []
    advice = "Are they in index order, and in pixels of the full image?"
    if min(_correlations(middles[:, ::-1], centers)) >= MIN_CORRELATION:
        advice = "x and y are exchanged."
    return [
        f"The predicted poses do not follow the people's centers: correlation {x:.2f} "
        f"in x and {y:.2f} in y, expected {MIN_CORRELATION} or more. {advice}"
    ]


def _correlations(
    points: npt.NDArray[np.float64], centers: npt.NDArray[np.float64]
) -> list[float]:
    """Returns those of x and of y; 0 where nothing varies."""
    with np.errstate(invalid="ignore", divide="ignore"):
        values = [np.corrcoef(points[:, k], centers[:, k])[0, 1] for k in range(2)]
    return np.nan_to_num(values).tolist()


def _off_by_one(
    points: npt.NDArray[np.float64], people: Sequence[PersonAnnotation]
) -> list[str]:
    truth = np.array([person.keypoints for person in people]).reshape(points.shape)
    state = np.array([person.visibility for person in people]).reshape(truth.shape[:2])
    reach = _CLOSE * np.array([person.head_size for person in people]).reshape(-1, 1)
    errors = points - truth
    with np.errstate(invalid="ignore"):
        close = np.linalg.norm(errors, axis=2) <= reach
    errors = errors[close & (state != Visibility.MISSING)]
    if len(errors) < _MIN_CLOSE:
        return []
    x, y = np.median(errors, axis=0)
    if min(abs(x), abs(y)) <= _HALF_PIXEL or x * y < 0:
        return []
    return [
        f"The predictions lie ({x:+.2f}, {y:+.2f}) px off the labels in the median: do "
        "they count pixels from 1? Here pixels are counted from 0, and 1 is added when "
        "a file is written."
    ]
