import math

import numpy as np
import pytest
import tensorflow as tf

from mpii_pose.transforms.preprocessor import Preprocessor
from tests.transforms import scenes


def plain_heatmaps(example, shape, margin=0.2):
    """The tutorial's patches of 7 x 7 cells, cell by cell."""
    top, left, box_height, box_width = box_of(example, margin)
    heatmaps = np.zeros(shape, np.float32)
    for k, (x, y) in enumerate(example["keypoints"]):
        column = round((x - left) / box_width * shape[1])
        row = round((y - top) / box_height * shape[0])
        for i in range(row - 3, row + 4):
            for j in range(column - 3, column + 4):
                inside = 0 <= i < shape[0] and 0 <= j < shape[1]
                if example["visibility"][k] and inside:
                    squared = (i - row) ** 2 + (j - column) ** 2
                    heatmaps[i, j, k] = 12 * math.exp(-squared / 2)
    return heatmaps


def person(image=None, seed=0, scale=0.5, **options):
    rng = np.random.default_rng(seed)
    keypoints = rng.integers(100, 200, (16, 2)).astype(np.float32)
    keypoints[3] = -1
    image = scenes.noise(260, 300) if image is None else image
    return scenes.example(image, keypoints=keypoints, scale=scale, **options)


def box_of(example, margin=0.2):
    labelled = example["keypoints"][example["visibility"] > 0]
    height, width = example["image"].shape[:2]
    added = int(200 * example["scale"] * margin)
    left, top = np.maximum(labelled.min(axis=0).astype(int) - added, 0)
    right, bottom = np.minimum(
        labelled.max(axis=0).astype(int) + added, [width, height]
    )
    return top, left, bottom - top, right - left


@pytest.mark.parametrize("kind", ["pixels", "JPEG"])
def test_image_shows_the_keypoints_and_a_margin(kind):
    example = person()
    top, left, height, width = box_of(example)
    crop = example["image"][top : top + height, left : left + width]

    image, _ = Preprocessor()(
        scenes.tensors(scenes.encoded(example) if kind == "JPEG" else example)
    )

    expected = tf.image.resize(crop, (256, 256))
    assert image.shape == (256, 256, 3)
    assert image.dtype == np.float32
    difference = np.abs(image - (expected / 127.5 - 1)).mean()
    assert difference < (0.01 if kind == "JPEG" else 1e-6)


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
def test_image_of_a_jpeg_is_that_of_its_decoded_frame(subsampling):
    noise = np.random.default_rng(0).integers(0, 256, (260, 300, 3), np.uint8)
    data = scenes.jpeg(noise, quality=90, subsampling=subsampling)
    frame = tf.io.decode_jpeg(data, dct_method="INTEGER_ACCURATE").numpy()
    preprocess = Preprocessor(image_shape=(200, 200, 3))
    for left in range(96, 112):
        example = person(frame)
        example["keypoints"][0] = left, 90

        decoded, _ = preprocess(scenes.tensors(example))
        encoded, _ = preprocess(scenes.tensors({**example, "image": data}))

        np.testing.assert_array_equal(encoded, decoded)


@pytest.mark.parametrize("shape", [(64, 64, 16), (33, 48, 16)])
def test_heatmaps_equal_those_drawn_cell_by_cell(shape):
    example = person()

    _, heatmaps = Preprocessor(heatmap_shape=shape)(scenes.tensors(example))

    expected = plain_heatmaps(example, shape)
    assert heatmaps.shape == shape
    np.testing.assert_allclose(heatmaps, expected, atol=1e-5)
    assert np.max(heatmaps) == 12.0
    np.testing.assert_array_equal(heatmaps[..., 3], 0)


def test_training_margins_are_random_within_their_range_and_follow_the_seed():
    example = person(np.zeros((400, 400, 3), np.uint8))
    train = Preprocessor(is_train=True, seed=1)

    def blob(preprocess, index):
        heatmaps = preprocess(scenes.tensors({**example, "index": np.int64(index)}))[1]
        return np.argmax(heatmaps[..., 0])

    # The larger the margin, the nearer to the middle a keypoint is.
    limits = [
        np.argmax(plain_heatmaps(example, (64, 64, 16), margin)[..., 0])
        for margin in (0.1, 0.3)
    ]
    blobs = [blob(train, index) for index in range(20)]
    assert len(set(blobs)) > 3
    assert all(min(limits) <= b <= max(limits) for b in blobs)
    assert blobs == [blob(train, index) for index in range(20)]


@pytest.mark.parametrize("kind", ["pixels", "JPEG"])
@pytest.mark.parametrize("labels", [0, 1])
@pytest.mark.parametrize("center", [[150.0, 130.0], [-500.0, 900.0]])
def test_few_labels_or_a_person_outside_still_give_an_image(kind, labels, center):
    keypoints = np.full((16, 2), -1, np.float32)
    keypoints[:labels] = center
    example = scenes.example(scenes.noise(260, 300), keypoints=keypoints, center=center)
    example = scenes.encoded(example) if kind == "JPEG" else example

    image, heatmaps = Preprocessor()(scenes.tensors(example))

    assert np.isfinite(image).all()
    np.testing.assert_array_equal(heatmaps[..., labels:], 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_shape": (256, 256)}, r"\(height, width, 3\), got \(256, 256\)"),
        ({"heatmap_shape": (64, 64, 17)}, r"\(height, width, 16\), got"),
        ({"image_shape": (0, 256, 3)}, r"image_shape\[:2\] must be .* got \(0, 256"),
    ],
)
def test_wrong_shape_is_refused_when_made(options, message):
    with pytest.raises(ValueError, match=message):
        Preprocessor(**options)


def test_arrays_are_refused_with_a_way_out():
    with pytest.raises(ValueError, match="got arrays: use PoseTransform, or tensors"):
        Preprocessor()(person())
