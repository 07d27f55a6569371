import numpy as np
import pytest

from mpii_pose import skeleton
from mpii_pose.skeleton import Visibility
from mpii_pose.synthetic import scene

HEAD = [skeleton.KEYPOINTS.index(name) for name in ("upper_neck", "head_top")]
BODY = [index for index in range(16) if index not in HEAD]


def scenes(number, *, num_people=2, **options):
    for seed in range(number):
        rng = np.random.default_rng(seed)
        yield scene.draw_scene(rng, size=(240, 320), num_people=num_people, **options)


def people(number, **options):
    return [person for drawn in scenes(number, **options) for person in drawn.people]


def test_head_size_scale_and_neck_agree_as_in_mpii():
    for person in people(40):
        diagonal = np.hypot(*(person.head_box[2:] - person.head_box[:2]))
        neck, top = person.keypoints[HEAD]

        assert 25 * person.scale == pytest.approx(0.6 * diagonal)
        assert np.hypot(*(top - neck)) == pytest.approx(0.8 * diagonal)
        np.testing.assert_allclose(
            (neck + top) / 2, person.head_box.reshape(2, 2).mean(axis=0)
        )


def test_only_neck_and_head_top_are_fractional():
    everyone = people(20)

    for person in everyone:
        for value in (person.keypoints[BODY], person.center, person.head_box):
            np.testing.assert_array_equal(value, value.round())
    heads = np.stack([person.keypoints[HEAD] for person in everyone])
    assert np.mean(heads != heads.round()) > 0.8


def test_missing_keypoints_are_minus_one_and_only_they():
    for person in people(40):
        missing = person.visibility == Visibility.MISSING

        assert (person.keypoints[missing] == -1).all()
        assert (person.keypoints[~missing] != -1).any(axis=1).all()


def test_visible_keypoints_lie_in_the_image_but_for_the_head():
    outside_and_labelled = 0
    for person in people(300, num_people=1):
        inside = ((person.keypoints >= 0) & (person.keypoints < (320, 240))).all(axis=1)

        assert inside[BODY][person.visibility[BODY] == Visibility.VISIBLE].all()
        labelled = person.visibility[BODY] == Visibility.OCCLUDED
        outside_and_labelled += (labelled & ~inside[BODY]).sum()

    assert 0 < outside_and_labelled < 40


def test_every_kind_of_visibility_is_common():
    visibility = np.stack([person.visibility for person in people(100)])

    shares = [np.mean(visibility == state) for state in Visibility]

    missing, occluded, visible = shares
    assert 0.01 < missing < 0.2
    assert 0.08 < occluded < 0.35
    assert visible > 0.55


def test_an_occluder_hides_keypoints():
    """The same people drawn with and without: nobody is seen better behind a thing."""
    hidden = 0
    for seed in range(40):
        bare, covered = (
            scene.draw_scene(
                np.random.default_rng(seed),
                size=(240, 320),
                num_people=1,
                grain=0,
                occluders=occluders,
            )
            for occluders in (False, True)
        )
        changed = np.asarray(bare.image) != np.asarray(covered.image)
        before, after = bare.people[0], covered.people[0]
        for index in BODY:
            states = before.visibility[index], after.visibility[index]
            if states == (Visibility.VISIBLE, Visibility.OCCLUDED):
                x, y = before.keypoints[index].astype(int)
                assert changed[y, x].any()
                hidden += 1
            elif Visibility.VISIBLE in states:
                assert states[0] == states[1]

    assert hidden > 5


def test_people_who_stand_apart_are_separated():
    (alone,) = people(1, num_people=1)
    crowd = people(10, num_people=6)

    assert alone.separated
    assert 0 < sum(person.separated for person in crowd) < len(crowd)


def test_scale_is_body_height_over_200_for_upright_heads():
    for person in people(30, num_people=1):
        neck, top = person.keypoints[HEAD]

        # A head is a sixth of the body from neck to top, shorter when it nods.
        assert 200 * person.scale == pytest.approx(6 * np.hypot(*(top - neck)))


@pytest.mark.parametrize("size", [(64, 64), (65, 211), (300, 101), (720, 1280)])
def test_images_have_the_size_asked_for(size):
    drawn = scene.draw_scene(np.random.default_rng(0), size=size, num_people=1)

    assert (drawn.image.height, drawn.image.width) == size
    assert drawn.image.mode == "RGB"


def test_an_image_without_people_is_a_background():
    drawn = scene.draw_scene(np.random.default_rng(0), size=(90, 120), num_people=0)

    assert drawn.people == []


def test_more_people_than_labels_are_refused():
    with pytest.raises(ValueError, match="num_people must be 0 to 25, got 26"):
        scene.draw_scene(np.random.default_rng(0), size=(90, 120), num_people=26)
