"""Gets hold of a release: in the user's folder, or downloaded."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from etils import epath

from mpii_pose.person import PersonAnnotation
from mpii_pose.release import archives as archives_lib
from mpii_pose.release import download, sources


@dataclasses.dataclass(frozen=True)
class Release:
    """A release on disk.

    Attributes:
        source: The annotation files that were read.
        people: The people of each split, in index order.
        image_folder: The folder that holds the images.
    """

    source: sources.Source
    people: Mapping[str, Sequence[PersonAnnotation]]
    image_folder: epath.Path

    @property
    def image_names(self) -> list[str]:
        """Names of the images with people in them, each once."""
        people = (person for split in self.people.values() for person in split)
        return list(dict.fromkeys(person.image_name for person in people))


def read_release(folders: Sequence[epath.PathLike]) -> Release:
    """Reads the richest annotations in `folders` and finds their images.

    Raises:
        FileNotFoundError: There are no annotations, or none of their images.
        AnnotationError: The annotations are damaged.
    """
    found = sources.find_sources(folders)
    if not found:
        places = ", ".join(str(folder) for folder in folders)
        raise FileNotFoundError(
            f"No annotations found in {places}. {sources.EXPECTED_FILES}"
        )
    source, *others = found
    print(f"Reading people from the {source}")
    for other in others:
        print(f"Leaving the {other} aside: it says less")
    people = source.read()
    release = Release(source, people, epath.Path())
    folder = sources.find_images(folders, release.image_names)
    return dataclasses.replace(release, image_folder=folder)


def release_folders(dl_manager: Any) -> list[epath.Path]:
    """Returns the folders of the real release, extracted and downloaded as needed.

    Args:
        dl_manager: A `tfds.download.DownloadManager`. Its `manual_dir` is used if
            there is a release in it, and the official URLs otherwise.
    """
    try:
        manual_dir = dl_manager.manual_dir
    except AssertionError:  # It does not exist, or is empty.
        return download.download_release(dl_manager)
    if not holds_annotations(manual_dir):
        print(f"No annotations found in {manual_dir}: downloading MPII Human Pose")
        return download.download_release(dl_manager)
    archives = []
    kinds = {source.kind for source in sources.find_sources([manual_dir])}
    if sources.SourceKind.MATLAB not in kinds:  # The archive says more than any copy.
        archives.append(manual_dir / download.ANNOTATIONS_ARCHIVE)
    if not _any_exists(manual_dir / sub for sub in sources.IMAGE_FOLDERS if sub):
        archives.append(manual_dir / download.IMAGES_ARCHIVE)
    extract_dir = download.extract_dir(dl_manager)
    extracted = [archives_lib.extract(a, extract_dir) for a in archives if a.exists()]
    return [manual_dir, *extracted]


def check_manual_dir(manual_dir: epath.PathLike) -> None:
    """Checks that a folder that the user named has annotations in it.

    Raises:
        FileNotFoundError: It has not.
    """
    manual_dir = epath.Path(manual_dir).expanduser()
    if not holds_annotations(manual_dir):
        found = "does not exist"
        if manual_dir.is_dir():
            names = sorted(path.name for path in manual_dir.iterdir())
            found = f"holds {', '.join(names[:10]) or 'nothing'}"
        raise FileNotFoundError(
            f"No annotations of MPII Human Pose in --manual_dir: {manual_dir} {found}."
            f"\n{download.HOW_TO_GET_IT}"
        )


def holds_annotations(folder: epath.PathLike) -> bool:
    """Whether a folder holds annotations, extracted or in the official archive."""
    folder = epath.Path(folder)
    archive = folder / download.ANNOTATIONS_ARCHIVE
    return archive.exists() or bool(sources.find_sources([folder]))


def _any_exists(paths: Iterable[epath.Path]) -> bool:
    return any(path.exists() for path in paths)
