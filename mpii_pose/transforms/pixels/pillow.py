"""Reads crops and boxes of an image without TensorFlow.

Unlike TensorFlow, Pillow and simplejpeg decode whole frames, though at a fitting scale
too.
"""

import io
import threading

import numpy as np
import PIL.Image
import simplejpeg

from mpii_pose.pictures import refusing_truncated_images
from mpii_pose.transforms.pixels import packed
from mpii_pose.transforms.pixels.window import Window, find_window

# In smaller images (height or width) several scales can give the same size, of which
# simplejpeg would choose one.
_MIN_SIDE = 16


def size_of(image: bytes | np.ndarray) -> tuple[int, int]:
    """Returns height and width of JPEG bytes or of decoded pixels."""
    if isinstance(image, bytes):
        width, height = _open(image).size
        return height, width
    return image.shape[0], image.shape[1]


def read_crop(
    image: bytes | np.ndarray,
    crop_to_image: np.ndarray,
    *,
    image_size: tuple[int, int],
    antialias: bool,
) -> np.ndarray:
    """Reads an image through an affine map; black outside the image.

    Args:
        image: JPEG bytes; or decoded pixels, uint8 [H, W, 3].
        crop_to_image: float32 [2, 3], from crop pixels to image pixels.
        image_size: Height and width of the crop.
        antialias: See `find_window`.

    Returns:
        uint8 [height, width, 3], a view whose bytes are not side by side.
    """
    frame = _open(image) if isinstance(image, bytes) else image
    size = frame.size[::-1] if isinstance(frame, PIL.Image.Image) else frame.shape[:2]
    window = find_window(
        size, crop_to_image, image_size=image_size, antialias=antialias
    )
    pixels = _read_window(image, frame, window)
    return packed.warp(pixels, window.crop_to_window, output_size=image_size)


def read_whole(image: bytes) -> np.ndarray:
    """Reads all pixels of a JPEG, uint8 [H, W, 3]."""
    with refusing_truncated_images():
        return np.array(_rgb(_open(image)))


def read_resized(
    image: bytes | np.ndarray, box: np.ndarray, size: tuple[int, int]
) -> np.ndarray:
    """Reads a box of an image and resizes it, as `tf.image.resize` does.

    Args:
        image: JPEG bytes; or decoded pixels, uint8 [H, W, 3].
        box: integer [4], top, left, height and width, inside the image.
        size: Height and width of the result.

    Returns:
        uint8 [height, width, 3].
    """
    top, left, height, width = map(int, box)
    if isinstance(image, bytes):
        with refusing_truncated_images():
            frame = _rgb(_open(image)).crop((left, top, left + width, top + height))
    else:
        frame = PIL.Image.fromarray(image[top : top + height, left : left + width])
    x, y = width / size[1], height / size[0]
    matrix = np.array([[x, 0, 0.5 * x - 0.5], [0, y, 0.5 * y - 0.5]])
    return _transformed(frame, matrix, size)


def _open(data: bytes) -> PIL.Image.Image:
    return PIL.Image.open(io.BytesIO(data), formats=["JPEG"])


def _rgb(image: PIL.Image.Image) -> PIL.Image.Image:
    return image if image.mode == "RGB" else image.convert("RGB")


def _read_window(
    data: bytes | np.ndarray, frame: PIL.Image.Image | np.ndarray, window: Window
) -> np.ndarray:
    """Reads a window, uint8 [height, width, 4]: red, green, blue and something."""
    top, left, height, width = map(int, window.box)
    ratio = 2 ** int(window.exponent)
    decoded = _decode_in_main_thread(data, frame, ratio)
    if decoded is not None:
        return decoded[top : top + height, left : left + width]
    if isinstance(frame, PIL.Image.Image):
        # Pillow rounds the wanted size's ratio down: fractions give it exactly.
        frame.draft("RGB", (frame.width / ratio, frame.height / ratio))
        with refusing_truncated_images():
            frame.load()
        image = _rgb(frame.crop((left, top, left + width, top + height)))
    else:
        rows = slice(top * ratio, (top + height) * ratio)
        columns = slice(left * ratio, (left + width) * ratio)
        image = PIL.Image.fromarray(frame[rows, columns]).reduce(ratio)
    pixels = np.frombuffer(image.tobytes("raw", "RGBX"), np.uint8)
    return pixels.reshape(height, width, 4)


def _decode_in_main_thread(
    data: bytes | np.ndarray, frame: PIL.Image.Image | np.ndarray, ratio: int
) -> np.ndarray | None:
    """Decodes a whole JPEG to what Pillow makes of it, a tenth faster.

    simplejpeg keeps other threads from running meanwhile: where there are any, in a
    loader of threads, Pillow is better.

    Returns:
        uint8 [H, W, 4] at 1 / ratio of the size; None where Pillow must see to it:
        other colors, files that libjpeg warns of, other threads.
    """
    if not (
        isinstance(data, bytes)
        and isinstance(frame, PIL.Image.Image)
        and frame.mode in ("RGB", "L")
        and min(frame.size) >= _MIN_SIDE
        and threading.current_thread() is threading.main_thread()
    ):
        return None
    width, height = (-(-side // ratio) for side in frame.size)
    try:
        return simplejpeg.decode_jpeg(
            data, "RGBX", min_height=height, min_width=width, min_factor=1
        )
    except ValueError:
        return None


def _transformed(
    image: PIL.Image.Image, matrix: np.ndarray, size: tuple[int, int]
) -> np.ndarray:
    """Reads an image through a map whose integers are pixel centers, uint8."""
    # Pillow's pixel centers lie at halves, on both sides.
    offset = matrix[:, 2] + 0.5 - 0.5 * (matrix[:, 0] + matrix[:, 1])
    transformed = image.transform(
        size[::-1],
        PIL.Image.Transform.AFFINE,
        np.column_stack([matrix[:, :2], offset]).ravel().tolist(),
        PIL.Image.Resampling.BILINEAR,
    )
    return np.array(transformed)
