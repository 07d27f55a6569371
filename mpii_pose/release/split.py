"""Divides people into splits.

MPII publishes no validation set. The one everybody reports on is by Tompson et al.,
"Efficient Object Localization Using Convolutional Networks" (CVPR 2015): a list of
2,958 people. Other people of the same images are in neither set, so that no image is
both trained and validated on; public code drops them, here they are
`validation_others`.
"""

import csv
import dataclasses
import functools
import io
from collections.abc import Iterable, Mapping
from typing import Any

from etils import epath

from mpii_pose.person import UNKNOWN, AnnotationError, PersonAnnotation

TRAIN = "train"
VALIDATION = "validation"
VALIDATION_OTHERS = "validation_others"
TEST = "test"
SPLITS = (TRAIN, VALIDATION, VALIDATION_OTHERS, TEST)

# A release with images of its own has a file of this name beside its .mat.
VALIDATION_PEOPLE_FILE = "validation_people.csv"
_COLUMNS = ["image_name", "person_index"]

# People by split, in index order.
People = Mapping[str, list[PersonAnnotation]]


def read_validation_people(path: Any) -> Mapping[str, frozenset[int]]:
    """Reads a list of validation people: CSV with image_name and person_index.

    Returns:
        By image name, the 0-based positions of validation people in the image.
    """
    people: dict[str, frozenset[int]] = {}
    try:
        header, *rows = csv.reader(io.StringIO(path.read_bytes().decode()))
        if header != _COLUMNS:
            raise ValueError(f"columns {header}")
        for name, index in rows:
            people[name] = people.get(name, frozenset()) | {int(index)}
    except (ValueError, csv.Error) as error:
        raise AnnotationError(
            f"{path}: expected CSV with the columns {_COLUMNS}, got {error}"
        ) from error
    return people


@functools.cache
def tompson() -> Mapping[str, frozenset[int]]:
    """Returns the 2,958 people of Tompson's list."""
    folder = epath.resource_path("mpii_pose") / "release"
    return read_validation_people(folder / "tompson_validation.csv")


def in_order(people: Iterable[tuple[str, str, PersonAnnotation]]) -> People:
    """Gathers (split, place in the source, person) by split and numbers those of each.

    A split without people is absent. Raises AnnotationError if a person is there twice,
    in one split or in two.
    """
    splits: dict[str, list[PersonAnnotation]] = {name: [] for name in SPLITS}
    places: dict[tuple[Any, ...], str] = {}
    for name, where, person in people:
        # HRNet's format does not number people; of MPII's no two are at one place.
        key: tuple[Any, ...] = person.image_name, person.person_index
        if person.person_index == UNKNOWN:
            key = person.image_name, person.center.tobytes(), person.scale
        if key in places:
            raise AnnotationError(
                f"{where}, image {person.image_name}: the same person stands already "
                f"in {places[key]}"
            )
        places[key] = where
        index = len(splits[name])
        splits[name].append(dataclasses.replace(person, index=index))
    return {name: people for name, people in splits.items() if people}


def shared_videos(
    people: Mapping[str, Iterable[PersonAnnotation]],
) -> frozenset[str] | None:
    """Returns the YouTube ids of videos from which train and validation have frames.

    None where the source has no ids, as JSON copies.
    """
    train, validation = (
        {person.video_id for person in people.get(name, ()) if person.video_id}
        for name in (TRAIN, VALIDATION)
    )
    return frozenset(train & validation) if train and validation else None
