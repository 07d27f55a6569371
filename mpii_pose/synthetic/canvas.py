"""A picture that remembers which thing is on top at each pixel.

Points are (x, y) in pixels of the finished image, integers at pixel centers.
"""

import colorsys
import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

Color = tuple[int, int, int]

# What `Canvas.label_at` says where nothing has been drawn over the background.
BACKGROUND = 0

_ARC = np.linspace(-math.pi / 2, math.pi / 2, 7)
_CIRCLE = np.linspace(0, 2 * math.pi, 20, endpoint=False)


class Canvas:
    """Draws smooth shapes in color and keeps a map of their labels.

    Args:
        background: RGB image that the shapes are drawn over.
        oversampling: Shapes are drawn this many times larger, then averaged.
    """

    def __init__(self, background: Image.Image, *, oversampling: int = 2) -> None:
        self.height, self.width = background.height, background.width
        self._factor = oversampling
        size = (self.width * oversampling, self.height * oversampling)
        self._colors = background.resize(size, Image.Resampling.NEAREST)
        self._labels = Image.new("L", size, BACKGROUND)
        self._draw_colors = ImageDraw.Draw(self._colors)
        self._draw_labels = ImageDraw.Draw(self._labels)

    def fill(self, outline: np.ndarray, color: Color, label: int | None = None) -> None:
        """Fills a polygon with corners [N, 2].

        The label, 1 to 255, says what is on top there from now on; without one it is
        a detail of what is there already.
        """
        corners = ((outline + 0.5) * self._factor - 0.5).round().ravel().tolist()
        self._draw_colors.polygon(corners, fill=color)
        if label is not None:
            self._draw_labels.polygon(corners, fill=label)

    def label_at(self, point: Sequence[float]) -> int:
        """Returns the label on top at the pixel nearest to a point in the image."""
        x, y = (round(c) * self._factor + self._factor // 2 for c in point)
        label = self._labels.getpixel((x, y))
        assert isinstance(label, int)
        return label

    def image(self) -> Image.Image:
        """Returns the finished picture."""
        return self._colors.reduce(self._factor)


def capsule(
    start: np.ndarray, end: np.ndarray, radius: float, end_radius: float | None = None
) -> np.ndarray:
    """The outline [N, 2] of a line with round ends, thick as a limb."""
    end_radius = radius if end_radius is None else end_radius
    dx, dy = end[0] - start[0], end[1] - start[1]
    angles = _ARC + math.atan2(dy, dx)
    arc = np.stack((np.cos(angles), np.sin(angles)), axis=-1)
    return np.concatenate((end[:2] + end_radius * arc, start[:2] - radius * arc))


def ellipse(center: np.ndarray, half_axis: np.ndarray, ratio: float) -> np.ndarray:
    """The outline [N, 2] of an ellipse.

    `half_axis` [2] leads from the center [2] to the end of the first axis; `ratio` is
    the second axis' length divided by the first's.
    """
    across = ratio * np.array((-half_axis[1], half_axis[0]))
    return (
        center
        + np.outer(np.cos(_CIRCLE), half_axis)
        + np.outer(np.sin(_CIRCLE), across)
    )


def shade(color: Color, factor: float) -> Color:
    """A darker (factor below 1) or lighter color."""
    red, green, blue = (min(255, round(channel * factor)) for channel in color)
    return red, green, blue


def hsv_color(hue: float, saturation: float, value: float) -> Color:
    """A color by hue, saturation and value from 0 to 1; hues go round."""
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return round(255 * red), round(255 * green), round(255 * blue)
