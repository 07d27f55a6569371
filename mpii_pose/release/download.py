"""Gets hold of a release for a build: in the user's folder, or downloaded.

What has arrived of an archive is kept in a `.part` file, beside a note of its version.
Later connections ask for the rest of that version (`Range` with `If-Range`). Whatever
else a server sends replaces the part or is refused: two versions are never mixed.
"""

import contextlib
import dataclasses
import errno
import itertools
import json
import os
import pathlib
import time
from collections.abc import Iterable
from typing import Any, Final

import requests
import tensorflow_datasets as tfds
import urllib3
from absl import logging
from etils import epath

from mpii_pose import progress, tfds_private, workplace
from mpii_pose.person import AnnotationError
from mpii_pose.release import archives, disk, find, official
from mpii_pose.release.release import Release, read_release

# The environment variable that names another place to download from.
MIRROR: Final = "MPII_POSE_MIRROR"

# Pauses of 0, 2, 4, 8, ... up to 120 s, while no byte arrives; 8 minutes together. A
# server that never answered is given up after 6 s.
_PATIENCE: Final = 10
_FIRST_PATIENCE: Final = 3
_LONGEST_PAUSE_S: Final = 120
# How long a server may take to connect, and to send the next bytes.
_TIMEOUT_S: Final = (30, 60)
# A cut loses at most that many bytes of what has arrived.
_CHUNK: Final = 1 << 16
# Answers of servers that may have another later.
_BUSY: Final = (408, 425, 429, 500, 502, 503, 504)
_PARTIAL: Final = 206
_NO_SUCH_RANGE: Final = 416


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
    return read_release(
        found, extract_dir=tfds_private.extract_dir(dl_manager) / disk.OURS
    )


def _find_in_default(dl_manager: Any) -> find.Found | None:
    try:
        folder = dl_manager.manual_dir
    except AssertionError:  # It does not exist, or is empty.
        return None
    reason = f"no annotations of it in {folder}"
    try:
        found = find.find(folder)
        if found.sources:
            source = found.source.parse()
            if source.is_mpii:
                return dataclasses.replace(found, sources=[source, *found.sources[1:]])
            reason = f"others' people in the {source}"
    except (AnnotationError, archives.ArchiveError) as error:
        reason = str(error)
    logging.warning("Downloading MPII Human Pose: %s", reason)
    return None


def download_release(
    dl_manager: Any, *, mirror: str | None = None, dataset: disk.Step | None = None
) -> find.Found:
    """Downloads the two archives and compares them with what is published.

    Before the first byte, logs what that and the dataset will take on disk.

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
            _check_disk(dl_manager, dataset)
            paths = dl_manager.download(dict(official.URLS))
    except (
        *(requests.RequestException, tfds.download.DownloadError),
        *(ConnectionError, TimeoutError),
    ) as error:
        raise ConnectionError(
            f"Cannot download MPII Human Pose ({error}).\n{find.HOW_TO_GET_IT}\n"
            f"If others have the two archives on the web: {MIRROR}=https://..."
        ) from error
    images = paths[official.IMAGES_ARCHIVE]
    _check_identity(images, "MD5", official.md5(images), official.IMAGES_MD5)
    source = find.in_archive(paths[official.ANNOTATIONS_ARCHIVE])
    (file,) = source.files.values()
    blob = official.git_blob_id(file.read_bytes())
    _check_identity(file, "git blob id", blob, official.MATLAB_GIT_BLOB)
    return find.Found(images.parent, [source], images, [])


def _check_identity(path: Any, kind: str, found: str, expected: str) -> None:
    if found != expected:
        raise ValueError(
            f"{path}: expected {kind} {expected}, found {found}; the download is "
            f"damaged, or a mirror ({MIRROR}) has another file: remove it and try again"
        )


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
        """Does nothing for a file that was downloaded before."""

    def download(self, url: str, folder: epath.Path, verify: bool = True) -> Any:
        """Downloads a file into a temporary folder of TFDS's manager.

        The part that has arrived is beside the folder, where the next call finds it.
        """
        folder, name = pathlib.Path(folder), url.rpartition("/")[2]
        part = folder.with_name(f"{name}.part")
        source = f"{self._mirror.rstrip('/')}/{name}" if self._mirror else url
        try:
            logging.info("Downloading %s to %s", source, part)
            fetch(source, part, verify=verify)
            part.rename(folder / name)
            _note_of(part).unlink()
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"{source}: {_kept(part)}") from None
        finally:
            with contextlib.suppress(OSError):
                folder.rmdir()  # If nothing came into it.
        return tfds_private.downloaded(epath.Path(folder / name))


def _check_disk(dl_manager: Any, dataset: disk.Step | None) -> None:
    """Logs what will be written; raises OSError where there is no room for it."""
    extract_dir = tfds_private.extract_dir(dl_manager)
    steps = disk.release_steps(dl_manager.download_dir, extract_dir)
    disks = disk.by_disk([*steps, *([dataset] if dataset else [])])
    if not steps or not disks:
        return  # The builder knows the exact size of a dataset alone.
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


class _TryAgainError(Exception):
    """The server has no answer now, and may ask for a pause."""

    def __init__(self, reason: str, *, pause: float = 0):
        super().__init__(reason)
        self.pause = pause


_TEMPORARY: Final = (
    *(_TryAgainError, requests.ConnectionError, requests.Timeout),
    urllib3.exceptions.HTTPError,
)


def fetch(url: str, part: epath.PathLike, *, verify: bool = True) -> None:
    """Downloads a file over HTTP, going on where an earlier call was stopped.

    Args:
        url: Its address.
        part: The file to write, which is whole when this returns; "PART.json" beside
            it is the note of its version.
        verify: Whether to check the server's certificate.

    Raises:
        ConnectionError: The file cannot be had; the message says why and what is kept.
        OSError: The disk is full.
    """
    part = pathlib.Path(part)
    best, failures, patience = _size(part), 0, _FIRST_PATIENCE
    with requests.Session() as session:
        while True:
            try:
                _fetch_rest(session, url, part, verify=verify)
                return
            except _TEMPORARY as error:
                reason, have = _describe(error), _size(part)
                if have > best:
                    best, failures, patience = have, 0, _PATIENCE
                failures += 1
                pause = 2.0 ** (failures - 1) if failures > 1 else 0
                if isinstance(error, _TryAgainError):
                    pause, patience = error.pause or pause, _PATIENCE
                if failures > patience:
                    raise ConnectionError(f"{url}: {reason}. {_kept(part)}") from error
            pause = min(pause, _LONGEST_PAUSE_S)
            text = "%s: %s. %.1f MB are here; trying again in %.0f s, %d times more"
            logging.warning(
                text, url, reason, have / 1e6, pause, patience - failures + 1
            )
            time.sleep(pause)


def _fetch_rest(
    session: requests.Session, url: str, part: pathlib.Path, *, verify: bool
) -> None:
    """Downloads what is missing of a file in one connection."""
    validator, size = _read_note(part)
    have = _size(part) if validator else 0
    if have and have == size:
        return  # Stopped just after the last byte.
    headers = {"Accept-Encoding": "identity"}  # As it is, not packed for the way.
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": validator}
    with session.get(
        url, headers=headers, stream=True, timeout=_TIMEOUT_S, verify=verify
    ) as response:
        status = response.status_code
        answer = f"the server answered {status} {response.reason}"
        if status in _BUSY:
            pause = urllib3.Retry().get_retry_after(response.raw) or 0
            raise _TryAgainError(answer, pause=pause)
        new_validator, new_size = _version_of(response)
        is_rest = (
            response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
            and new_validator in ("", validator)  # They may be left out.
            and new_size in (None, size)
        )
        if status == _NO_SUCH_RANGE or (status == _PARTIAL and not is_rest):
            _note_of(part).unlink(missing_ok=True)  # Nothing of the part will be used.
            raise _TryAgainError("the file has changed on the server")
        if not response.ok:
            raise ConnectionError(f"{url}: {answer}. {_kept(part)}")
        chunks = response.raw.stream(_CHUNK, decode_content=False)
        if status != _PARTIAL:
            first = next(chunks, b"")
            kind = response.headers.get("Content-Type", "")
            if "text/html" in kind or first.lstrip().startswith(b"<"):
                raise ConnectionError(
                    f"{url}: the server answered with a web page instead of the file. "
                    "Does this network want a login? Open the address in a browser. "
                    f"{_kept(part)}"
                )
            chunks = itertools.chain([first], chunks)
            if have:
                reason = "does not send parts of files"
                if (new_validator, new_size) != (validator, size):
                    reason = "has another version of the file now"
                text = "%s: the server %s: downloading it anew, without %.1f MB of it"
                logging.warning(text, url, reason, have / 1e6)
            have, size = 0, new_size
            # The old bytes go first: the note must not be taken for theirs.
            part.write_bytes(b"")
            _note_of(part).write_text(json.dumps([new_validator, new_size]))
        _append(chunks, part, have, size)


def _append(
    chunks: Iterable[bytes], part: pathlib.Path, have: int, size: int | None
) -> None:
    """Appends chunks to a part, which has `have` of `size` bytes, under a bar."""
    options = {"total": size, "initial": have, "desc": part.name[:30]}
    with (
        progress.bar(**options, unit="B", unit_scale=True) as bar,
        part.open("ab", buffering=0) as file,
    ):
        for data in chunks:
            file.write(data)
            bar.update(len(data))
    if size not in (None, _size(part)):
        raise requests.ConnectionError(
            f"the connection was cut at {_size(part):,} of {size:,} bytes"
        )


def _version_of(response: requests.Response) -> tuple[str, int | None]:
    """Returns a strong ETag or else the date ("" for neither), and the file's size."""
    headers = response.headers
    etag, date = headers.get("ETag", ""), headers.get("Last-Modified", "")
    size = headers.get("Content-Length", "")
    if response.status_code == _PARTIAL:
        size = headers.get("Content-Range", "").rpartition("/")[2]
    validator = etag if etag.startswith('"') else date
    return validator, int(size) if size.isdecimal() else None


def _note_of(part: pathlib.Path) -> pathlib.Path:
    return part.with_name(part.name + ".json")


def _read_note(part: pathlib.Path) -> tuple[str, int | None]:
    """Returns the version that a part is of; an unknown one if no note can be read."""
    try:
        validator, size = json.loads(_note_of(part).read_text())
    except (OSError, ValueError, TypeError):
        return "", None
    return validator, size


def _describe(error: Exception) -> str:
    """Returns the reason of an error, without the names of classes around it."""
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
        connecting = isinstance(error, requests.ConnectTimeout)
        return f"no answer for {_TIMEOUT_S[not connecting]} s"
    cause = error.args[0] if error.args else error
    return str(getattr(cause, "reason", cause))


def _size(part: pathlib.Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _kept(part: pathlib.Path) -> str:
    """Returns a sentence on what is left of a download that stops."""
    if not (have := _size(part)):
        return "Nothing was downloaded"
    goes_on = "goes on there"
    if not _read_note(part)[0]:
        goes_on = "begins anew, as the server does not say which version they are of"
    return f"{have / 1e6:,.1f} MB are kept in {part}: the same command {goes_on}"
