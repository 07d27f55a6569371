"""HRNet's published training and evaluation input, in OpenCV and NumPy.

After leoxiaobin/deep-high-resolution-net.pytorch, `lib/dataset/JointsDataset.py` and
`lib/utils/transforms.py`: the frame is decoded, flipped, warped once, each keypoint is
moved by the same matrix and gets a 13 x 13 patch. `normalize` comes last there.
"""

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

SIZE = 256
CELLS = 64
STRIDE = SIZE / CELLS
SIGMA = 2
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
PAIRS = ((0, 5), (1, 4), (2, 3), (10, 15), (11, 14), (12, 13))


def read_example(
    image: np.ndarray, example: Mapping[str, Any], *, rng: np.random.Generator | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns crop uint8 [256, 256, 3], heatmaps [16, 64, 64] and weights [16, 1].

    Args:
        image: uint8 [n], the bytes of the JPEG.
        example: keypoints, visibility, center and scale.
        rng: For training; None for evaluation.
    """
    frame = cv2.imdecode(image, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    frame = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
    keypoints = example["keypoints"].astype(float)
    visible = (example["visibility"] > 0).astype(np.float32)[:, None]
    center = example["center"] + [0.0, 15.0 * example["scale"]]
    scale, angle = 1.25 * float(example["scale"]), 0.0
    if rng is not None:
        scale *= np.clip(rng.normal() * 0.25 + 1, 0.75, 1.25)
        if rng.random() <= 0.6:
            angle = float(np.clip(rng.normal() * 30, -60, 60))
        if rng.random() <= 0.5:
            width = frame.shape[1]
            frame = frame[:, ::-1, :]
            keypoints[:, 0] = width - keypoints[:, 0] - 1
            for right, left in PAIRS:
                keypoints[[right, left]] = keypoints[[left, right]]
                visible[[right, left]] = visible[[left, right]]
            center[0] = width - center[0] - 1
    matrix = _affine(center, scale, angle)
    crop = cv2.warpAffine(frame, matrix, (SIZE, SIZE), flags=cv2.INTER_LINEAR)
    for k in range(16):
        if visible[k] > 0:
            keypoints[k] = matrix @ [*keypoints[k], 1.0]
    return crop, *_heatmaps(keypoints, visible)


def normalize(crop: np.ndarray) -> np.ndarray:
    """Returns the crop as float32, less ImageNet's mean, over its deviation."""
    return (crop / np.float32(255) - MEAN) / DEVIATION


def _affine(center: np.ndarray, scale: float, angle: float) -> np.ndarray:
    """Solves for the matrix from three points, as `get_affine_transform` does."""
    radians = np.deg2rad(angle)
    up = np.array([np.sin(radians), -np.cos(radians)]) * scale * 200 / 2
    aside = np.array([up[1], -up[0]])
    source = np.array([center, center + up, center + up + aside], np.float32)
    half = SIZE / 2
    target = np.array([[half, half], [half, 0], [0, 0]], np.float32)
    return cv2.getAffineTransform(source, target)


def _heatmaps(
    keypoints: np.ndarray, visible: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Puts a patch of the Gaussian at each rounded position."""
    heatmaps = np.zeros((16, CELLS, CELLS), np.float32)
    weights = visible.copy()
    reach = SIGMA * 3
    for k in range(16):
        x, y = (int(value / STRIDE + 0.5) for value in keypoints[k])
        left, top, right, bottom = x - reach, y - reach, x + reach + 1, y + reach + 1
        if left >= CELLS or top >= CELLS or right < 0 or bottom < 0:
            weights[k] = 0
        if weights[k] <= 0.5:
            continue
        axis = np.arange(2 * reach + 1, dtype=np.float32)
        squared = (axis - reach) ** 2 + (axis[:, None] - reach) ** 2
        patch = np.exp(-squared / (2 * SIGMA**2))
        rows, columns = (
            slice(max(0, start), min(stop, CELLS))
            for start, stop in ((top, bottom), (left, right))
        )
        heatmaps[k, rows, columns] = patch[
            rows.start - top : rows.stop - top,
            columns.start - left : columns.stop - left,
        ]
    return heatmaps, weights
