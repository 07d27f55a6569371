"""Poses of several people as MPII asks for them: `pred_keypoints_mpii_multi.mat`.

MPII scores groups of people who stand close together, which the toolkit's
`groups_v12.mat` lists; a group with a person of `single_person` is not scored
(`getMultiPersonGroups.m`). The file holds `pred`, a struct array with one element for
each group, in that order: a copy of the image's element of `annolist`, in which
`annorect` are the predicted people, as many as there are, and their
`annopoints.point` have the fields x, y, 1-based, id, 0 to 15, and score. Which people
are there, and where each is, must not be used; the group's box and its mean scale may.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from etils import epath

from mpii_pose.formats.predictions import (
    PredictionError,
    far_from_people,
    write_variable,
)
from mpii_pose.formats.submission import (
    annopoints,
    image_name_of,
    images_of_test,
    not_written,
)
from mpii_pose.person import AnnotationError
from mpii_pose.release import matlab_structs as structs
from mpii_pose.release import split
from mpii_pose.release.matlab import read_matlab
from mpii_pose.skeleton import NUM_KEYPOINTS


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Group:
    """A group of people of a test image, and what a method may know of it.

    Attributes:
        image_name: Base name of the image file.
        image_index: Position of the image among the test images, 0-based.
        box: float64 [4], (x1, y1, x2, y2), around the centers of the people, 0-based.
        scale: Mean scale of the people.
    """

    image_name: str
    image_index: int
    box: npt.NDArray[np.float64]
    scale: float


def read_groups(
    matlab_file: epath.PathLike, groups_file: epath.PathLike
) -> list[Group]:
    """Reads the groups of the test images that MPII scores, in its order.

    Args:
        matlab_file: The official annotations, `mpii_human_pose_v1_u12_1.mat`.
        groups_file: The toolkit's `groups_v12.mat`.

    Raises:
        AnnotationError: A file is damaged, or one is not for the other.
    """
    listed = structs.load_variable(groups_file, "groups", squeeze=False)
    release = structs.load_variable(matlab_file, "RELEASE", squeeze=False)
    if not isinstance(listed, np.ndarray) or listed.dtype != object:
        raise AnnotationError(f"{groups_file}: expected a cell array named groups")
    is_test = release["img_train"][0, 0].ravel() == 0
    if listed.size != is_test.size:
        raise AnnotationError(
            f"{groups_file}: expected groups of {is_test.size} images, those of "
            f"{matlab_file}, got {listed.size}"
        )
    people = {
        (person.image_name, person.person_index): person
        for person in read_matlab(matlab_file).get(split.TEST, [])
    }
    names = [image_name_of(image) for image in images_of_test(matlab_file)]
    groups = []
    for image_index, cells in enumerate(listed.ravel()[is_test]):
        for members in np.asarray(cells, object).ravel():
            places = np.asarray(members, float).ravel().astype(int) - 1
            keys = [(names[image_index], place) for place in places.tolist()]
            for name, place in keys:
                if (name, place) not in people:
                    raise AnnotationError(
                        f"{groups_file}: image {name} has no person {place + 1} with a "
                        f"center and a scale in {matlab_file}"
                    )
            here = [people[key] for key in keys]
            if not here or any(person.separated == 1 for person in here):
                continue
            centers = np.array([person.center for person in here], np.float64)
            groups.append(
                Group(
                    image_name=names[image_index],
                    image_index=image_index,
                    box=np.concatenate([centers.min(axis=0), centers.max(axis=0)]),
                    scale=float(np.mean([person.scale for person in here])),
                )
            )
    return groups


def check_multi_predictions(
    predicted: Sequence[npt.ArrayLike],
    scores: Sequence[npt.ArrayLike],
    groups: Sequence[Group],
) -> list[str]:
    """Looks for the usual mistakes in predictions of groups.

    Args:
        predicted: For each group, float [P, 16, 2], (x, y) in pixels of the full image,
            0-based; NaN where a keypoint is not predicted.
        scores: For each group, float [P, 16].
        groups: As `read_groups` returns them.

    Returns:
        What is wrong, one sentence each: groups without predictions, keypoints without
        a score, scores that are all the same, poses far from their groups.

    Raises:
        PredictionError: They are not of these groups, or of another shape.
    """
    poses = _checked(predicted, scores, groups)
    problems = []
    if empty := sum(not len(points) for points, _ in poses):
        problems.append(
            f"{empty} of {len(groups)} groups have no predicted person; the toolkit "
            "does not count what there was to be found in them."
        )
    made = [~np.isnan(points).any(axis=2) for points, _ in poses]
    if lacking := sum(
        int((here & ~np.isfinite(score)).sum())
        for here, (_, score) in zip(made, poses, strict=True)
    ):
        problems.append(f"{lacking} predicted keypoints have no score.")
    known = [s[here] for here, (_, s) in zip(made, poses, strict=True)]
    given = np.concatenate(known) if known else np.zeros(0)
    if given.size > 1 and (given == given[0]).all():
        problems.append(
            f"All scores are {given[0]:g}: precision is then that of all predictions, "
            "in whatever order."
        )
    nowhere = np.full((1, 2), np.nan)
    middles = [
        np.median(points[here] if here.any() else nowhere, axis=0)
        for here, (points, _) in zip(made, poses, strict=True)
    ]
    points = np.reshape(middles, (-1, 1, 2))
    centers = np.reshape([(g.box[:2] + g.box[2:]) / 2 for g in groups], (-1, 2))
    there = np.isfinite(points).all(axis=(1, 2))
    return problems + far_from_people(points[there], centers[there])


def write_multi_submission(
    path: epath.PathLike,
    predicted: Sequence[npt.ArrayLike],
    scores: Sequence[npt.ArrayLike],
    *,
    matlab_file: epath.PathLike,
    groups_file: epath.PathLike,
    force: bool = False,
) -> list[str]:
    """Writes predictions of the test groups as the file that MPII evaluates.

    Args:
        path: Where to write; MPII's name for it is `pred_keypoints_mpii_multi.mat`.
        predicted: See `check_multi_predictions`.
        scores: See `check_multi_predictions`.
        matlab_file: The official annotations.
        groups_file: The toolkit's `groups_v12.mat`.
        force: Write what `check_multi_predictions` finds wrong.

    Returns:
        What is wrong, one sentence each; nothing unless `force`.

    Raises:
        PredictionError: There are not as many predictions as groups, or something is
            wrong with them. Nothing is written.
        AnnotationError: A file of the release is damaged.
    """
    groups = read_groups(matlab_file, groups_file)
    problems = check_multi_predictions(predicted, scores, groups)
    if problems and not force:
        raise not_written(path, problems, by="force=True")
    poses = _checked(predicted, scores, groups)
    pred = images_of_test(matlab_file)[[group.image_index for group in groups]].copy()
    for element, (points, score) in zip(pred, poses, strict=True):
        rects = [
            {"annopoints": annopoints(*pose)}
            for pose in zip(points + 1, score, strict=True)
        ]
        element["annorect"] = structs.struct_array(rects) if rects else structs.EMPTY
    write_variable(path, "pred", pred[np.newaxis])
    return problems


def _checked(
    predicted: Sequence[npt.ArrayLike],
    scores: Sequence[npt.ArrayLike],
    groups: Sequence[Group],
) -> list[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]]:
    """Returns poses [P, 16, 2] and scores [P, 16] of each group."""
    if not len(predicted) == len(scores) == len(groups):
        raise PredictionError(
            f"predictions must be for the {len(groups)} groups of test that MPII "
            f"scores, got {len(predicted)} and scores for {len(scores)}; nobody found "
            "is an empty list"
        )
    poses = []
    for number, (points, score) in enumerate(zip(predicted, scores, strict=True)):
        points, score = np.asarray(points, float), np.asarray(score, float)
        if not points.size and not score.size:
            points, score = (
                np.zeros((0, NUM_KEYPOINTS, 2)),
                np.zeros((0, NUM_KEYPOINTS)),
            )
        shape = len(points), NUM_KEYPOINTS
        if points.shape != (*shape, 2) or score.shape != shape:
            raise PredictionError(
                f"group {number}: predictions must have shape [P, {NUM_KEYPOINTS}, 2] "
                f"and scores [P, {NUM_KEYPOINTS}], got {points.shape} and {score.shape}"
            )
        poses.append((points, score))
    return poses
