"""Paths as users write them, files that appear whole, and the ends of JPEG files."""

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from typing import Any

from etils import epath

# First and last bytes of every JPEG.
JPEG_START = b"\xff\xd8"
JPEG_END = b"\xff\xd9"


def user_path(path: epath.PathLike) -> epath.Path:
    """Returns a path whose `~` is the user's home."""
    return epath.Path(path).expanduser()


@contextlib.contextmanager
def whole_file(path: epath.PathLike) -> Iterator[Any]:
    """Opens a file for writing bytes. It appears, or is replaced, once all is written.

    After an error everything is as it was. A link stays, and its file is replaced by
    one with the same mode. What is no regular file, such as /dev/stdout, is written to
    as it is.
    """
    path = user_path(path)
    if os.path.exists(path) and not os.path.isfile(path):
        with path.open("wb") as file:
            yield file
        return
    target = epath.Path(os.path.realpath(path)) if os.path.islink(path) else path
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        with partial.open("wb") as file:
            if os.path.exists(target):
                shutil.copymode(target, partial)
            yield file
        partial.replace(target)
    except OSError as error:
        if error.errno and error.filename in (None, str(partial)):
            error.filename = str(path)  # Name the file that was asked for.
        raise
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
