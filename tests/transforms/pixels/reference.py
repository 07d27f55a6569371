"""Warping as it is defined, for comparison."""

import numpy as np


def reference_warp(image, matrix, size):
    """Bilinear interpolation in float64, pixel by pixel; black outside."""
    output = np.zeros((*size, 3))
    for row in range(size[0]):
        for column in range(size[1]):
            x, y = np.asarray(matrix, np.float64) @ [column, row, 1.0]
            left, top = int(np.floor(x)), int(np.floor(y))
            for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
                inside = (
                    0 <= top + i < image.shape[0] and 0 <= left + j < image.shape[1]
                )
                if inside:
                    weight = abs(1 - i - (y - top)) * abs(1 - j - (x - left))
                    output[row, column] += weight * image[top + i, left + j]
    return output
