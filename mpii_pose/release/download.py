"""Gets hold of a release for a build: in the user's folder, or downloaded."""

import contextlib
import errno
import os
import pathlib
from typing import Any, Final

import requests
import tensorflow_datasets as tfds
from absl import logging
from etils import epath

from mpii_pose import progress, tfds_private, workplace
from mpii_pose.person import AnnotationError
from mpii_pose.release import disk, fetch, find, official
from mpii_pose.release.archives import ArchiveError
from mpii_pose.release.release import Release, read_release

# The environment variable that names another place to download from.
MIRROR: Final = "MPII_POSE_MIRROR"
_NETWORK_ERRORS: Final = (
    *(requests.RequestException, tfds.download.DownloadError),
    *(ConnectionError, TimeoutError),
)


def obtain_release(
    dl_manager: Any,
    *,
    manual_dir: epath.PathLike | None = None,
    mirror: str | None = None,
    dataset: disk.Step | None = None,
) -> Release:
    """Reads the release in the user's folder, or downloads it.

    Args:
        dl_manager: A `tfds.download.DownloadManager`.
        manual_dir: The folder that the user named. TFDS's default, which all datasets
            share, is used only if there is a release in it.
        mirror: Address of a folder with the archives, to download them from; None for
            that of the environment variable MPII_POSE_MIRROR, or else the authors'.
        dataset: What will be written afterwards, to be told before a download.

    Raises:
        FileNotFoundError: There is no release in `manual_dir`.
        ConnectionError: The release cannot be downloaded.
        OSError: There is no room for the download and what is in it.
    """
    found = find.find(manual_dir) if manual_dir else _find_in_default(dl_manager)
    if found is None:
        found = download_release(dl_manager, mirror=mirror, dataset=dataset)
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


def download_release(
    dl_manager: Any, *, mirror: str | None = None, dataset: disk.Step | None = None
) -> find.Found:
    """Downloads the two archives and compares them with what is published.

    What that takes on disk, and what follows, is told before.

    Raises:
        ConnectionError: The files cannot be had.
        OSError: There is no room for them and what is in them.
        ValueError: A file is not the published one.
    """
    mirror = mirror or os.environ.get(MIRROR)
    if mirror and not mirror.startswith(("http://", "https://")):
        raise ValueError(
            f"A mirror is the http address of a folder, not {mirror!r}; name a folder "
            "on a disk with --manual_dir"
        )
    download_dir = epath.Path(dl_manager.download_dir)
    if "://" not in os.fspath(download_dir):  # Of `gs://`, TFDS takes care.
        tfds_private.use_downloader(dl_manager, _Downloader(mirror))
    try:
        # One at a time: the second finds what the first has downloaded.
        with workplace.lock(download_dir):
            _tell_of_disk(dl_manager, dataset)
            archives = dl_manager.download(dict(official.URLS))
    except _NETWORK_ERRORS as error:
        raise ConnectionError(
            f"Cannot download MPII Human Pose ({error}).\n{find.HOW_TO_GET_IT}\n"
            f"If others have the two archives on the web: {MIRROR}=https://..."
        ) from error
    images = archives[official.IMAGES_ARCHIVE]
    _check_identity(images, "MD5", official.md5(images), official.IMAGES_MD5)
    source = find.in_archive(archives[official.ANNOTATIONS_ARCHIVE])
    (file,) = source.files.values()
    blob = official.git_blob_id(file.read_bytes())
    _check_identity(file, "git blob id", blob, official.MATLAB_GIT_BLOB)
    return find.Found(images.parent, [source], images, [])


def _tell_of_disk(dl_manager: Any, dataset: disk.Step | None) -> None:
    """Says what will be written, and raises OSError where that cannot be."""
    extract_dir = tfds_private.extract_dir(dl_manager)
    steps = disk.release_steps(dl_manager.download_dir, extract_dir)
    disks = disk.by_disk([*steps, *([dataset] if dataset else [])])
    if not steps or not disks:
        return  # Of a dataset alone, the builder knows the exact size.
    text = "MPII Human Pose on disk: " + "\n".join(map(str, disks))
    advice = (
        "Free some space, or choose other disks with --data_dir, --download_dir and "
        "--extract_dir"
    )
    if not all(each.suffices(for_estimates=False) for each in disks):
        raise OSError(
            errno.ENOSPC,
            f"Not enough disk space; nothing was downloaded. {text}\n{advice}",
        )
    if not all(each.suffices() for each in disks):
        logging.warning("%s\nThat may not be enough. %s", text, advice)
    else:
        progress.say(text)


class _Downloader:
    """Downloads for TFDS's manager, which keeps, names and checks the files.

    Args:
        mirror: Address of a folder to take the files from; None for the one they have.
    """

    def __init__(self, mirror: str | None):
        self._mirror = mirror

    def tqdm(self) -> contextlib.AbstractContextManager[None]:
        """Shows nothing: each file has a bar of its own."""
        return contextlib.nullcontext()

    def increase_tqdm(self, url_info: Any) -> None:
        """Hears of a file that was downloaded before."""

    def download(self, url: str, folder: epath.Path, verify: bool = True) -> Any:
        """Downloads a file into a temporary folder of TFDS's manager.

        The part that has arrived is beside the folder, where the next call finds it.
        """
        folder, name = pathlib.Path(folder), url.rpartition("/")[2]
        part = folder.with_name(f"{name}.part")
        source = f"{self._mirror.rstrip('/')}/{name}" if self._mirror else url
        try:
            with workplace.signed(part):
                logging.info("Downloading %s to %s", source, part)
                fetch.fetch(source, part, verify=verify)
                part.rename(folder / name)
                part.with_name(f"{part.name}.json").unlink()
        finally:
            with contextlib.suppress(OSError):
                folder.rmdir()  # If nothing came into it.
        return tfds_private.downloaded(epath.Path(folder / name))


def _check_identity(path: Any, kind: str, found: str, expected: str) -> None:
    if found != expected:
        raise ValueError(
            f"{path}: expected {kind} {expected}, found {found}; the download is "
            "damaged, or a mirror ({MIRROR}) has another file: remove it and try again"
        )
