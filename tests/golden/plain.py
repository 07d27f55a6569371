"""The formulas once more, one person and one keypoint at a time, for clarity.

Written from papers and published scripts, in float64 NumPy, without the package, whose
results `test_golden.py` compares with these.

Points are (x, y), 0-based, integers at pixel centers. Keypoints have MPII's order.
"""

import itertools

import numpy as np

CROP, HEATMAP, SIGMA = 256, 64, 2.0
ALIGNMENTS = ("half_pixel", "udp", "legacy")
NECK, TOP = 8, 9
COUNTED = [k for k in range(16) if k not in (6, 7)]  # Without pelvis and thorax.
GROUPS = {
    "shoulder": (12, 13),
    "elbow": (11, 14),
    "wrist": (10, 15),
    "hip": (2, 3),
    "knee": (1, 4),
    "ankle": (0, 5),
}
# Dialect -> whether an error of the threshold is a miss, keypoints of the row head,
# whether the total is the mean of keypoints' scores.
DIALECTS = {
    "official": (False, (NECK, TOP), False),
    "hrnet": (False, (TOP,), False),
    "mmpose": (True, (TOP,), False),
    "pytorch_pose": (True, (TOP,), True),
}
AUC_THRESHOLDS = [step / 100 for step in range(51)]


def parse(record):
    """Keypoints from 0, which are labelled, center and scale, by CPM."""
    points = np.array(record["joint_self"])
    labelled = (points != 0).any(axis=1)
    center = np.array(record["objpos"]) - 1
    return points[:, :2] - 1, labelled, center, record["scale_provided"]


def edges(alignment, size):
    """Where the left and right edge of the square lie on a grid of `size` samples."""
    return {
        "half_pixel": (-0.5, size - 0.5),
        "udp": (0, size - 1),
        "legacy": (0, size),
    }[alignment]


def crop_to_image(center, scale, *, alignment, rotation=0.0, flip=False):
    """HRNet's crop as a matrix [2, 3], solved from three corners of its square."""
    middle = np.array((center[0], center[1] + 15 * scale))
    turn = np.array(
        ((np.cos(rotation), -np.sin(rotation)), (np.sin(rotation), np.cos(rotation)))
    )
    low, high = edges(alignment, CROP)
    rows, corners = [], []
    for x, y in ((-1, -1), (1, -1), (-1, 1)):
        shown_at = -x if flip else x
        rows.append(((low, high)[shown_at > 0], (low, high)[y > 0], 1))
        corners.append(middle + turn @ (x * 125 * scale, y * 125 * scale))
    return np.linalg.solve(np.array(rows, float), np.array(corners)).T


def apply(matrix, point):
    return matrix[:, :2] @ point + matrix[:, 2]


def between_grids(point, *, alignment, source, target):
    """The same place of the square on a grid of another size."""
    (low, high), (to_low, to_high) = edges(alignment, source), edges(alignment, target)
    share = (np.asarray(point) - low) / (high - low)
    return to_low + share * (to_high - to_low)


def heatmap(cell, *, encoding):
    """A Gaussian [64, 64] around a cell (x, y); all zero where none of it is seen."""
    x, y = cell
    if encoding == "msra":
        x, y = np.floor(x + 0.5), np.floor(y + 0.5)
    reach = 3 * SIGMA
    if not (-reach <= x <= HEATMAP - 1 + reach and -reach <= y <= HEATMAP - 1 + reach):
        return np.zeros((HEATMAP, HEATMAP))
    dx, dy = np.arange(HEATMAP) - x, np.arange(HEATMAP)[:, None] - y
    values = np.exp(-(dx**2 + dy**2) / (2 * SIGMA**2))
    if encoding == "msra":
        values[(abs(dx) > reach) | (abs(dy) > reach)] = 0
    return values


def decode(values, *, method):
    """The cell (x, y) of a heatmap's keypoint; None for an empty map."""
    if values.max() <= 0:
        return None
    y, x = np.unravel_index(values.argmax(), values.shape)
    peak = np.array((x, y), float)
    if method == "argmax":
        return peak
    if method == "quarter":
        if 0 < x < HEATMAP - 1:
            peak[0] += 0.25 * np.sign(values[y, x + 1] - values[y, x - 1])
        if 0 < y < HEATMAP - 1:
            peak[1] += 0.25 * np.sign(values[y + 1, x] - values[y - 1, x])
        return peak
    # DARK: one Newton step on the logarithm of the smoothed map. At the border it
    # starts one cell inside, smoothed only as far as the map reaches.
    x, y = (int(c) for c in np.clip((x, y), 1, HEATMAP - 2))
    log = np.zeros((3, 3))
    reach_x, reach_y = (min(c - 1, HEATMAP - 2 - c, 5) for c in (x, y))
    i, j = np.arange(-reach_x, reach_x + 1), np.arange(-reach_y, reach_y + 1)[:, None]
    weights = np.exp(-(i**2 + j**2) / (2 * SIGMA**2))
    for row, column in itertools.product((-1, 0, 1), repeat=2):
        around = values[y + row + j, x + column + i]
        smooth = (weights * around).sum() / weights.sum()
        log[row + 1, column + 1] = np.log(max(smooth, 1e-6 * values.max()))
    slope = np.array((log[1, 2] - log[1, 0], log[2, 1] - log[0, 1])) / 2
    xx = log[1, 2] + log[1, 0] - 2 * log[1, 1]
    yy = log[2, 1] + log[0, 1] - 2 * log[1, 1]
    xy = (log[2, 2] + log[0, 0] - log[0, 2] - log[2, 0]) / 4
    step = -np.linalg.solve(((xx, xy), (xy, yy)), slope)
    return np.clip(np.array((x, y)) + step, peak - 2, peak + 2)


def through_heatmap(point, matrix, *, alignment, encoding, method):
    """The prediction of a network that is never wrong, in image pixels."""
    inverse = np.linalg.inv(np.vstack((matrix, (0, 0, 1))))[:2]
    cell = between_grids(
        apply(inverse, point), alignment=alignment, source=CROP, target=HEATMAP
    )
    found = decode(heatmap(cell, encoding=encoding), method=method)
    if found is None:
        return np.full(2, np.nan)
    in_crop = between_grids(found, alignment=alignment, source=HEATMAP, target=CROP)
    return apply(matrix, in_crop)


def pckh(predicted, truth, labelled, head_size, *, threshold, dialect="official"):
    """Groups and total of a table's row, in percent."""
    strict, head, is_mean = DIALECTS[dialect]
    found, counts = np.zeros(16), np.zeros(16)
    for person, k in zip(*np.nonzero(labelled), strict=True):
        error = np.hypot(*(predicted[person, k] - truth[person, k]))
        allowed = threshold * head_size[person]
        counts[k] += 1
        found[k] += error < allowed if strict else error <= allowed
    scores = 100 * found / counts
    row = {"head": scores[list(head)].mean()}
    row |= {name: scores[list(pair)].mean() for name, pair in GROUPS.items()}
    if is_mean:
        return row | {"total": scores[COUNTED].mean()}
    return row | {"total": 100 * found[COUNTED].sum() / counts[COUNTED].sum()}


def auc(predicted, truth, labelled, head_size):
    """Area under the curve of totals from 0 to 0.5, in percent."""
    totals = [
        pckh(predicted, truth, labelled, head_size, threshold=t)["total"]
        for t in AUC_THRESHOLDS
    ]
    return float((sum(totals) - (totals[0] + totals[-1]) / 2) / 50)
