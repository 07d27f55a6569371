"""Image files: found before a build, read and checked as their examples are encoded."""

import abc
import concurrent.futures
import dataclasses
import io
import os
from collections.abc import Iterable, Mapping
from typing import Any

import PIL.Image
import simplejpeg
from etils import epath

from mpii_pose.files import JPEG_END
from mpii_pose.pillow_flag import refusing_truncated_images

# What a file that is no whole RGB JPEG is converted to.
JPEG_QUALITY = 95
# MPII's largest images have 2 million; decoding this many takes some 700 MB.
MAX_PIXELS = 80_000_000
# What Pillow raises for damaged files, files of no known format, and giant ones.
_UNDECODABLE = (
    *(OSError, SyntaxError, ValueError, NotImplementedError),
    PIL.Image.DecompressionBombError,
)
# Modes of a whole JPEG -> what libjpeg decodes it to when its pixels are checked.
_CHECKED_COLORS = {"RGB": "RGB", "L": "GRAY"}
# An eighth of the size takes two fifths of the time, and reads all bits as well.
_CHECK_FACTOR = 8

# Asking a remote file system for sizes is all waiting.
_STAT_THREADS = 16


class ImageError(ValueError):
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
    """

    path: str
    num_bytes: int
    check_pixels: bool = False

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
                if (
                    image.format == "JPEG"
                    and image.mode == "RGB"
                    and data.endswith(JPEG_END)
                ):
                    return data
                with refusing_truncated_images():
                    return _encode_jpeg(image)
        except _UNDECODABLE as error:
            raise ImageError(
                f"Image {self.path} cannot be decoded ({error}); fetch it again or "
                "take its people out of the annotations"
            ) from error


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


def _encode_jpeg(image: PIL.Image.Image) -> bytes:
    # Older Pillows open 16-bit PNGs as 32-bit ones.
    is_16_bit = image.mode.startswith("I;16") or image.format == "PNG"
    if image.mode == "F" or (image.mode == "I" and not is_16_bit):
        raise ValueError(
            f"pixels of mode {image.mode}, whose black and white are not known: save "
            "it with 8 or 16 bits"
        )
    if is_16_bit and image.mode.startswith("I"):  # Pillow would clip, not scale.
        image = image.convert("I").point(lambda level: level / 257).convert("L")
    output = io.BytesIO()
    image.convert("RGB").save(output, "JPEG", quality=JPEG_QUALITY)
    return output.getvalue()


def find_image_files(
    folder: epath.PathLike, image_names: Iterable[str], *, check_pixels: bool = False
) -> Mapping[str, ImageFile]:
    """Looks up the images of a release, all before the first is read.

    Args:
        folder: The folder that holds them.
        image_names: Their names.
        check_pixels: See `ImageFile`.

    Returns:
        The files by image name; an image that is missing is absent.
    """
    folder = epath.Path(folder)

    def find(image_name: str) -> tuple[str, ImageFile | None]:
        path = folder / image_name
        try:
            size = path.stat().length
            return image_name, ImageFile(os.fspath(path), size, check_pixels)
        except FileNotFoundError:
            return image_name, None

    with concurrent.futures.ThreadPoolExecutor(_STAT_THREADS) as pool:
        files = pool.map(find, dict.fromkeys(image_names))
        return {name: file for name, file in files if file is not None}
