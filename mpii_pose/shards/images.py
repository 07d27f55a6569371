"""Image files: found before a build, read and checked as their examples are encoded."""

import concurrent.futures
import contextlib
import dataclasses
import io
import os
import threading
from collections.abc import Iterable, Iterator, Mapping

import PIL.Image
import PIL.ImageFile
from etils import epath

# What a file that is no whole RGB JPEG is converted to.
JPEG_QUALITY = 95
# MPII's largest images have 2 million; decoding this many takes some 700 MB.
MAX_PIXELS = 80_000_000
_JPEG_END = b"\xff\xd9"
# What Pillow raises for damaged files, files of no known format, and giant ones.
_UNDECODABLE = (OSError, SyntaxError, ValueError, PIL.Image.DecompressionBombError)

# Asking a remote file system for sizes is all waiting.
_STAT_THREADS = 16

_PILLOWS_FLAG = threading.Lock()


class ImageError(ValueError):
    """An image file is missing, damaged or no image."""


@dataclasses.dataclass(frozen=True, slots=True)
class ImageFile:
    """A file for `tfds.features.Image` that is read when its example is encoded.

    Attributes:
        path: Path of the file.
        num_bytes: Its size when the build was planned.
    """

    path: str
    num_bytes: int

    def read(self) -> bytes:
        """Returns the image as an RGB JPEG.

        Whole RGB JPEG files are kept byte for byte. Anything else is decoded, which
        finds damage, and encoded anew; a rotation in EXIF is ignored, as in every code
        base that uses MPII.

        Raises:
            ImageError: The file is missing, damaged, no image, or too large to decode.
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
                if (
                    image.format == "JPEG"
                    and image.mode == "RGB"
                    and data.endswith(_JPEG_END)
                ):
                    return data
                with _refusing_truncated_files():
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


@contextlib.contextmanager
def _refusing_truncated_files() -> Iterator[None]:
    """Undoes what TFDS does to all of Pillow once it has shown an image."""
    with _PILLOWS_FLAG:
        before = PIL.ImageFile.LOAD_TRUNCATED_IMAGES
        PIL.ImageFile.LOAD_TRUNCATED_IMAGES = False
        try:
            yield
        finally:
            PIL.ImageFile.LOAD_TRUNCATED_IMAGES = before


def _encode_jpeg(image: PIL.Image.Image) -> bytes:
    if image.mode.startswith("I"):  # Pillow clips 16-bit grey instead of scaling it.
        image = image.point(lambda level: level / 257).convert("L")
    output = io.BytesIO()
    image.convert("RGB").save(output, "JPEG", quality=JPEG_QUALITY)
    return output.getvalue()


def find_image_files(
    folder: epath.PathLike, image_names: Iterable[str]
) -> Mapping[str, ImageFile]:
    """Looks up the images of a release, all before the first is read.

    Args:
        folder: The folder that holds them.
        image_names: Their names.

    Returns:
        The files by image name; an image that is missing is absent.
    """
    folder = epath.Path(folder)

    def find(image_name: str) -> tuple[str, ImageFile | None]:
        path = folder / image_name
        try:
            return image_name, ImageFile(os.fspath(path), path.stat().length)
        except FileNotFoundError:
            return image_name, None

    with concurrent.futures.ThreadPoolExecutor(_STAT_THREADS) as pool:
        files = pool.map(find, dict.fromkeys(image_names))
        return {name: file for name, file in files if file is not None}
