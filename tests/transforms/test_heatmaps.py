import math

import numpy as np
import pytest

from mpii_pose.transforms.geometry import ALIGNMENTS
from mpii_pose.transforms.heatmaps import encode_heatmaps
from mpii_pose.transforms.spec import ENCODINGS, CropSpec


def random_people(count=6, low=-60, high=320, seed=0):
    rng = np.random.default_rng(seed)
    keypoints = rng.uniform(low, high, (count, 16, 2)).astype(np.float32)
    visibility = rng.integers(0, 3, (count, 16)).astype(np.int8)
    keypoints[visibility == 0] = -1
    return keypoints, visibility


def plain_position(x, pixels, cells, alignment):
    """One coordinate from crop pixels to cells, as in the papers."""
    if alignment == "half_pixel":
        return (x + 0.5) * cells / pixels - 0.5
    if alignment == "udp":
        return x * (cells - 1) / (pixels - 1)
    return x * cells / pixels


def plain_heatmap(point, visibility, spec):
    """One heatmap and its weight, cell by cell."""
    (height, width), sigma = spec.heatmap_size, spec.sigma
    x = plain_position(point[0], spec.image_size[1], width, spec.alignment)
    y = plain_position(point[1], spec.image_size[0], height, spec.alignment)
    if spec.encoding == "msra":
        x, y = math.floor(x + 0.5), math.floor(y + 0.5)
    reach = 3 * sigma
    on_map = -reach <= x <= width - 1 + reach and -reach <= y <= height - 1 + reach
    heatmap = np.zeros(spec.heatmap_size, np.float32)
    if visibility > 0 and on_map:
        for row in range(height):
            for column in range(width):
                dx, dy = column - x, row - y
                inside = abs(dx) <= reach and abs(dy) <= reach
                if spec.encoding == "unbiased" or inside:
                    heatmap[row, column] = math.exp(-(dx**2 + dy**2) / (2 * sigma**2))
    weight = {
        "labelled": visibility > 0 and on_map,
        "visible": visibility == 2 and on_map,
        "all": True,
    }[spec.weighting]
    return heatmap, float(weight)


@pytest.mark.parametrize("alignment", ALIGNMENTS)
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"image_size": (255, 191), "heatmap_size": (33, 48), "weighting": "visible"},
        {"image_size": (64, 64), "sigma": 1.5, "weighting": "all"},
    ],
)
def test_heatmaps_equal_those_drawn_cell_by_cell(alignment, encoding, fields):
    spec = CropSpec(alignment=alignment, encoding=encoding, **fields)
    keypoints, visibility = random_people(count=2)

    found, weights = encode_heatmaps(keypoints, visibility, spec=spec)

    assert found.shape == (2, *spec.heatmap_size, 16)
    for person in range(2):
        for k in range(16):
            pose = keypoints[person, k], visibility[person, k]
            heatmap, weight = plain_heatmap(*pose, spec)
            np.testing.assert_allclose(found[person, ..., k], heatmap, atol=1e-5)
            assert float(weights[person, k]) == weight


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("dtype", [np.int8, np.int64])
@pytest.mark.parametrize("state", [0, -1])
@pytest.mark.parametrize("place", [-1.0, np.nan, 100.0])
def test_missing_keypoint_may_be_anywhere_and_has_an_empty_map(
    encoding, dtype, state, place
):
    keypoints, _ = random_people(count=2, low=60, high=190)
    states = np.full((2, 16), 2, dtype)
    keypoints[:, 3], states[:, 3] = place, state

    found, weights = encode_heatmaps(keypoints, states, encoding=encoding)

    assert np.isfinite(found).all()
    empty = ~found.any(axis=(1, 2))
    assert np.argwhere(empty).tolist() == [[0, 3], [1, 3]]
    np.testing.assert_array_equal(weights, ~empty)


def test_labelled_keypoint_without_a_place_has_an_empty_map():
    keypoints = np.full((16, 2), 100.0, np.float32)
    keypoints[5, 0], keypoints[6, 1] = np.nan, np.inf

    found, weights = encode_heatmaps(keypoints, np.full(16, 2))

    assert np.isfinite(found).all()
    assert np.flatnonzero(weights == 0).tolist() == [5, 6]


def test_heatmaps_need_a_size():
    with pytest.raises(ValueError, match=r"heatmap_size must be .* got None"):
        encode_heatmaps(*random_people(), heatmap_size=None)
