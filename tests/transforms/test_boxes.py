"""A box becomes a person whose square is near the one MPII would have given."""

import numpy as np
import pytest

import mpii_pose
from mpii_pose.person import person_square
from mpii_pose.skeleton import Visibility


def overlaps(people, *, complete=False):
    """Intersection over union of the square from the keypoints' box and MPII's."""
    found = []
    for person in people:
        labelled = person.visibility != Visibility.MISSING
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


def test_square_lies_around_the_middle_of_the_box_and_holds_it():
    made = mpii_pose.person_from_box((10, 20, 110, 320), index=7)

    center, side = person_square(made["center"], made["scale"])
    np.testing.assert_allclose(center, (60, 170), atol=1e-3)
    assert side == pytest.approx(0.82 * 300 + 1.74 * 100, rel=1e-6)
    assert made["index"] == 7


def test_what_a_box_does_not_tell_is_unknown():
    made = mpii_pose.person_from_box((0, 0, 9, 9))

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
