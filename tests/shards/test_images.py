"""Images reach the dataset untouched, converted faithfully, cut out, or not at all."""

import dataclasses
import io
import pickle

import numpy as np
import PIL.Image
import PIL.ImageFile
import pytest

from mpii_pose.files import JPEG_END, JPEG_START
from mpii_pose.shards.images import (
    Crop,
    ImageError,
    ImageFile,
    find_image_files,
    fit_crop_box,
)


@pytest.fixture
def picture():
    """A smooth color picture, which JPEG keeps well; [48, 64, 3] uint8."""
    y, x = np.mgrid[:48, :64]
    pixels = np.stack([4 * x, 5 * y, 128 + x - y], axis=-1)
    return PIL.Image.fromarray(pixels.astype(np.uint8))


def encode(image, image_format, **options):
    output = io.BytesIO()
    image.save(output, image_format, **options)
    return output.getvalue()


def stored(tmp_path, data, **options):
    path = tmp_path / "1.jpg"
    path.write_bytes(data)
    return ImageFile(str(path), len(data), **options)


def read(tmp_path, data, **options):
    return stored(tmp_path, data, **options).read()


def pixels_of(data):
    with PIL.Image.open(io.BytesIO(data)) as image:
        assert image.format == "JPEG"
        assert image.mode == "RGB"
        return np.asarray(image).astype(float)


@pytest.mark.parametrize(
    "options",
    [{}, {"quality": 30}, {"progressive": True}, {"subsampling": 0}, {"exif": b"Exif"}],
)
def test_whole_rgb_jpeg_is_kept_byte_for_byte(tmp_path, picture, options):
    data = encode(picture, "JPEG", **options)

    assert read(tmp_path, data) == data


@pytest.mark.parametrize(
    ("mode", "image_format"),
    [
        ("RGB", "PNG"),
        ("RGBA", "PNG"),
        ("P", "PNG"),
        ("L", "PNG"),
        ("I;16", "PNG"),
        ("I;16", "TIFF"),
        ("I;16B", "TIFF"),
        ("1", "PNG"),
        ("L", "JPEG"),
        ("CMYK", "JPEG"),
        ("RGB", "BMP"),
        ("RGB", "WEBP"),
    ],
)
def test_other_image_becomes_an_rgb_jpeg(tmp_path, picture, mode, image_format):
    options = {"quality": 95} if image_format in ("JPEG", "WEBP") else {}
    if mode.startswith("I;16"):
        grey = np.asarray(picture.convert("L")).astype(np.uint16) * 257
        data = grey.astype(">u2" if mode == "I;16B" else "<u2").tobytes()
        image = PIL.Image.frombytes(mode, picture.size, data)
        expected = picture.convert("L").convert("RGB")
    else:
        image = picture.convert(mode)
        expected = image.convert("RGB")
    data = encode(image, image_format, **options)

    found = pixels_of(read(tmp_path, data))

    error = np.abs(found - np.asarray(expected).astype(float))
    # JPEG smooths what a palette and a bitmap dither.
    assert error.mean() < (25 if mode in ("P", "1") else 2)


def test_rotation_in_exif_is_ignored(tmp_path, picture):
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    data = encode(picture.convert("L"), "JPEG", exif=exif)

    assert pixels_of(read(tmp_path, data)).shape == (48, 64, 3)


@pytest.mark.parametrize("pillow_accepts", [False, True])
def test_no_whole_image_is_refused(tmp_path, picture, pillow_accepts, monkeypatch):
    # TFDS changes this for good when it makes the first thumbnail.
    monkeypatch.setattr(PIL.ImageFile, "LOAD_TRUNCATED_IMAGES", pillow_accepts)
    jpeg = encode(picture, "JPEG", quality=95)
    dds = bytearray(encode(picture, "DDS"))
    dds[80:88] = b"\4\0\0\0????"  # Pixels are of the format named next.
    cut = [jpeg[: int(share * len(jpeg))] for share in (0.1, 0.5, 0.9)]

    for data in (*cut, dds, b"", b"<html>", JPEG_START + JPEG_END, bytes(5000)):
        with pytest.raises(ImageError, match=r"1\.jpg cannot be decoded"):
            read(tmp_path, data)

        assert PIL.ImageFile.LOAD_TRUNCATED_IMAGES is pillow_accepts


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("damage", ["zeroed", "cut"])
def test_jpeg_damaged_within_is_refused_by_a_check_of_pixels(tmp_path, mode, damage):
    pixels = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    data = encode(PIL.Image.fromarray(pixels).convert(mode), "JPEG")
    third = len(data) // 3
    damaged = {
        "zeroed": data[:third] + bytes(third) + data[2 * third :],
        "cut": data[: 2 * third] + JPEG_END,
    }[damage]

    with pytest.raises(ImageError, match=r"1\.jpg cannot be decoded \(Corrupt JPEG"):
        read(tmp_path, damaged, check_pixels=True)


def test_jpeg_is_decoded_smaller_if_twice_the_pixels_remain(tmp_path, picture):
    jpeg = stored(tmp_path, encode(picture, "JPEG"))
    for reduction, factor in ((1, 1), (3.9, 1), (4, 2), (8, 4), (16, 8), (99, 8)):
        image, found = jpeg.decode(reduction=reduction)

        assert (found, image.size) == (factor, (64 // factor, 48 // factor))

    image, found = stored(tmp_path, encode(picture, "PNG")).decode(reduction=99)
    assert (found, image.size) == (1, (64, 48))


@pytest.mark.parametrize(("mode", "dtype"), [("F", np.float32), ("I", np.int32)])
def test_image_whose_white_is_not_known_is_refused(tmp_path, mode, dtype):
    data = encode(PIL.Image.fromarray(np.ones((5, 6), dtype)), "TIFF")

    with pytest.raises(ImageError, match=f"pixels of mode {mode}, .*8 or 16 bits"):
        read(tmp_path, data)


def test_jpeg_with_something_behind_its_end_is_encoded_anew(tmp_path, picture):
    data = encode(picture, "JPEG", quality=95)

    found = read(tmp_path, data + b"\0" * 10)

    assert found.endswith(b"\xff\xd9")
    assert np.abs(pixels_of(found) - pixels_of(data)).mean() < 1


@pytest.mark.parametrize(
    ("side", "message"),
    [(9_000, "9000 x 9000 pixels"), (65_500, r"exceeds limit of \d+ pixels")],
)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_giant_image_is_refused_without_decoding_it(tmp_path, picture, side, message):
    data = bytearray(encode(picture, "JPEG"))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = side.to_bytes(2, "big") * 2

    with pytest.raises(ImageError, match=message):
        read(tmp_path, bytes(data))


def test_files_are_found_with_their_sizes(tmp_path, picture):
    picture.save(tmp_path / "1.jpg")
    (tmp_path / "2.jpg").write_bytes(b"123")

    found = find_image_files(tmp_path, ["2.jpg", "1.jpg", "3.jpg"])

    assert {name: (file.num_bytes, file.size) for name, file in found.items()} == {
        "1.jpg": ((tmp_path / "1.jpg").stat().st_size, (48, 64)),
        "2.jpg": (3, None),
    }
    with pytest.raises(ImageError, match=r"2\.jpg cannot be decoded"):
        found["2.jpg"].known_size()


def cut_out(tmp_path, image, middle, side, reduction, quality=95):
    """Returns the crop of a picture, and the picture's pixels as decoded."""
    image.save(tmp_path / "1.jpg", quality=100)
    (file,) = find_image_files(tmp_path, ["1.jpg"]).values()
    box = fit_crop_box(middle, side, file.size, reduction=reduction)
    return Crop(file, box, quality, "4:4:4"), pixels_of(file.read())


def noise(size):
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    return PIL.Image.fromarray(pixels)


@pytest.mark.parametrize(
    ("size", "middle", "side"),
    [
        pytest.param((90, 120), (-400, 37), 225, id="left of the frame"),
        pytest.param((90, 120), (50, 4007), 225, id="below the frame"),
        pytest.param((1, 1), (0, 4), 135, id="1 px frame"),
        pytest.param((1, 300), (70, 30), 900, id="1 px high"),
        pytest.param((90, 120), (40, 50), 3, id="3 px crop"),
        pytest.param((90, 120), (40, 1550), 45_000, id="frame many times over"),
    ],
)
@pytest.mark.parametrize("pixels", [320, 16])
def test_odd_squares_give_crops_of_their_place(tmp_path, size, middle, side, pixels):
    crop, frame = cut_out(tmp_path, noise(size), middle, side, side / 1.8 / pixels)

    found = pixels_of(pickle.loads(pickle.dumps(crop)).read())

    assert found.shape == (crop.box.height, crop.box.width, 3)
    left, top = np.floor(crop.box.start).astype(int)
    right, bottom = np.maximum(np.round(crop.box.end), (left + 1, top + 1)).astype(int)
    assert found.mean() == pytest.approx(frame[top:bottom, left:right].mean(), abs=12)


def test_part_that_is_not_reduced_keeps_its_pixels(tmp_path):
    crop, frame = cut_out(tmp_path, noise((90, 120)), (50, 43), 45, 0.3, quality=100)

    found = pixels_of(crop.read())

    left, top = map(int, crop.box.start)
    part = frame[top : top + crop.box.height, left : left + crop.box.width]
    assert np.abs(found - part).mean() < 1.5


def test_large_frame_decoded_at_a_part_of_its_size_gives_the_same_place(tmp_path):
    y, x = np.mgrid[:801, :1203]
    ramps = np.stack([x / 6, y / 4, 0 * x], axis=-1).astype(np.uint8)
    crop, _ = cut_out(tmp_path, PIL.Image.fromarray(ramps), (600, 430), 900, 12.5)

    found = pixels_of(crop.read())

    y, x = np.mgrid[: crop.box.height, : crop.box.width]
    matrix = crop.box.image_to_frame()
    places = np.stack([x, y], axis=-1) @ matrix[:, :2].T + matrix[:, 2]
    error = (found[..., :2] - places / (6, 4))[2:-2, 2:-2]
    # Half a stored pixel would be one level and more.
    assert (np.abs(error.mean(axis=(0, 1))) < 0.5).all()
    assert (np.abs(error).mean(axis=(0, 1)) < 1.5).all()


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_crop_of_a_grey_or_cmyk_frame_is_rgb(tmp_path, mode):
    crop, _ = cut_out(tmp_path, noise((90, 120)).convert(mode), (50, 43), 45, 2.3)

    assert pixels_of(crop.read()).shape == (crop.box.height, crop.box.width, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_bytes": 7}, r"1\.jpg changed .* it had 7 bytes when"),
        ({"size": (91, 120)}, r"had \(91, 120\) .* has \(90, 120\)"),
    ],
)
def test_file_of_another_size_than_planned_is_refused(tmp_path, change, message):
    crop, _ = cut_out(tmp_path, noise((90, 120)), (50, 43), 45, 1)
    changed = dataclasses.replace(crop.file, **change)

    with pytest.raises(ImageError, match=message):
        dataclasses.replace(crop, file=changed).read()
