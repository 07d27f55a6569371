"""The keypoints of the test people, which MPII released later, and scores on them.

**Not verified on the real file**, which could not be had: this follows what the
release's toolkit does with it (`evaluatePCKh.m`, `flatten_annolist.m`), and was tested
on a drawn replica. `annolist_dataset_v12.mat` holds one variable, `annolist`, as long
as RELEASE's and in its order, with the points of the test people; `single_person`, and
which images are test images, come from the release's own .mat. So do image names, as
public code takes them from there.
"""

import dataclasses
import types
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from etils import epath

from mpii_pose.evaluation.pckh import pckh
from mpii_pose.evaluation.scores import PCKhScores
from mpii_pose.formats.predictions import PredictionError, checked_predictions
from mpii_pose.person import AnnotationError, PersonAnnotation
from mpii_pose.release import matlab_structs as structs
from mpii_pose.release import split
from mpii_pose.release.matlab import people_of_release, read_matlab

TRUTH_FILE = "annolist_dataset_v12.mat"


def read_test_truth(
    path: epath.PathLike, *, matlab_file: epath.PathLike
) -> list[PersonAnnotation]:
    """Reads the test people with their keypoints. Not verified on the real file.

    Args:
        path: `annolist_dataset_v12.mat`.
        matlab_file: The official annotations, `mpii_human_pose_v1_u12_1.mat`.

    Returns:
        The labelled test people; `index` and `separated` are those of `test`.

    Raises:
        AnnotationError: A file is damaged, or they are not of the same images.
    """
    path, matlab_file = structs.as_path(path), structs.as_path(matlab_file)
    release = structs.load_release(matlab_file)
    images = structs.as_structs(structs.field(release, "annolist"))
    labelled = structs.as_structs(structs.load_variable(path, "annolist"))
    if not labelled or len(labelled) != len(images):
        raise AnnotationError(
            f"{path}: expected annolist with the {len(images)} images of "
            f"{matlab_file}, found {len(labelled)}"
        )
    test = {
        (person.image_name, person.person_index): person
        for person in read_matlab(matlab_file).get(split.TEST, [])
    }
    chosen = np.flatnonzero(np.atleast_1d(release.img_train) == 0)
    for i in chosen:
        labelled[i].image = images[i].image
    content = types.SimpleNamespace(
        annolist=np.array([labelled[i] for i in chosen], object),
        img_train=np.ones(len(chosen)),
    )
    people = []
    nobody = split.ValidationPeople(frozenset())
    for _, where, person in people_of_release(path, content, nobody):
        of_test = test.get((person.image_name, person.person_index))
        if of_test is None:
            raise AnnotationError(
                f"{where}, image {person.image_name}: {matlab_file} has no such person"
            )
        people.append(
            dataclasses.replace(
                person, index=of_test.index, separated=of_test.separated
            )
        )
    if not people:
        raise AnnotationError(f"{path}: no test person has keypoints")
    return sorted(people, key=lambda person: person.index)


def pckh_of_test(
    predicted: npt.ArrayLike,
    truth: Sequence[PersonAnnotation],
    *,
    dialect: str = "official",
    threshold: float = 0.5,
) -> PCKhScores:
    """Scores predictions on the separated test people, 7,247 of MPII's 11,731.

    Args:
        predicted: float [N, 16, 2], (x, y) in pixels of the full image, 0-based, of all
            people of `test` in `index` order; NaN is a miss.
        truth: As `read_test_truth` returns them.
        dialect: See `pckh`.
        threshold: In head sizes.

    Raises:
        PredictionError: A separated person has no predictions.
    """
    points = checked_predictions(predicted)
    people = [person for person in truth if person.separated == 1]
    last = max((person.index for person in people), default=-1)
    if not people or last >= len(points):
        raise PredictionError(
            f"expected predictions of all test people in index order, at least "
            f"{last + 1}, got {len(points)}; {len(people)} of the "
            "labelled stand clear of others"
        )
    return pckh(
        points[[person.index for person in people]],
        np.array([person.keypoints for person in people]),
        np.array([person.visibility for person in people]),
        np.array([person.head_size for person in people]),
        dialect=dialect,
        threshold=threshold,
    )
