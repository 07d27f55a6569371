"""Folders that are being made: by one process at a time, and not left lying about.

TFDS makes a folder as `incomplete.<letters>_<name>` and renames it once it is whole. It
removes the folder after an error, but a process that was killed leaves it behind.
"""

import contextlib
import os
import pathlib
import shutil
from collections.abc import Callable, Iterator

import tensorflow_datasets as tfds
from etils import epath

_UNFINISHED = "incomplete.??????_*"


@contextlib.contextmanager
def alone_in(
    folder: epath.PathLike, *, wait: bool = False, mine: epath.PathLike | None = None
) -> Iterator[None]:
    """Lets no other process make folders in `folder`, and removes what dead ones left.

    The lock is the kernel's, so it ends with the process, however that ends. Where
    there are no such locks (`gs://`, Windows), nothing is locked and nothing removed.

    Args:
        folder: A folder that exists.
        wait: Wait for a process that is at work there.
        mine: An unfinished folder in `folder` that this process made already.

    Raises:
        BlockingIOError: Another process is at work there; only if not to `wait`.
    """
    with contextlib.ExitStack() as stack:
        if _lock(folder, stack, wait=wait):
            for path in pathlib.Path(folder).glob(_UNFINISHED):
                if mine is None or path != pathlib.Path(mine):
                    _remove(path)
        yield


def make_once(folder: epath.PathLike, make: Callable[[epath.Path], None]) -> epath.Path:
    """Returns a folder, which is made if it is not there yet.

    Args:
        folder: The folder. It appears once it is whole.
        make: Fills the folder it is given.
    """
    folder = epath.Path(folder)
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with alone_in(folder.parent, wait=True):
            if not folder.exists():  # Another process may have made it meanwhile.
                with tfds.core.utils.incomplete_dir(folder) as partial:
                    make(epath.Path(partial))
    return folder


def _lock(folder: epath.PathLike, stack: contextlib.ExitStack, *, wait: bool) -> bool:
    """Locks a folder until `stack` ends; returns whether that could be done."""
    try:
        import fcntl

        descriptor = os.open(folder, os.O_RDONLY)
        stack.callback(os.close, descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError as error:
        raise BlockingIOError(
            f"Another process is making folders in {os.fspath(folder)}: wait for it to "
            "end, then call again"
        ) from error
    except (ImportError, OSError):
        return False
    return True


def _remove(path: pathlib.Path) -> None:
    files = (file for file in path.rglob("*") if file.is_file())
    size = tfds.core.units.Size(sum(file.stat().st_size for file in files))
    shutil.rmtree(path)
    print(f"Removed {path}: {size} left behind by a process that was killed")
