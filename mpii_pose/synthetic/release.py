"""Writes a release of synthetic people in the layout of the official one.

    directory/images/123456789.jpg ...
    directory/mpii_human_pose_v1_u12_2/mpii_human_pose_v1_u12_1.mat
    directory/mpii_human_pose_v1_u12_2/validation_people.csv

MPII's own validation people are known by a list made later by others (Tompson et al.);
`validation_people.csv` has that role here.
"""

import bisect
import dataclasses
import os
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from mpii_pose import progress
from mpii_pose.pictures import encode_jpeg
from mpii_pose.release.split import VALIDATION_PEOPLE_FILE
from mpii_pose.synthetic import matlab, pose, scene
from mpii_pose.synthetic.matlab import ReleaseImage, ReleasePerson

IMAGE_FOLDER = "images"
ANNOTATION_FOLDER = "mpii_human_pose_v1_u12_2"
ANNOTATION_FILE = "mpii_human_pose_v1_u12_1.mat"

# (height, width) in px; small, so that a build takes seconds.
SMALL_SIZES = ((240, 320), (272, 480), (360, 480), (360, 640), (480, 640), (400, 300))
# The most frequent sizes of the real release in their rough proportions.
MPII_SIZES = (
    *[(720, 1280)] * 10,
    *[(1080, 1920)] * 6,
    *[(480, 640), (480, 640), (480, 854), (480, 720)],
)
# Mean size of the real images' files: 516 KB at 1.12 megapixels.
MPII_BYTES_PER_PIXEL = 0.46

# Of JPEG files that have a size in bytes; they rarely shrink from one to the next.
_QUALITIES = range(5, 99)
# Noise in levels; heavy files need it to be heavy.
_GRAIN, _HEAVY_GRAIN = 5, 22
_NUM_VIDEOS = 12

# Of the real release: shares of images with 1, 2, ... labelled people; validation and
# test people per labelled person. The share of odd images is made up.
_GROUP_SHARES = (0.74, 0.17, 0.05, 0.03, 0.01)
_VALIDATION_SHARE = 0.1
_TEST_SHARE = 0.4
_ODD_IMAGE_SHARE = 0.05

# What is special about a person, as attributes to replace.
_Changes = dict[str, Any]
_NO_POINTS: _Changes = {
    "keypoints": ReleasePerson().keypoints,
    "visibility": ReleasePerson().visibility,
    "head_box": None,
}
# People who do not count as labelled.
_STRANGERS: tuple[_Changes, ...] = (
    _NO_POINTS,
    {"scale": None},
    {"center": None},
    {**_NO_POINTS, "scale": None, "center": None},
)
# Training images without labelled people come in this order, over and over.
_ODD_IMAGES = ((), *((stranger,) for stranger in _STRANGERS), _STRANGERS)


class _Plan(NamedTuple):
    """An image to be rendered."""

    people: Sequence[_Changes] = ()  # For each person what is special.
    listed: int | None = None  # 0-based position of the one for validation.
    is_train: bool = True  # False for a test image.


def write_release(
    directory: str | os.PathLike[str],
    *,
    num_people: int,
    seed: int = 0,
    image_sizes: Sequence[tuple[int, int]] = SMALL_SIZES,
    bytes_per_pixel: float | None = None,
) -> None:
    """Writes synthetic people as the official release is written.

    Every way in which the official annotations are irregular occurs, given some dozens
    of people. The same arguments give the same bytes.

    Args:
        directory: Where to write; made if it does not exist.
        num_people: Number of labelled people: those of `train`, `validation` and
            `validation_others` together. People without labels and test people (0.4
            for each labelled one) come on top.
        seed: 0 or more.
        image_sizes: (height, width) in px, of which each image gets one by chance;
            `MPII_SIZES` for the real ones.
        bytes_per_pixel: Mean size of a file divided by its pixels, such as
            `MPII_BYTES_PER_PIXEL`; None leaves it as it comes, about 0.15.

    Raises:
        ValueError: An option is out of range.
        FileExistsError: The directory already holds a release, synthetic or real.
    """
    for name, number, least in (
        ("num_people", num_people, 1),
        ("seed", seed, 0),
        ("bytes_per_pixel", bytes_per_pixel, 0.1),
    ):
        if number is not None and number < least:
            raise ValueError(f"{name} must be {least} or more, got {number}")
    if not image_sizes or min(map(min, image_sizes)) < 64:
        raise ValueError(
            "image_sizes must be at least one (height, width), each 64 px or more "
            f"either way, got {image_sizes}"
        )
    root = pathlib.Path(directory)
    folders = root / IMAGE_FOLDER, root / ANNOTATION_FOLDER
    for folder in folders:
        if folder.exists() and any(folder.iterdir()):
            raise FileExistsError(
                f"{folder} is not empty: a synthetic release is never mixed with other "
                "files; remove the folder or choose another directory"
            )
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([seed, 0])
    plans = _plan_images(num_people, rng)
    # MPII's names begin with 0: no image of ours is taken for one of its.
    names = rng.choice(900_000_000, len(plans), replace=False) + 100_000_000
    images, rows = [], ["image_name,person_index"]
    order = progress.bar(
        rng.permutation(len(plans)), desc="Drawing people", unit=" images"
    )
    for number, place in enumerate(order):
        plan, name = plans[place], f"{names[number]}.jpg"
        rng = np.random.default_rng([seed, 2, number])
        size = image_sizes[int(rng.integers(len(image_sizes)))]
        encoded, image = _render_image(rng, name, plan, size, bytes_per_pixel)
        (folders[0] / name).write_bytes(encoded)
        images.append(image)
        if plan.listed is not None:
            rows.append(f"{name},{plan.listed}")
    table = "".join(f"{row}\n" for row in rows)
    (folders[1] / VALIDATION_PEOPLE_FILE).write_bytes(table.encode())
    encoded = matlab.encode_release(images, seed=seed)
    (folders[1] / ANNOTATION_FILE).write_bytes(encoded)


def _plan_images(num_people: int, rng: np.random.Generator) -> list[_Plan]:
    """Plans the images of a release with `num_people` labelled people.

    There is always somebody for training and for test, for validation given two
    people, and in an image of theirs given four. Irregular people and images come in
    turn, not by chance: small releases have them, too.
    """
    plans = []
    num_validation = round(_VALIDATION_SHARE * num_people)
    if num_people > 1:
        num_validation = max(num_validation, 1)
    for number, size in enumerate(_split_into_groups(num_people, rng)):
        people: list[_Changes] = [{} for _ in range(size)]
        listed = int(rng.integers(size))
        turn, place_in_turn = divmod(number, 10)
        if place_in_turn == 2:
            people[int(rng.integers(size))] = {"head_box": None}
        if place_in_turn == 4:
            place = int(rng.integers(size + 1))
            people.insert(place, _STRANGERS[turn % len(_STRANGERS)])
            listed += place <= listed
        if place_in_turn == 8:  # A few of MPII's people have further fields.
            people[0] = {"extra_fields": {"head_r11": 0.5, "part_occ1": 1}}
        plans.append(_Plan(people, listed if number < num_validation else None))
    num_odd = min(num_people, 2 * len(_ODD_IMAGES))
    for number in range(num_odd + round(_ODD_IMAGE_SHARE * num_people)):
        plans.append(_Plan(_ODD_IMAGES[number % len(_ODD_IMAGES)]))
    for size in _split_into_groups(max(1, round(_TEST_SHARE * num_people)), rng):
        plans.append(_Plan((_NO_POINTS,) * size, is_train=False))
    return [*plans, _Plan(is_train=False)]


def _split_into_groups(num_people: int, rng: np.random.Generator) -> list[int]:
    """Returns how many people are in each image; two in the first, given four."""
    if num_people < 4:
        return [1] * num_people
    sizes = [2]
    while (left := num_people - sum(sizes)) > 0:
        size = 1 + int(rng.choice(len(_GROUP_SHARES), p=_GROUP_SHARES))
        sizes.append(min(left, size))
    return sizes


def _render_image(
    rng: np.random.Generator,
    name: str,
    plan: _Plan,
    size: tuple[int, int],
    bytes_per_pixel: float | None,
) -> tuple[bytes, ReleaseImage]:
    """Returns an image as a JPEG, and its annotation with the changes of its plan."""
    action = pose.sample_action(rng)
    picture, people = scene.render_scene(
        rng,
        action=action,
        size=size,
        num_people=len(plan.people),
        grain=_GRAIN if bytes_per_pixel is None else _HEAVY_GRAIN,
    )
    if bytes_per_pixel is None:
        quality = int(rng.integers(80, 93))
    else:  # The best that keeps to the size in bytes.
        num_bytes = bytes_per_pixel * size[0] * size[1] * rng.uniform(0.75, 1.3)
        at_most = bisect.bisect_right(
            _QUALITIES, num_bytes, key=lambda q: len(encode_jpeg(picture, quality=q))
        )
        quality = _QUALITIES[max(0, at_most - 1)]
    about: dict[str, Any] = {"is_train": False, "activity_id": -1}
    if plan.is_train:
        video, second = rng.integers(_NUM_VIDEOS), int(rng.integers(600))
        about = {"video_id": f"drawn_{video:05d}", "frame_sec": second}
        if rng.random() < 0.9:  # What the people do is known.
            number = 1 + list(pose.ACTIONS).index(action)
            about |= {"activity": action, "activity_id": number}
            about["category"] = pose.ACTIONS[action].category
    changed = zip(people, plan.people, strict=True)
    people = [dataclasses.replace(person, **changes) for person, changes in changed]
    encoded = encode_jpeg(picture, quality=quality)
    return encoded, ReleaseImage(name=name, people=people, **about)
