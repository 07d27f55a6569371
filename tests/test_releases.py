"""Tests how people are put back into their images, to be written as a release."""

import numpy as np

from mpii_pose.person import PersonAnnotation
from mpii_pose.skeleton import Visibility
from tests import releases


def annotation(**changes):
    fields = {
        "image_name": "a.jpg",
        "keypoints": np.full((16, 2), 5, np.float32),
        "visibility": np.full(16, Visibility.VISIBLE, np.int8),
        "center": np.array((3, 4), np.float32),
        "scale": 2.0,
        "index": 0,
        "person_index": 0,
        "head_box": np.full(4, -1, np.float32),
        "head_size": 50.0,
    }
    return PersonAnnotation(**fields | changes)


def test_people_return_to_their_places_in_their_images():
    people = [
        annotation(image_name="b.jpg", person_index=2, separated=1, video_id="v"),
        annotation(image_name="a.jpg", person_index=0, scale=7.0),
        annotation(image_name="b.jpg", person_index=0, separated=0, video_id="v"),
    ]

    b, a = releases.group_into_images(people)

    assert (b.name, a.name) == ("b.jpg", "a.jpg")
    assert [person.separated for person in b.people] == [False, False, True]
    assert [person.scale for person in b.people] == [2.0, None, 2.0]
    assert (b.video_id, b.frame_sec) == ("v", None)
    assert [person.scale for person in a.people] == [7.0]


def test_people_of_unknown_place_are_numbered_as_they_come():
    people = [annotation(person_index=-1, scale=s) for s in (1.0, 2.0, 3.0)]

    (image,) = releases.group_into_images(people, is_train=False)

    assert [person.scale for person in image.people] == [1.0, 2.0, 3.0]
    assert not image.is_train


def test_a_head_box_of_minus_ones_is_none():
    box = np.array((1, 2, 3, 4), np.float32)
    people = [annotation(), annotation(image_name="b.jpg", head_box=box)]

    without, with_box = releases.group_into_images(people)

    assert without.people[0].head_box is None
    np.testing.assert_array_equal(with_box.people[0].head_box, box)
