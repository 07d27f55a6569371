"""Gets hold of a release for a build: in the user's folder, or downloaded."""

from typing import Any, Final

import requests
import tensorflow_datasets as tfds
from absl import logging
from etils import epath

from mpii_pose import tfds_private
from mpii_pose.person import AnnotationError
from mpii_pose.release import find, official
from mpii_pose.release.archives import ArchiveError
from mpii_pose.release.release import Release, read_release

# How long a server may take to answer at all.
_PATIENCE_S: Final = 30
_NETWORK_ERRORS: Final = (
    *(requests.RequestException, tfds.download.DownloadError),
    *(ConnectionError, TimeoutError),
)


def obtain_release(
    dl_manager: Any, *, manual_dir: epath.PathLike | None = None
) -> Release:
    """Reads the release in the user's folder, or downloads it.

    Args:
        dl_manager: A `tfds.download.DownloadManager`.
        manual_dir: The folder that the user named. TFDS's default, which all datasets
            share, is used only if there is a release in it.

    Raises:
        FileNotFoundError: There is no release in `manual_dir`.
        ConnectionError: The release cannot be downloaded.
    """
    found = find.find(manual_dir) if manual_dir else _find_in_default(dl_manager)
    if found is None:
        found = download_release(dl_manager)
    extract_dir = tfds_private.extract_dir(dl_manager) / "mpii_pose"
    return read_release(found, extract_dir=extract_dir)


def _find_in_default(dl_manager: Any) -> find.Found | None:
    try:
        folder = dl_manager.manual_dir
    except AssertionError:  # It does not exist, or is empty.
        return None
    reason = f"no annotations of it in {folder}"
    try:
        found = find.find(folder)
        if found.sources and found.source.is_mpii():
            return found
        if found.sources:
            reason = f"others' people in the {found.source}"
    except (AnnotationError, ArchiveError) as error:
        reason = str(error)
    logging.warning("Downloading MPII Human Pose: %s", reason)
    return None


def download_release(dl_manager: Any) -> find.Found:
    """Downloads the two archives and compares them with what is published.

    Raises:
        ConnectionError: The files cannot be had.
        ValueError: A file is not the published one.
    """
    try:
        _check_reachable(epath.Path(dl_manager.download_dir))
        archives = dl_manager.download(dict(official.URLS))
    except _NETWORK_ERRORS as error:
        raise ConnectionError(
            f"Cannot download MPII Human Pose ({error}).\n{find.HOW_TO_GET_IT}"
        ) from error
    images = archives[official.IMAGES_ARCHIVE]
    _check_identity(images, "MD5", official.md5(images), official.IMAGES_MD5)
    source = find.in_archive(archives[official.ANNOTATIONS_ARCHIVE])
    (file,) = source.files.values()
    blob = official.git_blob_id(file.read_bytes())
    _check_identity(file, "git blob id", blob, official.MATLAB_GIT_BLOB)
    return find.Found(images.parent, [source], images, [])


def _check_identity(path: Any, kind: str, found: str, expected: str) -> None:
    if found != expected:
        raise ValueError(
            f"{path}: expected {kind} {expected}, found {found}; the download is "
            "damaged: remove the file and try again"
        )


def _check_reachable(download_dir: epath.Path) -> None:
    """Asks for each file that is still to be downloaded.

    TFDS itself tries for more than ten minutes where there is no network.
    """
    for url in official.URLS.values():
        name = tfds_private.get_dl_fname(url)
        folders = (download_dir, download_dir / "mpii_pose")
        if not any((folder / name).exists() for folder in folders):
            requests.head(url, timeout=_PATIENCE_S).raise_for_status()
