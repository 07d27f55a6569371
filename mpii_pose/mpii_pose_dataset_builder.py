"""The MPII Human Pose dataset: people in everyday activities, with 16 keypoints."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import tensorflow_datasets as tfds
from absl import logging
from etils import epath

from mpii_pose import progress, workplace
from mpii_pose.checks import check_choice
from mpii_pose.release import download, find, official
from mpii_pose.release.release import Release, check_sizes, read_release
from mpii_pose.shards.builder import PlannedShardsBuilder
from mpii_pose.shards.images import ImageError, ImageFile, find_image_files
from mpii_pose.shards.layouts import FullFrame, layout_from
from mpii_pose.shards.plan import KeyExample

LICENSE = (
    "Simplified BSD License, (c) 2015 Max Planck Institute for Informatics. The "
    "authors make the annotations freely available for research purposes and ask to "
    "be contacted for any other; the images are frames of YouTube videos."
)
DRAWN_LICENSE = (
    "Apache License 2.0, as the code that draws them: none of these people is MPII's."
)

# Moves when the images or people of `synthetic` change: releases on disk are reused.
SYNTHETIC_VERSION = "v2"


@dataclasses.dataclass(kw_only=True)
class PoseConfig(tfds.core.BuilderConfig):
    """A source of people times a layout of what is stored of them.

    Attributes:
        num_people: Number of labelled people in a synthetic release; None to read
            MPII's.
        seed: Seed of the synthetic release.
        layout: The features, the examples and their keys: a `Layout`, its name, or
            {"name": "person_crop", "pixels": 256}.
        check_pixels: Whether each JPEG is decoded to find damage in its middle; a build
            takes about three times as long then.
    """

    num_people: int | None = None
    seed: int = 0
    layout: Any = "person"
    check_pixels: bool = False

    def __post_init__(self) -> None:
        self.layout = layout_from(self.layout)


# `tfds build mpii_pose` without a --config builds each of `BUILDER_CONFIGS`, not these.
BY_NAME_ONLY = [
    PoseConfig(
        name="person_crop",
        description="Each person of MPII Human Pose, with a reduced crop around them: "
        "a seventh of the disk, and about a third of the time to load.",
        layout="person_crop",
    ),
    PoseConfig(
        name="image",
        description="Each image of MPII Human Pose once, with all of its people.",
        layout="image",
    ),
]


class Builder(PlannedShardsBuilder):
    """Builder of `mpii_pose`: one example for each person in each image."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = find.HOW_TO_GET_IT
    BUILDER_CONFIGS = [
        PoseConfig(
            name="person",
            description="Each person of MPII Human Pose, with the full image.",
        ),
        PoseConfig(
            name="synthetic",
            description="Drawn people in the features of `person`; needs no download.",
            num_people=1000,
        ),
    ]
    builder_configs = {c.name: c for c in BUILDER_CONFIGS + BY_NAME_ONLY}

    def __init__(self, *, config: Any = None, **kwargs: Any):
        if isinstance(config, str):  # TFDS's message names none.
            check_choice("config", config, self.builder_configs)
        super().__init__(config=config, **kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(self.builder_config.layout.features()),
            supervised_keys=self.builder_config.layout.supervised_keys,
            homepage="http://human-pose.mpi-inf.mpg.de",
            license=DRAWN_LICENSE if self.builder_config.num_people else LICENSE,
            metadata=tfds.core.MetadataDict(),
        )

    def _split_generators(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, Iterable[KeyExample]]:
        config, layout = self.builder_config, self.builder_config.layout
        most = self._asked.max_examples_per_split
        if config.num_people:
            downloads = dl_manager.download_dir
            folder = _synthetic_release(downloads, config.num_people, config.seed)
            release = read_release(find.find(folder))
        else:
            place = self.data_dir_root
            step = download.dataset_step(layout.name, place, max_examples=most)
            release = download.obtain_release(
                dl_manager, manual_dir=self._asked.manual_dir, dataset=step
            )
        _log_differences(release)
        splits = {s: items[:most] for s, items in layout.splits(release.people).items()}
        people = {
            split: [person for item in items for person in layout.people(item)]
            for split, items in splits.items()
        }
        written = dataclasses.replace(release, people=people)
        images = _image_files(written, config)
        sizes = {name: file.size for name, file in images.items() if file.size}
        for text in check_sizes(people, release.stated_sizes, sizes):
            logging.warning("%s", text)
        self.info.metadata.update(_metadata(written), layout=layout.metadata())
        return {
            split: self._generate_examples(items, images)
            for split, items in splits.items()
        }

    def _generate_examples(
        self, items: Sequence[Any], images: Mapping[str, ImageFile]
    ) -> Iterable[KeyExample]:
        return self.builder_config.layout.examples(items, images)


def _synthetic_release(
    download_dir: epath.PathLike, num_people: int, seed: int
) -> epath.Path:
    """Returns the folder of a synthetic release, which is kept like a download."""

    def write(folder: epath.Path) -> None:
        from mpii_pose import synthetic  # Used by this config only.

        synthetic.write_release(folder, num_people=num_people, seed=seed)

    name = f"{num_people}_people_seed_{seed}_{SYNTHETIC_VERSION}"
    folder = epath.Path(download_dir) / "mpii_pose_synthetic" / name
    return workplace.make_once(folder, write)


def _image_files(release: Release, config: PoseConfig) -> Mapping[str, ImageFile]:
    """Finds the images of all people; raises ImageError if one is missing."""
    names = release.image_names
    folder, check = release.image_folder, config.check_pixels
    with progress.step(f"Reading the sizes of {len(names):,} images"):
        files = find_image_files(folder, names, check_pixels=check)
    lost = [person for person in release.everybody if person.image_name not in files]
    if lost:
        first = ", ".join(FullFrame().key(person) for person in lost[:5])
        raise ImageError(
            f"{len(names) - len(files)} of {len(names)} images are missing in "
            f"{folder}, where the annotations have people in them, the "
            f"first of {len(lost)} being {first} (image/person). Extract "
            f"{official.IMAGES_ARCHIVE} again, or take the people out of the "
            "annotations"
        )
    return files


def _log_differences(release: Release) -> None:
    """Logs in which ways a release differs from MPII's."""
    if release.source.is_drawn:
        logging.info("The people are drawn: none of them is MPII's")
        return
    found = {split: len(release.people.get(split, ())) for split in official.PEOPLE}
    differences = [
        f"{found[split]:,} people in {split} (MPII: {count:,})"
        for split, count in official.PEOPLE.items()
        if found[split] != count
    ]
    if not release.source.kind.has_occlusion:
        differences.append("no word on which keypoints are occluded (MPII: has it)")
    if differences:
        text = "The %s is not all of MPII Human Pose: %s"
        logging.warning(text, release.source, "; ".join(differences))


def _metadata(release: Release) -> dict[str, Any]:
    return {
        "source": release.source.kind.value,
        "drawn": release.source.is_drawn,
        # Git's id of each file; of the official .mat it is `official.MATLAB_GIT_BLOB`.
        "annotation_files": {
            path.name: official.git_blob_id(path.read_bytes())
            for path in release.source.files.values()
        },
        "tells_occluded_from_visible": release.source.kind.has_occlusion,
        "people": {split: len(people) for split, people in release.people.items()},
        "images": {
            split: len({person.image_name for person in people})
            for split, people in release.people.items()
        },
        "license": DRAWN_LICENSE if release.source.is_drawn else LICENSE,
    }
