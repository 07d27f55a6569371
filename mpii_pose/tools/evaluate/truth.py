"""What predictions are scored against: the people of a split, as arrays."""

import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from etils import epath

from mpii_pose.evaluation.errors import image_neighbours
from mpii_pose.files import user_path
from mpii_pose.formats.predictions import PredictionError
from mpii_pose.person import PersonAnnotation
from mpii_pose.release import find, split
from mpii_pose.release.release import Release, read_sized_people


class Truth(NamedTuple):
    """The N people of a split."""

    release: Release
    split: str
    people: Sequence[PersonAnnotation]  # In index order.
    keypoints: np.ndarray  # float32 [N, 16, 2]
    visibility: np.ndarray  # int8 [N, 16]
    head_size: np.ndarray  # float64 [N]
    images: np.ndarray  # [N], names
    others: np.ndarray  # float64 [N, M, 16, 2], of the same images; NaN: none

    @property
    def labels(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Truth, visibility and head size, as every score takes them."""
        return self.keypoints, self.visibility, self.head_size


def read_truth(
    path: epath.PathLike,
    *,
    split_name: str = split.VALIDATION,
    image_folder: epath.PathLike | None = None,
) -> Truth:
    """Reads the people of a split from a release or an annotation file.

    Args:
        path: What `read_people` reads: a folder, or an annotation file.
        split_name: The split.
        image_folder: The folder with the images; by default they are looked for.

    Raises:
        FileNotFoundError: There are no annotations.
        PredictionError: There are no labelled people of that split.
        AnnotationError: A file is damaged.
    """
    release = read_sized_people(path, image_folder=image_folder)
    people = release.people.get(split_name, [])
    if not any(person.visibility.any() for person in people):
        labelled = [name for name in release.people if name != split.TEST]
        raise PredictionError(
            f"{path}: no labelled people of {split_name!r}; predictions can be scored "
            f"on {', '.join(labelled) or 'none of the splits there'}"
        )
    # Neighbours may be of the other list: MPII's others of validation images.
    near = {split.VALIDATION: split.VALIDATION_OTHERS}.get(split_name, "")
    everybody = [*people, *release.people.get(near, [])]
    keypoints = np.array([person.keypoints for person in everybody])
    visibility = np.array([person.visibility for person in everybody])
    images = np.array([person.image_name for person in everybody])
    count = len(people)
    return Truth(
        release=release,
        split=split_name,
        people=people,
        keypoints=keypoints[:count],
        visibility=visibility[:count],
        head_size=np.array([person.head_size for person in people], np.float64),
        images=images[:count],
        others=image_neighbours(images, keypoints, visibility)[:count],
    )


def default_path() -> epath.Path:
    """Returns where a release is looked for: here, else where TFDS puts downloads."""
    data_dir = os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")
    here, downloads = user_path("."), user_path(data_dir) / "downloads" / "manual"
    return downloads if not find.find(here).sources and downloads.is_dir() else here
