import dataclasses

import numpy as np
import pytest
from PIL import Image

from mpii_pose import skeleton
from mpii_pose.synthetic import canvas, outfit, pose
from mpii_pose.synthetic.canvas import Canvas
from mpii_pose.synthetic.figure import PARTS, Figure

GREY = (128, 128, 128)


def draw(seed, *, action="standing, talking", height=180.0, first_label=1):
    rng = np.random.default_rng(seed)
    person = Figure(
        body=pose.sample_body(rng, action=action),
        outfit=outfit.sample_outfit(rng),
        height=height,
        pelvis=np.array((150.0, 150.0)),
        first_label=first_label,
    )
    drawing = Canvas(Image.new("RGB", (300, 300), GREY))
    person.draw(drawing)
    return person, drawing


@pytest.mark.parametrize("action", pose.ACTIONS)
def test_every_keypoint_of_a_lone_person_is_on_the_person(action):
    for seed in range(10):
        person, drawing = draw(seed, action=action)

        points = person.project(person.body.joints)

        image = drawing.image()
        for name, point in zip(skeleton.KEYPOINTS, points, strict=True):
            # The head top and the ankles lie on the rim: one pixel inwards.
            inside = point + np.sign(person.pelvis - point)
            assert drawing.label_at(inside) != canvas.BACKGROUND, name
            assert image.getpixel(tuple(inside.round().astype(int))) != GREY, name


def test_limbs_that_are_seen_have_the_colors_of_their_side():
    checked = 0
    for seed in range(30):
        person, drawing = draw(seed)
        image = np.asarray(drawing.image(), np.int16)
        for name in ("right_elbow", "left_elbow", "right_knee", "left_knee"):
            side = name.partition("_")[0]
            limb = "sleeve" if "elbow" in name else "trouser"
            bone = ("shoulder", "elbow") if "elbow" in name else ("hip", "knee")
            ends = [
                person.body.joints[skeleton.KEYPOINTS.index(f"{side}_{end}")]
                for end in bone
            ]
            x, y = person.project(np.mean(ends, axis=0)).round().astype(int)
            part = f"{side}_{'upper_arm' if limb == 'sleeve' else 'thigh'}"
            if drawing.label_at((x, y)) != 1 + PARTS.index(part):
                continue

            color = getattr(person.outfit, f"{side}_{limb}")
            own = np.abs(image[y, x] - color).sum()
            light = np.abs(image[y, x] - canvas.shade(color, 1.25)).sum()
            assert min(own, light) < 120
            checked += 1
    assert checked > 60


def test_whoever_stands_before_hides_exactly_what_they_cover():
    hidden = 0
    for seed in range(40):
        behind, drawing = draw(seed)
        alone = drawing.image()
        rng = np.random.default_rng([seed, 1])
        before = dataclasses.replace(
            behind,
            body=pose.sample_body(rng, action="cheering"),
            outfit=outfit.sample_outfit(rng),
            pelvis=behind.pelvis + rng.uniform(-40, 40, 2),
            first_label=1 + len(PARTS),
        )
        points = behind.project(behind.body.joints).round()
        seen_alone = [
            behind.is_seen(name, drawing.label_at(point))
            for name, point in zip(skeleton.KEYPOINTS, points, strict=True)
        ]

        before.draw(drawing)

        both = drawing.image()
        for name, point, was_seen in zip(
            skeleton.KEYPOINTS, points, seen_alone, strict=True
        ):
            label = drawing.label_at(point)
            if behind.is_seen(name, label):
                assert was_seen
            elif was_seen:
                assert label > len(PARTS)
                pixel = tuple(point.astype(int))
                assert both.getpixel(pixel) != alone.getpixel(pixel)
                hidden += 1
    assert hidden > 50


def test_only_the_parts_that_meet_at_a_keypoint_show_it():
    person, _ = draw(0, first_label=21)

    def showing(keypoint):
        return {
            part
            for number, part in enumerate(PARTS)
            if person.is_seen(keypoint, 21 + number)
        }

    assert showing("right_wrist") == {"right_forearm"}
    assert showing("left_elbow") == {"left_upper_arm", "left_forearm"}
    assert showing("left_knee") == {"left_thigh", "left_shin"}
    assert showing("pelvis") == {"torso", "head"}
    for keypoint in skeleton.KEYPOINTS:
        for other in (canvas.BACKGROUND, 20, 31, 255):
            assert not person.is_seen(keypoint, other)


def test_the_torso_hides_the_shoulder_on_its_far_side():
    person, _ = draw(0)
    joints = person.body.joints.copy()
    joints[:, 2] = 0
    joints[skeleton.KEYPOINTS.index("right_shoulder"), 2] = -0.1
    turned = dataclasses.replace(
        person, body=dataclasses.replace(person.body, joints=joints)
    )

    assert not turned.is_seen("right_shoulder", 1 + PARTS.index("torso"))
    assert turned.is_seen("left_shoulder", 1 + PARTS.index("torso"))


def test_the_nearer_arm_is_drawn_over_the_torso():
    person, drawing = draw(0)
    for seed in range(200):
        person, drawing = draw(seed)
        if person.body.torso_axes[0][2] > 0.9:  # The left side faces the camera.
            break

    shoulder = person.body.joints[skeleton.KEYPOINTS.index("left_shoulder")]
    label = drawing.label_at(person.project(shoulder))

    assert PARTS[label - 1] == "left_upper_arm"
