"""The people that a command is about: of a copy of MPII, or of a built dataset."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import PIL.Image
from etils import epath

from mpii_pose.files import user_path
from mpii_pose.person import UNKNOWN, PersonAnnotation
from mpii_pose.release.release import Release, read_sized_people
from mpii_pose.transforms.geometry import apply_affine, mark_missing

_TEXTS = ("image_name", "activity", "category", "video_id")
_NUMBERS = ("index", "person_index", "separated", "frame_sec", "scale", "head_size")


def read_people_of(
    path: epath.PathLike, *, image_folder: epath.PathLike | None = None
) -> Release:
    """Reads people and the sizes of their images.

    Args:
        path: The folder of a dataset that was built, such as
            `~/tensorflow_datasets/mpii_pose/image/1.0.0`, or what `read_sized_people`
            takes.
        image_folder: As there; a dataset has its images in it.
    """
    folder = user_path(path)
    if (folder / "dataset_info.json").exists():
        return read_dataset(folder)
    return read_sized_people(path, image_folder=image_folder)


def read_dataset(folder: epath.Path) -> Release:
    """Reads the people of a dataset of any layout, in pixels of the release's frames.

    The size of a frame is known where all of it is stored.
    """
    from mpii_pose.tools.datasets import open_dataset, read_examples

    builder = open_dataset(folder)
    people: dict[str, list[PersonAnnotation]] = {}
    sizes: dict[str, tuple[int, int]] = {}
    for split in builder.info.splits:
        for example in read_examples(builder, split):
            if "image_to_frame" not in example:
                with PIL.Image.open(io.BytesIO(example["image"])) as image:
                    sizes[example["image_name"].decode()] = image.size[::-1]
            for person in _people_of(example):
                own_split = person.pop("split", split.encode()).decode()
                people.setdefault(own_split, []).append(person_from_example(person))
    for group in people.values():
        group.sort(key=lambda person: person.index)
    return Release(
        source=f"dataset {builder.info.full_name} in {folder}",
        people=people,
        image_folder=None,
        image_sizes=sizes,
    )


def _people_of(example: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns the features of each person of an example of any layout."""
    if "people" not in example:
        return [dict(example)]
    people = example["people"]
    return [
        {**example, **{name: values[k] for name, values in people.items()}}
        for k in range(len(people["index"]))
    ]


def person_from_example(example: Mapping[str, Any]) -> PersonAnnotation:
    """Returns a person from the features of an example of `person` or `person_crop`.

    Args:
        example: As NumPy; texts are bytes.
    """
    keypoints, center = example["keypoints"], example["center"]
    head_box, head_size = example["head_box"], example["head_size"]
    scale = example["scale"]
    if "image_to_frame" in example:
        matrix = example["image_to_frame"]
        keypoints = apply_affine(matrix, keypoints)
        center = apply_affine(matrix, center[np.newaxis])[0]
        if (head_box != UNKNOWN).any():
            head_box = apply_affine(matrix, head_box.reshape(2, 2)).reshape(4)
        scale, head_size = scale * matrix[0, 0], head_size * matrix[0, 0]
    others = {name: np.asarray(example[name]).item() for name in _NUMBERS}
    return PersonAnnotation(
        keypoints=mark_missing(keypoints, example["visibility"]),
        visibility=example["visibility"],
        center=center,
        head_box=head_box,
        **{name: example[name].decode() for name in _TEXTS},
        **others | {"scale": float(scale), "head_size": float(head_size)},
    )
