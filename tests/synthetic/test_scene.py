import numpy as np
import pytest
from PIL import Image

from mpii_pose.skeleton import KEYPOINTS, MPII, Visibility
from mpii_pose.synthetic import pose, scene
from mpii_pose.synthetic.scene import Canvas, Figure

HEAD = list(MPII.indices("upper_neck", "head_top"))
BODY = [index for index in range(16) if index not in HEAD]
GREY, RED, RIM = (128, 128, 128), (200, 0, 0), (110, 0, 0)


def render(seed, *, num_people=2, size=(240, 320), grain=0):
    rng = np.random.default_rng(seed)
    action = pose.sample_action(rng)
    return scene.render_scene(
        rng, action=action, size=size, num_people=num_people, grain=grain
    )


def people(number, **options):
    return [person for seed in range(number) for person in render(seed, **options)[1]]


def bodies(action):
    """30 bodies, each as its points by name."""
    rng = np.random.default_rng(0)
    for _ in range(30):
        points = pose.sample_body(rng, action=action)
        yield dict(zip(pose.POINTS, points, strict=True))


def rendered(body):
    """A body as a figure, and a function from its points to the things on top."""
    rng = np.random.default_rng(0)
    person = Figure(
        points=180 * np.array(list(body.values())) + np.array((150, 150, 0)),
        height=180.0,
        colors={kind: scene.sample_color(rng, kind) for kind in scene.COLORS},
    )
    canvas = Canvas(Image.new("RGB", (300, 300), GREY))
    person.render(canvas)
    points = dict(zip(pose.POINTS, person.points[:, :2], strict=True))
    return person, lambda name: canvas.thing_at(points[name])


def test_a_face_and_its_right_side_are_where_it_looks():
    for body in bodies("walking, general"):
        towards = (body["brow"] - body["crown"])[2] / 0.03
        if abs(towards) > 0.5:
            _, part = rendered(body)[1]("brow")
            assert (part == "skin_face") == (towards > 0)
            right, left = body["right_shoulder"][0], body["left_shoulder"][0]
            assert (right < left) == (towards > 0)


def test_visible_limbs_have_the_colors_of_their_side():
    checked = 0
    for seed in range(40):
        image, found = render(seed)
        for person in found:
            for name, point, visibility in zip(
                KEYPOINTS, person.keypoints, person.visibility, strict=True
            ):
                side = name.partition("_")[0]
                if visibility == Visibility.VISIBLE and side in ("right", "left"):
                    red, green, blue = image.getpixel(tuple(point.astype(int)))
                    assert (side == "right") == (red > max(green, blue)), name
                    checked += 1
    assert checked > 300


def test_an_occluder_hides_what_is_behind_it_and_nothing_else(monkeypatch):
    hidden = 0
    for seed in range(40):
        monkeypatch.setattr(scene, "OCCLUDER_SHARE", 0.0)
        bare, (before,) = render(seed, num_people=1)
        monkeypatch.setattr(scene, "OCCLUDER_SHARE", 1.0)
        covered, (after,) = render(seed, num_people=1)

        changed = (np.asarray(bare) != np.asarray(covered)).any(axis=-1)
        assert 0 < changed.mean() < 0.2
        for index in BODY:
            states = before.visibility[index], after.visibility[index]
            if states == (Visibility.VISIBLE, Visibility.OCCLUDED):
                x, y = before.keypoints[index].astype(int)
                assert changed[y, x]
                hidden += 1
            elif Visibility.MISSING not in states:
                assert states[0] == states[1]
    assert hidden > 30


def test_annotations_are_as_mpii_makes_them():
    everyone, beyond = people(200, num_people=1), []
    for person in everyone:
        missing = person.visibility == Visibility.MISSING
        assert (person.keypoints[missing] == -1).all()
        for value in (person.keypoints[BODY], person.center, person.head_box):
            np.testing.assert_array_equal(value, value.round())
        diagonal = np.hypot(*(person.head_box[2:] - person.head_box[:2]))
        neck, top = person.keypoints[HEAD]
        assert 25 * person.scale == pytest.approx(0.6 * diagonal)
        assert np.hypot(*(top - neck)) == pytest.approx(0.8 * diagonal)
        middle = person.head_box.reshape(2, 2).mean(axis=0)
        np.testing.assert_allclose((neck + top) / 2, middle)
        body = person.keypoints[BODY], person.visibility[BODY]
        for point, visibility in zip(*body, strict=True):
            outside = np.max(np.maximum(-point, point - (319, 239)) / (320, 240))
            if visibility and outside > 0:
                assert visibility == Visibility.OCCLUDED
                beyond.append(outside)
    assert 0 < len(beyond) < 40
    assert max(beyond) < 0.03
    heads = np.stack([person.keypoints[HEAD] for person in everyone])
    assert np.mean(heads != heads.round()) > 0.8
    whole = [person for person in everyone if person.visibility.all()]
    spread = [(p.center - p.keypoints.mean(axis=0)) / (200 * p.scale) for p in whole]
    assert np.std(spread) == pytest.approx(0.043, rel=0.2)
    states = np.stack([person.visibility for person in everyone])
    missing, occluded, visible = [np.mean(states == state) for state in Visibility]
    assert 0.01 < missing < 0.2
    assert 0.08 < occluded < 0.35
    assert visible > 0.55


def test_people_who_stand_apart_are_separated():
    (alone,) = people(1, num_people=1)
    crowd = people(10, num_people=6)

    assert alone.separated
    assert 0 < sum(person.separated for person in crowd) < len(crowd)
    for seed in range(30):
        _, pair = render(seed)
        first, second = (p.keypoints[p.visibility > Visibility.MISSING] for p in pair)
        overlap = (first.min(axis=0) < second.max(axis=0)).all()
        if overlap and (second.min(axis=0) < first.max(axis=0)).all():
            assert not pair[0].separated
            assert not pair[1].separated


@pytest.mark.parametrize("size", [(64, 64), (65, 211), (300, 101), (720, 1280)])
def test_images_have_the_size_people_and_grain_asked_for(size):
    for num_people in (0, 1, 3):
        image, found = render(0, num_people=num_people, size=size)
        grainy, _ = render(0, num_people=num_people, size=size, grain=6)

        assert (image.height, image.width, image.mode) == (*size, "RGB")
        assert len(found) == num_people
        for person in found:
            assert (person.keypoints[HEAD[1]] > 0).all()
            assert (person.keypoints[HEAD[1]] < size[::-1]).all()
        plain = np.asarray(image, np.int16)
        change = (np.asarray(grainy) - plain)[(plain > 6) & (plain < 249)]
        assert (change.min(), change.max()) == (-6, 6)
        # Uniform in -6 ... 6: standard error 3.7 / sqrt(10,000) at least.
        assert abs(change.mean()) < 0.15
