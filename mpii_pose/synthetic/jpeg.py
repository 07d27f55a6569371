"""JPEG files of a wanted size in bytes, for measuring with files like MPII's."""

import functools
import io

import numpy as np
from PIL import Image

# Mean of the real images: 516 KB at 1.12 megapixels.
MPII_BYTES_PER_PIXEL = 0.46

_QUALITIES = (5, 15, 30, 45, 60, 70, 78, 84, 89, 93, 96, 98)
# Comments go behind the first two segments, start of image and JFIF header.
_COMMENT_OFFSET = 20
_COMMENT_HEADER = 4
_COMMENT_BYTES = 65_533


def encode_jpeg(image: Image.Image, *, quality: int) -> bytes:
    """Encodes an RGB image with PIL's own choice of subsampling."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return file.getvalue()


def fit_jpeg(image: Image.Image, *, num_bytes: int, seed: int) -> bytes:
    """Encodes an image into a file of exactly the wanted size.

    The best quality that fits is taken; a comment fills what is left.

    Args:
        image: RGB image.
        num_bytes: Size of the file.
        seed: Seed of the comment.

    Returns:
        The file.

    Raises:
        ValueError: Not even the poorest quality fits.
    """
    low, high = 0, len(_QUALITIES)
    best = encode_jpeg(image, quality=_QUALITIES[0])
    while high - low > 1:
        middle = (low + high) // 2
        encoded = encode_jpeg(image, quality=_QUALITIES[middle])
        if _fits(encoded, num_bytes):
            low, best = middle, encoded
        else:
            high = middle
    return _pad(best, num_bytes=num_bytes, seed=seed)


def filler_image(size: tuple[int, int], *, num_bytes: int, seed: int) -> bytes:
    """Makes a JPEG of noise, quickly: the pixels are drawn once for each image size.

    A mirror of the real release, 17,408 images of 9 GB in all, takes minutes. Decoding
    costs what a photo of that many bytes costs: pixels make up most of the file.

    Args:
        size: (height, width) in px.
        num_bytes: Size of the file; about `MPII_BYTES_PER_PIXEL` a pixel is like MPII.
        seed: Makes files differ.

    Returns:
        The file, a whole RGB JPEG.

    Raises:
        ValueError: The size in bytes is too small for the size in pixels.
    """
    encoded = _noise_jpegs(*size)
    fitting = [jpeg for jpeg in encoded if _fits(jpeg, num_bytes)]
    return _pad((fitting or encoded[:1])[-1], num_bytes=num_bytes, seed=seed)


@functools.lru_cache(maxsize=16)
def _noise_jpegs(height: int, width: int) -> list[bytes]:
    """The same noise over soft patches, from the poorest to the best quality."""
    rng = np.random.default_rng(0)
    patches = Image.fromarray(rng.integers(60, 196, (5, 8, 3), np.uint8))
    soft = patches.resize((width, height), Image.Resampling.BICUBIC)
    noise = rng.integers(-30, 31, (height, width, 1), np.int16)
    image = Image.fromarray((np.asarray(soft) + noise).clip(0, 255).astype(np.uint8))
    return [encode_jpeg(image, quality=quality) for quality in _QUALITIES]


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
