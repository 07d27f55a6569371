"""The pose in a user's image is found where it is, in the image's pixels."""

import sys
from unittest import mock

import keras
import numpy as np
import PIL.ExifTags
import PIL.Image
import pytest

from mpii_pose.formats.predictions import PredictionError
from mpii_pose.skeleton import KEYPOINTS
from mpii_pose.tools import predict
from mpii_pose.tools.main import main
from mpii_pose.transforms import on_numpy


def red_finder(outputs=1):
    """A model all of whose heatmaps are highest where the crop is red."""
    images = keras.Input((64, 64, 3))
    convolve = keras.layers.Conv2D(16, 1)
    maps = convolve(keras.layers.AveragePooling2D(4)(images))
    kernel = np.tile(np.reshape([1.0, -0.5, -0.5], (1, 1, 3, 1)), (1, 1, 1, 16))
    convolve.set_weights([kernel, np.zeros(16)])
    return keras.Model(images, maps if outputs == 1 else [0 * maps, maps])


@pytest.fixture
def photo():
    """A red spot of 24 px around (180, 260) in a grey image."""
    image = np.full((400, 300, 3), 128, np.uint8)
    image[248:273, 168:193] = (255, 0, 0)
    return image


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("alignment", ["half_pixel", "udp"])
def test_keypoints_are_in_pixels_of_the_image(photo, outputs, alignment):
    points, scores = predict.predict(
        red_finder(outputs), photo, (110, 200, 230, 330), alignment=alignment
    )

    # A cell is 5 px of the image here, and 12 px where the whole image is the box.
    np.testing.assert_allclose(points, np.full((16, 2), (180, 260)), atol=3)
    assert (scores > 0).all()
    points, scores = predict.predict(red_finder(outputs), photo)
    np.testing.assert_allclose(points, np.full((16, 2), (180, 260)), atol=12)
    of_box = predict.predict(red_finder(outputs), photo, (0, 0, 299, 399))
    np.testing.assert_array_equal(points, of_box[0])
    np.testing.assert_array_equal(scores, of_box[1])


@pytest.fixture
def files(photo, tmp_path):
    red_finder().save(tmp_path / "model.keras")
    PIL.Image.fromarray(photo).save(tmp_path / "photo.png")
    return str(tmp_path / "model.keras"), str(tmp_path / "photo.png")


def test_without_opencv_one_line_has_the_command(files, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "cv2", None)
    on_numpy._opencv.cache_clear()

    assert main(["predict", *files]) == 1
    assert capsys.readouterr().err.endswith(": pip install opencv-python-headless\n")


@pytest.mark.parametrize("box", ["110,200,230,330", "-5,-.5,299,399", None])
def test_command_prints_and_draws_keypoints(box, photo, files, tmp_path, capsys):
    assert main(["predict", *files, *(["--box", box] if box else [])]) == 0

    _, *lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:16]] == [*KEYPOINTS]
    assert lines[16] == f"Wrote {tmp_path / 'photo_pose.png'}"
    expected = "The whole image was taken for one person; name another with --box"
    assert lines[17:] == ([] if box else [expected])
    drawn = PIL.Image.open(tmp_path / "photo_pose.png")
    assert (np.asarray(drawn) != photo).any()


def test_photo_is_turned_upright(photo, files, tmp_path):
    """Phones store photos lying, and say in EXIF how to turn them."""
    turned = PIL.Image.fromarray(np.rot90(photo))
    exif = turned.getexif()
    exif[PIL.ExifTags.Base.Orientation] = 6
    turned.save(tmp_path / "phone.png", exif=exif)
    options = ["--box", "110,200,230,330", "--output", str(tmp_path / "a.jpg")]

    assert main(["predict", files[0], str(tmp_path / "phone.png"), *options]) == 0

    drawn = PIL.Image.open(tmp_path / "a.jpg")
    assert (drawn.format, drawn.size) == ("JPEG", (300, 400))
    assert np.asarray(drawn)[255:266, 175:186, 1].max() > 100  # not red any more


@pytest.mark.parametrize("box", ["1,2,3", "a,b,c,d", "-1,2,3"])
def test_box_that_is_none_is_refused_at_once(box, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["predict", "none.keras", "none.jpg", "--box", box])

    assert "must be x1,y1,x2,y2" in capsys.readouterr().err


def test_errors_of_files_and_options_are_one_line(files, tmp_path, monkeypatch, capsys):
    load = mock.Mock(side_effect=predict._load_model)
    monkeypatch.setattr(predict, "_load_model", load)
    (tmp_path / "text.keras").write_text("no model")
    (tmp_path / "text.jpg").write_text("no image")
    PIL.Image.new("F", (9, 9)).save(tmp_path / "float.tif")
    keras.Sequential([keras.layers.Conv2D(16, 1)]).save(tmp_path / "unbuilt.keras")
    model, image = files
    expected = {
        (str(tmp_path / "text.keras"), image): "text.keras: not a model Keras can load",
        (str(tmp_path / "none.keras"), image): "none.keras: no such model",
        (model, str(tmp_path / "text.jpg")): "text.jpg: not an image Pillow can read",
        (model, str(tmp_path / "float.tif")): "mode F, whose black and white are not",
        (*files, "--output", "pose.txt"): "pose.txt: cannot be written as a picture",
        (*files, "--box", "5,5,5,9"): "x1 < x2",
        (*files, "--box", "400,10,500,90"): "outside the image, which is 300 px wide",
        (*files, "--box", "-1e9,0,1e9,9"): "box -1e+09,0,1e+09,9: scale must be 0.001",
        (*files, "--box", "5,5,5.00001,5.00001"): "box 5,5,5.00001,5.00001: scale must",
        (*files, "--output", "q.h5"): "q.h5: cannot be written as a picture",
        (*files, "--output", "q.psd"): "q.psd: cannot be written as a picture",
        (str(tmp_path / "unbuilt.keras"), image): "found None",
    }

    for arguments, message in expected.items():
        assert main(["predict", *arguments]) == 1
        (error,) = capsys.readouterr().err.splitlines()
        assert message in error
    # Keras is loaded for models only.
    names = [call.args[0].name for call in load.mock_calls]
    assert names == ["text.keras", "unbuilt.keras"]


def coordinates(images):
    flat = keras.layers.GlobalAveragePooling2D()(images)
    return keras.layers.Dense(32)(flat)


@pytest.mark.parametrize(
    ("shape", "layer", "message"),
    [
        ((64, 64, 1), keras.layers.Conv2D(16, 1), r"take images .*64, 64, 1\)"),
        ((None, None, 3), keras.layers.Conv2D(16, 1), "take images .* of a fixed size"),
        ((64, 64, 3), keras.layers.Conv2D(17, 1), r"found \(None, 64, 64, 17\)"),
        ((64, 64, 3), coordinates, r"must return heatmaps .* found \(None, 32\)"),
    ],
)
def test_model_of_other_shapes_is_refused(shape, layer, message, photo):
    images = keras.Input(shape)

    with pytest.raises(PredictionError, match=message):
        predict.predict(keras.Model(images, layer(images)), photo)
