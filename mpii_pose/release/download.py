"""The official downloads, and how to tell that they are the real ones."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Final

import requests
from etils import epath
from tensorflow_datasets.core.download import resource

from mpii_pose.release import archives as archives_lib
from mpii_pose.release.sources import find_sources

# How long a server may take to answer at all.
_PATIENCE_S: Final = 30

IMAGES_ARCHIVE: Final = "mpii_human_pose_v1.tar.gz"
ANNOTATIONS_ARCHIVE: Final = "mpii_human_pose_v1_u12_2.zip"

_SITE = "https://datasets.d2.mpi-inf.mpg.de/andriluka14cvpr"
URLS: Final[Mapping[str, str]] = {
    name: f"{_SITE}/{name}" for name in (IMAGES_ARCHIVE, ANNOTATIONS_ARCHIVE)
}

# Nobody has published a sha256 of the two files, which is what TFDS could check. What
# is known: the MD5 that three public code bases state for the images, and the id under
# which three public git repositories store the .mat.
IMAGES_MD5: Final = "b6bc9c6869d3f035a5570b2e68ec84c4"
MATLAB_GIT_BLOB: Final = "114563d045f8b537e978b3f63e03bc2b0f719e0b"


def md5(path: epath.PathLike) -> str:
    """Returns the MD5 of a file, in hexadecimal."""
    with epath.Path(path).open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def git_blob_id(path: epath.PathLike) -> str:
    """Returns the id under which git stores a file, as `git hash-object` does."""
    data = epath.Path(path).read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def download_release(dl_manager: Any) -> list[epath.Path]:
    """Downloads and extracts the release.

    Args:
        dl_manager: A `tfds.download.DownloadManager`.

    Returns:
        The folders that the archives were extracted to.

    Raises:
        ConnectionError: The files cannot be had.
        ValueError: A file is not the published one.
    """
    try:
        _check_reachable(dl_manager.download_dir)
        archives = dl_manager.download(dict(URLS))
    except Exception as error:  # TFDS and requests raise errors of many kinds.
        raise ConnectionError(
            f"Cannot download MPII Human Pose ({error}).\n{HOW_TO_GET_IT}"
        ) from error
    _check_identity(archives[IMAGES_ARCHIVE], "MD5", md5, IMAGES_MD5)
    folder = extract_dir(dl_manager)
    folders = [archives_lib.extract(archive, folder) for archive in archives.values()]
    for source in find_sources(folders):
        for path in source.files.values():
            _check_identity(path, "git blob id", git_blob_id, MATLAB_GIT_BLOB)
    return folders


def _check_identity(
    path: epath.Path, kind: str, identify: Callable[[epath.Path], str], expected: str
) -> None:
    found = identify(path)
    if found != expected:
        raise ValueError(
            f"{path}: expected {kind} {expected}, found {found}; the download is "
            "damaged: remove the file and try again"
        )


def extract_dir(dl_manager: Any) -> epath.Path:
    """Returns the folder for extracted archives; TFDS has no public name for it."""
    default = epath.Path(dl_manager.download_dir) / "extracted"
    return epath.Path(getattr(dl_manager, "_extract_dir", default)) / "mpii_pose"


def _check_reachable(download_dir: epath.PathLike) -> None:
    """Asks for each file that is still to be downloaded.

    TFDS itself tries for more than ten minutes where there is no network.
    """
    for url in URLS.values():
        name = resource.get_dl_fname(url)
        folders = (epath.Path(download_dir), epath.Path(download_dir) / "mpii_pose")
        if not any((folder / name).exists() for folder in folders):
            requests.head(url, timeout=_PATIENCE_S).raise_for_status()


HOW_TO_GET_IT: Final = f"""\
Put the release into a folder and name it with --manual_dir (or
DownloadConfig(manual_dir=...)). The folder may hold
  * the two official archives, {IMAGES_ARCHIVE} (12.9 GB) and
    {ANNOTATIONS_ARCHIVE} (12.5 MB), from http://human-pose.mpi-inf.mpg.de, or what is
    in them: images/ and mpii_human_pose_v1_u12_2/;
  * images/ and one of the JSON copies of the annotations: mpii_annotations.json, or
    train.json with valid.json, validation.json or val.json, beside images/ or in
    annot/, annotations/ or mpii_human_pose_v1_u12_2/.
To try the package without any download, build `mpii_pose/synthetic`."""
