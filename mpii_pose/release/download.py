"""Gets hold of a release for a build: in the user's folder, or downloaded.

What has arrived of an archive is kept in a `.part` file, beside a note of its version.
Later connections ask for the rest of that version (`Range` with `If-Range`). Whatever
else a server sends replaces the part or is refused: two versions are never mixed.

Before the first byte, what a build will write is summed up for each disk.
"""

import contextlib
import errno
import itertools
import json
import os
import pathlib
import shutil
import socket
import time
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import requests
import urllib3
from absl import logging
from etils import epath, epy

from mpii_pose import workplace
from mpii_pose.checks import MpiiPoseError
from mpii_pose.person import AnnotationError
from mpii_pose.release import archives, find, official
from mpii_pose.release.release import Release, read_release

with epy.lazy_imports():  # The doctor sums up the disk where TFDS is broken, too.
    import tensorflow_datasets as tfds

    from mpii_pose import progress, tfds_private

# This dataset's folder in TFDS's folders of downloads, extractions and datasets.
OURS: Final = "mpii_pose"
# The environment variable that names another place to download from.
MIRROR: Final = "MPII_POSE_MIRROR"

# Pauses of 0, 2, 4, 8, ... up to 120 s, while no byte arrives; 8 minutes together. A
# server that never answered is given up after 6 s, and an unknown name at once.
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


class Step(NamedTuple):
    """One step of a build, and how much it has still to write."""

    name: str
    folder: epath.PathLike  # Where it writes; it need not exist yet.
    num_bytes: int
    is_estimate: bool = False

    def __str__(self) -> str:
        return f"{self.name} {'about ' * self.is_estimate}{in_gb(self.num_bytes)}"


class Disk(NamedTuple):
    """The bytes that steps write to one file system, and whether they fit."""

    text: str
    suffices: bool


def release_steps(
    download_dir: epath.PathLike, extract_dir: epath.PathLike
) -> list[Step]:
    """Returns the steps that are left until the images are in a folder of TFDS."""
    archive_bytes = sum(official.ARCHIVE_BYTES.values())
    steps = []
    for whole in (
        Step("downloading the archives", download_dir, archive_bytes),
        Step("extracting the images", extract_dir, official.IMAGES_BYTES),
    ):
        paths = (pathlib.Path(whole.folder) / OURS).glob("*")
        finished = (p for p in paths if not p.match(workplace.TEMPORARY_FOLDERS))
        missing = whole.num_bytes - sum(map(bytes_in, finished))
        if missing > whole.num_bytes / 100:  # The sizes are rounded.
            steps.append(whole._replace(num_bytes=missing))
    return steps


def dataset_step(
    layout: str, data_dir: epath.PathLike, *, max_examples: int | None = None
) -> Step:
    """Returns the step that writes all splits, of `max_examples` each at most.

    A layout of the user's own counts as the largest of ours.
    """
    counts = official.PEOPLE.values()
    most = max(counts) if max_examples is None else max_examples
    share = sum(min(count, most) for count in counts) / sum(counts)
    whole = official.DATASET_BYTES.get(layout, max(official.DATASET_BYTES.values()))
    num_bytes = round(whole * share)
    return Step(f"building {OURS}/{layout}", data_dir, num_bytes, is_estimate=True)


def by_disk(steps: Sequence[Step]) -> list[Disk]:
    """Sums up the steps for each file system of this machine (not `gs://`)."""
    disks: dict[int, tuple[pathlib.Path, list[Step]]] = {}
    for step in steps:
        if "://" not in os.fspath(step.folder):
            folder = pathlib.Path(step.folder).expanduser().absolute()
            folder = next(p for p in (folder, *folder.parents) if p.exists())
            disks.setdefault(folder.stat().st_dev, (folder, []))[1].append(step)
    sums = []
    for folder, group in disks.values():
        free = shutil.disk_usage(folder).free
        total = sum(step.num_bytes for step in group)
        text = " + ".join(map(str, group))
        if len(group) > 1:
            text += f" = {in_gb(total)}"
        text += f"; {in_gb(free)} are free in {folder}"
        sums.append(Disk(text, total <= free))
    return sums


def bytes_in(path: epath.PathLike) -> int:
    """Returns the size of a file, or of all files in a folder; 0 if there is none."""
    path = pathlib.Path(path)
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.lstat().st_size for file in files if file.is_file())


def in_gb(num_bytes: int) -> str:
    """Returns a number of bytes in words, such as "12.9 GB"."""
    return f"{num_bytes / 1e9:.1f} GB"


def obtain_release(
    dl_manager: Any,
    *,
    manual_dir: epath.PathLike | None = None,
    dataset: Step | None = None,
) -> Release:
    """Reads the release in the user's folder, or downloads it.

    Args:
        dl_manager: A `tfds.download.DownloadManager`.
        manual_dir: The folder that the user named. TFDS's default, which all datasets
            share, is used only if there is a release in it.
        dataset: What will be written afterwards, for the log before a download.

    Raises:
        FileNotFoundError: There is no release in `manual_dir`.
        ConnectionError: The release cannot be downloaded.
        OSError: There is no room for the archives and the images in them.
        MpiiPoseError: A downloaded file is not the published one, or the mirror's
            address is none.
    """
    found = find.find(manual_dir) if manual_dir else _find_in_default(dl_manager)
    if found is None:
        found = download_release(dl_manager, dataset=dataset)
    return read_release(found, extract_dir=tfds_private.extract_dir(dl_manager) / OURS)


def _find_in_default(dl_manager: Any) -> find.Found | None:
    try:
        folder = dl_manager.manual_dir
    except AssertionError:  # It does not exist, or is empty.
        return None
    reason = f"no annotations of it in {folder}"
    try:
        found = find.find(folder)
        if found.sources:
            if found.source.is_mpii():
                return found
            reason = f"others' people in the {found.source}"
    except (AnnotationError, archives.ArchiveError, OSError) as error:
        reason = str(error)
    logging.warning("Downloading MPII Human Pose: %s", reason)
    return None


def download_release(dl_manager: Any, *, dataset: Step | None = None) -> find.Found:
    """Downloads the two archives and compares them with what is published."""
    mirror = os.environ.get(MIRROR)
    if mirror and not mirror.startswith(("http://", "https://")):
        raise MpiiPoseError(
            f"{MIRROR} must be the http address of a folder, not {mirror!r}; name a "
            "folder on a disk with --manual_dir, or to python -m mpii_pose build"
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
    with progress.step(f"Comparing {official.IMAGES_ARCHIVE} with the published MD5"):
        _check_identity(images, "MD5", official.md5(images), official.IMAGES_MD5)
    source = find.in_archive(paths[official.ANNOTATIONS_ARCHIVE])
    (file,) = source.files.values()
    blob = official.git_blob_id(file.read_bytes())
    _check_identity(file, "git blob id", blob, official.MATLAB_GIT_BLOB)
    return find.Found(images.parent, [source], images, [])


def _check_identity(path: Any, kind: str, found: str, expected: str) -> None:
    if found != expected:
        raise MpiiPoseError(
            f"{path}: expected {kind} {expected}, found {found}; the download is "
            f"damaged, or a mirror ({MIRROR}) has another file: remove it and try again"
        )


def _check_disk(dl_manager: Any, dataset: Step | None) -> None:
    """Logs what will be written; raises OSError where there is no room for it."""
    extract_dir = tfds_private.extract_dir(dl_manager)
    steps = release_steps(dl_manager.download_dir, extract_dir)
    disks = by_disk([*steps, dataset] if dataset else steps)
    if not steps or not disks:
        return  # The builder knows the exact size of a dataset alone.
    text = "MPII Human Pose on disk: " + "\n".join(each.text for each in disks)
    advice = (
        "Free some space, or choose other disks with --data_dir, --download_dir and "
        "--extract_dir"
    )
    if not all(each.suffices for each in by_disk(steps)):
        raise OSError(
            errno.ENOSPC,
            f"Not enough disk space; nothing was downloaded. {text}\n{advice}",
        )
    if not all(each.suffices for each in disks):
        text += f"\nThat may not be enough. {advice}"
    logging.warning("%s", text)  # Shown wherever a program runs: it takes a while.


class _Downloader:
    """Downloads for TFDS's manager, which keeps, names and checks the files."""

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
        with progress.step(f"Checking {name}"):
            return tfds_private.downloaded(epath.Path(folder / name))


def fetch(url: str, part: epath.PathLike, *, verify: bool = True) -> None:
    """Downloads a file over HTTP, going on where an earlier call was stopped.

    Args:
        url: Its address.
        part: The file to write, which is whole when this returns; "PART.json" beside
            it is the note of its version.
        verify: Whether to check the server's certificate.

    Raises:
        ConnectionError: The file cannot be had; the message has why and what is kept.
    """
    part = pathlib.Path(part)
    start = best = bytes_in(part)
    failures = 0
    with requests.Session() as session:
        while True:
            try:
                _fetch_rest(session, url, part, verify=verify)
                return
            except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
                cause = next(iter(error.args), error)
                reason = getattr(cause, "reason", cause)
                busy = getattr(error, "response", None)
                have, failures = bytes_in(part), failures + 1
                if have > best:
                    best, failures = have, 1
                patience = _FIRST_PATIENCE if busy is None and not best else _PATIENCE
                origin = getattr(reason, "__context__", None)
                # A host without an address is mistyped, or this one is offline.
                if isinstance(origin, socket.gaierror) and best == start:
                    patience = 0
                if failures > patience:
                    raise ConnectionError(f"{url}: {reason}. {_kept(part)}") from error
            pause = 2.0 ** (failures - 1) if failures > 1 else 0
            if busy is not None:
                pause = urllib3.Retry().get_retry_after(busy.raw) or pause
            pause = min(pause, _LONGEST_PAUSE_S)
            text = "%s: %s. %.1f MB are here; trying again in %.0f s, %d times more"
            left = patience - failures + 1
            logging.warning(text, url, reason, have / 1e6, pause, left)
            time.sleep(pause)


def _fetch_rest(
    session: requests.Session, url: str, part: pathlib.Path, *, verify: bool
) -> None:
    """Downloads what is missing of a file in one connection."""
    validator, size, have = _resumable(part)
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
            raise requests.RequestException(answer, response=response)
        new_validator, new_size = _version_of(response)
        is_rest = (
            response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
            and new_validator in ("", validator)  # They may be left out.
            and new_size in (None, size)
        )
        if status == _NO_SUCH_RANGE or (status == _PARTIAL and not is_rest):
            _note_of(part).unlink(missing_ok=True)  # Nothing of the part will be used.
            raise requests.RequestException("the file has changed on the server")
        if not response.ok:
            raise ConnectionError(f"{url}: {answer}. {_kept(part)}")
        chunks = response.raw.stream(_CHUNK, decode_content=False)
        if status != _PARTIAL:
            first = next(chunks, b"")
            if first.lstrip().startswith(b"<"):
                raise ConnectionError(
                    f"{url}: the server answered with a web page instead of the file. "
                    "Does this network want a login? Open the address in a browser. "
                    f"{_kept(part)}"
                )
            chunks = itertools.chain([first], chunks)
            if have:
                text = (
                    "%s: the server has another version of the file now, or sends no "
                    "parts of files: downloading it anew, without %.1f MB of it"
                )
                logging.warning(text, url, have / 1e6)
            have, size = 0, new_size
            # The old bytes go first: the note must not be taken for theirs.
            part.write_bytes(b"")
            _note_of(part).write_text(json.dumps([new_validator, new_size]))
        _append(chunks, part, have, size)


def _append(
    chunks: Iterable[bytes], part: pathlib.Path, have: int, size: int | None
) -> None:
    """Appends chunks to a part, which has `have` of `size` bytes, under a bar."""
    options: dict[str, Any] = {"total": size, "initial": have, "desc": part.name[:30]}
    with (
        progress.bar(**options, unit="B", unit_scale=True) as bar,
        part.open("ab", buffering=0) as file,
    ):
        for data in chunks:
            file.write(data)
            bar.update(len(data))
    if size not in (None, bytes_in(part)):
        raise requests.ConnectionError(
            f"the connection was cut at {bytes_in(part):,} of {size:,} bytes"
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


def _resumable(part: pathlib.Path) -> tuple[str, int | None, int]:
    """Returns version, size, and how much is here of a file that can be gone on with.

    Without a note of a version, the download begins anew: "", None, 0.
    """
    try:
        validator, size = json.loads(_note_of(part).read_text())
    except (OSError, ValueError, TypeError):
        return "", None, 0
    return validator, size, bytes_in(part) if validator else 0


def _kept(part: pathlib.Path) -> str:
    """Returns a sentence on what is left of a download that stops."""
    *_, have = _resumable(part)
    if not have:
        return "Nothing of it is kept"
    return f"{have / 1e6:,.1f} MB are kept in {part}: the same command goes on there"
