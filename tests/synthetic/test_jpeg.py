import io

import numpy as np
import pytest
from PIL import Image

from mpii_pose.synthetic import jpeg


def decode(data):
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


@pytest.mark.parametrize("num_bytes", [30_000, 40_001, 100_000, 300_000])
def test_a_filler_is_a_whole_jpeg_of_exactly_the_wanted_size(num_bytes):
    data = jpeg.filler_image((240, 321), num_bytes=num_bytes, seed=3)

    image = decode(data)
    assert len(data) == num_bytes
    assert data.endswith(b"\xff\xd9")
    assert image.mode == "RGB"
    assert image.size == (321, 240)


@pytest.mark.parametrize("left", [0, 1, 3, 4, 5, 65_536, 65_537, 65_538, 65_541])
def test_comments_fill_any_gap(left):
    smallest = jpeg.filler_image((64, 64), num_bytes=20_000, seed=0)
    bare = len(jpeg.encode_jpeg(decode(smallest), quality=98))

    data = jpeg.fit_jpeg(decode(smallest), num_bytes=bare + left, seed=0)

    assert len(data) == bare + left
    decode(data)


def test_pixels_make_up_most_of_a_file_as_heavy_as_mpii():
    num_bytes = round(jpeg.MPII_BYTES_PER_PIXEL * 480 * 640)

    data = jpeg.filler_image((480, 640), num_bytes=num_bytes, seed=0)

    comment = len(decode(data).info.get("comment", b""))
    assert comment < 0.2 * num_bytes


def test_fillers_differ_by_seed_and_only_by_seed():
    first, again, other = (
        jpeg.filler_image((64, 64), num_bytes=5_000, seed=seed) for seed in (1, 1, 2)
    )

    assert first == again
    assert first != other


def test_a_fitted_image_keeps_its_pixels_as_well_as_the_size_allows():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (8, 8, 3), np.uint8)
    image = Image.fromarray(pixels).resize((128, 96), Image.Resampling.BICUBIC)

    errors = [
        np.abs(
            np.asarray(decode(jpeg.fit_jpeg(image, num_bytes=size, seed=0)), np.int16)
            - np.asarray(image, np.int16)
        ).mean()
        for size in (1_500, 3_000, 8_000)
    ]

    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 4


def test_a_size_that_no_quality_reaches_is_refused():
    with pytest.raises(
        ValueError, match="bytes or more as a JPEG, got num_bytes = 100"
    ):
        jpeg.filler_image((480, 640), num_bytes=100, seed=0)
