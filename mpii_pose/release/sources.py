"""Finds the annotations and the images of a release in the shapes it circulates in."""

import dataclasses
import enum
from collections.abc import Collection, Iterable, Mapping, Sequence

from etils import epath

from mpii_pose.person import AnnotationError, PersonAnnotation
from mpii_pose.release import json_files, split
from mpii_pose.release.matlab import read_matlab

MATLAB_FILE = "mpii_human_pose_v1_u12_1.mat"
CPM_FILES = ("mpii_annotations.json", "mpii_annotations.json.gz")
HRNET_FILES = {
    split.TRAIN: ("train.json", "mpii_train.json"),
    split.VALIDATION: ("valid.json", "validation.json", "val.json", "mpii_val.json"),
    split.TEST: ("test.json", "mpii_test.json"),
}

# Folders, relative to the one the user names, in the order they are looked into.
ANNOTATION_FOLDERS = ("", "mpii_human_pose_v1_u12_2", "annot", "annotations")
IMAGE_FOLDERS = ("images", "mpii_human_pose_v1/images", "mpii_human_pose_v1", "")


class SourceKind(enum.Enum):
    """Formats of the annotations, the richest first."""

    MATLAB = "official .mat"
    CPM = "CPM / pytorch-pose JSON"
    HRNET = "HRNet / MMPose JSON"

    @property
    def has_occlusion(self) -> bool:
        """Whether the format tells occluded keypoints from visible ones."""
        return self is not SourceKind.HRNET


@dataclasses.dataclass(frozen=True)
class Source:
    """Annotation files of one release in one format.

    Attributes:
        kind: Their format.
        files: The file of each split, for HRNet's format; else one file of all splits,
            under "all".
    """

    kind: SourceKind
    files: Mapping[str, epath.Path]

    def read(self) -> Mapping[str, list[PersonAnnotation]]:
        """Returns the people of each split, in index order."""
        match self.kind:
            case SourceKind.MATLAB:
                return read_matlab(self.files["all"])
            case SourceKind.CPM:
                return json_files.read_cpm(self.files["all"])
            case SourceKind.HRNET:
                return json_files.read_hrnet(self.files)

    def image_sizes(self) -> Mapping[str, tuple[int, int]]:
        """Returns (height, width) by image name, where the files say it."""
        if self.kind is SourceKind.CPM:
            return json_files.read_cpm_image_sizes(self.files["all"])
        return {}

    def __str__(self) -> str:
        files = ", ".join(str(path) for path in self.files.values())
        return f"{self.kind.value} ({files})"


def read_people(path: epath.PathLike) -> Mapping[str, list[PersonAnnotation]]:
    """Reads the people of a release, whatever shape its annotations have.

    Args:
        path: A folder that holds the official .mat, CPM's `mpii_annotations.json` or
            HRNet's `train.json` and `valid.json` (the richest is read, in this order),
            or one such file.

    Returns:
        {split name: people in index order}. Splits are "train", "validation",
        "validation_others" (people of validation images who are not on Tompson's list)
        and "test" (people without labels); one that the source cannot give is absent.

    Raises:
        FileNotFoundError: Nothing there can be read.
        AnnotationError: A file is damaged or not what its name says.
    """
    return find_source(path).read()


def find_source(path: epath.PathLike) -> Source:
    """Returns what `read_people` would read."""
    path = epath.Path(path)
    if not path.is_dir():
        return _source_of_file(path)
    sources = find_sources([path])
    if not sources:
        raise FileNotFoundError(f"{path}: no annotations found. {EXPECTED_FILES}")
    return sources[0]


def _source_of_file(path: epath.Path) -> Source:
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file. {EXPECTED_FILES}")
    if path.suffix == ".mat":
        return Source(SourceKind.MATLAB, {"all": path})
    if json_files.is_cpm(path):
        return Source(SourceKind.CPM, {"all": path})
    for name, file_names in HRNET_FILES.items():
        if path.name in file_names:
            return Source(SourceKind.HRNET, {name: path})
    raise AnnotationError(
        f"{path}: the name must say the split of the people in it: one of "
        f"{[name for names in HRNET_FILES.values() for name in names]}"
    )


def find_sources(folders: Iterable[epath.PathLike]) -> list[Source]:
    """Returns the annotations found in `folders`, the richest first."""
    places = [
        epath.Path(folder) / sub for folder in folders for sub in ANNOTATION_FOLDERS
    ]
    sources = []
    if matlab := _first_file(places, (MATLAB_FILE,)):
        sources.append(Source(SourceKind.MATLAB, {"all": matlab}))
    if cpm := _first_file(places, CPM_FILES):
        sources.append(Source(SourceKind.CPM, {"all": cpm}))
    for place in places:
        found = {
            name: path
            for name, file_names in HRNET_FILES.items()
            if (path := _first_file([place], file_names))
        }
        if found:
            sources.append(Source(SourceKind.HRNET, found))
            break
    return sources


def find_images(
    folders: Sequence[epath.PathLike], image_names: Collection[str]
) -> epath.Path:
    """Returns the folder that holds the images.

    Args:
        folders: Where to look, there and in the usual folders below.
        image_names: Names of images that it should hold. Which of them are missing is
            not looked into here.

    Raises:
        FileNotFoundError: No folder holds any of them.
    """
    places = [epath.Path(folder) / sub for folder in folders for sub in IMAGE_FOLDERS]
    for place in places:
        if place.is_dir() and any((place / name).exists() for name in image_names):
            return place
    raise FileNotFoundError(
        f"None of the {len(image_names)} annotated images was found: looked for "
        f"{next(iter(image_names))} and the others in "
        f"{', '.join(str(place) for place in places)}"
    )


def _first_file(
    places: Iterable[epath.Path], file_names: Iterable[str]
) -> epath.Path | None:
    paths = (place / name for place in places for name in file_names)
    return next((path for path in paths if path.exists()), None)


def _expected_files() -> str:
    hrnet = " with ".join(
        " or ".join(HRNET_FILES[name]) for name in (split.TRAIN, split.VALIDATION)
    )
    folders = ", ".join(f"{folder}/" for folder in ANNOTATION_FOLDERS if folder)
    return (
        f"Expected {MATLAB_FILE}, or {' or '.join(CPM_FILES)}, or {hrnet}, in the "
        f"folder itself or in {folders}"
    )


EXPECTED_FILES = _expected_files()
