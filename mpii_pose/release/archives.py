"""The official archives, from whoever they come: a tar of images, a zip of annotations.

`tarfile` and `zipfile` keep names inside the folder. Added here: plain files only, a
limit to how many and how large they are, reading to the end, where the checksums are,
and a folder that appears once it is whole. TFDS's own extraction holds whole files in
memory and takes an archive for another that had its name.
"""

import concurrent.futures
import contextlib
import errno
import gzip
import hashlib
import json
import pathlib
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from typing import IO, Any, Final

from absl import logging
from etils import epath, epy

from mpii_pose import workplace
from mpii_pose.checks import MpiiPoseError

with epy.lazy_imports():  # Reading needs no TFDS.
    from mpii_pose import tfds_private

# MPII's images are 24,984 files; JPEG files hardly shrink, annotations tenfold.
MAX_FILES: Final = 100_000
MAX_RATIO: Final = 100
MAX_ZIP_BYTES: Final = 32 << 20  # The official one has 12.5 MB.

_CHUNK: Final = 1 << 20
_BUFFER: Final = 1 << 18
_THREADS: Final = 16
# Name and size of each file that was extracted, written last.
_LIST: Final = ".extracted.json"
# Errors of the system that come of the names in an archive.
_BAD_NAME: Final = (
    *(errno.EEXIST, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EINVAL),
)


class ArchiveError(MpiiPoseError):
    """An archive is damaged, or asks for what no release needs."""


def extract(archive: epath.PathLike, extract_dir: epath.PathLike) -> epath.Path:
    """Returns a folder with the files of a tar archive.

    They are extracted unless they were before, and again if some of them have been
    removed or cut since.

    Args:
        archive: A .tar or .tar.gz, told by its content.
        extract_dir: Where to make the folder, named after the archive and its content.

    Raises:
        ArchiveError: The archive is refused; the message names it and the reason.
        OSError: The disk is full.
    """
    folder = folder_of(archive, extract_dir)
    if folder.exists():
        with workplace.lock(folder.parent):
            if folder.exists() and not _is_whole(folder):
                logging.warning("Files are missing in %s: extracting again", folder)
                folder.rmtree()
    return workplace.make_once(
        folder, lambda partial: _extract(epath.Path(archive), partial)
    )


def folder_of(archive: epath.PathLike, extract_dir: epath.PathLike) -> epath.Path:
    """Returns the folder that an archive is extracted to."""
    archive = epath.Path(archive)
    return epath.Path(extract_dir) / f"{archive.name}.{_fingerprint(archive)}"


def list_files(archive: epath.PathLike) -> list[str]:
    """Reads a tar archive to its end, as `extract` does; returns the names of files."""
    archive = epath.Path(archive)
    with _refusing(archive):
        return [m.name for m, content in _members(archive, "/files") if content]


def find_in_zip(archive: epath.PathLike, file_name: str) -> zipfile.Path:
    """Returns a file in any folder of a zip archive, to be read there."""
    archive = epath.Path(archive)
    with _refusing(archive):
        size = archive.stat().length
        if size > MAX_ZIP_BYTES:
            raise ArchiveError(f"has more than {MAX_ZIP_BYTES:,} bytes")
        content = zipfile.ZipFile(archive.open("rb"))
        for info in content.infolist():
            _check_size(info.file_size, MAX_RATIO * size)
            if pathlib.PurePosixPath(info.filename).name == file_name:
                return zipfile.Path(content, info.filename)
        raise ArchiveError(f"holds no {file_name}")


def _fingerprint(archive: epath.Path) -> str:
    """Tells archives of one name apart, by size, start, and end with checksums."""
    size = archive.stat().length
    with archive.open("rb") as file:
        start = file.read(_CHUNK)
        file.seek(max(0, size - _CHUNK))
        return hashlib.sha256(b"%d %b %b" % (size, start, file.read())).hexdigest()[:12]


def _is_whole(folder: epath.Path) -> bool:
    """Whether all files that were extracted are there in their size."""

    def is_there(name: str) -> bool:
        return (folder / name).stat().length == sizes[name]

    try:
        sizes = json.loads((folder / _LIST).read_text())
        with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
            return all(pool.map(is_there, sizes))
    except (OSError, ValueError):
        return False


def _extract(archive: epath.Path, folder: epath.Path) -> None:
    logging.info("Extracting %s", archive)
    size = archive.stat().length
    if not tfds_private.has_sufficient_disk_space(size, folder):
        text = f"Not enough disk space to extract {size / 1e9:.1f} GB"
        raise OSError(errno.ENOSPC, text, str(folder))
    sizes: dict[str, int] = {}
    with _refusing(archive):
        for member, content in _members(archive, str(folder)):
            path = folder / member.name
            if content is None:
                path.mkdir(parents=True, exist_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                shutil.copyfileobj(content, file, _CHUNK)
            sizes[member.name] = member.size
    (folder / _LIST).write_text(json.dumps(sizes))


@contextlib.contextmanager
def _refusing(archive: epath.Path) -> Iterator[None]:
    """Says of which archive an error is, unless it is the disk's."""
    try:
        yield
    except (ArchiveError, tarfile.FilterError) as error:
        raise ArchiveError(
            f"{archive} is refused: {error}; no release does so. Nothing of it was kept"
        ) from None
    except Exception as error:  # Damage gives errors of many kinds.
        if isinstance(error, OSError) and error.errno not in (None, *_BAD_NAME):
            raise
        raise ArchiveError(
            f"{archive} is truncated or damaged ({error}); compare its size with the "
            "original's or fetch it again. Nothing of it was kept"
        ) from error


def _members(
    archive: epath.Path, folder: str
) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
    """Yields the members of a tar with their content, to be read before the next."""
    limit = MAX_RATIO * archive.stat().length + _CHUNK
    declared = 0
    with archive.open("rb") as file:
        content: Any = gzip.GzipFile(fileobj=file)
        if file.read(2) != b"\x1f\x8b":
            content = file
        file.seek(0)
        content = _Limited(content, limit)
        with tarfile.open(fileobj=content, mode="r|", bufsize=_BUFFER) as tar:
            for number, member in enumerate(tar):
                declared += member.size
                _check_size(declared, limit)
                if number == MAX_FILES:
                    raise ArchiveError(f"holds more than {MAX_FILES} files")
                if not member.isdir() and (not member.isreg() or member.issparse()):
                    raise ArchiveError(f"holds a link or device, {member.name[:80]!r}")
                yield tarfile.data_filter(member, folder), tar.extractfile(member)
        while content.read(_CHUNK):  # Up to the checksum, if there is one.
            pass
        if content.end.strip(b"\0"):
            raise EOFError("the end is missing")


class _Limited:
    """A file of which no more can be read than `limit` bytes."""

    def __init__(self, file: Any, limit: int):
        self._file = file
        self._limit = limit
        self._num_bytes = 0
        self.end = b""

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        self._num_bytes += len(data)
        _check_size(self._num_bytes, self._limit)
        self.end = data[-tarfile.BLOCKSIZE :] or self.end
        return data


def _check_size(num_bytes: int, limit: int) -> None:
    if num_bytes > limit:
        raise ArchiveError(f"unpacks to more than {MAX_RATIO} times its size")
