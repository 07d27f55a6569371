"""Images to store, whole files and crops of them: found first, read when written.

Points are (x, y), 0-based, integers at pixel centers. Edges of a `CropBox` are counted
from the outer edge of the first pixel: pixel 0 reaches from 0 to 1.
"""

import concurrent.futures
import contextlib
import dataclasses
import io
import math
import os
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL.Image
import simplejpeg
from etils import epath

from mpii_pose import pictures
from mpii_pose.checks import MpiiPoseError
from mpii_pose.files import JPEG_END
from mpii_pose.release.release import read_image_sizes

# A JPEG is decoded at a part of its size if this many times the pixels that are needed
# (a side) remain; Lanczos resampling reduces the rest.
DRAFT_MARGIN = 2
# Of images that are encoded anew because they are no whole RGB JPEG.
JPEG_QUALITY = 95
# MPII's largest images have 2 million; decoding this many takes some 700 MB.
MAX_PIXELS = 80_000_000
# Asking a remote file system for sizes is all waiting.
_STAT_THREADS = 16
# A guess: MPII's crops take 0.1 to 0.5. Only the number of shards depends on it.
_CROP_BYTES_PER_PIXEL = 0.30
# A frame that is stored whole may be reduced this much more than asked for, so that
# both sides are whole pixels; a part of a pixel would be cut off its end otherwise.
_SLACK = 1.04
_ROUNDING = 1e-6


class ImageError(MpiiPoseError):
    """An image file is missing, damaged or no image."""


@contextlib.contextmanager
def naming_person(key: str) -> Iterator[None]:
    """Adds the key of an example to the message of an ImageError."""
    try:
        yield
    except ImageError as error:
        raise ImageError(f"Person {key}: {error}") from None


@dataclasses.dataclass(frozen=True, slots=True)
class ImageFile:
    """A file that is stored as a whole."""

    path: str
    num_bytes: int  # When the build was planned.
    check_pixels: bool = False  # To find damage: 3 to 4 ms for a JPEG of MPII's size.
    size: tuple[int, int] | None = None  # (height, width); None if it is not known.

    def read(self) -> bytes:
        """Returns the image as an RGB JPEG.

        RGB JPEG files that begin and end as such are kept byte for byte. Anything else
        is decoded and encoded anew; a rotation in EXIF is ignored, as in every code
        base that uses MPII. Damage in the middle of a JPEG is found with
        `check_pixels` only.

        Raises:
            ImageError: The file is missing, damaged, no image, of a pixel type whose
                levels are unknown, too large to decode, or not the planned one.
        """
        with self._opened() as (data, image):
            is_rgb_jpeg = image.format == "JPEG" and image.mode == "RGB"
            if is_rgb_jpeg and data.endswith(JPEG_END):
                return data
            return pictures.encode_jpeg(pictures.as_rgb(image), quality=JPEG_QUALITY)

    def decode(self, *, reduction: float) -> tuple[PIL.Image.Image, int]:
        """Returns the pixels in RGB, and how many times smaller each side is: 1 to 8.

        Args:
            reduction: How much smaller a side will be made. A JPEG is decoded at 1/2,
                1/4 or 1/8 of its size (rounded up) if `DRAFT_MARGIN` times as many
                pixels as will be needed remain.

        Raises:
            ImageError: As for `read`.
        """
        with self._opened() as (_, image):
            factor = 1
            while factor < 8 and reduction >= 2 * DRAFT_MARGIN * factor:
                factor *= 2
            if image.format != "JPEG":
                factor = 1
            elif factor > 1:
                image.draft(None, (image.width // factor, image.height // factor))
            return pictures.as_rgb(image), factor

    def known_size(self) -> tuple[int, int]:
        """Returns `size`; raises ImageError where the image could not be read."""
        if self.size is None:
            self.read()
            raise ImageError(f"Image {self.path} changed during the build")
        return self.size

    @contextlib.contextmanager
    def _opened(self) -> Iterator[tuple[bytes, Any]]:
        """Yields the bytes and Pillow's image; turns errors into an ImageError."""
        try:
            data = epath.Path(self.path).read_bytes()
        except OSError as error:
            raise ImageError(f"Cannot read image {self.path}: {error}") from None
        self._check_unchanged(len(data), self.num_bytes, "bytes")
        try:
            with (
                pictures.refusing_truncated_images(),
                PIL.Image.open(io.BytesIO(data)) as image,
            ):
                width, height = image.size
                if width * height > MAX_PIXELS:
                    raise ValueError(f"{width} x {height} pixels, over {MAX_PIXELS:,}")
                self._check_unchanged((height, width), self.size, "(height, width)")
                if image.format == "JPEG" and self.check_pixels:
                    check_pixels(data, image.mode)
                yield data, image
        except ImageError:
            raise
        except pictures.UNREADABLE as error:
            raise ImageError(
                f"Image {self.path} cannot be decoded ({error}); fetch it again or "
                "take its people out of the annotations"
            ) from None

    def _check_unchanged(self, found: Any, planned: Any, unit: str) -> None:
        if planned is not None and found != planned:
            raise ImageError(
                f"Image {self.path} changed during the build: it had {planned} {unit} "
                f"when the shards were planned and has {found} now"
            )


@dataclasses.dataclass(frozen=True, slots=True)
class CropBox:
    """A part of a frame that is stored as whole pixels."""

    start: tuple[float, float]  # Left and top edge, in pixels of the frame.
    reduction: float  # Side of a stored pixel in pixels of the frame; 1 or more.
    width: int  # In stored pixels.
    height: int

    @property
    def end(self) -> tuple[float, float]:
        """Right and bottom edge, in pixels of the frame."""
        x, y = self.start
        return x + self.width * self.reduction, y + self.height * self.reduction

    def image_to_frame(self) -> npt.NDArray[np.float32]:
        """Returns float32 [2, 3], from stored pixels to those of the frame."""
        offset = np.array(self.start) + (self.reduction - 1) / 2
        scaling = self.reduction * np.eye(2)
        return np.column_stack([scaling, offset]).astype(np.float32)

    def from_frame(self, points: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Moves points [..., 2] from pixels of the frame to stored ones."""
        edges = np.asarray(points, np.float64) + 0.5 - self.start
        return (edges / self.reduction - 0.5).astype(np.float32)


def fit_crop_box(
    middle: npt.ArrayLike, side: float, size: tuple[int, int], *, reduction: float
) -> CropBox:
    """Returns the part of a square that lies in the frame, as whole stored pixels.

    The reduction is the same in x and y, and the box suits it: a ratio rounded to whole
    pixels in each axis would move keypoints by 0.3 px. The box grows by less than a
    stored pixel, or ends at the frame's borders. Of a square outside of the frame, the
    nearest row or column of pixels is stored.

    Args:
        middle: [2], (x, y) of the square's middle.
        side: Side of the square in pixels of the frame.
        size: (height, width) of the frame.
        reduction: The least side of a stored pixel, in pixels of the frame; images are
            never enlarged, and at least one pixel of a frame remains.
    """
    lengths = np.array(size[::-1])
    edges = np.asarray(middle, np.float64) + 0.5
    low, high = edges - side / 2, edges + side / 2
    reduction = float(np.clip(reduction, 1.0, max(1, min(size))))
    if reduction == 1:
        low, high = np.floor(low), np.ceil(high)
    else:
        whole = lengths[(low <= 0) & (high >= lengths)].tolist()
        reduction = min(_fitting_reduction(whole, reduction), min(size))
    wanted = (np.minimum(high, lengths) - np.maximum(low, 0)) / reduction
    most = np.maximum(1, np.floor(lengths / reduction + _ROUNDING))
    counts = np.minimum(np.maximum(1, np.ceil(wanted - _ROUNDING)), most)
    last = np.maximum(0, lengths - counts * reduction)
    ends_at_border = (low > 0) & (high >= lengths)
    starts = np.where(ends_at_border, last, np.minimum(np.maximum(low, 0), last))
    (left, top), (width, height) = starts.tolist(), counts.astype(int).tolist()
    return CropBox((left, top), reduction, width, height)


def _fitting_reduction(lengths: list[int], least: float) -> float:
    """Returns a reduction that makes lengths that are stored whole whole pixels."""
    if not lengths:
        return least
    longest = max(lengths)
    most = max(1, math.floor(longest / least + _ROUNDING))
    counts = range(most, max(1, math.ceil(most / _SLACK)) - 1, -1)

    def lost(count: int) -> float:
        stored = min(lengths) * count / longest + _ROUNDING
        # Infinite where nothing would be left of a thin frame.
        return math.inf if stored < 1 else stored % 1

    return longest / min(counts, key=lost)


@dataclasses.dataclass(frozen=True, slots=True)
class Crop:
    """A part of an image file, reduced by one factor and encoded anew."""

    file: ImageFile  # Of a known size.
    box: CropBox
    quality: int  # Of the JPEG, as `subsampling`: see `PersonCrop`.
    subsampling: str

    @property
    def num_bytes(self) -> int:
        """A guess from the number of pixels."""
        return 700 + int(_CROP_BYTES_PER_PIXEL * self.box.height * self.box.width)

    def read(self) -> bytes:
        """Returns the part as an RGB JPEG; raises ImageError as `ImageFile.read`."""
        box = self.box
        image, factor = self.file.decode(reduction=box.reduction)
        edges = [edge / factor for edge in (*box.start, *box.end)]
        # Sums of floats may lie beyond the image by their rounding.
        left, top, right, bottom = map(min, edges, (*image.size, *image.size))
        if box.reduction == factor and all(edge.is_integer() for edge in edges):
            image = image.crop((int(left), int(top), int(right), int(bottom)))
        else:
            image = image.resize(
                (box.width, box.height),
                PIL.Image.Resampling.LANCZOS,
                box=(left, top, right, bottom),
            )
        return pictures.encode_jpeg(
            image, quality=self.quality, subsampling=self.subsampling
        )


# Small, can be pickled, and is read when its example is encoded; `num_bytes` may be a
# guess.
StoredImage = ImageFile | Crop


def check_pixels(data: bytes, mode: str = "RGB") -> None:
    """Reads all pixels of a JPEG; raises ValueError where libjpeg warns.

    Pillow and TensorFlow ignore the warnings and return wrong pixels. libjpeg warns of
    nearly every cut or gap of some hundred bytes, and of about half of the changed
    bytes; it also warns of stray bytes before the end, which do no harm.

    Args:
        data: The file.
        mode: Pillow's name for its colors; only "RGB" and "L" are checked.
    """
    colors = {"RGB": "RGB", "L": "GRAY"}  # libjpeg's name for Pillow's.
    if mode in colors:
        # At an eighth of the size: two fifths of the time, and all bits are read.
        size = {"min_height": 1, "min_width": 1, "min_factor": 8}
        simplejpeg.decode_jpeg(data, colorspace=colors[mode], **size)


def find_image_files(
    folder: epath.PathLike, names: Collection[str], *, check_pixels: bool = False
) -> Mapping[str, ImageFile]:
    """Returns the image files that are in a folder, by name, with their sizes."""
    folder = epath.Path(folder)
    sizes = read_image_sizes(folder, names)
    files: dict[str, ImageFile] = {}

    def find(name: str) -> None:
        path, size = folder / name, sizes.get(name)
        with contextlib.suppress(FileNotFoundError):
            num_bytes = path.stat().length
            files[name] = ImageFile(os.fspath(path), num_bytes, check_pixels, size)

    with concurrent.futures.ThreadPoolExecutor(_STAT_THREADS) as pool:
        list(pool.map(find, names))
    return files
