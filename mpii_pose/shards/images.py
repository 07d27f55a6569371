"""Image files: found before a build, read and checked as their examples are encoded."""

import abc
import concurrent.futures
import contextlib
import dataclasses
import io
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import PIL.Image
import simplejpeg
from etils import epath

from mpii_pose.checks import MpiiPoseError
from mpii_pose.files import JPEG_END
from mpii_pose.pictures import (
    UNREADABLE,
    as_rgb,
    encode_jpeg,
    refusing_truncated_images,
)
from mpii_pose.release.release import read_image_sizes
from mpii_pose.shards.crop_box import CropBox

# A JPEG is decoded at a part of its size if this many times the pixels that are needed
# (a side) remain: Lanczos makes the rest.
DRAFT_MARGIN = 2
# What a file that is no whole RGB JPEG is converted to.
JPEG_QUALITY = 95
# MPII's largest images have 2 million; decoding this many takes some 700 MB.
MAX_PIXELS = 80_000_000
# Modes of a whole JPEG -> what libjpeg decodes it to when its pixels are checked.
_CHECKED_COLORS = {"RGB": "RGB", "L": "GRAY"}
# An eighth of the size takes two fifths of the time, and reads all bits as well.
_CHECK_FACTOR = 8

# Asking a remote file system for sizes is all waiting.
_STAT_THREADS = 16

# A guess of bytes a pixel; sizes only decide how many shards there are.
_CROP_BYTES_PER_PIXEL = 0.30


class ImageError(MpiiPoseError):
    """An image file is missing, damaged or no image."""


class StoredImage(abc.ABC):
    """An image for `tfds.features.Image` that is read when its example is encoded.

    It is small and can be pickled, so that a build is planned, and handed to workers,
    before an image is read.

    Attributes:
        num_bytes: What it takes, or a good guess.
    """

    __slots__ = ()
    num_bytes: Any  # An attribute or a property, of int.

    @abc.abstractmethod
    def read(self) -> bytes:
        """Returns the image as an RGB JPEG, or raises ImageError."""


@dataclasses.dataclass(frozen=True, slots=True)
class ImageFile(StoredImage):
    """A file that is stored as a whole.

    Attributes:
        path: Path of the file.
        num_bytes: Its size when the build was planned.
        check_pixels: Whether a JPEG that is kept is decoded too. An image of MPII's
            size takes 3 to 4 ms, in which no other thread runs, as simplejpeg keeps
            Python's lock.
        size: (height, width) in px; None where it was not asked for or cannot be read.
    """

    path: str
    num_bytes: int
    check_pixels: bool = False
    size: tuple[int, int] | None = None

    def read(self) -> bytes:
        """Returns the image as an RGB JPEG.

        RGB JPEG files that begin and end as such are kept byte for byte. Anything else
        is decoded and encoded anew; a rotation in EXIF is ignored, as in every code
        base that uses MPII. Damage in the middle of a JPEG is looked for with
        `check_pixels` only, see there.

        Raises:
            ImageError: The file is missing, damaged, no image, of a pixel type whose
                levels are not known, or too large to decode.
        """
        with self._opened() as (data, image):
            if (
                image.format == "JPEG"
                and image.mode == "RGB"
                and data.endswith(JPEG_END)
            ):
                return data
            with refusing_truncated_images():
                return encode_jpeg(as_rgb(image), quality=JPEG_QUALITY)

    def decode(self, *, reduction: float = 1.0) -> PIL.Image.Image:
        """Returns the pixels, in RGB.

        Args:
            reduction: How many pixels will be made one; a JPEG is decoded at 1/2, 1/4
                or 1/8 of its size (rounded up) if twice as many pixels as will be
                needed remain.

        Raises:
            ImageError: As for `read`.
        """
        with self._opened() as (_, image), refusing_truncated_images():
            factor = 1
            while factor < 8 and reduction >= 2 * DRAFT_MARGIN * factor:
                factor *= 2
            if factor > 1 and image.format == "JPEG":
                width, height = image.size
                image.draft(None, (width // factor, height // factor))
            return as_rgb(image)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[tuple[bytes, Any]]:
        """Yields the bytes and Pillow's image; what is wrong becomes an ImageError."""
        try:
            data = epath.Path(self.path).read_bytes()
        except OSError as error:
            raise ImageError(f"Cannot read image {self.path}: {error}") from error
        if len(data) != self.num_bytes:
            raise ImageError(
                f"Image {self.path} changed during the build: it had {self.num_bytes} "
                f"bytes when the shards were planned and has {len(data)} now"
            )
        try:
            with PIL.Image.open(io.BytesIO(data)) as image:
                _check_size(image)
                if image.format == "JPEG" and self.check_pixels:
                    check_pixels(data, image.mode)
                yield data, image
        except UNREADABLE as error:
            raise ImageError(
                f"Image {self.path} cannot be decoded ({error}); fetch it again or "
                "take its people out of the annotations"
            ) from error


@dataclasses.dataclass(frozen=True, slots=True)
class Crop(StoredImage):
    """A part of an image file, reduced by one factor and encoded anew.

    Attributes:
        file: The file.
        box: Where the part is, and how large it is stored.
        quality: Of the JPEG, 1 to 100.
        subsampling: Of its colors: "4:4:4", "4:2:2" or "4:2:0".
    """

    file: ImageFile
    box: CropBox
    quality: int
    subsampling: str

    @property
    def num_bytes(self) -> int:
        """A guess; an image of MPII takes 0.1 to 0.5 bytes a pixel."""
        return 700 + int(_CROP_BYTES_PER_PIXEL * self.box.height * self.box.width)

    def read(self) -> bytes:
        """Returns the part as an RGB JPEG, the same bytes with the same Pillow.

        Raises:
            ImageError: As `ImageFile.read`, or the file is not of the planned size.
        """
        box, reduction = self.box, self.box.reduction
        image: Any = self.file.decode(reduction=reduction)
        planned = np.array(self.file.size)
        # A JPEG may have been decoded at 1/2, 1/4 or 1/8 of its size, rounded up.
        factor = next(
            (
                factor
                for factor in (1, 2, 4, 8)
                if image.size[::-1] == tuple(-(-planned // factor))
            ),
            None,
        )
        if factor is None:
            raise ImageError(
                f"Image {self.file.path} changed during the build: it had "
                f"{self.file.size} (height, width) when the shards were planned and "
                f"has {image.size[::-1]} now"
            )
        edges = [edge / factor for edge in (*box.start, *box.end)]
        size = box.width, box.height
        if reduction == factor and all(edge.is_integer() for edge in edges):
            image = image.crop(tuple(map(int, edges)))
        else:
            # Sums of floats may lie beyond the image by their rounding.
            limits = (*image.size, *image.size)
            edges = [
                min(edge, limit) for edge, limit in zip(edges, limits, strict=True)
            ]
            image = image.resize(size, PIL.Image.Resampling.LANCZOS, box=edges)
        return encode_jpeg(image, quality=self.quality, subsampling=self.subsampling)


def _check_size(image: PIL.Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise ValueError(
            f"{image.width} x {image.height} pixels, more than {MAX_PIXELS:,}"
        )


def check_pixels(data: bytes, mode: str = "RGB") -> None:
    """Reads all pixels of a JPEG, by a libjpeg whose warnings are errors.

    Pillow and TensorFlow pass over them and give other pixels. libjpeg warns of nearly
    every cut or gap of some hundred bytes, and of about half of the changed bytes; it
    also does of stray bytes before the end, which do no harm.

    Args:
        data: The file.
        mode: Pillow's name for its colors; only "RGB" and "L" are looked at.

    Raises:
        ValueError: libjpeg warns.
    """
    if mode in _CHECKED_COLORS:
        simplejpeg.decode_jpeg(
            data,
            colorspace=_CHECKED_COLORS[mode],
            min_height=1,
            min_width=1,
            min_factor=_CHECK_FACTOR,
        )


def find_image_files(
    folder: epath.PathLike,
    image_names: Iterable[str],
    *,
    check_pixels: bool = False,
    with_sizes: bool = False,
) -> Mapping[str, ImageFile]:
    """Looks up the images of a release, all before the first is read.

    Args:
        folder: The folder that holds them.
        image_names: Their names.
        check_pixels: See `ImageFile`.
        with_sizes: Whether to read (height, width) from their heads.

    Returns:
        The files by image name; an image that is missing is absent.
    """
    folder = epath.Path(folder)
    names = list(dict.fromkeys(image_names))
    sizes = read_image_sizes(folder, names) if with_sizes else {}

    def find(image_name: str) -> tuple[str, ImageFile | None]:
        path = folder / image_name
        try:
            size = path.stat().length
            return image_name, ImageFile(
                os.fspath(path), size, check_pixels, sizes.get(image_name)
            )
        except FileNotFoundError:
            return image_name, None

    with concurrent.futures.ThreadPoolExecutor(_STAT_THREADS) as pool:
        files = pool.map(find, names)
        return {name: file for name, file in files if file is not None}
