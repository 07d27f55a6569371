"""Transforms arrays, by NumPy and OpenCV, without TensorFlow: a `library.Library`."""

import functools
import os
from collections.abc import Callable
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

# uint8 [h, w, 3], a part of an image; float32 [2, 3], the map from crop pixels to its
# pixels; and whether blue is the first channel, as OpenCV decodes.
PixelWindow = tuple[np.ndarray, np.ndarray, bool]


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
            raise MpiiPoseError(" ".join(map(str, [*parts(), _where(person)])))
    return person


def random_seed(person: Person, seed: int | None) -> np.ndarray:
    """Returns the seed of one example, uint32 [n], see `library.Library`."""
    if seed is not None:
        words = np.array([seed & 0xFFFFFFFFFFFFFFFF], np.uint64)
        places = np.array([person.index, person.epoch], np.int64)
        return np.concatenate([words, places.view(np.uint64)]).view(np.uint32)
    if person.draw_seed is not None:
        return np.array([person.draw_seed], np.int64).view(np.uint32)
    return np.frombuffer(os.urandom(16), np.uint32)  # In forks too, others each time.


def random_numbers(
    seed: Any, normals: int, uniforms: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns float32 [normals] of N(0, 1) and float32 [uniforms] of [0, 1)."""
    generator = np.random.Generator(np.random.Philox(np.random.SeedSequence(seed)))
    return (
        generator.standard_normal(normals, np.float32),
        generator.random(uniforms, np.float32),
    )


def read_window(
    person: Person, crop_to_image: np.ndarray, size: tuple[int, int], antialias: bool
) -> PixelWindow:
    """Reads the part of an image that a crop shows, at a fitting scale."""
    image = person.image
    is_encoded = isinstance(image, bytes)
    frame_size = _jpeg_size(image, person) if is_encoded else image.shape[:2]
    box, exponent, crop_to_window = find_window(
        np, np.array(frame_size, np.float32), crop_to_image, size, antialias
    )
    top, left, height, width = map(int, box)
    ratio = RATIOS[exponent]
    if is_encoded:
        frame = _decoded(image, ratio, person)
        pixels = frame[top : top + height, left : left + width]
    else:
        rows = slice(top * ratio, (top + height) * ratio)
        pixels = image[rows, left * ratio : (left + width) * ratio]
        pixels = _averaged(np.ascontiguousarray(pixels), height, width, ratio)
    return pixels, crop_to_window, is_encoded


def warp(window: PixelWindow, size: tuple[int, int]) -> np.ndarray:
    """Interpolates a window's pixels at those of a crop, uint8 [height, width, 3].

    OpenCV before version 5 rounds positions to 1/32 px.
    """
    cv2, (pixels, crop_to_window, is_bgr) = _opencv(), window
    crop: np.ndarray = cv2.warpAffine(
        pixels,
        crop_to_window,
        size[::-1],
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
    )
    return cv2.cvtColor(crop, cv2.COLOR_BGR2RGB) if is_bgr else crop


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


def _jpeg_size(data: bytes, person: Person) -> tuple[int, int]:
    """Reads height and width; giant images, which OpenCV would decode, are errors."""
    try:
        height, width, *_ = simplejpeg.decode_jpeg_header(data, strict=False)
    except (ValueError, KeyError) as error:  # KeyError: of a cut header.
        raise _undecodable(f"no header: {error}", person) from error
    if height * width > MAX_PIXELS:
        raise _undecodable(f"{width} x {height} px are too many", person)
    return height, width


def _decoded(data: bytes, ratio: int, person: Person) -> np.ndarray:
    """Decodes a JPEG at 1 / ratio of its size, uint8 [H, W, 3] in blue, green, red."""
    cv2 = _opencv()
    name = "IMREAD_COLOR" if ratio == 1 else f"IMREAD_REDUCED_COLOR_{ratio}"
    flags = getattr(cv2, name) | cv2.IMREAD_IGNORE_ORIENTATION
    frame: np.ndarray | None = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if frame is None:
        raise _undecodable("OpenCV gives no pixels", person)
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


def _undecodable(reason: str, person: Person) -> MpiiPoseError:
    return MpiiPoseError(
        f"the JPEG cannot be decoded ({reason}) {_where(person)}: build the dataset "
        "again"
    )


def _where(person: Person) -> str:
    return f"of image {as_text(person.image_name)} index {person.index}"
