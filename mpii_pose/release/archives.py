"""Reads the official archives: a tar of images and a zip of annotations.

`tarfile` and `zipfile` keep names inside the folder. Added here: plain files only, a
limit to what is unpacked, reading to the end, where the checksums are, and a folder
that appears once it is whole. TFDS's own extraction holds whole files in memory, and
takes an archive for another that had its name.
"""

import contextlib
import errno
import gzip
import hashlib
import pathlib
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from typing import IO, Any, Final

from etils import epath, epy

from mpii_pose import workplace
from mpii_pose.checks import MpiiPoseError

with epy.lazy_imports():  # Reading needs no TFDS.
    from mpii_pose import progress, tfds_private

# JPEG files hardly shrink, annotations tenfold.
_MAX_RATIO: Final = 100
_CHUNK: Final = 1 << 20
_BUFFER: Final = 1 << 18
# Errors of the system that come of the names in an archive.
_BAD_NAME: Final = (
    *(errno.EEXIST, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EINVAL),
)


class ArchiveError(MpiiPoseError):
    """An archive is damaged, or asks for what no release needs."""


def extract(archive: epath.PathLike, extract_dir: epath.PathLike) -> epath.Path:
    """Returns a folder with the files of a tar archive, extracted unless it is there.

    The archive is a .tar or .tar.gz, recognised by its content. The folder is named
    after the archive and its content.

    Raises:
        ArchiveError: The archive is refused; the message names it and the reason.
        OSError: The disk is full, or the archive cannot be opened.
    """
    archive = epath.Path(archive)

    def fill(folder: epath.Path) -> None:
        size = archive.stat().length
        if not tfds_private.has_sufficient_disk_space(size, folder):
            text = f"Not enough disk space to extract {size / 1e9:.1f} GB"
            raise OSError(errno.ENOSPC, text, str(folder))
        shown = progress.bar(
            total=size, desc=f"Extracting {archive.name}", unit="B", unit_scale=True
        )
        with _refusing(archive), shown as bar:
            for member, content in _members(archive, str(folder)):
                path = folder / member.name
                (path.parent if content else path).mkdir(parents=True, exist_ok=True)
                if content:
                    with path.open("wb") as file:
                        shutil.copyfileobj(content, file, _CHUNK)
                bar.update(member.size)  # JPEG files hardly shrink.

    return workplace.make_once(folder_of(archive, extract_dir), fill)


def folder_of(archive: epath.PathLike, extract_dir: epath.PathLike) -> epath.Path:
    """Returns the folder that an archive is extracted to."""
    archive = epath.Path(archive)
    size = archive.stat().length
    with archive.open("rb") as file:
        # Archives of one name differ in size, start, or end with checksums.
        start = file.read(_CHUNK)
        file.seek(max(0, size - _CHUNK))
        digest = hashlib.sha256(b"%d %b %b" % (size, start, file.read())).hexdigest()
    return epath.Path(extract_dir) / f"{archive.name}.{digest[:12]}"


def list_files(archive: epath.PathLike) -> list[str]:
    """Reads a tar archive to its end, as `extract` does; returns the names of files."""
    archive = epath.Path(archive)
    with _refusing(archive):
        return [m.name for m, content in _members(archive, "/files") if content]


def find_in_zip(archive: epath.PathLike, file_name: str) -> zipfile.Path:
    """Returns a file in any folder of a zip archive, to be read there."""
    archive = epath.Path(archive)
    with _refusing(archive):
        content = zipfile.ZipFile(archive.open("rb"))
        for info in content.infolist():
            if pathlib.PurePosixPath(info.filename).name == file_name:
                # `zipfile` reads no more than that.
                _check_size(info.file_size, _MAX_RATIO * archive.stat().length)
                return zipfile.Path(content, info.filename)
        raise ArchiveError(f"holds no {file_name}")


@contextlib.contextmanager
def _refusing(archive: epath.Path) -> Iterator[None]:
    """Makes an ArchiveError that names the archive of each error but the disk's."""
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
    with archive.open("rb") as file:
        is_packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        limit = _MAX_RATIO * archive.stat().length + _CHUNK
        content: Any = _Limited(
            gzip.GzipFile(fileobj=file) if is_packed else file, limit
        )
        with tarfile.open(fileobj=content, mode="r|", bufsize=_BUFFER) as tar:
            for member in tar:
                _check_size(member.offset_data + member.size, limit)
                if not member.isdir() and (not member.isreg() or member.issparse()):
                    raise ArchiveError(f"holds a link or device, {member.name[:80]!r}")
                yield tarfile.data_filter(member, folder), tar.extractfile(member)
        while content.read(_CHUNK):  # Up to the checksum, if there is one.
            pass
        if content.end.strip(b"\0"):
            raise EOFError("the end is missing")


class _Limited:
    """A file of which no more than `limit` bytes can be read."""

    def __init__(self, file: Any, limit: int):
        self._file, self._limit, self._num_bytes = file, limit, 0
        self.end = b""

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        self._num_bytes += len(data)
        _check_size(self._num_bytes, self._limit)
        self.end = data[-tarfile.BLOCKSIZE :] or self.end
        return data


def _check_size(num_bytes: int, limit: int) -> None:
    if num_bytes > limit:
        raise ArchiveError(f"unpacks to more than {_MAX_RATIO} times its size")
