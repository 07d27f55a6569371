import numpy as np
import pytest
import tensorflow as tf

import mpii_pose
from mpii_pose import skeleton
from mpii_pose.person import person_square
from mpii_pose.transforms import geometry

MODES = tuple(geometry.ALIGNMENTS)


@pytest.mark.parametrize(
    ("mode", "error"), [("half_pixel", 0.0), ("udp", 0.0), ("legacy", -0.75)]
)
def test_flip_error_is_zero_in_the_exact_modes_alone(mode, error):
    found = geometry.ALIGNMENTS[mode].flip_error(
        image_size=(256, 256), heatmap_size=(64, 64)
    )

    assert found == pytest.approx(error, abs=1e-5)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("image_size", [(256, 256), (65, 193)])
@pytest.mark.parametrize("flip", [False, True])
def test_middle_of_the_square_lands_on_its_center(mode, image_size, flip):
    alignment = geometry.Alignment.named(mode)
    center = tf.constant([301.25, -20.5])

    matrix = geometry.crop_to_image_matrix(
        center,
        tf.constant(333.0),
        image_size=image_size,
        alignment=alignment,
        rotation=0.7,
        flip=flip,
    )

    middle = geometry.apply_affine(matrix, alignment.middle(image_size)[None])
    np.testing.assert_allclose(middle[0], center, atol=1e-3)


@pytest.mark.parametrize(
    ("mode", "image_size", "center", "side", "places"),
    [
        # The outer edges of the outer pixels lie on the square.
        ("half_pixel", (50, 50), (99.5, 49.5), 100, {(-0.5, 49.5): (49.5, 99.5)}),
        # A crop that is not square shows the whole square with square pixels.
        ("half_pixel", (256, 192), (0, 0), 192, {(96.5, 130.5): (1, 3)}),
        # The centers of the outer pixels lie on the square.
        ("udp", (256, 256), (10, 20), 255, {(0, 255): (-117.5, 147.5)}),
    ],
)
def test_points_of_crops_show_those_of_images(mode, image_size, center, side, places):
    matrix = geometry.crop_to_image_matrix(
        np.float32(center),
        np.float32(side),
        image_size=image_size,
        alignment=geometry.ALIGNMENTS[mode],
    )

    found = geometry.apply_affine(matrix, np.float32(list(places)))
    np.testing.assert_allclose(found, list(places.values()), atol=1e-3)


@pytest.mark.parametrize("width", [1, 8, 9])
def test_pose_of_a_mirrored_crop_stays_on_its_pixels(width):
    keypoints = np.random.default_rng(1).uniform(0, width, (16, 2)).astype(np.float32)
    visibility = np.arange(16, dtype=np.int8) % 3
    mirrored = np.float32([[-1, 0, width - 1], [0, 1, 0]])  # to the image

    found, found_visibility = geometry.into_crop(
        np, keypoints, visibility, mirrored, True
    )

    pairs = [skeleton.MPII.mirrored[k] for k in range(16)]
    expected = np.where(
        visibility[:, None] > 0, keypoints * [-1, 1] + [width - 1, 0], -1
    )
    np.testing.assert_allclose(found, expected[pairs], atol=1e-5)
    np.testing.assert_array_equal(found_visibility, visibility[pairs])


def test_unknown_visibility_counts_as_missing():
    keypoints = np.full((3, 2), 7, np.float32)

    found = geometry.mark_missing(keypoints, np.array([-1, 0, 1], np.int8))

    np.testing.assert_array_equal(found, [[-1, -1], [-1, -1], [7, 7]])
    assert found.dtype == np.float32


def overlaps(people, *, complete=False):
    """Intersection over union of the square from the keypoints' box and MPII's."""
    found = []
    for person in people:
        labelled = person.visibility != skeleton.Visibility.MISSING
        points = person.keypoints[labelled]
        low, high = points.min(axis=0), points.max(axis=0)
        if (low >= high).any() or (complete and not labelled.all()):
            continue
        made = mpii_pose.person_from_box((*low, *high))
        squares = [
            person_square(made["center"], made["scale"]),
            person_square(person.center, np.float64(person.scale)),
        ]
        lows = [center - side / 2 for center, side in squares]
        highs = [center + side / 2 for center, side in squares]
        common = np.clip(np.minimum(*highs) - np.maximum(*lows), 0, None).prod()
        found.append(common / (sum(side**2 for _, side in squares) - common))
    return np.array(found)


@pytest.mark.parametrize(("complete", "median"), [(False, 0.71), (True, 0.74)])
def test_square_overlaps_the_official_one_as_the_docstring_says(
    real_people, complete, median
):
    found = overlaps(real_people["validation"], complete=complete)

    assert len(found) > 2000
    assert np.median(found) == pytest.approx(median, abs=0.005)


def test_square_lies_around_the_middle_of_the_box_and_the_rest_is_unknown():
    made = mpii_pose.person_from_box((10, 20, 110, 320), index=7)

    center, side = person_square(made["center"], made["scale"])
    np.testing.assert_allclose(center, (60, 170), atol=1e-3)
    assert side == pytest.approx(0.82 * 300 + 1.74 * 100, rel=1e-6)
    assert made["index"] == 7
    assert made["head_size"] == -1
    assert (made["head_box"] == -1).all()
    assert not made["visibility"].any()


def test_own_photo_is_transformed():
    image = np.zeros((300, 200, 3), np.uint8)
    image[100:200, 50:150] = 255

    features = mpii_pose.PoseTransform(image_size=(64, 64), heatmap_size=(16, 16))(
        {"image": image, **mpii_pose.person_from_box((50, 100, 149, 199))}
    )

    crop = np.asarray(features["image"])
    assert crop[32, 32].min() > 0.99
    assert crop[2, 2].max() < -0.99
    assert not np.asarray(features["weights"]).any()


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ((5, 5, 5, 9), "x1 < x2 and y1 < y2"),
        ((50, 60, 20, 90), "not \\(x, y, width, height\\)"),
        ((0, 0, np.nan, 9), "4 numbers"),
        ((0, 0, 9), "4 numbers"),
        ((200, 0, 220, 90), "outside the image, which is 200 px wide and 100 px high"),
        ((0, -50, 20, -3), "outside the image"),
    ],
)
def test_box_that_cannot_be_is_refused(box, message):
    with pytest.raises(ValueError, match=message):
        mpii_pose.person_from_box(box, image_size=(100, 200))
