"""Files of predicted keypoints: written, read, and checked for the usual mistakes.

`BASES` lists the kinds of files. Arrays are in `index` order. COCO results name images
instead and come in any order: each pose goes to the person of its image whose center is
nearest, one pose a person. Of 2,958 published predictions, 99.4 % get back to their
person in this way, 0.6 % are too far from any, and 2 go to another.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from etils import epath, epy

from mpii_pose import files
from mpii_pose.checks import MpiiPoseError
from mpii_pose.person import SQUARE_PER_SCALE, AnnotationError, PersonAnnotation
from mpii_pose.release import json_copies, matlab
from mpii_pose.skeleton import MPII, NUM_KEYPOINTS, Skeleton, Visibility
from mpii_pose.transforms.convert import convert_keypoints

with epy.lazy_imports():  # SciPy takes longer to import than the whole package.
    import h5py
    import scipy.io
    import scipy.optimize

# The first pixel's number in each kind of file.
BASES: Mapping[str, int] = {
    ".mat": 1,  # `preds` [N, 16, 2]: HRNet, SimpleBaselines, MMPose 0.x, pytorch-pose
    ".h5": 1,  # `preds` [N, 16, 2] or [2, 16, N]: Stacked Hourglass, eval-mpii-pose
    ".hdf5": 1,
    ".npy": 0,  # [N, 16, 2], or 3 with scores: one's own code
    ".npz": 0,
    ".json": 0,  # A list of COCO's results: MMPose, Detectron
}
_NAMES = ("preds", "predictions", "keypoints")
# Those of a million people.
_MOST_NUMBERS = 48_000_000
# A pose further from a person than half of the person's square is of somebody else.
_REACH = 0.5

# The middle of a pose lies near the center of its person. Where the two are not
# correlated over people, predictions are in another order, or not in pixels of the full
# image. (Other checkers take the thorax, which not everybody predicts.)
_MIN_CORRELATION = 0.5
_MIN_PEOPLE = 3
# Predictions this close to the truth, in head sizes, show where the pixel grid lies.
_CLOSE = 0.1
_MIN_CLOSE = 100
# Counting from 1 moves all points by (1, 1); half of it cannot be chance.
_HALF_PIXEL = 0.5


class PredictionError(MpiiPoseError):
    """Predictions are not of the people or keypoints they should be of."""


def write_predictions(path: epath.PathLike, predicted: npt.ArrayLike) -> None:
    """Writes `pred.mat`.

    Args:
        path: Where to write.
        predicted: float [N, 16, 2], (x, y) in pixels of the full image, 0-based, in
            `index` order.
    """
    write_variable(path, "preds", checked_predictions(predicted) + 1)


def write_variable(path: epath.PathLike, name: str, array: npt.NDArray[Any]) -> None:
    """Writes a MATLAB file that holds one variable."""
    with files.whole_file(path) as file:
        scipy.io.savemat(file, {name: array}, do_compression=True)


def checked_predictions(predicted: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Returns predictions as float64 [N, 16, 2].

    Raises:
        PredictionError: They have another shape.
    """
    points = np.asarray(predicted, np.float64)
    if points.ndim != 3 or points.shape[1:] != (NUM_KEYPOINTS, 2):
        raise PredictionError(
            f"predictions must have shape [N, {NUM_KEYPOINTS}, 2], got {points.shape}"
        )
    return points


def read_predictions(path: epath.PathLike) -> npt.NDArray[np.float64]:
    """Reads `pred.mat`, [N, 16, 2] or, as in old .h5 files, [2, 16, N].

    [2, 16, 2] can be either and is read as two people, [N, 16, 2], with a warning.

    Args:
        path: The file.

    Returns:
        float64 [N, 16, 2], (x, y) in pixels of the full image, 0-based.

    Raises:
        AnnotationError: The file is something else.
    """
    path = files.user_path(path)
    preds = matlab.load_variable(path, "preds", squeeze=False)
    return _points_of(path, preds, NUM_KEYPOINTS) - 1


def read_prediction_file(
    path: epath.PathLike,
    people: Sequence[PersonAnnotation],
    *,
    base: int | None = None,
    skeleton: Skeleton = MPII,
) -> npt.NDArray[np.float64]:
    """Reads predictions of the people of a split from a file of any public layout.

    Args:
        path: The file; see this module.
        people: The people of the split, in `index` order.
        base: The first pixel's number, 0 or 1; by default `BASES` of the file.
        skeleton: The keypoints of the file.

    Returns:
        float64 [N, 16, 2], (x, y) in pixels of the full image, 0-based, one for each
        of `people`; NaN where COCO results have no pose for a person, or the skeleton
        has no keypoint that `convert_keypoints` can turn into MPII's.

    Raises:
        PredictionError: They are of other people, or none is predicted.
        AnnotationError: The file is damaged, or of another layout.
    """
    path = files.user_path(path)
    kind = path.suffix.lower()
    if kind not in BASES:
        raise AnnotationError(
            f"{path}: predictions must be a file of one of {', '.join(BASES)}"
        )
    count = skeleton.num_keypoints
    if kind == ".json":
        points = _poses_of_people(path, people, count)
    else:
        points = _points_of(path, _array(path, kind), count)
    if not np.isfinite(points).all(axis=2).any():
        raise PredictionError(f"{path}: no keypoint is predicted, all are NaN")
    return convert_keypoints(
        points - (BASES[kind] if base is None else base), skeleton, MPII
    )


def _array(path: epath.Path, kind: str) -> Any:
    """Loads the array of a file that holds one."""
    if kind == ".mat" and not h5py.is_hdf5(path):  # `save -v7.3` writes HDF5.
        return matlab.load_variable(path, "preds", squeeze=False)
    try:
        if kind in (".npy", ".npz"):
            content = np.load(path, allow_pickle=False)
            return content if kind == ".npy" else _only_array(path, content)
        with path.open("rb") as file, h5py.File(file, "r") as content:
            return _only_array(path, content)
    except AnnotationError:
        raise
    except Exception as error:  # Damage gives errors of many kinds.
        raise AnnotationError(
            f"{path}: not a {kind} file with an array ({error})"
        ) from error


def _only_array(path: epath.Path, content: Mapping[str, Any]) -> Any:
    """Returns the array of a usual name, or the only one."""
    names = [name for name in _NAMES if name in content] or list(content)
    if names[0] not in _NAMES and len(names) > 1:
        raise AnnotationError(
            f"{path}: expected an array named {', '.join(_NAMES)}, found "
            f"{', '.join(names)}"
        )
    array = content[names[0]]
    if array.size > _MOST_NUMBERS:  # 200 bytes of HDF5 can declare more than there is.
        raise AnnotationError(f"{path}: {names[0]} holds {array.size} numbers")
    return np.asarray(array)


def _points_of(path: epath.Path, preds: Any, count: int) -> npt.NDArray[np.float64]:
    """Returns [N, K, 2] of an array [N, K, 2 or 3] or [2, K, N] with K = `count`."""
    if not isinstance(preds, np.ndarray) or preds.dtype.kind not in "iuf":
        raise AnnotationError(f"{path}: expected an array of numbers named preds")
    shape = preds.shape
    if shape == (2, count, 2):
        warnings.warn(
            f"{path}: preds {list(shape)} is read as [people, keypoints, x and y]; "
            "turn it if it is [x and y, keypoints, people]",
            stacklevel=3,
        )
    elif len(shape) == 3 and shape[:2] == (2, count):
        preds = preds.transpose(2, 1, 0)
    if preds.ndim != 3 or preds.shape[1:] not in ((count, 2), (count, 3)):
        raise AnnotationError(
            f"{path}: expected preds [N, {count}, 2], or [2, {count}, N] as in old .h5 "
            f"files, got {shape}"
        )
    return preds[..., :2].astype(np.float64)


def _poses_of_people(
    path: epath.Path, people: Sequence[PersonAnnotation], count: int
) -> npt.NDArray[np.float64]:
    """Gives each person the pose of its image that lies nearest to its center."""
    in_image: dict[str, list[int]] = {}
    for i, person in enumerate(people):
        in_image.setdefault(person.image_name, []).append(i)
    points = np.full((len(people), count, 2), np.nan)
    for name, poses in _poses_by_image(path, list(in_image), count).items():
        here = in_image[name]
        centers = np.array([people[i].center for i in here])
        reach = _REACH * SQUARE_PER_SCALE * np.array([people[i].scale for i in here])
        middles = np.ma.median(np.ma.masked_invalid(poses), axis=1).filled(np.nan)
        away = np.linalg.norm(centers[:, np.newaxis] - middles, axis=2)
        away = np.minimum(away / reach[:, np.newaxis], 2.0)
        pairs = scipy.optimize.linear_sum_assignment(np.nan_to_num(away, nan=2.0))
        for person, pose in zip(*pairs, strict=True):
            if away[person, pose] <= 1:
                points[here[person]] = poses[pose]
    return points


def _poses_by_image(
    path: epath.Path, names: Sequence[str], count: int
) -> dict[str, list[npt.NDArray[np.float64]]]:
    """Returns the poses [K, 2] of COCO results by image; `names` are the split's."""
    # An image's number in `export coco` is its place among them, from 1.
    name_of: dict[str | int, str] = dict(enumerate(names, start=1))
    for name in names:
        stem = name.rpartition(".")[0]
        name_of |= {stem: name, name: name}
        if stem.isdecimal():
            name_of[int(stem)] = name
    poses: dict[str, list[npt.NDArray[np.float64]]] = {}
    for i, record in enumerate(json_copies.load_records(path)):
        where = f"{path}: result {i}"
        image = json_copies.get(where, record, "image_id")
        if image not in name_of:
            raise PredictionError(
                f"{where}: no person of the split is in an image {image!r}; image_id "
                "must be the image's file name, its number, or the id of `export coco`"
            )
        pose = np.asarray(json_copies.get(where, record, "keypoints"))
        if pose.size != 3 * count or pose.dtype.kind not in "iuf":
            raise AnnotationError(
                f"{where}: keypoints must be {count} times x, y and score, got "
                f"{pose.size} numbers; say which they are: --skeleton coco17 or another"
            )
        pose = pose.reshape(count, 3).astype(np.float64)
        pose[(pose == 0).all(axis=1)] = np.nan  # COCO's way to leave a keypoint out.
        poses.setdefault(name_of[image], []).append(pose[:, :2])
    return poses


def check_predictions(
    predicted: npt.ArrayLike,
    people: Sequence[PersonAnnotation],
    *,
    where: npt.ArrayLike | None = None,
) -> list[str]:
    """Checks predictions for the usual mistakes.

    Args:
        predicted: float [N, 16, 2], (x, y) in pixels of the full image, 0-based.
        people: The people of the split, in `index` order, labelled or not.
        where: bool [16], the keypoints that are to be predicted; default all.

    Returns:
        A sentence for each mistake: a number of people that is not that of the split,
        coordinates that are not finite, points far from their people (another order, x
        and y exchanged, pixels of a crop) and, where people are labelled, a grid that
        is off by one pixel.
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
    problems += _far_from_people(points[known], centers[known])
    return problems + _off_by_one(points, people)


def _far_from_people(
    points: npt.NDArray[np.float64], centers: npt.NDArray[np.float64]
) -> list[str]:
    """Returns a sentence if points [N, 16, 2] do not follow their centers [N, 2]."""
    if len(points) < _MIN_PEOPLE:
        return []
    middles = np.nanmedian(points, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        table = np.corrcoef(middles, centers, rowvar=False)  # Of x, y with x, y, twice.
    table = np.nan_to_num(table)  # 0 where nothing varies.
    x, y = table[0, 2], table[1, 3]
    if min(x, y) >= _MIN_CORRELATION:
        return []
    advice = "Are they in index order, and in pixels of the full image?"
    if min(table[1, 2], table[0, 3]) >= _MIN_CORRELATION:
        advice = "x and y are exchanged."
    return [
        f"The predicted poses do not follow the people's centers: correlation {x:.2f} "
        f"in x and {y:.2f} in y, expected {_MIN_CORRELATION} or more. {advice}"
    ]


def _off_by_one(
    points: npt.NDArray[np.float64], people: Sequence[PersonAnnotation]
) -> list[str]:
    """Returns a sentence if points lie a pixel beside the labels, in x and in y."""
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
