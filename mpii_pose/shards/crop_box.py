"""Which part of a frame is stored of a person, and its pixels' place in the frame.

Places are (x, y) in pixels of the frame; those of edges count from the outer edge of
the first pixel, so that pixel 0 reaches from 0 to 1 and its center is at 0.5.
"""

import dataclasses
import math

import numpy as np
import numpy.typing as npt

# How much smaller than allowed a whole frame may be stored, so that both of its sides
# are whole pixels: a part of a pixel is cut off its end otherwise.
_SLACK = 1.04
_ROUNDING = 1e-6


@dataclasses.dataclass(frozen=True, slots=True)
class CropBox:
    """A part of a frame that is stored as whole pixels.

    Attributes:
        start: Left and top edge.
        reduction: How many pixels of the frame a stored pixel is, in x as in y; 1 or
            more.
        width: In stored pixels.
        height: In stored pixels.
    """

    start: tuple[float, float]
    reduction: float
    width: int
    height: int

    @property
    def end(self) -> tuple[float, float]:
        """Right and bottom edge."""
        x, y = self.start
        return x + self.width * self.reduction, y + self.height * self.reduction

    def image_to_frame(self) -> npt.NDArray[np.float32]:
        """Returns float32 [2, 3], from stored pixels to those of the frame."""
        offset = np.array(self.start) + (self.reduction - 1) / 2
        scaling = self.reduction * np.eye(2)
        return np.column_stack([scaling, offset]).astype(np.float32)

    def from_frame(self, points: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Takes points [..., 2] from pixels of the frame to stored ones."""
        edges = np.asarray(points, np.float64) + 0.5 - self.start
        return (edges / self.reduction - 0.5).astype(np.float32)


def fit_crop_box(
    middle: npt.ArrayLike, side: float, size: tuple[int, int], *, reduction: float
) -> CropBox:
    """Returns the part of a square that lies in the frame, as whole stored pixels.

    The reduction is the same in x and y, and the box is chosen to suit it: a ratio
    rounded to whole pixels in each axis would move keypoints by 0.3 px. It grows by
    less than a stored pixel, or ends at the frame's borders. Of a square outside of the
    frame, the nearest row or column of pixels is stored.

    Args:
        middle: [2], of the square, (x, y), integers at pixel centers.
        side: Side of the square in pixels of the frame.
        size: Height and width of the frame.
        reduction: How many pixels of the frame to make one at least; less than 1
            stores them as they are. No more than there are.
    """
    lengths = size[::-1]
    edges = np.asarray(middle, np.float64) + 0.5
    low, high = edges - side / 2, edges + side / 2
    reduction = float(np.clip(reduction, 1.0, max(1, min(size))))
    if reduction == 1:
        low, high = np.floor(low), np.ceil(high)
    else:
        whole = [
            n for n, a, b in zip(lengths, low, high, strict=True) if a <= 0 and b >= n
        ]
        reduction = min(_fitting_reduction(whole, reduction), min(size))
    axes = [
        _fit_axis(float(a), float(b), length, reduction)
        for a, b, length in zip(low, high, lengths, strict=True)
    ]
    (left, width), (top, height) = axes
    return CropBox((left, top), reduction, width, height)


def _fitting_reduction(lengths: list[int], least: float) -> float:
    """Returns a reduction for which lengths that are stored whole are whole pixels."""
    if not lengths:
        return least
    longest = max(lengths)
    most = max(1, math.floor(longest / least + _ROUNDING))
    counts = range(most, max(1, math.ceil(most / _SLACK)) - 1, -1)

    def lost(count: int) -> float:
        stored = min(lengths) * count / longest + _ROUNDING
        # A frame so thin that nothing would be left of it.
        return math.inf if stored < 1 else stored % 1

    return longest / min(counts, key=lost)


def _fit_axis(
    low: float, high: float, length: int, reduction: float
) -> tuple[float, int]:
    """Returns the start in the frame and the number of stored pixels."""
    most = max(1, math.floor(length / reduction + _ROUNDING))
    wanted = (min(high, length) - max(low, 0.0)) / reduction
    count = min(max(1, math.ceil(wanted - _ROUNDING)), most)
    last = max(0.0, length - count * reduction)
    if low > 0 and high >= length:
        return last, count
    return min(max(low, 0.0), last), count
