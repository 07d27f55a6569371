"""Writes people as the files that circulate, and compares what is read back."""

import dataclasses
import json
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from mpii_pose import PersonAnnotation
from mpii_pose.release.official import MATLAB_FILE
from mpii_pose.skeleton import Visibility
from mpii_pose.synthetic import matlab

People = Mapping[str, Sequence[PersonAnnotation]]  # By split.
# The folder of the official file, which is the name of its archive too.
ANNOTATIONS = "mpii_human_pose_v1_u12_2"
MATLAB_PATH = f"{ANNOTATIONS}/{MATLAB_FILE}"


def cpm_record(person: PersonAnnotation, *, split: str, image: int) -> dict[str, Any]:
    """A person as in `mpii_annotations.json`; `image` is the 1-based annolist index."""
    missing = person.visibility == Visibility.MISSING
    points = np.where(missing[:, None], 0.0, person.keypoints.astype(float) + 1)
    visible = person.visibility == Visibility.VISIBLE
    return {
        "dataset": "MPI",
        "isValidation": float(split == "validation"),
        "img_paths": person.image_name,
        "objpos": (person.center.astype(float) + 1).tolist(),
        "joint_self": np.column_stack([points, visible]).tolist(),
        "scale_provided": person.scale,
        "annolist_index": float(image),
        "people_index": person.person_index + 1.0,
    }


def hrnet_record(person: PersonAnnotation) -> dict[str, Any]:
    """A person as in HRNet's `train.json`."""
    labelled = person.visibility != Visibility.MISSING
    points = np.where(labelled[:, None], person.keypoints.astype(float) + 1, -1.0)
    return {
        "image": person.image_name,
        "center": (person.center.astype(float) + 1).tolist(),
        "scale": person.scale,
        "joints": points.tolist(),
        "joints_vis": labelled.astype(int).tolist(),
    }


def write_cpm(path: pathlib.Path, people: People) -> None:
    """Writes the labelled people of train and validation, in the order of images."""
    names: dict[str, int] = {}
    records = [
        cpm_record(person, split=split, image=names.setdefault(person.image_name, k))
        for split in ("train", "validation")
        for k, person in enumerate(people.get(split, ()), start=1)
    ]
    path.write_text(json.dumps(records))


def write_hrnet(folder: pathlib.Path, people: People, names: Mapping) -> None:
    """Writes one JSON file a split, whose names are given by split."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, name in names.items():
        records = [hrnet_record(person) for person in people[split]]
        (folder / name).write_text(json.dumps(records))


def write_matlab(folder: pathlib.Path, people: People, **options: Any) -> pathlib.Path:
    """Writes people as the official .mat, in its folder below `folder`."""
    images = []
    for split in ("train", "validation"):
        images += group_into_images(people.get(split, ()))
    folder = folder / ANNOTATIONS
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / MATLAB_FILE
    path.write_bytes(matlab.encode_release(images, **options))
    return path


def group_into_images(people: Iterable[PersonAnnotation]) -> list[matlab.ReleaseImage]:
    """Puts people read from any source back into their images, as images of train.

    Where `person_index` is -1 (unknown), they are numbered in the order they come. Of
    people at positions that nobody has nothing is known.
    """
    by_name: dict[str, list[PersonAnnotation]] = {}
    for person in people:
        by_name.setdefault(person.image_name, []).append(person)
    activities = sorted({group[0].activity for group in by_name.values()})
    images = []
    for name, (first, *others) in by_name.items():
        places = {
            place if person.person_index < 0 else person.person_index: person
            for place, person in enumerate([first, *others])
        }
        found = map(places.get, range(max(places) + 1))
        activity_id = activities.index(first.activity) if first.activity else None
        images.append(
            matlab.ReleaseImage(
                name=name,
                people=[_release_person(person) for person in found],
                video_id=first.video_id,
                frame_sec=first.frame_sec if first.frame_sec >= 0 else None,
                category=first.category,
                activity=first.activity,
                activity_id=activity_id,
            )
        )
    return images


def _release_person(person: PersonAnnotation | None) -> matlab.ReleasePerson:
    if person is None:
        return matlab.ReleasePerson()
    return matlab.ReleasePerson(
        keypoints=person.keypoints,
        visibility=person.visibility,
        center=person.center,
        scale=person.scale,
        head_box=None if np.all(person.head_box == -1) else person.head_box,
        separated=person.separated == 1,
    )


def assert_same_people(
    found: Iterable[PersonAnnotation],
    expected: Iterable[PersonAnnotation],
    *,
    but: Iterable[str] = (),
) -> None:
    """Asserts that people are equal, value by value, except in some attributes."""
    names = [f.name for f in dataclasses.fields(PersonAnnotation) if f.name not in but]
    for person, other in zip(found, expected, strict=True):
        for name in names:
            np.testing.assert_array_equal(
                getattr(person, name),
                getattr(other, name),
                err_msg=f"{name} of {other.image_name}, person {other.person_index}",
            )
