"""The pose in an image of one's own is found where it is, in the image's pixels."""

import pathlib
import sys

import keras
import numpy as np
import PIL.ExifTags
import PIL.Image
import pytest

import mpii_pose
from mpii_pose.formats.predictions import PredictionError
from mpii_pose.skeleton import Visibility
from mpii_pose.tools import predict
from mpii_pose.tools.main import main

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"


@pytest.fixture
def networks(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    import networks

    yield networks
    sys.modules.pop("networks", None)


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
@pytest.mark.parametrize("with_mirror", [False, True])
@pytest.mark.parametrize("alignment", ["half_pixel", "udp"])
def test_keypoints_are_in_pixels_of_the_image(photo, outputs, with_mirror, alignment):
    points, scores = predict.predict(
        red_finder(outputs),
        photo,
        (110, 200, 230, 330),
        with_mirror=with_mirror,
        alignment=alignment,
    )

    # A cell is 5 px of the image here.
    np.testing.assert_allclose(points, np.full((16, 2), (180, 260)), atol=3)
    assert (scores > 0).all()


def test_whole_image_is_the_box_where_none_is_given(photo):
    points, _ = predict.predict(red_finder(), photo)

    np.testing.assert_allclose(points, np.full((16, 2), (180, 260)), atol=12)


@pytest.fixture
def files(photo, tmp_path):
    red_finder().save(tmp_path / "model.keras")
    PIL.Image.fromarray(photo).save(tmp_path / "photo.png")
    return str(tmp_path / "model.keras"), str(tmp_path / "photo.png")


def test_command_prints_the_keypoints_and_draws_them(files, tmp_path, capsys):
    assert main(["predict", *files, "--box", "110,200,230,330"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert "right_ankle" in lines[1]
    assert len(lines) == 18
    drawn = PIL.Image.open(tmp_path / "photo_pose.png")
    assert drawn.size == (300, 400)
    assert np.asarray(drawn)[255:266, 175:186, 1].max() > 100  # not red any more


def test_photo_is_seen_as_its_camera_was_held(photo, files, tmp_path):
    """Phones store photos lying, and say in EXIF how to turn them."""
    turned = PIL.Image.fromarray(np.rot90(photo))
    exif = turned.getexif()
    exif[PIL.ExifTags.Base.Orientation] = 6
    turned.save(tmp_path / "phone.png", exif=exif)
    options = ["--box", "110,200,230,330", "--output", str(tmp_path / "a.png")]

    assert main(["predict", files[0], str(tmp_path / "phone.png"), *options]) == 0

    drawn = PIL.Image.open(tmp_path / "a.png")
    assert drawn.size == (300, 400)
    assert np.asarray(drawn)[255:266, 175:186, 1].max() > 100


def test_picture_goes_where_it_is_asked_to(files, tmp_path):
    assert main(["predict", *files, "--output", str(tmp_path / "a.jpg")]) == 0

    assert PIL.Image.open(tmp_path / "a.jpg").format == "JPEG"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--box", "5,5,5,9"], "x1 < x2"),
        (["--box", "400,10,500,90"], "outside the image, which is 300 px wide"),
        (["--output", "pose.txt"], "must end as a picture's"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(options, message, files, capsys):
    assert main(["predict", *files, *options]) == 1

    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize("box", ["1,2,3", "a,b,c,d"])
def test_box_that_is_none_is_refused_at_once(box, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["predict", "none.keras", "none.jpg", "--box", box])

    assert "must be x1,y1,x2,y2" in capsys.readouterr().err


def test_files_that_are_no_model_or_image_are_named(files, tmp_path, capsys):
    (tmp_path / "text.keras").write_text("no model")
    (tmp_path / "text.jpg").write_text("no image")
    model, image = files

    assert main(["predict", str(tmp_path / "text.keras"), image]) == 1
    assert main(["predict", str(tmp_path / "none.keras"), image]) == 1
    assert main(["predict", model, str(tmp_path / "text.jpg")]) == 1

    not_loaded, absent, not_read = capsys.readouterr().err.splitlines()
    assert "text.keras: not a model Keras can load" in not_loaded
    assert "none.keras: no such model" in absent
    assert "text.jpg: not an image Pillow can read" in not_read


@pytest.mark.parametrize(
    ("shape", "channels", "message"),
    [
        ((64, 64, 1), 16, r"must take images .* takes \(None, 64, 64, 1\)"),
        ((None, None, 3), 16, "must take images .* of a fixed size"),
        ((64, 64, 3), 17, r"must return heatmaps .* returns \(None, 64, 64, 17\)"),
    ],
)
def test_model_of_other_shapes_is_refused(shape, channels, message, photo):
    images = keras.Input(shape)
    model = keras.Model(images, keras.layers.Conv2D(channels, 1)(images))

    with pytest.raises(PredictionError, match=message):
        predict.predict(model, photo)


def test_model_of_coordinates_is_refused(photo):
    images = keras.Input((64, 64, 3))
    flat = keras.layers.GlobalAveragePooling2D()(images)
    model = keras.Model(images, keras.layers.Dense(32)(flat))

    with pytest.raises(PredictionError, match="must return heatmaps"):
        predict.predict(model, photo)


@pytest.mark.slow
def test_network_of_the_notebook_finds_a_drawn_person_it_has_seen(
    networks, drawn_release
):
    """Taught one person in 60 steps, it finds most keypoints, by a box of its own."""
    people = mpii_pose.read_people(drawn_release)["train"]
    person = max(people, key=lambda each: (each.visibility > 0).sum())
    path = drawn_release / "images" / person.image_name
    image = np.asarray(PIL.Image.open(path).convert("RGB"))
    labelled = person.visibility != Visibility.MISSING
    points = person.keypoints[labelled]
    box = (*points.min(axis=0), *points.max(axis=0))
    size = {"image_size": (64, 64), "heatmap_size": (16, 16), "sigma": 1.0}
    features = mpii_pose.PoseTransform(**size)(
        {
            "image": image,
            **mpii_pose.person_from_box(box),
            "keypoints": person.keypoints,
            "visibility": person.visibility,
        }
    )
    keras.utils.set_random_seed(0)
    model = networks.unet((64, 64), width=8)
    model.compile(keras.optimizers.Adam(1e-2), networks.HeatmapDivergence())
    inputs, targets = (np.asarray(features[k])[None] for k in ("image", "heatmaps"))
    model.fit(inputs, targets, epochs=60, verbose=0)

    found, _ = predict.predict(model, image, box)

    error = np.linalg.norm(found - person.keypoints, axis=1)[labelled]
    assert (error <= 0.5 * person.head_size).mean() > 0.8
