"""What transforms do in NumPy and Pillow; `on_tensorflow` does it with tensors."""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from mpii_pose.files import JPEG_END, JPEG_START
from mpii_pose.pictures import UNREADABLE
from mpii_pose.transforms import rendering
from mpii_pose.transforms.arrays import as_arrays, dtype_name
from mpii_pose.transforms.augmentation import Draw
from mpii_pose.transforms.pixels import pillow

_KINDS = {"i": "integer", "u": "integer", "S": "string", "U": "string", "O": "string"}


def call(function: Callable[..., Any], *arguments: Any) -> Any:
    """Calls a function."""
    return function(*arguments)


def as_feature(value: Any, dtype: str) -> tuple[np.ndarray, bool]:
    """Returns a value as an array, and whether it is of that dtype."""
    _, value = as_arrays(value)
    value = np.asarray(value)
    return value, dtype in (dtype_name(value), _KINDS.get(value.dtype.kind))


def with_shape(value: Any, shape: list[Any]) -> Any:
    """Returns the value if it has that shape, in which None is any length."""
    found = () if isinstance(value, bytes) else value.shape
    same = len(found) == len(shape) and all(
        wanted in (None, length) for length, wanted in zip(found, shape, strict=True)
    )
    return value if same else None


def as_image(image: Any) -> Any:
    """Returns bytes, or an array."""
    if isinstance(image, bytes | bytearray | memoryview):
        return bytes(image)
    image = np.asarray(image)
    held = image.item() if image.shape == () else None
    return held if isinstance(held, bytes) else image


def is_encoded(image: Any) -> bool:
    """Returns whether these are the bytes of a file."""
    return isinstance(image, bytes)


def is_jpeg(image: bytes) -> bool:
    """Looks at both ends: a decoder that stops early misses the second."""
    return image.startswith(JPEG_START) and image.endswith(JPEG_END)


def described(describe: Callable[[bytes], str], image: bytes) -> str:
    """Returns what a function says of bytes."""
    return describe(image)


def decoded(image: Any) -> np.ndarray:
    """Returns the pixels of a JPEG's bytes, uint8 [H, W, 3]; or pixels as they are."""
    image = as_image(image)
    return pillow.read_whole(image) if is_encoded(image) else image


def drawn(draw: Callable[..., np.ndarray], size: Any, *arrays: Any) -> np.ndarray:
    """Returns the picture that a function makes of arrays, uint8 of a shape."""
    return draw(*arrays)


def shape(image: np.ndarray) -> np.ndarray:
    """Returns height, width and 3."""
    return np.array(image.shape)


def constant(array: np.ndarray) -> np.ndarray:
    """Returns an array that nobody else has."""
    return array.copy()


def verified(
    features: dict[str, Any], checks: Mapping[str, tuple[Any, Callable[[], Any]]]
) -> dict[str, Any]:
    """Returns the features, or raises ValueError with the first check that fails."""
    for message, (good, value) in checks.items():
        if not good:
            raise ValueError(f"{message} {value()} {_where(features)}")
    return features


def random_seed(
    seed: int | None, *, index: Any, epoch: Any, draw_seed: Any
) -> np.ndarray:
    """Returns the seed of one example, uint32 [n], see `examples.random_seed`."""
    if seed is not None:
        words = np.array([seed & 0xFFFFFFFFFFFFFFFF], np.uint64)
        places = np.array([index, epoch], np.int64)
        return np.concatenate([words, places.view(np.uint64)]).view(np.uint32)
    if draw_seed is not None:
        return np.array([draw_seed], np.int64).view(np.uint32)
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


def as_draw(draw: Draw) -> Draw:
    """Returns a draw whose decisions are arrays."""
    return Draw(*map(np.asarray, draw))


def rounded(values: np.ndarray) -> np.ndarray:
    """Rounds to whole numbers, halves to even ones."""
    return np.round(values)


def size_of(example: Mapping[str, Any]) -> tuple[int, int]:
    """Returns height and width of the image."""
    with _naming(example):
        return pillow.size_of(example["image"])


def read_resized(
    example: Mapping[str, Any], box: np.ndarray, size: tuple[int, int]
) -> np.ndarray:
    """Returns a box of the image, resized, float32 [height, width, 3] in levels."""
    with _naming(example):
        resized = pillow.read_resized(example["image"], box, size)
    return resized.astype(np.float32)


def render(
    example: Mapping[str, Any],
    crop_to_image: np.ndarray,
    draw: Draw,
    look: rendering.Look,
) -> dict[str, Any]:
    """Makes the crop, its keypoints and heatmaps, see `rendering.render`."""
    with _naming(example):
        levels = pillow.read_crop(
            example["image"],
            crop_to_image,
            image_size=look.spec.image_size,
            antialias=look.antialias,
        )
    features = rendering.render(
        levels,
        crop_to_image,
        example["keypoints"],
        example["visibility"],
        draw,
        look=look,
    )
    if look.image_dtype is not None:
        features["image"] = np.ascontiguousarray(features["image"])
    return features


def _where(example: Mapping[str, Any]) -> str:
    name = example["image_name"].item()
    name = name.decode(errors="replace") if isinstance(name, bytes) else name
    return f"of image {name} index {example['index']}"


@contextlib.contextmanager
def _naming(example: Mapping[str, Any]) -> Iterator[None]:
    """Names the image in errors of reading it."""
    try:
        yield
    except UNREADABLE as error:
        raise ValueError(
            f"the JPEG cannot be decoded ({error}) {_where(example)}: build the "
            "dataset again"
        ) from error
