"""The two libraries that transform an example, and its features, checked.

`on_tensorflow` transforms TensorFlow's tensors, `on_numpy` everything else. Both are a
`Library`: the few functions that cannot be formulas on arrays of any library. Which of
them an example needs is found once, by `library_of`; all else takes its arrays and
`xp`, its namespace of array functions.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np

from mpii_pose.skeleton import NUM_KEYPOINTS
from mpii_pose.transforms.arrays import load_module

Features = Mapping[str, Any]
# Whether a value can be used, and the parts of the message where it cannot.
Check = tuple[Any, Callable[[], list[Any]]]

# Features that are needed beside `image`: shape and dtype.
SPECS: dict[str, tuple[tuple[int, ...], str]] = {
    "image_name": ((), "string"),
    "index": ((), "integer"),
    "keypoints": ((NUM_KEYPOINTS, 2), "float32"),
    "visibility": ((NUM_KEYPOINTS,), "integer"),
    "center": ((2,), "float32"),
    "scale": ((), "float32"),
    "head_size": ((), "float32"),
}
# Features that are used where they are there, see `Library.random_seed`.
OPTIONAL = ("epoch", "draw_seed")
# From pixels of `image` to those of the release's frame; without it they are the same.
IMAGE_TO_FRAME = "image_to_frame"

# People of 0.2 px and of 200,000 px, and places this far away: beyond, float32 cannot
# represent a crop's matrices. Annotations have narrower limits, see `person`.
MIN_SCALE = 1e-3
MAX_SCALE = 1e3
MAX_COORDINATE = 1e9

# Plain numbers, which are taken for floats where those are needed.
_PLAIN = (int, float, np.integer, list, tuple)

# Messages for values that cannot be used, and for bytes that are no whole JPEG.
_SCALE = f"scale must be {MIN_SCALE} to {MAX_SCALE} (person height / 200 px), got"
_PLACE = f"must be finite and at most {MAX_COORDINATE:g} px from 0, got"
_CENTER, _KEYPOINTS = f"center {_PLACE}", f"keypoints that are not missing {_PLACE}"
_NO_JPEG = "the bytes do not start and end as those of a JPEG do, but are"
EMPTY = f"{_NO_JPEG} empty: build the dataset again"
PNG_START = b"\x89PNG"
PNG = (
    f"{_NO_JPEG} a PNG, which is to be decoded before this map (or build the dataset "
    "again)"
)
BROKEN = (
    f"{_NO_JPEG} truncated, or in another format: build the dataset again, or decode "
    "the image before this map"
)


class Person(NamedTuple):
    """The features of an example that a transform reads, checked; or those of a batch.

    A batch has lists of images and names, and arrays with a leading axis.
    """

    image: Any  # JPEG bytes, or uint8 [H, W, 3]
    image_name: Any  # string []
    index: Any  # integer []
    keypoints: Any  # float32 [K, 2] in image pixels
    visibility: Any  # integer [K]
    center: Any  # float32 [2]
    scale: Any  # float32 []
    head_size: Any  # float32 []
    image_to_frame: Any = None  # float32 [2, 3]
    epoch: Any = 0  # integer []
    draw_seed: Any = None  # integer []


class Library(Protocol):
    """The functions that cannot be formulas on arrays of any library."""

    @property
    def xp(self) -> Any:
        """The module of the library's array functions, named as NumPy's."""

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Calls a function of this package, if the library can be used here."""

    def compiled(
        self, function: Callable[..., Any], *options: Any
    ) -> Callable[..., Any]:
        """Returns a function of arrays alone, compiled if the library has a compiler.

        Options, which can be hashed, are the first arguments of `function`.
        """

    def as_feature(self, value: Any, shape: tuple[int, ...]) -> tuple[Any, bool]:
        """Returns a value as an array, and whether it has the shape.

        Raises TypeError or ValueError for what is no array, such as a ragged list.
        """

    def as_image(self, image: Any) -> tuple[Any, bool]:
        """Returns bytes or an array, and whether it can be an image."""

    def image_check(self, image: Any) -> Check:
        """Checks that bytes begin and end as a JPEG, or that there are any pixels.

        Decoders do not notice that the end is missing.
        """

    def verified(self, person: Person, checks: list[Check]) -> Person:
        """Returns the person, or raises the error of the first check that fails."""

    def joined(self, people: list[Person]) -> Person:
        """Returns people as a batch. One of TensorFlow stays as it is."""

    def split(self, features: Any) -> list[Any]:
        """Returns the examples of a batch, of tuples, dicts, arrays and lists."""

    def random_seed(self, person: Person, seed: int | None) -> Any:
        """Returns the seed of an example's random changes, for `random_numbers`.

        It depends on the user's seed and the example's `index` and `epoch` alone. An
        `index` is unique within a split only: two splits share their seeds, which does
        no harm. Without a user's seed, it is the example's `draw_seed`, if it has one,
        or another one each time. Seeds of a batch have a leading axis.
        """

    def random_numbers(self, seed: Any, normals: int, uniforms: int) -> tuple[Any, Any]:
        """Returns float32 [..., normals] of N(0, 1) and [..., uniforms] of [0, 1)."""

    def read_window(
        self, person: Person, crop_to_image: Any, size: tuple[int, int], antialias: bool
    ) -> Any:
        """Reads the part of a person's image that a crop of some size shows.

        Those of a batch are read one after the other, when they are warped.
        """

    def warp(
        self,
        window: Any,
        size: tuple[int, int],
        finish: Callable[..., Any],
        *arguments: Any,
    ) -> Any:
        """Interpolates a window's pixels at those of a crop; black outside the image.

        Returns what `finish` makes of uint8 or float32 [height, width, 3], in levels of
        255, and of the arguments; of a batch a list, with arguments for each.
        """


def library_of(*values: Any) -> Library:
    """Returns `on_tensorflow` if any of the values is a tensor of it, else `on_numpy`.

    TensorFlow is imported in the first case only.
    """
    name = "on_numpy"
    for value in values:
        if type(value).__module__.startswith("tensorflow."):
            name = "on_tensorflow"
    library: Library = load_module(f"mpii_pose.transforms.{name}")
    return library


def checked(library: Library, example: Features) -> Person:
    """Returns the features that are used, of known dtypes and shapes.

    Args:
        library: That of the example.
        example: Features of one example, not of a batch: tensors, arrays or numbers.

    Raises:
        ValueError: A feature is absent, or its dtype or shape is wrong. Of arrays,
            also: center, scale or keypoints are no usable numbers, or the image is
            empty or not a whole JPEG; names image and index.
        tf.errors.InvalidArgumentError: The same of tensors, when run.
    """
    absent = [name for name in ("image", *SPECS) if name not in example]
    if absent:
        raise ValueError(
            f"the example has no {', '.join(absent)}; it has {', '.join(example)}"
        )
    image, is_image = library.as_image(example["image"])
    if not is_image:
        raise ValueError(
            "image must be the bytes of a JPEG, string [], or its pixels, uint8 "
            f"[H, W, 3], got {_dtype(image.dtype)} {image.shape}; map single examples, "
            "before batching"
        )
    optional = {name: example[name] for name in OPTIONAL if name in example}
    person = Person(image=image, **optional, **_arrays(library, example))
    return library.verified(person, _checks(library, person))


def _arrays(library: Library, example: Features) -> dict[str, Any]:
    """Returns the features that `SPECS` and `IMAGE_TO_FRAME` describe, as arrays."""
    specs = SPECS
    if IMAGE_TO_FRAME in example:
        specs = SPECS | {IMAGE_TO_FRAME: ((2, 3), "float32")}
    arrays = {}
    for name, (shape, dtype) in specs.items():
        value, expected = example[name], f"{name} must be {dtype} {list(shape)}, got"
        if dtype == "float32" and isinstance(value, _PLAIN):
            value = _as_floats(value)
        try:
            array, right_shape = library.as_feature(value, shape)
        except (TypeError, ValueError) as error:  # A ragged list, None.
            raise ValueError(f"{expected} {value!r:.100}: {error}") from None
        found = _dtype(array.dtype)
        right_dtype = found == dtype or (dtype == "integer" and "int" in found)
        if not (right_dtype and right_shape):
            hint = "; map single examples, before batching" * right_dtype
            raise ValueError(f"{expected} {found} {array.shape}{hint}")
        arrays[name] = array
    return arrays


def _as_floats(value: Any) -> Any:
    """Returns Python's numbers as float32, and anything else as it is."""
    try:
        array = np.asarray(value)
    except Exception:  # Of ragged lists, and of those with TensorFlow's tensors.
        return value
    return np.float32(array) if array.dtype.kind in "iuf" else value


@functools.lru_cache(maxsize=64)
def _dtype(dtype: Any) -> str:
    """Returns the name of a dtype; "string" for all kinds of text, as in `SPECS`."""
    return "string" if dtype.name.startswith(("str", "bytes", "obj")) else dtype.name


def _checks(library: Library, person: Person) -> list[Check]:
    """Returns the checks of the values of a person."""
    xp, center, scale = library.xp, person.center, person.scale
    missing = (person.visibility <= 0)[:, None]
    placed = missing | (xp.abs(person.keypoints) <= MAX_COORDINATE)
    return [
        ((scale >= MIN_SCALE) & (scale <= MAX_SCALE), lambda: [_SCALE, scale]),
        (xp.all(xp.abs(center) <= MAX_COORDINATE), lambda: [_CENTER, center]),
        (xp.all(placed), lambda: [_KEYPOINTS, person.keypoints]),
        library.image_check(person.image),
    ]
