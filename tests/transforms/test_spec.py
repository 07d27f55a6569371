import json

import numpy as np
import pytest

from mpii_pose.transforms import geometry
from mpii_pose.transforms.decoding import decode_heatmaps
from mpii_pose.transforms.spec import CropSpec

OWN = geometry.Alignment("own", offset=0.25, shrink=0)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        *(
            ({"image_size": size}, r"image_size must be \(height, width\), two int")
            for size in (256, (256,), (0, 4), (256.0, 256.0), "ab", (1, 2, 3), None)
        ),
        ({"heatmap_size": (64, 0)}, r"heatmap_size must be \(height, width\)"),
        ({"image_size": (1, 8), "alignment": "udp"}, "udp needs a height and width"),
        ({"alignment": "center"}, "half_pixel, udp, legacy, got 'center'"),
        ({"sigma": np.nan}, "sigma must be a positive number of cells, got nan"),
        ({"simcc_sigma": 0}, "simcc_sigma must be a positive number of bins, got 0.0"),
        ({"simcc_ratio": np.inf}, "simcc_ratio must be a positive number of bins per"),
        ({"encoding": "dark"}, "encoding must be one of unbiased, msra, got 'dark'"),
        ({"weighting": "none"}, "weighting must be one of labelled, visible, all"),
    ],
)
def test_wrong_field_is_refused_by_name(fields, message):
    with pytest.raises(ValueError, match=message):
        CropSpec.of(None, **fields)


@pytest.mark.parametrize(("ratio", "bins"), [(2, (192, 126)), (4 / 3, (128, 84))])
def test_bins_are_the_ratio_times_the_image_size(ratio, bins):
    assert CropSpec(image_size=(96, 63), simcc_ratio=ratio).simcc_bins == bins


@pytest.mark.parametrize(("ratio", "bins"), [(1.5, r"144.0, 94.5"), (1e-9, "9.6")])
def test_ratio_without_whole_bins_is_refused_where_bins_are_needed(ratio, bins):
    spec = CropSpec(image_size=(96, 63), simcc_ratio=ratio)

    with pytest.raises(ValueError, match=rf"simcc_ratio .* \(96, 63\) must .*{bins}"):
        _ = spec.simcc_bins


def test_fields_replace_those_of_the_spec():
    spec = CropSpec.of(CropSpec(sigma=3.0), image_size=[128, 96])

    assert spec == CropSpec(sigma=3.0, image_size=(128, 96))
    assert hash(spec) == hash(CropSpec(sigma=3.0, image_size=(128, 96)))


@pytest.mark.parametrize(
    "spec",
    [
        CropSpec(),
        CropSpec(heatmap_size=None, sigma=1.5, weighting="all"),
        CropSpec(alignment=OWN, simcc_ratio=3, simcc_sigma=4.9, simcc_normalize=True),
        CropSpec(sigma=np.float32(2), image_size=(np.int64(96), np.int32(64))),
    ],
)
def test_spec_is_made_again_from_its_config_as_json(spec):
    config = json.loads(json.dumps(spec.to_config()))

    assert CropSpec.of(config) == spec


@pytest.mark.parametrize("heatmap_size", [(64, 48), (63, 49), (300, 2)])
@pytest.mark.parametrize("alignment", [*geometry.ALIGNMENTS.values(), OWN])
def test_matrix_from_heatmap_to_crop_is_the_alignments_map(alignment, heatmap_size):
    spec = CropSpec(
        image_size=(256, 192), heatmap_size=heatmap_size, alignment=alignment
    )
    cells = np.random.default_rng(0).uniform(-2, 70, (5, 16, 2)).astype(np.float32)

    found = geometry.apply_affine(spec.heatmap_to_crop, cells)

    assert spec.heatmap_to_crop.dtype == np.float32
    np.testing.assert_allclose(spec.crop_to_heatmap(found), cells, atol=1e-4)


def test_alignment_of_ones_own_is_kept_and_a_known_one_is_named():
    assert CropSpec(alignment=OWN).alignment == OWN
    assert CropSpec(alignment=geometry.ALIGNMENTS["udp"]) == CropSpec(alignment="udp")

    maps = np.eye(64, dtype=np.float32)[..., None] * np.ones(16, np.float32)
    keypoints, _ = decode_heatmaps(maps, method="argmax", alignment=OWN)
    np.testing.assert_allclose(keypoints, 0.75)  # cell 0: 0.25 of a cell, in pixels
