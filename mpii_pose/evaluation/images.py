"""Which people are in one image: for groups, for neighbours, and for resampling."""

import numpy as np
import numpy.typing as npt


def image_groups(
    images: npt.ArrayLike, *, separated: npt.ArrayLike | None = None
) -> list[np.ndarray]:
    """Returns the people of each image as one group, for `multi_person_ap`.

    As `getMultiPersonGroups.m`, drops a group if any of its people stands clear of
    others. The toolkit's own groups are parts of images (its `groups_v12.mat`).

    Args:
        images: [N], the image of each person: its name, or any number.
        separated: [N], 1 for those who stand clear of others (MPII's `single_person`).

    Returns:
        int [G] for each group, indices of its people.
    """
    image, count = image_numbers(images)
    alone = np.zeros(len(image)) if separated is None else np.asarray(separated)
    if alone.shape != image.shape:
        raise ValueError(
            f"separated must have shape {image.shape}, as images, got {alone.shape}"
        )
    order = np.argsort(image, kind="stable")
    groups = np.split(order, np.cumsum(np.bincount(image, minlength=count)))[:-1]
    return [group for group in groups if not (alone[group] == 1).any()]


def image_neighbours(
    images: npt.ArrayLike, keypoints: npt.ArrayLike, visibility: npt.ArrayLike
) -> np.ndarray:
    """Returns the other people of each person's image, for `keypoint_errors`.

    Args:
        images: [N], the image of each person: its name, or any number.
        keypoints: float [N, K, 2].
        visibility: [N, K], 0 where a keypoint is missing.

    Returns:
        float64 [N, M, K, 2], NaN where a keypoint is missing and where a person has
        fewer than M others.
    """
    labelled = np.asarray(visibility)[..., np.newaxis] > 0
    known = np.where(labelled, np.asarray(keypoints, np.float64), np.nan)
    groups = image_groups(images)
    most = max((len(group) - 1 for group in groups), default=0)
    neighbours = np.full((len(known), most, *known.shape[1:]), np.nan)
    for group in groups:
        for person in group:
            others = group[group != person]
            neighbours[person, : len(others)] = known[others]
    return neighbours


def image_numbers(images: npt.ArrayLike) -> tuple[np.ndarray, int]:
    """Returns the images as numbers from 0, int [N], and how many there are."""
    names = np.asarray(images)
    if names.ndim != 1:
        raise ValueError(f"images must have shape [N], got {names.shape}")
    unique, number = np.unique(names, return_inverse=True)
    return number, len(unique)
