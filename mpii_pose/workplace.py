"""Locks folders, and makes folders that appear once they are whole.

A folder is made as `incomplete.<letters>_<name>`, as TFDS does, and renamed when it is
whole. Only a process that is killed leaves such a temporary folder behind. `lock` logs
its name and how to remove it; nothing that another process wrote is ever deleted.
"""

import contextlib
import errno
import os
import secrets
import shlex
from collections.abc import Callable, Iterator

import filelock
from absl import logging
from etils import epath

# TFDS's names of temporary folders.
TEMPORARY_FOLDERS = "incomplete.??????_*"
_LOCK = ".mpii_pose.lock"
_POLL_INTERVAL_S = 0.2


@contextlib.contextmanager
def lock(folder: epath.PathLike) -> Iterator[None]:
    """Locks a folder that exists, waiting for whoever has locked it.

    Logs a warning for each temporary folder there. Where locks are not supported
    (`gs://`) or not permitted, nothing is locked, and that is logged.
    """
    path = epath.Path(folder) / _LOCK
    with contextlib.ExitStack() as stack:
        if "://" in os.fspath(path):
            logging.info("No locks on %s: build there one at a time", folder)
        else:
            _acquire(path, stack)
        text = (
            "%s was left behind by a build that was killed, unless another host is "
            "writing it. If no build is running there, remove it: rm -r %s"
        )
        for left in path.parent.glob(TEMPORARY_FOLDERS):
            if left.is_dir():
                logging.warning(text, left, shlex.quote(os.fspath(left)))
        yield


def _acquire(path: epath.Path, stack: contextlib.ExitStack) -> None:
    """Acquires the lock on a file and lets `stack` release it."""
    file_lock = filelock.FileLock(os.fspath(path), mode=0o666)  # For other users, too.
    try:
        try:
            file_lock.acquire(timeout=0)
        except filelock.Timeout:
            logging.warning("Waiting for another build at work in %s", path.parent)
            file_lock.acquire(poll_interval=_POLL_INTERVAL_S)
    except (OSError, NotImplementedError) as error:
        text = "Cannot lock %s (%s): build there one at a time"
        logging.warning(text, path, error)
    else:
        stack.callback(file_lock.release)
        stack.callback(_unlink, path)


def _unlink(path: epath.Path) -> None:
    with contextlib.suppress(OSError):  # Windows keeps files that are open.
        path.unlink(missing_ok=True)


def is_there_already(error: OSError) -> bool:
    """Returns whether a folder was not renamed because its new name is taken."""
    return isinstance(error, FileExistsError) or error.errno == errno.ENOTEMPTY


def make_once(folder: epath.PathLike, make: Callable[[epath.Path], None]) -> epath.Path:
    """Returns a folder, which is made unless it is there, and appears once it is whole.

    `make` fills the temporary folder that it is given.
    """
    folder = epath.Path(folder)
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = _temporary(folder)
    with lock(folder.parent):
        if folder.exists():  # Another process made it while we waited.
            return folder
        try:
            partial.mkdir()
            make(partial)
            partial.rename(folder)
        except OSError as error:
            # A host that does not see our lock may have made it.
            if not (is_there_already(error) and folder.exists()):
                raise
        finally:
            partial.rmtree(missing_ok=True)
    return folder


def remove_in_use(folder: epath.PathLike) -> None:
    """Removes a folder in which others still write.

    It is renamed first: no file can then be made in it while it is emptied. `gs://`,
    where a file needs no folder, is left as it is.
    """
    folder = epath.Path(folder)
    if "://" not in os.fspath(folder):
        renamed = folder.rename(_temporary(folder))
        renamed.rmtree(missing_ok=True)


def _temporary(folder: epath.Path) -> epath.Path:
    return folder.with_name(f"incomplete.{secrets.token_hex(3)}_{folder.name}")
