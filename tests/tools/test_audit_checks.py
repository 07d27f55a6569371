"""Each check finds what is planted and leaves sound people alone."""

import dataclasses

import numpy as np
import pytest

from mpii_pose import skeleton
from mpii_pose.skeleton import KEYPOINTS
from mpii_pose.tools import audit_checks as checks
from tests.tools.annotated import SIZE, exchanged, make_person, moved, without


def found(measure, *people, image_sizes=None):
    """Returns {keypoint: amount} for each person."""
    sizes = {"1.jpg": SIZE} if image_sizes is None else image_sizes
    amounts = measure(checks.stack_poses(people, sizes))
    assert amounts.shape == (len(people), 16)
    return [{KEYPOINTS[k]: row[k] for k in np.flatnonzero(row)} for row in amounts]


@pytest.mark.parametrize("check", checks.CHECKS, ids=lambda check: check.name)
def test_sound_people_are_left_alone(check):
    sound = make_person()
    nobody = without(sound, *KEYPOINTS)

    assert found(check.measure, sound, nobody) == [{}, {}]
    assert found(check.measure) == []


@pytest.mark.parametrize("check", checks.CHECKS, ids=lambda check: check.name)
def test_each_check_sees_each_person_alone(check):
    rng = np.random.default_rng(0)
    people = [
        dataclasses.replace(
            make_person(),
            keypoints=rng.uniform(-50, 700, (16, 2)).round(-1).astype(np.float32),
        )
        for _ in range(30)
    ]

    together = found(check.measure, *people)

    assert together == [found(check.measure, person)[0] for person in people]
    assert any(together)


@pytest.mark.parametrize(
    ("place", "amount"),
    [
        ((0, 0), None),
        ((639, 479), None),
        ((-0.25, 5), 0.25),
        ((639.5, 5), 0.5),
        ((5, -3), 3),
        ((700, 481), 61),
    ],
)
def test_outside_the_image_starts_at_the_centers_of_the_outer_pixels(place, amount):
    person = moved(make_person(), left_wrist=place)

    expected = {} if amount is None else {"left_wrist": pytest.approx(amount)}
    assert found(checks.outside_image, person) == [expected]


def test_an_image_of_unknown_size_has_no_outside_on_the_right():
    person = moved(make_person(), left_wrist=(5000, 20))

    assert found(checks.outside_image, person, image_sizes={}) == [{}]


def test_a_missing_keypoint_is_never_outside_nor_coincident():
    person = without(make_person(), "left_wrist", "left_elbow", "left_ankle")

    for check in checks.CHECKS:
        assert found(check.measure, person) == [{}], check.name


def test_coincident_keypoints_are_counted():
    person = make_person()
    place = person.keypoints[KEYPOINTS.index("pelvis")]

    pair = moved(person, left_hip=place)
    three = moved(person, left_hip=place, right_hip=place)

    assert found(checks.coincident, pair, three) == [
        {"left_hip": 2, "pelvis": 2},
        {"right_hip": 3, "left_hip": 3, "pelvis": 3},
    ]


def test_outside_the_crop_is_beyond_the_square_that_hrnet_cuts():
    person = make_person()
    middle = person.center + np.float32([0, 15 * person.scale])
    half = 125 * person.scale

    inside = moved(person, left_wrist=middle + np.float32([half - 0.01, -half + 0.01]))
    outside = moved(
        person, left_wrist=middle + np.float32([half + person.head_size, 0])
    )

    assert found(checks.outside_crop, inside, outside) == [
        {},
        {"left_wrist": pytest.approx(1.0)},
    ]


NECK = make_person().keypoints[KEYPOINTS.index("upper_neck")]
LONGER = moved(make_person(), head_top=NECK - [0, 40 * 1.2])


@pytest.mark.parametrize(
    ("person", "percent"),
    [
        (make_person(head_size=30.2), None),
        (make_person(scale=1.0), 20),  # 30 px where 25 px are expected
        # The image is 480 px high; the keypoints' distance remains 40 px.
        (make_person(head_size=481.0, scale=481 / 25), 100 * 481 / 480),
        (without(LONGER, "pelvis"), 20),
        (without(LONGER, "upper_neck"), None),
    ],
)
def test_head_size_must_agree_with_scale_and_length_and_fit_the_image(person, percent):
    amount = pytest.approx(percent)

    (head,) = found(checks.impossible_head, person)

    expected = {} if percent is None else {"upper_neck": amount, "head_top": amount}
    assert head == expected


def test_exchanged_hips_are_suspect_and_an_exchanged_person_is_not():
    person = make_person()

    hips = exchanged(person, "hip")
    everything = exchanged(person, "ankle", "knee", "hip", "wrist", "elbow", "shoulder")

    assert found(checks.suspected_swap, hips, everything) == [
        dict.fromkeys(
            ["right_hip", "left_hip", "right_shoulder", "left_shoulder"],
            pytest.approx(1.0),
        ),
        {},
    ]


@pytest.mark.parametrize(
    ("part", "distance"), [("knee", 1.0), ("elbow", 2.8), ("ankle", None)]
)
def test_exchanged_knees_and_elbows_are_suspect_and_crossed_ankles_are_not(
    part, distance
):
    person = exchanged(make_person(), part)

    names = (f"right_{part}", f"left_{part}") if distance else ()
    expected = dict.fromkeys(names, pytest.approx(distance))
    assert found(checks.suspected_swap, person) == [expected]


@pytest.mark.parametrize("part", ["hip", "knee", "elbow"])
def test_mirrored_people_are_as_suspect(part):
    person = exchanged(make_person(), part)
    keypoints = person.keypoints[list(skeleton.MPII.mirrored)] * [-1, 1] + [639, 0]
    mirrored = dataclasses.replace(person, keypoints=keypoints.astype(np.float32))

    before, after = found(checks.suspected_swap, person, mirrored)

    assert set(before) == set(after)


def test_real_annotations_have_the_known_defects(real_people, real_image_sizes):
    people = [person for group in real_people.values() for person in group]
    poses = checks.stack_poses(people, real_image_sizes)

    amounts = {check.name: check.measure(poses) > 0 for check in checks.CHECKS}

    keypoints = {name: int(where.sum()) for name, where in amounts.items()}
    people_with = {
        name: int(where.any(axis=1).sum()) for name, where in amounts.items()
    }
    assert keypoints["outside_image"] == 532
    assert amounts["outside_image"][:, KEYPOINTS.index("head_top")].sum() == 431
    assert people_with["coincident"] == 137
    assert keypoints["outside_crop"] == 1567
    assert people_with["impossible_head"] == 3
    assert people_with["suspected_swap"] == 425


@pytest.mark.parametrize(
    ("part", "share"), [("hip", 0.5), ("knee", 0.7), ("elbow", 0.6)]
)
def test_most_exchanged_pairs_of_real_people_are_suspect(real_people, part, share):
    whole = [p for p in real_people["validation"] if p.visibility.all()]
    poses = checks.stack_poses([exchanged(person, part) for person in whole])

    suspects = (checks.suspected_swap(poses) > 0).any(axis=1)

    assert suspects.mean() > share
