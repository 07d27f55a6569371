"""Files of predicted keypoints: written, read, and checked for the usual mistakes.

`BASES` lists the kinds of files. Arrays are in `index` order. COCO results name images
instead and come in any order: each person gets the pose of its image that is nearest to
its center; of several near ones, rather one with a high score. Of 2,958 published
predictions, 99.4 % get back to their person in this way, 0.6 % are too far from any,
and 2 go to another.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from etils import epath, epy

from mpii_pose import files
from mpii_pose.checks import MpiiPoseError
from mpii_pose.evaluation.alignment import alignment_audit, as_point
from mpii_pose.evaluation.pckh import distances
from mpii_pose.person import (
    HEIGHT_PER_SCALE,
    SQUARE_PER_SCALE,
    AnnotationError,
    PersonAnnotation,
)
from mpii_pose.release import json_copies, matlab
from mpii_pose.skeleton import MPII, NUM_KEYPOINTS, Skeleton
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
_LEAST_SCORE = 1e-9  # Scores below are alike, such as logarithms.

# The middle of a pose lies near the center of its person: at 0.06 of the person's
# height in the median on MPII, at 0.16 for points at random in the crops that a network
# sees, and never beyond 0.75 there. So poses further away are not just inaccurate.
_NEAR, _NEAR_SCALED = 0.17, 0.12
_OUTSIDE = 0.75
_SHARE_OUTSIDE = 0.2
_UNEQUAL = 0.2  # Factors of x and y that differ by more are named both.
_ONE_PLACE = 0.2  # Crops have their poses in one place: at 0.08 of a pose's extent.
_MIN_PEOPLE = 3
# Predictions this close to the truth, in head sizes, show where the pixel grid lies.
_CLOSE = 0.1
_MIN_CLOSE = 100
# Counting from 1 moves all points by (1, 1); half of it cannot be chance.
_HALF_PIXEL = 0.5
_MIN_CELLS = 0.15  # Of a heatmap; published predictions are off by 0.11.


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
    """Returns float64 [N, 16, 2]; raises PredictionError where the shape is another."""
    points = np.asarray(predicted, np.float64)
    if points.ndim != 3 or points.shape[1:] != (NUM_KEYPOINTS, 2):
        raise PredictionError(
            f"predictions must have shape [N, {NUM_KEYPOINTS}, 2], got {points.shape}"
        )
    return points


def read_predictions(path: epath.PathLike) -> npt.NDArray[np.float64]:
    """Reads `pred.mat`, [N, 16, 2] or, as in old .h5 files, [2, 16, N].

    [2, 16, 2] and [2, 16, 3] are read as two people, with a warning.

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
    if kind == ".json":
        points = _poses_of_people(path, people, skeleton)
    else:
        points = _points_of(path, _array(path, kind), skeleton.num_keypoints)
        points = convert_keypoints(points, skeleton, MPII)
    if not np.isfinite(points).all(axis=2).any():
        raise PredictionError(
            f"{path}: no keypoint is predicted: all are NaN, or far from their people"
        )
    return points - (BASES[kind] if base is None else base)


def _array(path: epath.Path, kind: str) -> Any:
    """Loads the array of a file that holds one."""
    if kind == ".mat" and not h5py.is_hdf5(path):  # `save -v7.3` writes HDF5.
        return matlab.load_variable(path, "preds", squeeze=False)
    try:
        if kind in (".npy", ".npz"):
            content = np.load(path, allow_pickle=False)
            return content if kind == ".npy" else _only_array(content)
        with path.open("rb") as file, h5py.File(file, "r") as content:
            return _only_array(content)
    except (FileNotFoundError, PermissionError):
        raise
    except Exception as error:  # Damage gives errors of many kinds.
        raise AnnotationError(
            f"{path}: not a {kind} file with an array ({error})"
        ) from error


def _only_array(content: Mapping[str, Any]) -> Any:
    """Returns the array of a usual name, or the only one; raises ValueError."""
    names = [name for name in _NAMES if name in content] or list(content)
    if names[0] not in _NAMES and len(names) > 1:
        found = ", ".join(names)
        raise ValueError(f"expected the name {' or '.join(_NAMES)}, found {found}")
    array = content[names[0]]
    if array.size > _MOST_NUMBERS:  # 200 bytes of HDF5 can declare more than there is.
        raise ValueError(f"{names[0]} holds {array.size} numbers")
    return np.asarray(array)


def _points_of(path: epath.Path, preds: Any, count: int) -> npt.NDArray[np.float64]:
    """Returns [N, K, 2] of an array [N, K, 2 or 3] or [2, K, N] with K = `count`."""
    if not isinstance(preds, np.ndarray) or preds.dtype.kind not in "iuf":
        raise AnnotationError(f"{path}: expected an array of numbers named preds")
    shape = preds.shape
    if shape in ((2, count, 2), (2, count, 3)):
        warnings.warn(
            f"{path}: preds {list(shape)} is read as [people, keypoints, values]; turn "
            "it if it is [x and y, keypoints, people]",
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
    path: epath.Path, people: Sequence[PersonAnnotation], skeleton: Skeleton
) -> npt.NDArray[np.float64]:
    """Gives each person a pose of its image that is near and has a high score."""
    in_image: dict[str, list[int]] = {}
    for i, person in enumerate(people):
        in_image.setdefault(person.image_name, []).append(i)
    points = np.full((len(people), NUM_KEYPOINTS, 2), np.nan)
    is_far = np.zeros(len(people), bool)
    results = _results_by_image(path, list(in_image), skeleton)
    for name, found in results.items():
        here = np.array(in_image[name])
        poses, scores = map(np.array, zip(*found, strict=True))
        poses = convert_keypoints(poses, skeleton, MPII)
        centers = np.array([people[i].center for i in here])
        reach = _REACH * SQUARE_PER_SCALE * np.array([people[i].scale for i in here])
        middles = np.ma.median(np.ma.masked_invalid(poses), axis=1).filled(np.nan)
        away = np.linalg.norm(centers[:, np.newaxis] - middles, axis=2)
        away = np.nan_to_num(away / reach[:, np.newaxis], nan=np.inf)
        doubt = 1 - np.clip(scores / max(scores.max(), _LEAST_SCORE), 0, 1)
        cost = np.where(away <= 1, away + doubt, 1 + np.minimum(away, 2))
        persons, chosen = scipy.optimize.linear_sum_assignment(cost)
        # Labels do not choose poses, but tell which of the chosen is whose.
        labels = np.array([people[here[person]].keypoints for person in persons])
        labels[[~people[here[person]].labelled for person in persons]] = np.nan
        errors = np.linalg.norm(labels[:, np.newaxis] - poses[chosen], axis=3)
        errors = np.ma.median(np.ma.masked_invalid(errors), axis=2).filled(np.inf)
        errors = np.minimum(errors / reach[persons, np.newaxis], 2)
        chosen = chosen[scipy.optimize.linear_sum_assignment(errors)[1]]
        points[here[persons]] = poses[chosen]
        is_far[here[persons]] = away[persons, chosen] > 1
    # Poses in other pixels are kept: their distances show what is wrong.
    if not _far_from_people(points, people):
        points[is_far] = np.nan
    total = sum(map(len, results.values()))
    if left := total - np.isfinite(points).any(axis=(1, 2)).sum():
        warnings.warn(
            f"{path}: {left:,} of {total:,} poses were left over: they are too far "
            "from everybody of the split, or copies of another pose",
            stacklevel=3,
        )
    return points


def _results_by_image(
    path: epath.Path, names: Sequence[str], skeleton: Skeleton
) -> dict[str, list[tuple[npt.NDArray[np.float64], float]]]:
    """Returns poses [K, 2] and scores of COCO results; `names` are the split's."""
    count = skeleton.num_keypoints
    records = json_copies.load_records(path)
    images = _images_of(path, records, names)
    results: dict[str, list[tuple[npt.NDArray[np.float64], float]]] = {}
    for i, (record, image) in enumerate(zip(records, images, strict=True)):
        where = f"{path}: result {i}"
        numbers = json_copies.get(where, record, "keypoints")
        score = record.get("score", 1.0)
        if not isinstance(score, int | float) or not np.isfinite(score):
            raise AnnotationError(f"{where}: score must be a number, got {score!r:.80}")
        try:
            pose = np.array(numbers)
        except ValueError:  # Lists of several lengths.
            pose = np.array([])
        if pose.size != 3 * count or pose.dtype.kind not in "iuf":
            raise AnnotationError(
                f"{where}: keypoints must be {count} times x, y and score, got "
                f"{numbers!r:.80}; say which they are: --skeleton coco17 or another"
            )
        pose = pose.reshape(count, 3).astype(np.float64)
        pose[(pose == 0).all(axis=1)] = np.nan  # COCO's way to leave a keypoint out.
        results.setdefault(image, []).append((pose[:, :2], float(score)))
    return results


def _images_of(
    path: epath.Path, records: Sequence[Mapping[str, Any]], names: Sequence[str]
) -> list[str]:
    """Returns the image of each result. All ids of a file are spelled in one way."""
    ids = []
    for i, record in enumerate(records):
        ids.append(json_copies.get(f"{path}: result {i}", record, "image_id"))
        if not isinstance(ids[i], str | int | float):
            raise AnnotationError(
                f"{path}: result {i}: image_id must be a name or a number, got "
                f"{ids[i]!r:.80}"
            )
    stems = [name.rpartition(".")[0] for name in names]
    spellings: Sequence[Sequence[Any]] = [
        names,
        stems,
        [int(stem) if stem.isdecimal() else None for stem in stems],
        range(1, len(names) + 1),  # As `export coco` does.
    ]
    fitting = [spelled for spelled in spellings if {*ids} <= {*spelled}]
    if not fitting:  # Name an id that the most fitting one lacks.
        fitting = [max(spellings, key=lambda spelled: len({*ids} & {*spelled}))]
    images: dict[Any, set[str]] = {}
    for spelled in fitting:
        for each, name in zip(spelled, names, strict=True):
            images.setdefault(each, set()).add(name)
    for i, each in enumerate(ids):
        if len(found := sorted(images.get(each, ()))) != 1:
            raise PredictionError(
                f"{path}: result {i}: image_id {each!r} is "
                f"{' or '.join(found) or 'no image of the split'}; write file names, "
                "or only numbers in file names, or only the ids of `export coco`"
            )
    return [min(images[each]) for each in ids]


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
        keypoints that are not predicted (labelled ones, if a person has any), points
        far from their people (pixels of a resized image or of a crop, x and y
        exchanged, another order) and, where people are labelled, points that are off by
        a part of a cell, or by one pixel.
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
    labelled = np.zeros(missing.shape, bool)
    for row, person in zip(labelled, people, strict=True):
        row[:] = person.visibility > 0
    asked = asked & (labelled | ~labelled.any(axis=1, keepdims=True))
    if count := np.sum(asked):
        people_with = np.sum(np.any(asked, axis=1))
        problems.append(
            f"{count} keypoints of {people_with} people are not predicted (NaN, "
            "infinite or in no pose); each is counted as a miss."
        )
    return problems + _far_from_people(points, people) + _off_by_one(points, people)


def _far_from_people(
    points: npt.NDArray[np.float64], people: Sequence[PersonAnnotation]
) -> list[str]:
    """Returns a sentence if points [N, K, 2] are far from their people, and why."""
    finite = np.all(np.isfinite(points), axis=2)
    known = np.flatnonzero(np.any(finite, axis=1)).tolist()
    if len(known) < _MIN_PEOPLE:
        return []
    points = np.where(finite[..., np.newaxis], points, np.nan)[known]
    centers = np.array([people[i].center for i in known], np.float64)
    height = HEIGHT_PER_SCALE * np.array([people[i].scale for i in known])
    middles = np.nanmedian(points, axis=1)

    def away(places: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.abs(places - centers).max(axis=1) / height

    def explains(places: npt.NDArray[np.float64], limit: float) -> bool:
        return bool(np.median(away(places)) <= min(limit, found / 2))

    found = float(np.median(away(middles)))
    if found <= _NEAR:
        return []
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.median(middles / centers, axis=0)
        extents = np.nanmax(points, axis=1) - np.nanmin(points, axis=1)
        apart = np.abs(middles - np.median(middles, axis=0)).max(axis=1)
        spread = np.median(apart / extents.max(axis=1))
    if np.nanpercentile(np.abs(points), 99) <= 2:
        cause = "they lie within 0 to 1: are they divided by the size of image or crop?"
    elif explains(middles[:, ::-1], _NEAR):
        cause = "x and y are exchanged."
    elif explains(middles / factor, _NEAR_SCALED):
        x, y = factor
        times = {0.5: "half of", 2.0: "twice"}.get(round(x, 1), f"{x:.2g} times")
        if abs(x / y - 1) > _UNEQUAL:
            times = f"{x:.2g} times (x) and {y:.2g} times (y)"
        cause = (
            f"they are about {times} the expected coordinates: are they in pixels of a "
            "resized image?"
        )
    elif np.mean(away(middles) > _OUTSIDE) < _SHARE_OUTSIDE:
        return []
    elif spread <= _ONE_PLACE:
        cause = "all are in one place: are they in pixels of the crop (crop_to_frame)?"
    else:
        cause = "are they in index order, and in pixels of the full image?"
    return [
        "The predicted poses do not follow the people's centers, which are "
        f"{found:.2f} heights of a person (200 px x scale) away in the median, "
        f"expected {_NEAR} or less: {cause}"
    ]


def _off_by_one(
    points: npt.NDArray[np.float64], people: Sequence[PersonAnnotation]
) -> list[str]:
    """Returns a sentence if points lie a pixel or part of a cell beside the labels."""
    truth = np.array([person.keypoints for person in people]).reshape(points.shape)
    state = np.array([person.visibility for person in people]).reshape(truth.shape[:2])
    labels = truth, state, np.array([person.head_size for person in people])
    error, labelled = distances(points, *labels)
    if np.sum(labelled & (error <= _CLOSE)) < _MIN_CLOSE:
        return []
    audit = alignment_audit(points, *labels)
    likelier = min(audit.crop, audit.frame, key=lambda offset: offset.spread)
    if likelier.corrected.total <= audit.scores.total:  # Of a network that learns yet.
        return []
    if likelier is audit.crop:
        if np.abs(audit.cells).max() < _MIN_CELLS:
            return []
        return [
            f"The predictions lie {as_point(audit.cells)} cells of heatmaps of 64 off "
            "the labels: is the shift of a quarter of a cell missing, or made twice?"
        ]
    x, y = audit.frame.constant
    if min(abs(x), abs(y)) <= _HALF_PIXEL or x * y < 0:
        return []
    return [
        f"The predictions lie ({x:+.2f}, {y:+.2f}) px off the labels: do they count "
        "pixels from 1? Here pixels are counted from 0, and 1 is added when a file is "
        "written."
    ]
