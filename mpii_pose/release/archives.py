"""Extracts archives that strangers made: .tar, .tar.gz and .zip, told by their content.

TFDS's own extraction holds whole files in memory, as many as its disk is behind, lets
an archive unpack to any size, and takes an archive for another that had its name. Here
files are copied in small pieces, and what an archive may ask for is limited: names
inside the folder, plain files, each once, not too many, not too large in all.
"""

import dataclasses
import errno
import functools
import gzip
import hashlib
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any, Final

import tensorflow_datasets as tfds
from etils import epath

from mpii_pose import workplace as unfinished

# MPII's images are 24,984 files; JPEG files hardly shrink, annotations tenfold.
MAX_FILES: Final = 100_000
MAX_RATIO: Final = 100
MAX_HEADER_BYTES: Final = 1 << 20  # Of one file in a tar.
MAX_ZIP_LIST_BYTES: Final = 8 << 20

_CHUNK: Final = 1 << 20
_ZIP_END_BYTES: Final = 22
_BUFFER: Final = 1 << 18  # Well below what headers are allowed.
_DAMAGE: Final = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError),
    *(NotImplementedError, RuntimeError, ValueError),
)
# Files whose names make them folders as well, and errors that are not the system's.
_ARCHIVES_FAULT: Final = (errno.EEXIST, errno.EISDIR, errno.ENOTDIR, None)


class ArchiveError(ValueError):
    """An archive is damaged, or asks for what no release needs."""


@dataclasses.dataclass(frozen=True)
class _Member:
    name: str
    kind: str
    size: int
    open: Callable[[], IO[bytes] | None]


def extract(archive: epath.PathLike, extract_dir: epath.PathLike) -> epath.Path:
    """Returns a folder with the content of an archive, extracted unless it was before.

    Args:
        archive: The archive.
        extract_dir: Where to make the folder, named after the archive and its content.

    Raises:
        ArchiveError: The archive is refused; the message names it and the reason.
        OSError: The disk is full.
    """
    archive = epath.Path(archive)
    folder = epath.Path(extract_dir) / f"{archive.name}.{_fingerprint(archive)}"
    return unfinished.make_once(folder, lambda partial: _extract(archive, partial))


def _fingerprint(archive: epath.Path) -> str:
    """Tells archives of one name apart, by size, time, and their end with checksums."""
    status = archive.stat()
    with archive.open("rb") as file:
        file.seek(max(0, status.length - _CHUNK))
        end = file.read()
    text = f"{status.length} {status.mtime} ".encode()
    return hashlib.sha256(text + end).hexdigest()[:12]


def _extract(archive: epath.Path, folder: epath.Path) -> None:
    print(f"Extracting {archive}")
    left = MAX_RATIO * archive.stat().length + _CHUNK
    names: set[str] = set()
    try:
        with archive.open("rb") as file:
            for member in _members(file):
                name = _checked_name(member)
                if name in names and member.kind != "folder":
                    raise ArchiveError(f"holds {name!r} twice")
                if len(names) == MAX_FILES:
                    raise ArchiveError(f"holds more than {MAX_FILES} files")
                left -= member.size
                if left < 0 or member.size < 0:
                    raise ArchiveError(
                        f"unpacks to more than {MAX_RATIO} times its size"
                    )
                names.add(name)
                _write(member, folder, name)
    except ArchiveError as error:
        raise ArchiveError(
            f"{archive} {error}; no release does. Nothing of it was kept"
        ) from None
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.errno not in _ARCHIVES_FAULT:
            raise  # The disk's fault.
        raise ArchiveError(
            f"{archive} is truncated or damaged ({error}); compare its size with the "
            "original's or fetch it again. Nothing of it was kept"
        ) from error


def _checked_name(member: _Member) -> str:
    """Returns the name of a member in a form that stays in the folder."""
    parts = [part for part in member.name.split("/") if part not in ("", ".")]
    if (
        member.name.startswith("/")
        or ".." in parts
        or any(len(part.encode()) > 255 for part in parts)
        or not member.name.isprintable()
        or any(mark in member.name for mark in "\\:")
    ):
        raise ArchiveError(f"holds a file outside its folder, {member.name[:80]!r}")
    if member.kind not in ("file", "folder"):
        raise ArchiveError(f"holds a {member.kind}, {member.name[:80]!r}")
    return "/".join(parts)


def _write(member: _Member, folder: epath.Path, name: str) -> None:
    path = folder / name
    if member.kind == "folder":
        path.mkdir(parents=True, exist_ok=True)
        return
    if not tfds.core.utils.has_sufficient_disk_space(member.size, folder):
        raise OSError(errno.ENOSPC, "Not enough disk space to extract", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    left = member.size
    source = member.open()
    if source is None:
        raise EOFError(f"no content of {member.name}")
    with source, path.open("wb") as file:
        while chunk := source.read(min(_CHUNK, left + 1)):
            left -= len(chunk)
            if left < 0:
                break
            file.write(chunk)
    if left:
        raise EOFError(f"{member.name} is not {member.size} bytes long")


def _members(file: IO[bytes]) -> Iterator[_Member]:
    start = file.read(4)
    file.seek(0)
    if start.startswith(b"PK"):
        return _zip_members(file)
    if start.startswith(b"\x1f\x8b"):
        return _tar_members(gzip.GzipFile(fileobj=file))
    return _tar_members(file)


def _zip_members(file: IO[bytes]) -> Iterator[_Member]:
    _check_zip_directory(file)
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            mode = stat.S_IFMT(info.external_attr >> 16)
            kind = "folder" if info.is_dir() else "file"
            if mode not in (0, stat.S_IFREG, stat.S_IFDIR):
                kind = "link or device"
            content = functools.partial(archive.open, info)
            yield _Member(info.filename, kind, info.file_size, content)


def _check_zip_directory(file: IO[bytes]) -> None:
    """Looks at how long the list of files is, before `zipfile` reads it as a whole."""
    length = file.seek(0, 2)
    file.seek(max(0, length - (1 << 16) - _ZIP_END_BYTES))
    tail = file.read()
    # Where zipfile looks: without a comment behind it, else the last one.
    at = len(tail) - _ZIP_END_BYTES
    if not tail[max(at, 0) :].startswith(b"PK\5\6"):
        at = tail.rfind(b"PK\5\6")
    if at < 0:
        return  # No zip, as zipfile will say.
    num_bytes = int.from_bytes(tail[at + 12 : at + 16], "little")
    is_zip64 = tail[max(0, at - 20) : at].startswith(b"PK\6\7")
    if num_bytes > MAX_ZIP_LIST_BYTES or is_zip64:
        raise ArchiveError(f"holds more than {MAX_FILES} files")


class _Limited:
    """A file of which no more can be read than was allowed."""

    def __init__(self, file: IO[bytes]):
        self._file = file
        self.allowed = MAX_HEADER_BYTES
        self.end = b""

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        self.allowed -= len(data)
        if self.allowed < 0:
            raise ArchiveError("has headers that are longer than any file's")
        self.end = data[-tarfile.BLOCKSIZE :] or self.end
        return data


def _tar_members(file: Any) -> Iterator[_Member]:
    limited: Any = _Limited(file)
    archive: Any
    with tarfile.open(fileobj=limited, mode="r|", bufsize=_BUFFER) as archive:
        for info in archive:
            kind = "folder" if info.isdir() else "link or device"
            if info.isreg() and not info.issparse():
                kind = "file"
            limited.allowed = info.size + MAX_HEADER_BYTES
            content = functools.partial(archive.extractfile, info)
            yield _Member(info.name, kind, info.size, content)
            archive.members = []  # It would keep them all.
            limited.allowed = MAX_HEADER_BYTES
    limited.allowed = MAX_HEADER_BYTES
    while limited.read(_CHUNK):  # Up to the checksum, if there is one.
        pass
    if limited.end.strip(b"\0"):
        raise EOFError("the end is missing")
