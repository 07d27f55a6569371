"""The square around a person that nearly all code crops. Needs no TensorFlow."""

from typing import Any

import numpy as np

# HRNet's crop, `lib/dataset/mpii.py`: a square of 200 x scale x 1.25 px ...
SQUARE_PER_SCALE = 250.0
# ... around a center that is moved down, from the chest to the middle of the body.
CENTER_SHIFT_PER_SCALE = 15.0


def person_square(center: Any, scale: Any) -> tuple[Any, Any]:
    """Returns the square around a person that HRNet's crop shows.

    HRNet's own center is one pixel off, as it subtracts the 1 of MPII's 1-based
    pixels from `center` and from the keypoints at different places.

    Args:
        center: float [..., 2], the release's rough middle of the person, in pixels; a
            tensor or an array.
        scale: float [...], person height divided by 200 px; of the same type.

    Returns:
        Center [..., 2] and side [...] of the square, in image pixels.
    """
    shift = np.array([0, CENTER_SHIFT_PER_SCALE], np.float32)
    return center + scale[..., np.newaxis] * shift, SQUARE_PER_SCALE * scale
