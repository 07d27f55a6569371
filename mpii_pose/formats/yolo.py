"""Annotations as YOLO-pose labels: a folder that Ultralytics trains on.

    mpii_pose.yaml                 path of each split, kpt_shape, flip_idx, names
    images/train/015601864.jpg     links to the release's images, or copies
    labels/train/015601864.txt     a line for each person

A line is `0 x y width height` of the box around a person, then `x y visibility` of
each keypoint, divided by the image's width and height. Ultralytics measures from the
outer edge of the first pixel: a keypoint of ours at x is written as (x + 0.5) / width.
Visibility is ours: 0, 1, 2. A keypoint outside the image is missing, (0, 0, 0), as the
format has no place there; people without a keypoint in the image get no line.

MPII has no boxes around people. A box here holds the keypoints in the image and the
head box, with a margin, as joints lie within the body; it is cut to the image.

`train` is Tompson's. `val` has the images of the validation people with everybody who
is labelled in them (`validation_others`, which only the .mat has). The test people have
no labels and are left out. MPII leaves people in the background unlabelled: they are
**negatives to YOLO**, and detections of them count as wrong.
"""

import itertools
import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from etils import epath

from mpii_pose import files, workplace
from mpii_pose.checks import MpiiPoseError
from mpii_pose.person import PersonAnnotation
from mpii_pose.release import split
from mpii_pose.skeleton import MPII, Visibility

DATASET_FILE = "mpii_pose.yaml"
# YOLO's name of a split -> ours.
SPLITS: Mapping[str, tuple[str, ...]] = {
    "train": (split.TRAIN,),
    "val": (split.VALIDATION, split.VALIDATION_OTHERS),
}
# On each side of the box, in head sizes.
MARGIN = 0.5


def yolo_line(person: PersonAnnotation, image_size: tuple[int, int]) -> str | None:
    """Returns the label of a person, or None without a keypoint in the image.

    Args:
        person: The person.
        image_size: (height, width) of the image in px.
    """
    size = np.array(image_size[::-1], np.float64)
    points = (person.keypoints + 0.5) / size
    outside = ((points < 0) | (points > 1)).any(axis=1)
    state = np.where(outside, Visibility.MISSING, person.visibility)
    labelled = state != Visibility.MISSING
    if not labelled.any():
        return None
    corners = points[labelled]
    if person.has_head_box:
        head = (person.head_box.reshape(2, 2) + 0.5) / size
        corners = np.concatenate([corners, head])
    around = MARGIN * person.head_size / size
    low = np.clip(corners.min(axis=0) - around, 0, 1)
    high = np.clip(corners.max(axis=0) + around, 0, 1)
    points = np.where(labelled[:, np.newaxis], points, 0)
    words = [f"{value:.6f}" for value in (*(low + high) / 2, *(high - low))]
    for (x, y), visibility in zip(points, state, strict=True):
        words += [f"{x:.6f}", f"{y:.6f}", str(int(visibility))]
    return " ".join(["0", *words])


def write_yolo(
    folder: epath.PathLike,
    people: Mapping[str, Sequence[PersonAnnotation]],
    *,
    image_folder: epath.PathLike,
    image_sizes: Mapping[str, tuple[int, int]],
    copy: bool = False,
) -> dict[str, tuple[int, int]]:
    """Writes a folder of images and labels, which appears once it is whole.

    Args:
        folder: The folder. It must not exist.
        people: The people of each split, as `read_people` returns them.
        image_folder: The folder with the images.
        image_sizes: (height, width) in px of each image, by name.
        copy: Copy the images instead of linking to them.

    Returns:
        (images, people with a label) of each split that was written.

    Raises:
        FileExistsError: The folder exists.
        FileNotFoundError: An image is missing or cannot be read, or nobody is labelled.
        MpiiPoseError: Two images of a split differ in their suffix only.
    """
    folder, image_folder = files.user_path(folder), files.user_path(image_folder)
    images: dict[str, dict[str, list[PersonAnnotation]]] = {}
    for name, ours in SPLITS.items():
        for person in itertools.chain(*(people.get(each, ()) for each in ours)):
            group = images.setdefault(name, {})
            group.setdefault(person.image_name, []).append(person)
    if not images:
        raise FileNotFoundError("nobody is labelled: there is no train or validation")
    for group in images.values():
        image_of: dict[str, str] = {}
        for name in group:
            if (other := image_of.setdefault(_label_name(name), name)) != name:
                raise MpiiPoseError(
                    f"{other} and {name} have one file of labels in YOLO's format, "
                    f"{_label_name(name)}; rename one of them; nothing was written"
                )
    names = [name for group in images.values() for name in group]
    if missing := [name for name in names if name not in image_sizes]:
        raise FileNotFoundError(
            f"{len(missing):,} of {len(names):,} images are missing in {image_folder} "
            f"or cannot be read, the first being {', '.join(missing[:5])}; nothing was "
            "written"
        )
    counts: dict[str, tuple[int, int]] = {}

    def write(unfinished: epath.Path) -> None:
        put = shutil.copyfile if copy else os.symlink
        for name, group in images.items():
            pictures = unfinished / "images" / name
            labels = unfinished / "labels" / name
            pictures.mkdir(parents=True)
            labels.mkdir(parents=True)
            num_people = 0
            for image_name, group_people in group.items():
                put(image_folder.resolve() / image_name, pictures / image_name)
                size = image_sizes[image_name]
                lines = [yolo_line(person, size) for person in group_people]
                written = [f"{line}\n" for line in lines if line]
                (labels / _label_name(image_name)).write_text("".join(written))
                num_people += len(written)
            counts[name] = len(group), num_people
        (unfinished / DATASET_FILE).write_text(_dataset_yaml(images))

    workplace.make_once(folder, write)
    if not counts:
        raise FileExistsError(
            f"{folder} exists; name a folder that is not there yet, or remove this one"
        )
    return counts


def _label_name(image_name: str) -> str:
    """Returns the name of an image's labels, as Ultralytics looks for them."""
    return f"{image_name.rpartition('.')[0] or image_name}.txt"


def _dataset_yaml(splits: Iterable[str]) -> str:
    """Returns the file that describes the dataset, of these of `SPLITS`."""
    # No path of the folder, which may be moved: Ultralytics takes the file's own.
    paths = "\n".join(f"{name}: images/{name}" for name in splits)
    return f"""\
# MPII Human Pose as YOLO-pose labels. People without labels are negatives.
# MPII's licence covers research; images are YouTube's.
{paths}
kpt_shape: [{MPII.num_keypoints}, 3]
flip_idx: {list(MPII.mirrored)}
names:
  0: person
kpt_names:
  0: {json.dumps(list(MPII.keypoints))}
"""
