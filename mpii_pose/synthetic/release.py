"""Writes a release of drawn people in the layout of the official one.

    directory/images/123456789.jpg ...
    directory/mpii_human_pose_v1_u12_2/mpii_human_pose_v1_u12_1.mat
    directory/mpii_human_pose_v1_u12_2/validation_people.csv

MPII's own validation people are known by a list made later by others (Tompson et al.);
`validation_people.csv` has that role here.
"""

import dataclasses
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from mpii_pose.synthetic import matlab, scene
from mpii_pose.synthetic.contents import ReleaseImage, ReleasePerson

IMAGE_FOLDER = "images"
ANNOTATION_FOLDER = "mpii_human_pose_v1_u12_2"
ANNOTATION_FILE = "mpii_human_pose_v1_u12_1.mat"
VALIDATION_FILE = "validation_people.csv"

# (height, width) in px; small, so that a build takes seconds.
SMALL_SIZES = ((240, 320), (272, 480), (360, 480), (360, 640), (480, 640), (400, 300))

# Shares of the real release: labelled people per image, validation people and test
# people per labelled person.
_GROUP_SIZES = (0.74, 0.17, 0.05, 0.03, 0.01)
_VALIDATION_SHARE = 0.1
_TEST_SHARE = 0.4
_NUM_VIDEOS = 12


def write_release(
    directory: str | os.PathLike[str],
    *,
    num_people: int,
    seed: int = 0,
    image_sizes: Sequence[tuple[int, int]] = SMALL_SIZES,
) -> None:
    """Draws people and writes them as the official release is written.

    Every way in which the official annotations are irregular occurs, given some dozens
    of people. The same arguments give the same bytes.

    Args:
        directory: Where to write; made if it does not exist.
        num_people: Number of labelled people: those of `train`, `validation` and
            `validation_others` together. People without labels and test people (0.4
            for each labelled one) come on top.
        seed: 0 or more.
        image_sizes: (height, width) in px, of which each image gets one by chance.

    Raises:
        ValueError: An option is out of range.
        FileExistsError: The directory already holds a release, drawn or real.
    """
    _check_options(num_people, seed, image_sizes)
    root = pathlib.Path(directory)
    for name in (IMAGE_FOLDER, ANNOTATION_FOLDER):
        if (root / name).exists() and any((root / name).iterdir()):
            raise FileExistsError(
                f"{root / name} is not empty: a drawn release is never mixed with "
                f"other files; remove the folder or choose another directory"
            )
    plans = _plan_images(num_people, np.random.default_rng([seed, 0]))
    (root / IMAGE_FOLDER).mkdir(parents=True, exist_ok=True)
    (root / ANNOTATION_FOLDER).mkdir(exist_ok=True)
    images = []
    for number, plan in enumerate(plans):
        rng = np.random.default_rng([seed, 1, number])
        size = image_sizes[int(rng.integers(len(image_sizes)))]
        images.append(_draw_image(plan, rng, size=size, folder=root / IMAGE_FOLDER))
    annotations = root / ANNOTATION_FOLDER
    (annotations / VALIDATION_FILE).write_text(
        "image_name,person_index\n"
        + "".join(
            f"{plan.name},{person_index}\n"
            for plan in plans
            for person_index in plan.validation_people
        )
    )
    (annotations / ANNOTATION_FILE).write_bytes(
        matlab.encode_release(images, quirks_seed=seed)
    )


def _check_options(
    num_people: int, seed: int, image_sizes: Sequence[tuple[int, int]]
) -> None:
    if num_people < 1:
        raise ValueError(f"num_people must be 1 or more, got {num_people}")
    if seed < 0:
        raise ValueError(f"seed must be 0 or more, got {seed}")
    if not image_sizes:
        raise ValueError("image_sizes must hold at least one (height, width)")
    for height, width in image_sizes:
        if min(height, width) < 64:
            raise ValueError(
                f"image_sizes must be at least 64 px either way, got "
                f"(height, width) = ({height}, {width})"
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class _ImagePlan:
    """What one image is to hold.

    Attributes:
        name: Base name of its file.
        people: What is to be known of each person; a key of `_KINDS`.
        validation_people: 0-based positions of the listed people.
        is_train: False for a test image.
    """

    name: str = ""
    people: tuple[str, ...] = ()
    validation_people: tuple[int, ...] = ()
    is_train: bool = True


# What is unknown of people of each kind.
_KINDS: dict[str, tuple[str, ...]] = {
    "labelled": (),
    "without_head_box": ("head_box",),
    "without_points": ("points", "head_box"),
    "without_scale": ("scale",),
    "without_center": ("center",),
    "unknown": ("points", "head_box", "scale", "center"),
}
_LABELLED_KINDS = ("labelled", "without_head_box")
# Training images without a labelled person that come with the others, one by one.
_ODD_IMAGES = (
    (),
    ("without_points",),
    ("without_scale",),
    ("without_center",),
    ("unknown",),
    ("without_points", "without_scale", "unknown"),
)


def _plan_images(num_people: int, rng: np.random.Generator) -> list[_ImagePlan]:
    """Decides which people are in which image, then mixes the images."""
    groups = _split_into_groups(num_people, rng)
    num_validation = round(_VALIDATION_SHARE * num_people)
    num_validation = max(num_validation, 1) if num_people > 1 else 0
    plans = []
    for number, group in enumerate(groups):
        listed = number < num_validation
        kinds = ["without_head_box" if rng.random() < 0.03 else "labelled"] * group
        if rng.random() < 0.1:
            kinds.insert(
                int(rng.integers(group + 1)), str(rng.choice(list(_KINDS)[2:]))
            )
        labelled = [i for i, kind in enumerate(kinds) if kind in _LABELLED_KINDS]
        plans.append(
            _ImagePlan(
                people=tuple(kinds),
                validation_people=(int(rng.choice(labelled)),) if listed else (),
            )
        )
    for number in range(1 + num_people // 12):
        plans.append(_ImagePlan(people=_ODD_IMAGES[number % len(_ODD_IMAGES)]))
    for group in _split_into_groups(max(1, round(_TEST_SHARE * num_people)), rng):
        plans.append(_ImagePlan(people=("without_points",) * group, is_train=False))
    plans.append(_ImagePlan(is_train=False))
    # MPII's names begin with 0: no image of ours is taken for one of its.
    numbers = rng.choice(900_000_000, len(plans), replace=False) + 100_000_000
    return [
        dataclasses.replace(plans[place], name=f"{number}.jpg")
        for place, number in zip(rng.permutation(len(plans)), numbers, strict=True)
    ]


def _split_into_groups(num_people: int, rng: np.random.Generator) -> list[int]:
    """How many people are in each image; the first has two, given three or more."""
    sizes = [2] if num_people > 2 else []
    while (left := num_people - sum(sizes)) > 0:
        sizes.append(min(left, 1 + int(rng.choice(len(_GROUP_SIZES), p=_GROUP_SIZES))))
    return sizes


def _draw_image(
    plan: _ImagePlan,
    rng: np.random.Generator,
    *,
    size: tuple[int, int],
    folder: pathlib.Path,
) -> ReleaseImage:
    """Draws an image, writes its file and describes it."""
    drawn = scene.draw_scene(rng, size=size, num_people=len(plan.people))
    drawn.image.save(folder / plan.name, quality=int(rng.integers(80, 93)))
    people = [
        _forget(person, kind)
        for person, kind in zip(drawn.people, plan.people, strict=True)
    ]
    if not plan.is_train:
        return ReleaseImage(
            name=plan.name, people=people, is_train=False, activity_id=-1
        )
    if rng.random() < 0.05:
        people = [
            dataclasses.replace(person, extra_fields=_rich_fields(rng))
            for person in people
        ]
    told = rng.random() < 0.9
    activities = list(scene.pose.ACTIONS)
    return ReleaseImage(
        name=plan.name,
        people=people,
        video_id=f"drawn_{rng.integers(_NUM_VIDEOS):05d}",
        frame_sec=int(rng.integers(600)),
        category=drawn.category if told else "",
        activity=drawn.activity if told else "",
        activity_id=activities.index(drawn.activity) + 1 if told else None,
    )


def _forget(person: ReleasePerson, kind: str) -> ReleasePerson:
    """Takes away what is not to be known of a person."""
    nobody = ReleasePerson()
    unknown: dict[str, Any] = {}
    for part in _KINDS[kind]:
        for name in ("keypoints", "visibility") if part == "points" else (part,):
            unknown[name] = getattr(nobody, name)
    return dataclasses.replace(person, **unknown)


def _rich_fields(rng: np.random.Generator) -> dict[str, float]:
    """The further fields that a few of MPII's images have."""
    fields: dict[str, float] = {}
    for part in ("head", "torso"):
        rotation = np.linalg.qr(rng.normal(size=(3, 3))).Q
        for row in range(3):
            for column in range(3):
                fields[f"{part}_r{row + 1}{column + 1}"] = float(rotation[row, column])
    return fields | {f"part_occ{i}": int(rng.integers(2)) for i in range(1, 11)}
