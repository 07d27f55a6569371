import math

import numpy as np
import pytest

from mpii_pose.skeleton import MPII
from mpii_pose.transforms.decoding import flip_test
from mpii_pose.transforms.geometry import ALIGNMENTS
from mpii_pose.transforms.heatmaps import encode_heatmaps
from mpii_pose.transforms.simcc import decode_simcc, encode_simcc
from mpii_pose.transforms.spec import ENCODINGS, WEIGHTINGS, CropSpec
from tests.transforms.test_heatmaps import plain_position, random_people


def plain_simcc(point, visibility, spec):
    """Distributions of x and y and the weight of one keypoint, bin by bin.

    In "legacy" and "msra" these are MMPose's `SimCCLabel`: pixel x ratio, rounded half
    to even, a Gaussian over all bins, unless it is further than 3 sigma outside.
    """
    centers, counts = [], []
    for value, pixels in zip(point, spec.image_size[::-1], strict=True):
        counts.append(round(pixels * spec.simcc_ratio))
        center = plain_position(value, pixels, counts[-1], spec.alignment)
        centers.append(np.around(center) if spec.encoding == "msra" else center)
    radius = 3 * spec.simcc_sigma
    is_out = any(
        center - radius >= count or center + radius + 1 < 0
        for center, count in zip(centers, counts, strict=True)
    )
    if visibility <= 0 or is_out:
        return *(np.zeros(count) for count in counts), 0.0
    area = spec.simcc_sigma * math.sqrt(2 * math.pi) if spec.simcc_normalize else 1.0
    gaussians = [
        [math.exp(-((b - c) ** 2) / (2 * spec.simcc_sigma**2)) / area for b in range(n)]
        for c, n in zip(centers, counts, strict=True)
    ]
    return *gaussians, 1.0


@pytest.mark.parametrize("alignment", ALIGNMENTS)
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"image_size": (256, 192), "simcc_normalize": True, "simcc_sigma": 4.9},
        {"image_size": (63, 48), "simcc_ratio": 3, "simcc_sigma": 2.0},
        {"image_size": (64, 96), "simcc_ratio": 0.5},
    ],
)
def test_distributions_equal_those_of_the_plain_formula(alignment, encoding, fields):
    spec = CropSpec(alignment=alignment, encoding=encoding, **fields)
    keypoints, visibility = random_people(count=2)
    keypoints[0, :15] = np.arange(30).reshape(15, 2) / 4  # Some between two bins.

    found = encode_simcc(keypoints, visibility, spec=spec)

    for person, k in np.ndindex(2, 16):
        expected = plain_simcc(keypoints[person, k], visibility[person, k], spec)
        for ours, plain in zip(found, expected, strict=True):
            np.testing.assert_allclose(ours[person, k], plain, atol=2e-5)


@pytest.mark.parametrize("place", [-19, -20, 64 + 17, 64 + 18])
@pytest.mark.parametrize("axis", [0, 1])
def test_keypoint_beyond_three_sigma_has_empty_distributions_of_x_and_y(place, axis):
    keypoints = np.full((16, 2), 30.0, np.float32)
    keypoints[3, axis] = place
    grid = {"image_size": (64, 64), "alignment": "legacy", "simcc_ratio": 1.0}

    *found, weights = encode_simcc(keypoints, np.ones(16), encoding="msra", **grid)

    is_in = place in (-19, 81)
    assert weights.tolist() == [1, 1, 1, is_in] + [1] * 12
    for distributions in found:
        assert distributions[3].any() == is_in


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("state", [0, -1])
@pytest.mark.parametrize("place", [-1.0, np.nan, np.inf, 100.0])
def test_missing_keypoint_may_be_anywhere_and_is_decoded_to_nan(encoding, state, place):
    keypoints, _ = random_people(count=2, low=60, high=190)
    visibility = np.full((2, 16), 2, np.int8)
    keypoints[:, 3], visibility[:, 3] = place, state

    x, y, weights = encode_simcc(keypoints, visibility, encoding=encoding)

    assert np.isfinite(x).all()
    assert np.isfinite(y).all()
    for values in (x.any(axis=-1), y.any(axis=-1), weights):
        assert np.argwhere(values == 0).tolist() == [[0, 3], [1, 3]]
    decoded, scores = decode_simcc(x, y)
    np.testing.assert_array_equal(np.isnan(decoded[..., 0]), weights == 0)
    np.testing.assert_array_equal(scores == 0, weights == 0)


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_weights_of_keypoints_in_the_crop_are_those_of_heatmaps(weighting):
    people = random_people(low=0, high=255)

    *_, weights = encode_simcc(*people, weighting=weighting)

    expected = encode_heatmaps(*people, weighting=weighting)[1]
    np.testing.assert_array_equal(weights, expected)
    assert weights.dtype == np.float32


@pytest.mark.parametrize("alignment", ALIGNMENTS)
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("ratio", [1.0, 2.0, 3.0])
@pytest.mark.parametrize("shape", [(16,), (2, 3, 16)])
def test_decoding_is_exact_to_half_a_bin(alignment, encoding, ratio, shape):
    spec = CropSpec(image_size=(96, 64), alignment=alignment, simcc_ratio=ratio)
    rng = np.random.default_rng(1)
    keypoints = rng.uniform([1, 1], [62, 94], (*shape, 2)).astype(np.float32)

    x, y, _ = encode_simcc(keypoints, np.ones(shape), spec=spec, encoding=encoding)
    found, scores = decode_simcc(x, y, spec=spec)

    assert found.dtype == scores.dtype == np.float32
    assert scores.shape == shape
    pixels_per_bin = max(spec.grid.spans((96, 64)) / spec.grid.spans(spec.simcc_bins))
    assert np.abs(found - keypoints).max() <= 0.5 * pixels_per_bin + 1e-3
    for scale, shift in ((-0.01, 2.0), (0.01, -2.0)):  # Logits, upside down or not.
        logits = shift + scale * x, shift + scale * y
        again, lower = decode_simcc(*logits, spec=spec)
        np.testing.assert_array_equal((again == found).all(), scale > 0)
        tops = [part.max(axis=-1) for part in logits]
        np.testing.assert_array_equal(lower, np.minimum(*tops))


@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_flip_test_of_a_perfect_model_is_its_prediction(alignment):
    spec = CropSpec(image_size=(96, 64), alignment=alignment)
    rng = np.random.default_rng(2)
    images = rng.uniform(size=(2, 96, 64, 3))
    keypoints = rng.uniform(20, 43, (2, 16, 2))
    mirrored = (keypoints * [-1, 1] + [63, 0])[:, MPII.mirrored]

    def model(batch):
        points = keypoints if np.array_equal(batch, images) else mirrored
        return encode_simcc(points, np.ones((2, 16)), spec=spec)[:2]

    found = flip_test(model, images, spec=spec)

    for mean, straight in zip(found, model(images), strict=True):
        np.testing.assert_allclose(mean, straight, atol=1e-5)
    with pytest.raises(ValueError, match=r"^x must have .* got \(2, 16, 192\)"):
        flip_test(lambda batch: model(batch)[::-1], images, spec=spec)


@pytest.mark.parametrize("fill", [0.0, -1.0, 1.0, np.nan, -np.inf])
@pytest.mark.parametrize("axis", [0, 1])
def test_distribution_without_a_peak_has_no_keypoint(axis, fill):
    pair = list(encode_simcc(np.full((2, 16, 2), 50.0), np.ones((2, 16)))[:2])
    pair[axis][1, 3], pair[axis][0, 7, 9] = fill, np.nan

    keypoints, scores = decode_simcc(*pair)

    assert np.argwhere(np.isnan(keypoints).any(axis=-1)).tolist() == [[0, 7], [1, 3]]
    assert np.isnan(keypoints[1, 3]).all()
    np.testing.assert_equal(scores[1, 3], np.float32(min(fill, pair[1 - axis].max())))
    assert np.isnan(scores[0, 7])


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ((16, 512), (16, 384), r"^x must have shape \[..., 16, 384\], simcc_ratio 2"),
        ((2, 16, 384), (2, 16, 511), r"height of image_size \(256, 192\), got \(2, 16"),
        ((16, 384), (17, 512), r"^y must have .* got \(17, 512\); the order is x, y"),
        ((384,), (512,), r"^x must have shape .* got \(384,\)"),
    ],
)
def test_exchanged_distributions_and_those_of_other_shapes_are_named(x, y, message):
    with pytest.raises(ValueError, match=message):
        decode_simcc(np.ones(x), np.ones(y), image_size=(256, 192))
