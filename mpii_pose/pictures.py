"""Pictures by Pillow: read in RGB, written as JPEG; damaged files are errors."""

import contextlib
import io
import threading
from collections.abc import Iterator
from typing import Any

import PIL.Image
import PIL.ImageFile

# Errors of Pillow for damaged files, files of unknown format, and giant ones.
UNREADABLE = (
    *(OSError, SyntaxError, ValueError, NotImplementedError),
    PIL.Image.DecompressionBombError,
)

_lock = threading.Lock()
_users = 0
_before = False


@contextlib.contextmanager
def refusing_truncated_images() -> Iterator[None]:
    """Makes truncated images errors; TFDS's first thumbnail makes Pillow read them.

    Pillow's flag is one for all threads; the last thread that leaves resets it.
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


def as_rgb(image: PIL.Image.Image) -> PIL.Image.Image:
    """Returns an image in RGB, itself if it is; 16 bits are scaled to 8.

    Raises:
        ValueError: The levels of black and white are unknown, as those of floats.
    """
    if image.mode == "RGB":
        image.load()  # `convert` would copy the pixels.
        return image
    # Older Pillows open 16-bit PNGs as 32-bit ones.
    is_16_bit = image.mode.startswith("I;16") or image.format == "PNG"
    if image.mode == "F" or (image.mode == "I" and not is_16_bit):
        raise ValueError(
            f"pixels of mode {image.mode}, whose black and white are not known: save "
            "it with 8 or 16 bits"
        )
    if is_16_bit and image.mode.startswith("I"):  # Pillow would clip, not scale.
        image = image.convert("I").point(lambda level: level / 257).convert("L")
    return image.convert("RGB")


def encode_jpeg(image: PIL.Image.Image, **options: Any) -> bytes:
    """Returns an image as a JPEG; `options` are Pillow's."""
    output = io.BytesIO()
    image.save(output, "JPEG", **options)
    return output.getvalue()
