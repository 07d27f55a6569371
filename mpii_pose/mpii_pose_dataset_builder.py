"""The MPII Human Pose dataset: people in everyday activities, with 16 keypoints."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from etils import epath

import mpii_pose
from mpii_pose import workplace as unfinished
from mpii_pose.person import UNKNOWN, PersonAnnotation
from mpii_pose.release import download, find, official
from mpii_pose.release.release import Release, read_release
from mpii_pose.shards.builder import PlannedShardsBuilder
from mpii_pose.shards.images import ImageError, ImageFile, find_image_files
from mpii_pose.skeleton import KEYPOINTS, NUM_KEYPOINTS

LICENSE = (
    "Simplified BSD License, (c) 2015 Max Planck Institute for Informatics. The "
    "authors make the annotations freely available for research purposes and ask to "
    "be contacted for any other; the images are frames of YouTube videos."
)


@dataclasses.dataclass(kw_only=True)
class PoseConfig(tfds.core.BuilderConfig):
    """Where the people come from.

    Attributes:
        num_people: Draw a release with that many labelled people; None to read MPII's.
        seed: Seed of the drawn release.
    """

    num_people: int | None = None
    seed: int = 0


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

    # The folder that the user named; TFDS's default is shared by all datasets.
    _manual_dir: epath.PathLike | None = None

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(_features()),
            supervised_keys=("image", "keypoints"),
            homepage="http://human-pose.mpi-inf.mpg.de",
            license=LICENSE,
            metadata=tfds.core.MetadataDict(),
        )

    def _generate_splits(
        self,
        dl_manager: tfds.download.DownloadManager,
        download_config: tfds.download.DownloadConfig,
    ) -> Sequence[tfds.core.SplitInfo]:
        self._manual_dir = download_config.manual_dir
        return super()._generate_splits(dl_manager, download_config)

    def _split_generators(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, Sequence[tuple[str, dict[str, Any]]]]:
        config = self.builder_config
        if config.num_people:
            folder = _drawn_release(
                dl_manager.download_dir, num_people=config.num_people, seed=config.seed
            )
            release = read_release(find.find(folder))
        else:
            release = download.obtain_release(dl_manager, manual_dir=self._manual_dir)
        images = _image_files(release)
        self.info.metadata.update(_metadata(release))
        return {
            split: self._generate_examples(people, images)
            for split, people in release.people.items()
        }

    def _generate_examples(
        self, people: Sequence[PersonAnnotation], images: Mapping[str, ImageFile]
    ) -> Sequence[tuple[str, dict[str, Any]]]:
        return _Examples(people, images)


@dataclasses.dataclass(frozen=True)
class _Examples(Sequence[tuple[str, dict[str, Any]]]):
    """People as (key, example) pairs, each made when it is asked for."""

    people: Sequence[PersonAnnotation]
    images: Mapping[str, ImageFile]

    def __len__(self) -> int:
        return len(self.people)

    def __getitem__(self, i: Any) -> Any:
        person = self.people[i]
        example = {name: getattr(person, name) for name in _PERSON_FEATURES}
        return _key(person), {"image": self.images[person.image_name], **example}


_PERSON_FEATURES = [field.name for field in dataclasses.fields(PersonAnnotation)]


def _drawn_release(
    download_dir: epath.PathLike, *, num_people: int, seed: int
) -> epath.Path:
    """Returns the folder of a drawn release, which is kept like a download."""
    name = f"{num_people}_people_seed_{seed}_v{mpii_pose.__version__}"

    def draw(folder: epath.Path) -> None:
        from mpii_pose import synthetic  # Of use to this config only.

        print(f"Drawing {num_people} people in {download_dir}")
        synthetic.write_release(folder, num_people=num_people, seed=seed)

    folder = epath.Path(download_dir) / "mpii_pose_synthetic" / name
    return unfinished.make_once(folder, draw)


def _image_files(release: Release) -> Mapping[str, ImageFile]:
    """Finds all images before the first is read; none may be missing."""
    files = find_image_files(release.image_folder, release.image_names)
    people = (person for split in release.people.values() for person in split)
    keys = [_key(person) for person in people if person.image_name not in files]
    if keys:
        num_images = len(release.image_names) - len(files)
        raise ImageError(
            f"{num_images} of {len(release.image_names)} images are missing in "
            f"{release.image_folder}, where the annotations have people in them, the "
            f"first of {len(keys)} being {', '.join(keys[:5])} (image/person). Extract "
            f"{official.IMAGES_ARCHIVE} again, or take the people out of the "
            "annotations"
        )
    return files


def _features() -> dict[str, tfds.features.FeatureConnector]:
    pixels = "in pixels of the full image, 0-based, integers at pixel centers"

    def tensor(doc: str, shape: tuple[int, ...], dtype: Any = np.float32) -> Any:
        return tfds.features.Tensor(shape=shape, dtype=dtype, doc=doc)

    def scalar(doc: str, dtype: Any) -> Any:
        return tfds.features.Scalar(dtype=dtype, doc=doc)

    def text(doc: str) -> Any:
        return tfds.features.Text(doc=doc)

    return {
        "image": tfds.features.Image(
            encoding_format="jpeg",
            doc="The full image. JPEG files are stored as they are; EXIF is ignored.",
        ),
        "image_name": text('File name of the image, such as "015601864.jpg".'),
        "index": scalar(
            "Position of the person among those of the split, in the order of the "
            "release. TFDS shuffles; predictions are handed in in this order.",
            np.int64,
        ),
        "person_index": scalar(
            "0-based position of the person among those of the image; -1 where the "
            "source does not tell.",
            np.int64,
        ),
        "keypoints": tensor(
            f"(x, y) {pixels}; (-1, -1) where missing. In order: "
            f"{', '.join(KEYPOINTS)}.",
            (NUM_KEYPOINTS, 2),
        ),
        "visibility": tensor(
            "0 missing, 1 occluded, 2 visible. The JSON copies of HRNet and MMPose do "
            "not tell occluded from visible; read from them it is never 1.",
            (NUM_KEYPOINTS,),
            np.int8,
        ),
        "center": tensor(f"Rough middle of the person, (x, y) {pixels}.", (2,)),
        "scale": scalar("Height of the person divided by 200 px.", np.float32),
        "head_box": tensor(
            f"Head box (x1, y1, x2, y2) {pixels}; -1s where the source has none.", (4,)
        ),
        "head_size": scalar(
            "The unit of PCKh in pixels: 0.6 x the diagonal of the head box, which is "
            "25 x scale.",
            np.float32,
        ),
        "separated": scalar(
            "1 if the person stands clear of others (single_person), 0 if not, -1 "
            "where the source does not tell.",
            np.int8,
        ),
        "activity": text('Activity, such as "bicycling, mountain"; "" if unknown.'),
        "category": text('Group of activities, such as "bicycling"; "" if unknown.'),
        "video_id": text('Id of the YouTube video of the image; "" if unknown.'),
        "frame_sec": scalar(
            "Second of the video at which the image was taken; -1 if unknown.", np.int32
        ),
    }


def _key(person: PersonAnnotation) -> str:
    known = person.person_index != UNKNOWN
    number = person.person_index if known else person.index
    return f"{person.image_name}/{number}"


def _metadata(release: Release) -> dict[str, Any]:
    return {
        "source": release.source.kind.value,
        # Name and git's id of each file: the official .mat is
        # `official.MATLAB_GIT_BLOB`.
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
        "license": LICENSE,
    }
