"""Predicted keypoints from the files that public code writes, all made alike.

| file                | from                             | holds              | base |
| ------------------- | -------------------------------- | ------------------ | ---- |
| `pred.mat`,         | HRNet, SimpleBaselines, MMPose   | `preds` [N, 16, 2] | 1    |
| `preds_valid.mat`   | 0.x, pytorch-pose                |                    |      |
| `preds.h5`          | Stacked Hourglass, eval-mpii     | `preds` [N, 16, 2] | 1    |
|                     |                                  | or [2, 16, N]      |      |
| `.npy`, `.npz`      | one's own code                   | [N, 16, 2 or 3]    | 0    |
| `.json`             | COCO results: MMPose, Detectron  | a list of poses    | 0    |

Arrays are in `index` order. COCO results name images instead and come in any order:
each pose goes to the person of its image whose center is nearest, one pose a person.
Of 2,958 published predictions, 99.4 % get back to their person in this way, 0.6 % are
too far from any, and 2 go to another.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from etils import epath, epy

from mpii_pose import files
from mpii_pose.formats.predictions import PredictionError, of_people
from mpii_pose.person import SQUARE_PER_SCALE, AnnotationError, PersonAnnotation
from mpii_pose.release import json_copies, matlab
from mpii_pose.skeleton import MPII, Skeleton
from mpii_pose.transforms.convert import convert_keypoints

with epy.lazy_imports():
    import h5py
    import scipy.optimize

# From which pixel each kind of file counts.
BASES: Mapping[str, int] = {
    ".mat": 1,
    ".h5": 1,
    ".hdf5": 1,
    ".npy": 0,
    ".npz": 0,
    ".json": 0,
}
_NAMES = ("preds", "predictions", "keypoints")
# Those of a million people.
_MOST_NUMBERS = 48_000_000
_HDF5_START = b"\x89HDF"
# A pose further from a person than half of the person's square is of somebody else.
_REACH = 0.5


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
        people: Of the split, in `index` order.
        base: From which pixel the file counts, 0 or 1; by default as is the custom.
        skeleton: Which keypoints the file has.

    Returns:
        float64 [N, 16, 2], (x, y) in pixels of the full image, 0-based, one for each
        of `people`, as `convert_keypoints` makes them of another skeleton's; NaN where
        a file of poses has none for a person.

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
    if base is None:
        base = BASES[kind]
    if kind == ".json":
        points = _poses_of_people(
            path, json_copies.load_records(path), people, skeleton
        )
    else:
        points = of_people(path, _array(path, kind), skeleton=skeleton)
    if not np.isfinite(points).all(axis=2).any():
        raise PredictionError(f"{path}: no keypoint is predicted, all are NaN")
    return convert_keypoints(points - base, skeleton, MPII)


def _array(path: epath.Path, kind: str) -> Any:
    with path.open("rb") as file:
        start = file.read(len(_HDF5_START))
    if kind == ".mat" and start != _HDF5_START:  # as MATLAB's save -v7.3 is not
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


def _poses_of_people(
    path: epath.Path,
    records: Sequence[Mapping[str, Any]],
    people: Sequence[PersonAnnotation],
    skeleton: Skeleton,
) -> npt.NDArray[np.float64]:
    """Gives each person the pose of its image that lies nearest to its center."""
    count = skeleton.num_keypoints
    poses: dict[str, list[np.ndarray]] = {}
    name_of = _image_names(people)
    for i, record in enumerate(records):
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
        pose[(pose == 0).all(axis=1)] = np.nan  # how COCO says that there is none
        poses.setdefault(name_of[image], []).append(pose[:, :2])
    in_image: dict[str, list[int]] = {}
    for i, person in enumerate(people):
        in_image.setdefault(person.image_name, []).append(i)
    points = np.full((len(people), count, 2), np.nan)
    for name, found in poses.items():
        here = in_image[name]
        centers = np.array([people[i].center for i in here])
        reach = _REACH * SQUARE_PER_SCALE * np.array([people[i].scale for i in here])
        middles = np.ma.median(np.ma.masked_invalid(found), axis=1).filled(np.nan)
        away = np.linalg.norm(centers[:, np.newaxis] - middles, axis=2)
        away = np.minimum(away / reach[:, np.newaxis], 2.0)
        pairs = scipy.optimize.linear_sum_assignment(np.nan_to_num(away, nan=2.0))
        for person, pose in zip(*pairs, strict=True):
            if away[person, pose] <= 1:
                points[here[person]] = found[pose]
    return points


def _image_names(people: Sequence[PersonAnnotation]) -> dict[str | int, str]:
    """Returns the names of images by what results may call them."""
    names = list(dict.fromkeys(person.image_name for person in people))
    name_of: dict[str | int, str] = {}
    name_of.update(enumerate(names, start=1))
    for name in names:
        stem = name.rpartition(".")[0]
        name_of |= {stem: name, name: name}
        if stem.isdecimal():
            name_of[int(stem)] = name
    return name_of
