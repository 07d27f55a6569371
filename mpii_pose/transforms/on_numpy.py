"""Transforms arrays, by NumPy and OpenCV, without TensorFlow: a `library.Library`.

Examples are transformed in batches, also a single one: formulas on small arrays take
about as long for many people as for one.
"""

import functools
import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import simplejpeg

from mpii_pose.checks import MpiiPoseError, not_installed
from mpii_pose.files import JPEG_END, JPEG_START
from mpii_pose.transforms import library
from mpii_pose.transforms.arrays import as_arrays, as_text
from mpii_pose.transforms.geometry import RATIOS, find_window
from mpii_pose.transforms.library import Check, Person

xp = np

# Pillow's limit: larger ones are taken for attacks.
MAX_PIXELS = 178_956_970

# Headers of JPEGs whose rows come from top to bottom, and what follows all headers.
_ROW_BY_ROW = (b"\xff\xc0", b"\xff\xc1")
_SCAN = b"\xff\xda"

# uint8 [h, w, 3], a part of an image, and float32 [2, 3], the map from crop pixels to
# its pixels.
PixelWindow = tuple[np.ndarray, np.ndarray]


def call(function: Callable[..., Any], *arguments: Any) -> Any:
    """Calls a function."""
    return function(*arguments)


def compiled(function: Callable[..., Any], *options: Any) -> Callable[..., Any]:
    """Returns a function of arrays alone."""
    return functools.partial(function, *options)


def as_feature(value: Any, shape: tuple[int, ...]) -> tuple[np.ndarray, bool]:
    """Returns a value as an array, and whether it has the shape."""
    if not isinstance(value, np.ndarray | np.generic):
        _, value = as_arrays(value)
        value = np.asarray(value)
    return value, value.shape == shape


def as_image(image: Any) -> tuple[bytes | np.ndarray, bool]:
    """Returns bytes or an array, and whether it can be an image."""
    if isinstance(image, bytes | bytearray | memoryview):
        return bytes(image), True
    image = np.asarray(image)
    if image.shape == () and isinstance(image.item(), bytes):
        return image.item(), True
    return image, image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3


def image_check(image: bytes | np.ndarray) -> Check:
    """Checks that bytes begin and end as a JPEG, or that there are any pixels."""
    if not isinstance(image, bytes):
        return image.size > 0, lambda: ["image is empty: shape", list(image.shape)]
    other = library.PNG if image.startswith(library.PNG_START) else library.BROKEN
    is_whole = image.startswith(JPEG_START) and image.endswith(JPEG_END)
    return is_whole, lambda: [other if image else library.EMPTY]


def verified(person: Person, checks: list[Check]) -> Person:
    """Returns the person, or raises ValueError with the first check that fails."""
    for good, parts in checks:
        if not good:
            where = _where(person.image_name, person.index)
            raise MpiiPoseError(" ".join(map(str, [*parts(), where])))
    return person


def joined(people: list[Person]) -> Person:
    """Returns people as a batch."""
    columns: dict[str, Any] = {}
    for name, *values in zip(Person._fields, *people, strict=True):
        num_absent = sum(value is None for value in values)
        if num_absent not in (0, len(values)):
            raise ValueError(
                f"a list needs examples of one dataset, got {len(values)}, of which "
                f"{num_absent} have no {name}"
            )
        if name in ("image", "image_name"):
            columns[name] = values
        elif not num_absent:
            columns[name] = np.array(values)
    return Person(**columns)


def split(features: Any) -> list[Any]:
    """Returns the examples of a batch, of tuples, dicts, arrays and lists."""
    if isinstance(features, dict):
        rows = zip(*map(split, features.values()), strict=True)
        return [dict(zip(features, row, strict=True)) for row in rows]
    if isinstance(features, tuple):
        return list(zip(*map(split, features), strict=True))
    return list(features)


def random_seed(person: Person, seed: int | None) -> np.ndarray:
    """Returns the seeds of a batch, uint32 [B, n], see `library.Library`."""
    num_people = len(person.index)
    if seed is not None:
        seeds = np.full(num_people, seed & 0xFFFFFFFFFFFFFFFF, np.uint64)
        places = np.array([person.index, person.epoch], np.int64).view(np.uint64)
        return np.column_stack([seeds, *places]).view(np.uint32)
    if person.draw_seed is not None:
        return person.draw_seed.astype(np.int64)[:, None].view(np.uint32)
    # In forks too, others each time.
    return np.frombuffer(os.urandom(16 * num_people), np.uint32).reshape(num_people, 4)


def random_numbers(
    seed: Any, normals: int, uniforms: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns float32 [..., normals] of N(0, 1) and [..., uniforms] of [0, 1)."""
    if np.ndim(seed) == 2:
        numbers = [random_numbers(each, normals, uniforms) for each in seed]
        normal, uniform = zip(*numbers, strict=True)
        return np.array(normal), np.array(uniform)
    generator = np.random.Generator(np.random.Philox(np.random.SeedSequence(seed)))
    return (
        generator.standard_normal(normals, np.float32),
        generator.random(uniforms, np.float32),
    )


def read_window(
    person: Person, crop_to_image: np.ndarray, size: tuple[int, int], antialias: bool
) -> Iterator[PixelWindow]:
    """Reads the parts of images that crops show, at fitting scales, one by one."""
    where = list(map(_where, person.image_name, person.index))
    sizes = list(map(_size, person.image, where))
    boxes, exponents, crop_to_windows = find_window(
        np, np.array(sizes, np.float32), crop_to_image, size, antialias
    )
    ratios = np.take(RATIOS, exponents).tolist()
    pixels = map(_read, person.image, sizes, boxes.tolist(), ratios, where)
    return zip(pixels, crop_to_windows, strict=True)


def warp(
    windows: Iterator[PixelWindow],
    size: tuple[int, int],
    finish: Callable[..., Any],
    *arguments: Any,
) -> list[Any]:
    """Interpolates windows' pixels at those of crops, and finishes them."""
    return [
        finish(_warped(window, size), *values)
        for window, *values in zip(windows, *arguments, strict=True)
    ]


def _warped(window: PixelWindow, size: tuple[int, int]) -> np.ndarray:
    """Returns a crop, uint8 [height, width, 3].

    OpenCV before version 5 rounds positions to 1/32 px.
    """
    cv2, (pixels, crop_to_window) = _opencv(), window
    crop: np.ndarray = cv2.warpAffine(
        pixels,
        crop_to_window,
        size[::-1],
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
    )
    return crop


@functools.cache
def _opencv() -> Any:
    """Imports OpenCV, whichever package it is of.

    Its threads are switched off, in the whole process: crops are too small for them,
    loaders have workers of their own, and a forked worker would wait for them for ever.
    """
    try:
        import cv2
    except ModuleNotFoundError as error:
        raise not_installed("a transform of arrays", error) from None
    cv2.setNumThreads(0)
    # Linux' malloc gives freed memory back in pieces of up to twice the largest block
    # that was ever freed: without a large one, each image would get its memory anew.
    np.empty(2**25 - 2**16, np.uint8)
    return cv2


def _size(image: bytes | np.ndarray, where: str) -> tuple[int, ...]:
    """Reads height and width; giant images are errors."""
    if not isinstance(image, bytes):
        return image.shape[:2]
    try:
        height, width, *_ = simplejpeg.decode_jpeg_header(image, strict=False)
    except (ValueError, KeyError) as error:  # KeyError: of a cut header.
        raise _undecodable(f"no header: {error}", where) from error
    if height * width > MAX_PIXELS:
        raise _undecodable(f"{width} x {height} px are too many", where)
    return height, width


def _read(
    image: bytes | np.ndarray,
    size: tuple[int, ...],
    box: list[int],
    ratio: int,
    where: str,
) -> np.ndarray:
    """Reads a box of an image at 1 / ratio of its size."""
    top, left, height, width = box
    bottom = min((top + height) * ratio, size[0])
    if isinstance(image, bytes):
        data = image if bottom == size[0] else _cut(image, bottom)
        frame = _decoded(data, bottom, size[1], ratio, where)
        return frame[top : top + height, left : left + width]
    pixels = image[top * ratio : bottom, left * ratio : (left + width) * ratio]
    return _averaged(np.ascontiguousarray(pixels), height, width, ratio)


def _cut(data: bytes, num_rows: int) -> bytes | bytearray:
    """Returns a JPEG that ends after some rows: no decoder looks at what is below.

    A decoder goes from row to row and cannot skip any, but it stops at the height that
    the header says. Progressive images, of which each pass has all rows, stay whole.
    """
    place = len(JPEG_START)
    while (marker := data[place : place + 2]) not in _ROW_BY_ROW:
        if marker[:1] != b"\xff" or marker == _SCAN:
            return data
        place += 2 + int.from_bytes(data[place + 2 : place + 4])
    cut = bytearray(data)
    cut[place + 5 : place + 7] = num_rows.to_bytes(2)
    return cut


def _decoded(
    data: bytes | bytearray, height: int, width: int, ratio: int, where: str
) -> np.ndarray:
    """Decodes a JPEG at 1 / ratio of its size, uint8 [H, W, 3]."""
    try:
        frame: np.ndarray = simplejpeg.decode_jpeg(
            data,
            min_height=-(-height // ratio),
            min_width=-(-width // ratio),
            strict=False,
        )
    except ValueError as error:
        raise _undecodable(str(error), where) from error
    return frame


def _averaged(pixels: np.ndarray, height: int, width: int, ratio: int) -> np.ndarray:
    """Returns the means of blocks of pixels, of which the last repeat the border."""
    if ratio == 1:
        return pixels
    cv2 = _opencv()
    missing = height * ratio - pixels.shape[0], width * ratio - pixels.shape[1]
    whole = cv2.copyMakeBorder(
        pixels, 0, missing[0], 0, missing[1], cv2.BORDER_REPLICATE
    )
    means: np.ndarray = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)
    return means


def _undecodable(reason: str, where: str) -> MpiiPoseError:
    return MpiiPoseError(
        f"the JPEG cannot be decoded ({reason}) {where}: build the dataset again"
    )


def _where(image_name: Any, index: Any) -> str:
    return f"of image {as_text(image_name)} index {index}"
