"""The arrays that every score takes, checked in one place.

N people, K keypoints, (x, y) in pixels of the full image. Inputs may be arrays, lists
or eager tensors and are never modified.
"""

import numpy as np
import numpy.typing as npt

from mpii_pose.skeleton import Skeleton


def distances(
    predicted: npt.ArrayLike,
    truth: npt.ArrayLike,
    visibility: npt.ArrayLike,
    head_size: npt.ArrayLike,
    *,
    where: npt.ArrayLike | None = None,
    skeleton: Skeleton,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns errors in head sizes and which of them count; see `pckh.pckh`.

    Returns:
        float64 [N, K], NaN where not predicted, and bool [N, K].

    Raises:
        ValueError: As `pckh.pckh`.
    """
    predicted = np.asarray(predicted, np.float64)
    truth = np.asarray(truth, np.float64)
    head_size = np.asarray(head_size, np.float64)
    num_people = predicted.shape[0] if predicted.ndim else 0
    shape = num_people, skeleton.num_keypoints
    check_shape("predicted", predicted, (*shape, 2))
    labelled = labelled_keypoints(
        truth, visibility, head_size, where=where, shape=shape, skeleton=skeleton
    )
    with np.errstate(divide="ignore", invalid="ignore"):  # people who do not count
        error = np.linalg.norm(predicted - truth, axis=2) / head_size[:, np.newaxis]
    return error, labelled


def labelled_keypoints(
    truth: np.ndarray,
    visibility: npt.ArrayLike,
    head_size: np.ndarray,
    *,
    where: npt.ArrayLike | None = None,
    shape: tuple[int, int],
    skeleton: Skeleton,
) -> np.ndarray:
    """Returns which keypoints count, bool [N, K], and checks what scoring them needs.

    Raises:
        ValueError: If an array is not of `shape` people and keypoints, or a person with
            a keypoint that counts has no positive, finite head size or no finite truth.
    """
    labelled = np.asarray(visibility) > 0
    check_shape("truth", truth, (*shape, 2))
    check_shape("visibility", labelled, shape)
    check_shape("head_size", head_size, shape[:1])
    if where is not None:
        where = np.asarray(where, bool)
        if where.ndim == 1:
            where = where[:, np.newaxis] & np.ones(shape[1], bool)
        check_shape("where", where, shape)
        labelled = labelled & where
    known = (head_size > 0) & np.isfinite(head_size)
    for person in np.flatnonzero(labelled.any(axis=1) & ~known):
        raise ValueError(
            f"head_size must be a positive number of pixels: person {person} has "
            f"{head_size[person]}; leave out those of unknown head size with where"
        )
    for person, keypoint in np.argwhere(labelled & ~np.isfinite(truth).all(axis=2)):
        raise ValueError(
            f"truth must be finite where visibility is not 0: person {person}, "
            f"{skeleton.keypoints[keypoint]} is {truth[person, keypoint]}"
        )
    return labelled


def check_threshold(threshold: float) -> None:
    """Raises ValueError where an allowed error in head sizes is not valid."""
    if not 0 <= threshold < np.inf:
        raise ValueError(f"threshold must be 0 or more, in head sizes, got {threshold}")


def check_shape(name: str, array: np.ndarray, expected: tuple[int, ...]) -> None:
    """Raises ValueError where an array is not of the shape that `predicted` implies."""
    if array.shape != expected:
        raise ValueError(
            f"{name} must have shape {expected} (people, keypoints, x and y, as in "
            f"predicted), got {array.shape}"
        )
