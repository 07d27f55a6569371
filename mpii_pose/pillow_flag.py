"""Pillow's flag for truncated images, which TFDS switches on for the whole process."""

import contextlib
import threading
from collections.abc import Iterator

import PIL.ImageFile

_lock = threading.Lock()
_users = 0
_before = False


@contextlib.contextmanager
def refusing_truncated_images() -> Iterator[None]:
    """Makes damaged images errors, whatever TFDS did once it had shown an image.

    The flag is as it was once the last of all threads has left.
    """
    global _users, _before
    with _lock:
        if not _users:
            _before = PIL.ImageFile.LOAD_TRUNCATED_IMAGES
            PIL.ImageFile.LOAD_TRUNCATED_IMAGES = False
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users:
                PIL.ImageFile.LOAD_TRUNCATED_IMAGES = _before
