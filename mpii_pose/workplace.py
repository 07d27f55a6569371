"""Folders that are made by one process or thread at a time and appear once whole.

A folder is made as `incomplete.<letters>_<name>`, as TFDS does, and renamed. Only a
process that is killed leaves such a temporary folder behind. The note beside it says
whose it is, as locks are not seen from every host that shares a file system: a folder
is removed only if its process ran on this host and is gone.
"""

import contextlib
import dataclasses
import errno
import json
import os
import secrets
import socket
from collections.abc import Callable, Iterator
from typing import IO

import psutil
from absl import logging
from etils import epath

# TFDS's names of temporary folders.
TEMPORARY_FOLDERS = "incomplete.??????_*"
_NOTE = ".owner"
_LOCK = ".mpii_pose.lock"


@dataclasses.dataclass(frozen=True)
class Owner:
    """A process, as it signs its locks and temporary folders.

    Attributes:
        host: Name of the host that it runs on.
        pid: Its id there.
        started: When it started, in seconds since 1970; ids are used again.
        boot: Id of the boot of its host's kernel, as names of hosts are used again too,
            and of the container that numbers its processes; "" where there are none.
    """

    host: str
    pid: int
    started: float
    boot: str = ""

    @classmethod
    def this_process(cls) -> "Owner":
        """Returns the process that asks."""
        started = psutil.Process().create_time()
        host, boot = _this_host()
        return cls(host=host, pid=os.getpid(), started=started, boot=boot)

    @classmethod
    def read(cls, path: epath.PathLike) -> "Owner | None":
        """Reads a note; None if there is none or it is cut off."""
        try:
            return cls(**json.loads(epath.Path(path).read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def to_json(self) -> str:
        """Returns a note."""
        return json.dumps(dataclasses.asdict(self))

    def is_gone(self) -> bool:
        """Whether this host says that the process ended; of others it cannot know."""
        if (self.host, self.boot) != _this_host():
            return False
        try:
            process = psutil.Process(self.pid)
            # The clock may have been set a little meanwhile.
            is_another = abs(process.create_time() - self.started) > 1
            return is_another or process.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    def __str__(self) -> str:
        return f"process {self.pid} on host {self.host}"


def _this_host() -> tuple[str, str]:
    """Returns the host's name, and the ids of its boot and its processes' numbers."""
    boot = ""
    with contextlib.suppress(OSError):
        boot = epath.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        boot += " " + os.readlink("/proc/self/ns/pid")
    return socket.gethostname(), boot


@contextlib.contextmanager
def lock(folder: epath.PathLike) -> Iterator[None]:
    """Holds a lock on a folder, waiting for another process or thread that has it.

    Temporary folders that killed processes of this host left there are removed. Where
    there are no locks (`gs://`, Windows), nothing is locked and nothing removed.

    Args:
        folder: A folder that exists.
    """
    path = epath.Path(folder) / _LOCK
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(_open_locked(path))
        except (ImportError, OSError) as error:
            logging.info("No lock on %s (%s): build there one at a time", folder, error)
        else:
            stack.callback(path.unlink, missing_ok=True)
            file.truncate(0)
            file.write(Owner.this_process().to_json())
            file.flush()
            _remove_temporary_folders(epath.Path(folder))
        yield


@contextlib.contextmanager
def signed(temporary: epath.PathLike) -> Iterator[None]:
    """Keeps a note beside a temporary folder or file that says whose it is.

    Raises:
        BlockingIOError: The note of another process is there, which may be running.
    """
    path = epath.Path(temporary)
    note = path.with_name(path.name + _NOTE)
    owner = Owner.read(note)
    if note.exists() and not (owner and owner.is_gone()):
        raise BlockingIOError(
            f"{owner or 'A process of an unknown host'} may be writing {path}. If it "
            f"is not running any more, go on there: rm {note}"
        )
    note.write_text(Owner.this_process().to_json())
    try:
        yield
    finally:
        if not path.is_dir():  # Else it could not be removed, and is still ours.
            note.unlink(missing_ok=True)


def is_there_already(error: OSError) -> bool:
    """Whether a folder was not renamed because another has made it meanwhile."""
    return isinstance(error, FileExistsError) or error.errno == errno.ENOTEMPTY


def make_once(folder: epath.PathLike, make: Callable[[epath.Path], None]) -> epath.Path:
    """Returns a folder, which is made if it is not there yet.

    Args:
        folder: The folder. It appears once it is whole.
        make: Fills the folder it is given.
    """
    folder = epath.Path(folder)
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(f"incomplete.{secrets.token_hex(3)}_{folder.name}")
    with lock(folder.parent):
        if not folder.exists():  # Another process may have made it meanwhile.
            with signed(partial):
                try:
                    partial.mkdir()
                    make(partial)
                    _rename(partial, folder)
                finally:
                    partial.rmtree(missing_ok=True)
    return folder


def _rename(partial: epath.Path, folder: epath.Path) -> None:
    """Renames; where locks are not seen, another may have made the folder meanwhile."""
    try:
        partial.rename(folder)
    except OSError as error:
        if not is_there_already(error):
            raise


def _open_locked(path: epath.Path) -> IO[str]:
    """Opens a file with the kernel's lock, which ends with the process at the latest.

    A folder itself cannot be locked on NFS, only a file that is open for writing.
    """
    import fcntl

    while True:
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(open(path, "a"))
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                owner = Owner.read(path) or "another process"
                logging.warning("Waiting for %s, at work in %s", owner, path.parent)
                fcntl.flock(file, fcntl.LOCK_EX)
            with contextlib.suppress(FileNotFoundError):
                # Who had the lock before us has removed the file.
                if os.path.samestat(os.stat(path), os.fstat(file.fileno())):
                    stack.pop_all()
                    return file


def _remove_temporary_folders(parent: epath.Path) -> None:
    """Removes what killed processes of this host left; names what others may have."""
    for note in parent.glob(TEMPORARY_FOLDERS + _NOTE):
        owner = Owner.read(note)
        if owner and owner.is_gone():
            path = note.with_name(note.name.removesuffix(_NOTE))
            try:
                path.rmtree(missing_ok=True)
                note.unlink()
            except OSError as error:  # Of another user.
                text = "Cannot remove %s, left behind by %s, which was killed: %s"
                logging.warning(text, path, owner, error)
            else:
                text = "Removed %s, left behind by %s, which was killed"
                logging.info(text, path, owner)
    for path in parent.glob(TEMPORARY_FOLDERS):
        if path.is_dir():
            owner = Owner.read(path.with_name(path.name + _NOTE))
            logging.warning(
                "Left %s alone, as %s may be writing it. If no build is running there, "
                "remove it: rm -r %s*",
                *(path, owner or "a process of an unknown host", path),
            )
