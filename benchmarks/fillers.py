"""JPEG files of a wanted size in bytes, for measuring with files like MPII's."""

import functools
import io

import numpy as np
from PIL import Image

_QUALITIES = (5, 15, 30, 45, 60, 70, 78, 84, 89, 93, 96, 98)
# Comments go behind the first two segments, start of image and JFIF header.
_COMMENT_OFFSET = 20
_COMMENT_HEADER = 4
_COMMENT_BYTES = 65_533


def filler_image(size: tuple[int, int], *, num_bytes: int, seed: int) -> bytes:
    """Makes a JPEG of noise, quickly: the pixels are drawn once for each image size.

    A mirror of the real release, 17,408 images of 9 GB in all, takes minutes. Decoding
    costs what a photo of that many bytes costs: pixels make up most of the file.

    Args:
        size: (height, width) in px.
        num_bytes: Size of the file; `MPII_BYTES_PER_PIXEL` a pixel is like MPII.
        seed: Makes files differ.

    Returns:
        The file, a whole RGB JPEG.

    Raises:
        ValueError: The size in bytes is too small for the size in pixels.
    """
    encoded = noise_jpegs(*size)
    fitting = [jpeg for jpeg in encoded if _fits(jpeg, num_bytes)]
    return _pad((fitting or encoded[:1])[-1], num_bytes=num_bytes, seed=seed)


@functools.lru_cache(maxsize=16)
def noise_jpegs(height: int, width: int) -> list[bytes]:
    """The same noise over soft patches, from the poorest to the best quality."""
    rng = np.random.default_rng(0)
    patches = Image.fromarray(rng.integers(60, 196, (5, 8, 3), np.uint8))
    soft = patches.resize((width, height), Image.Resampling.BICUBIC)
    noise = rng.integers(-30, 31, (height, width, 1), np.int16)
    image = Image.fromarray((np.asarray(soft) + noise).clip(0, 255).astype(np.uint8))
    files = [io.BytesIO() for _ in _QUALITIES]
    for file, quality in zip(files, _QUALITIES, strict=True):
        image.save(file, "JPEG", quality=quality)
    return [file.getvalue() for file in files]


def _fits(jpeg: bytes, num_bytes: int) -> bool:
    left = num_bytes - len(jpeg)
    return left == 0 or left >= _COMMENT_HEADER


def _pad(jpeg: bytes, *, num_bytes: int, seed: int) -> bytes:
    """Inserts comments of random bytes up to the wanted size."""
    if not _fits(jpeg, num_bytes):
        raise ValueError(
            f"an image of this size takes {len(jpeg)} bytes or more as a JPEG, got "
            f"num_bytes = {num_bytes}"
        )
    rng = np.random.default_rng(seed)
    comments = []
    left = num_bytes - len(jpeg)
    while left > 0:
        # A last comment needs room for its own header.
        longest = _COMMENT_BYTES + _COMMENT_HEADER
        size = left if left <= longest else min(longest, left - _COMMENT_HEADER)
        text = rng.bytes(size - _COMMENT_HEADER)
        comments.append(b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text)
        left -= size
    head, body = jpeg[:_COMMENT_OFFSET], jpeg[_COMMENT_OFFSET:]
    return b"".join((head, *comments, body))
