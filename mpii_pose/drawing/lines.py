"""Lines and dots with smooth edges and a dark rim, seen on any background.

Points are float [2], (x, y) in pixels, integers at pixel centers.
"""

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

Color = tuple[int, int, int]

_RIM = (0, 0, 0, 140)
# Strokes are rendered enlarged and averaged down, on a layer of about this side.
_MAX_ENLARGEMENT, _LAYER_SIDE = 4, 4096
# Ends of lines further outside than this many images are moved to there: Pillow walks
# every pixel of a line, and a wrong prediction may be anywhere.
_REACH = 10
_MAX_DASHES = 200


class Stroke(NamedTuple):
    """A line with round ends, `width` pixels wide; a dot where both ends are one."""

    start: np.ndarray
    end: np.ndarray
    width: float
    color: Color


def outline(corners: np.ndarray, width: float, color: Color) -> list[Stroke]:
    """Returns the closed line through corners float [N, 2]."""
    pairs = zip(corners, np.roll(corners, -1, axis=0), strict=True)
    return [Stroke(start, end, width, color) for start, end in pairs]


def dashes(start: np.ndarray, end: np.ndarray, *, length: float) -> list[np.ndarray]:
    """Cuts a line into dashes of `length` px, with gaps of the same length between."""
    count = int(min(float(np.linalg.norm(end - start)) / length, _MAX_DASHES)) // 2
    cuts = np.linspace(0.0, 1.0, 2 * count + 2)[:, np.newaxis]
    places = start + cuts * (end - start)
    return list(places.reshape(count + 1, 2, 2))


def draw_strokes(image: Image.Image, strokes: list[Stroke]) -> Image.Image:
    """Returns a new RGB image with strokes on it, the later above the earlier."""
    image = image.copy()
    if not strokes:
        return image
    reach = _REACH * np.array(image.size)
    ends = np.array([(stroke.start, stroke.end) for stroke in strokes])
    ends = np.clip(ends, -reach, reach)
    margin = 2 * max(stroke.width for stroke in strokes)
    low = np.clip(np.floor(ends.min(axis=(0, 1)) - margin), 0, image.size)
    high = np.clip(np.ceil(ends.max(axis=(0, 1)) + margin) + 1, 0, image.size)
    width, height = (high - low).astype(int)
    if width < 1 or height < 1:  # all strokes lie outside the image
        return image
    factor = int(np.clip(_LAYER_SIDE // max(width, height), 1, _MAX_ENLARGEMENT))
    layer = Image.new("RGBA", (width * factor, height * factor))
    canvas = ImageDraw.Draw(layer)
    for rim in (True, False):
        for (_, _, thickness, color), line_ends in zip(strokes, ends, strict=True):
            fill = _RIM if rim else color
            rim_width = max(0.5, thickness / 6) if rim else 0.0
            radius = round((thickness / 2 + rim_width) * factor)
            line = [tuple(np.rint((at + 0.5 - low) * factor - 0.5)) for at in line_ends]
            canvas.line(line, fill, width=2 * radius + 1)
            for x, y in line:
                canvas.ellipse((x - radius, y - radius, x + radius, y + radius), fill)
    layer = layer.reduce(factor)
    image.paste(layer, tuple(low.astype(int)), layer)
    return image
