"""Finds a release in the shapes it circulates in; nothing else looks for files.

A release is a folder with annotations in one or several formats, of which the richest
is read, and with images or their archive. `find` returns what is there; other modules
extract and download.
"""

import dataclasses
import enum
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from etils import epath

from mpii_pose.person import AnnotationError
from mpii_pose.release import archives, json_copies, matlab, official, split

CPM_FILE = "mpii_annotations.json"

# Folders, relative to the one the user names, in the order they are looked into.
ANNOTATION_FOLDERS = ("", "mpii_human_pose_v1_u12_2", "annot", "annotations")
IMAGE_FOLDERS = ("images", "mpii_human_pose_v1/images", "mpii_human_pose_v1", "")

HOW_TO_GET_IT = f"""\
Name a folder with the release: tfds build --manual_dir FOLDER, in Python
DownloadConfig(manual_dir=FOLDER), or python -m mpii_pose build person FOLDER. It holds
{official.IMAGES_ARCHIVE} (12.9 GB) and {official.ANNOTATIONS_ARCHIVE},
both from http://human-pose.mpi-inf.mpg.de; or images/ and {official.MATLAB_FILE},
{CPM_FILE}, or train.json with valid.json.
To try the package without any download, build `mpii_pose/synthetic`."""


class SourceKind(enum.Enum):
    """Formats of the annotations, the richest first."""

    MATLAB = "official .mat"
    CPM = "CPM / pytorch-pose JSON"
    HRNET = "HRNet / MMPose JSON"

    @property
    def has_occlusion(self) -> bool:
        """Whether the format distinguishes occluded and visible keypoints."""
        return self is not SourceKind.HRNET


# The JSON files may be packed, with ".gz" behind the name.
_FILES: Mapping[SourceKind, Mapping[str, Sequence[str]]] = {
    SourceKind.MATLAB: {"all": (official.MATLAB_FILE,)},
    SourceKind.CPM: {"all": (CPM_FILE,)},
    SourceKind.HRNET: {
        split.TRAIN: ("train.json", "mpii_train.json"),
        split.VALIDATION: (
            "valid.json",
            "validation.json",
            "val.json",
            "mpii_val.json",
        ),
        split.TEST: ("test.json", "mpii_test.json"),
    },
}


@dataclasses.dataclass(frozen=True, eq=False)
class Source:
    """Annotation files of one release in one format."""

    kind: SourceKind
    # By split, or one file of all splits under "all". The .mat may be in its archive.
    files: Mapping[str, Any]

    @property
    def is_drawn(self) -> bool:
        """Whether the people are drawn ones, marked by a file beside the .mat."""
        folders = [path.parent for path in self.files.values()]
        return any((f / split.VALIDATION_PEOPLE_FILE).exists() for f in folders)

    def is_mpii(self) -> bool:
        """Returns whether the first record of each JSON file looks like MPII's."""
        if self.kind is SourceKind.MATLAB:
            return True
        is_cpm = self.kind is SourceKind.CPM
        is_ours = json_copies.is_cpm if is_cpm else json_copies.is_hrnet
        return all(is_ours(json_copies.load_records(f)) for f in self.files.values())

    def read(self) -> tuple[split.People, Mapping[str, tuple[int, int]]]:
        """Returns people by split, in index order, and the sizes that the files state.

        Sizes are (height, width) by image name. Only CPM's copy has them.
        """
        if self.kind is SourceKind.HRNET:
            return json_copies.read_hrnet(self.files), {}
        if self.kind is SourceKind.CPM:
            return json_copies.read_cpm(*self.files.values())
        return matlab.read_matlab(self.files["all"]), {}

    def __str__(self) -> str:
        return f"{self.kind.value} ({', '.join(map(str, self.files.values()))})"


@dataclasses.dataclass(frozen=True, eq=False)
class Found:
    """The parts of a release that were found."""

    path: epath.Path  # The folder or annotation file that the user named.
    sources: Sequence[Source]  # The richest first, which is the one to read.
    images_archive: epath.Path | None
    image_places: Sequence[epath.Path]  # Folders that may hold the images.

    @property
    def source(self) -> Source:
        """The annotations to read."""
        if self.sources:
            return self.sources[0]
        where = f"No annotations of MPII Human Pose in {self.path}"
        if not self.path.is_dir():
            raise FileNotFoundError(f"{where}: there is no such file or folder")
        names = sorted(path.name for path in self.path.iterdir())
        content = f"it holds {', '.join(names[:10]) or 'nothing'}"
        raise FileNotFoundError(f"{where}: {content}.\n{HOW_TO_GET_IT}")

    def find_images(
        self, image_names: Collection[str], *, extracted: epath.Path | None = None
    ) -> tuple[epath.Path | None, set[str]]:
        """Returns the folder with most of the images, and the names it lacks.

        Looks into the extracted archive, too, if there is one. Raises PermissionError
        if no image was found and a folder may not be listed.
        """
        folder, missing, denied = None, set(image_names), None
        more = [extracted / name for name in IMAGE_FOLDERS] if extracted else []
        for place in (*self.image_places, *more):
            if not (missing and place.is_dir()):
                continue
            try:
                names = {path.name for path in place.iterdir()}
            except PermissionError as error:
                # The last is the folder above the user's, which may be anybody's.
                if place not in self.image_places[-1:]:
                    denied = error
                continue
            lacking = set(image_names) - names
            if len(lacking) < len(missing):
                folder, missing = place, lacking
        if denied and not (folder or self.images_archive):
            raise denied
        return folder, missing


def find(path: epath.PathLike) -> Found:
    """Looks for a release in a folder, or beside an annotation file."""
    path = epath.Path(path).expanduser()
    folder = path if path.is_dir() else path.parent
    roots = (folder, folder.parent)  # Annotations are often in a folder beside images.
    return Found(
        path=path,
        sources=_sources_in(path) if path.is_dir() else _sources_of_file(path),
        images_archive=next(iter(_existing(roots, [official.IMAGES_ARCHIVE])), None),
        image_places=[root / name for root in roots for name in IMAGE_FOLDERS],
    )


def in_archive(path: epath.PathLike) -> Source:
    """Returns the annotations in the official archive, which is not extracted."""
    return Source(
        SourceKind.MATLAB, {"all": archives.find_in_zip(path, official.MATLAB_FILE)}
    )


def _sources_of_file(path: epath.Path) -> list[Source]:
    if not _exists(path):
        return []
    if path.suffix == ".zip":
        return [in_archive(path)]
    if path.suffix == ".mat":
        return [Source(SourceKind.MATLAB, {"all": path})]
    if json_copies.is_cpm(json_copies.load_records(path)):
        return [Source(SourceKind.CPM, {"all": path})]
    hrnet = _FILES[SourceKind.HRNET]
    splits = {file: name for name, files in hrnet.items() for file in files}
    name = path.name.removesuffix(".gz")
    if name not in splits:
        raise AnnotationError(
            f"{path}: the name must say the split of the people in it: one of "
            f"{list(splits)}"
        )
    return [Source(SourceKind.HRNET, {splits[name]: path})]


def _sources_in(folder: epath.Path) -> list[Source]:
    places = [folder / name for name in ANNOTATION_FOLDERS]
    sources: list[Source] = []
    for kind, names in _FILES.items():
        files = {}
        for name, file_names in names.items():
            if paths := _existing(places, file_names):
                files[name] = paths[0]
                if not sources:  # What is left aside may be as it likes.
                    _check_alike(paths)
        if files:
            if kind is SourceKind.HRNET and not sources:
                first = next(iter(files.values()))
                # Older copies have CPM's records under HRNet's names.
                if json_copies.is_cpm(json_copies.load_records(first)):
                    kind = SourceKind.CPM
            sources.append(Source(kind, files))
        elif kind is SourceKind.MATLAB:
            packed = _existing(places, [official.ANNOTATIONS_ARCHIVE])
            sources += map(in_archive, packed[:1])
    return sources


def _existing(places: Sequence[epath.Path], names: Sequence[str]) -> list[epath.Path]:
    packed = [f"{name}.gz" for name in names if name.endswith(".json")]
    paths = (place / name for place in places for name in (*names, *packed))
    return [path for path in paths if _exists(path)]


def _exists(path: epath.Path) -> bool:
    """Returns whether a path exists; unlike `Path.exists`, raises PermissionError."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _check_alike(paths: Sequence[epath.Path]) -> None:
    first, *others = paths
    for other in others:
        alike = first.read_bytes() == other.read_bytes()
        if not alike and first.name != official.MATLAB_FILE:
            alike = json_copies.load_json(first) == json_copies.load_json(other)
        if not alike:
            raise AnnotationError(
                f"{first} and {other} are for the same people and differ: leave one of "
                "them in the folder"
            )
