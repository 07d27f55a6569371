"""Decides which people are in which image, who is for validation, what is unknown.

Irregular people and images come in turn, not by chance: small releases have them, too.
"""

import dataclasses
from typing import Any

import numpy as np

from mpii_pose.synthetic.annotations import ReleasePerson

_NOBODY = ReleasePerson()
_NO_POINTS = {
    "keypoints": _NOBODY.keypoints,
    "visibility": _NOBODY.visibility,
    "head_box": None,
}
# What is unknown of people of each kind, as attributes to replace.
KINDS: dict[str, dict[str, Any]] = {
    "labelled": {},
    "without_head_box": {"head_box": None},
    "without_points": _NO_POINTS,
    "without_scale": {"scale": None},
    "without_center": {"center": None},
    "unknown": {**_NO_POINTS, "scale": None, "center": None},
}
# These count as people with labels, and only these.
LABELLED_KINDS = ("labelled", "without_head_box")
_UNLABELLED_KINDS = tuple(kind for kind in KINDS if kind not in LABELLED_KINDS)

# Training images without labelled people come in this order, over and over.
_ODD_IMAGES = (
    (),
    ("without_points",),
    ("without_scale",),
    ("without_center",),
    ("unknown",),
    ("without_points", "without_scale", "unknown"),
)

# Of the real release: shares of images with 1, 2, ... labelled people; validation and
# test people per labelled person. The shares of irregular images are made up.
_GROUP_SHARES = (0.74, 0.17, 0.05, 0.03, 0.01)
_VALIDATION_SHARE = 0.1
_TEST_SHARE = 0.4
_ODD_IMAGE_SHARE = 0.05


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImagePlan:
    """What one image is to hold."""

    name: str = ""  # Base name of its file.
    people: tuple[str, ...] = ()  # For each person a key of `KINDS`.
    validation_people: tuple[int, ...] = ()  # 0-based positions of those listed.
    is_train: bool = True  # False for a test image.
    tells_activity: bool = False  # Whether it is known what the people do.
    has_rich_fields: bool = False  # Further fields of people, as few images have.


def plan_images(num_people: int, *, rng: np.random.Generator) -> list[ImagePlan]:
    """Plans the images of a release with `num_people` labelled people, in its order.

    Given two labelled people there is one for validation, given four there is one more
    in that one's image; there is always one for test and one for training.
    """
    num_validation = round(_VALIDATION_SHARE * num_people)
    if num_people > 1:
        num_validation = max(num_validation, 1)
    plans = [
        _plan_group(number, size, rng, is_validation=number < num_validation)
        for number, size in enumerate(_split_into_groups(num_people, rng))
    ]
    num_odd = min(num_people, 2 * len(_ODD_IMAGES))
    for number in range(num_odd + round(_ODD_IMAGE_SHARE * num_people)):
        plans.append(ImagePlan(people=_ODD_IMAGES[number % len(_ODD_IMAGES)]))
    for size in _split_into_groups(max(1, round(_TEST_SHARE * num_people)), rng):
        plans.append(ImagePlan(people=("without_points",) * size, is_train=False))
    plans.append(ImagePlan(is_train=False))
    # MPII's names begin with 0: no image of ours is taken for one of its.
    names = rng.choice(900_000_000, len(plans), replace=False) + 100_000_000
    return [
        dataclasses.replace(plans[place], name=f"{name}.jpg")
        for place, name in zip(rng.permutation(len(plans)), names, strict=True)
    ]


def _split_into_groups(num_people: int, rng: np.random.Generator) -> list[int]:
    """How many people are in each image; the first has two, given four or more."""
    if num_people < 4:
        return [1] * num_people
    sizes = [2]
    while (left := num_people - sum(sizes)) > 0:
        size = 1 + int(rng.choice(len(_GROUP_SHARES), p=_GROUP_SHARES))
        sizes.append(min(left, size))
    return sizes


def _plan_group(
    number: int, size: int, rng: np.random.Generator, *, is_validation: bool
) -> ImagePlan:
    """An image of labelled people, every tenth with a stranger among them."""
    people = ["labelled"] * size
    listed = int(rng.integers(size))
    turn, place_in_turn = divmod(number, 10)
    if place_in_turn == 2:
        people[int(rng.integers(size))] = "without_head_box"
    if place_in_turn == 4:
        place = int(rng.integers(size + 1))
        people.insert(place, _UNLABELLED_KINDS[turn % len(_UNLABELLED_KINDS)])
        listed += place <= listed
    return ImagePlan(
        people=tuple(people),
        validation_people=(listed,) if is_validation else (),
        tells_activity=place_in_turn != 6,
        has_rich_fields=number % 20 == 8,
    )
