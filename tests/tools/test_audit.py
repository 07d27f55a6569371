"""The audit finds what is planted, the worst first, and leaves sound people alone."""

import dataclasses
import re

import numpy as np
import PIL.Image
import pytest

import mpii_pose
from mpii_pose.release.release import Release
from mpii_pose.skeleton import KEYPOINTS, MPII, Visibility
from mpii_pose.tools import audit, pages
from mpii_pose.tools.audit import (
    coincident,
    impossible_head,
    outside_crop,
    outside_image,
    suspected_swap,
)
from mpii_pose.tools.main import main
from mpii_pose.tools.people import read_people_of, unknown_sizes

# (height, width) of the image of the person below.
SIZE = (480, 640)
# Relative to the pelvis, in head sizes; right parts are the mirror image of the left.
LEFT = {
    **{"ankle": (0.5, 4.4), "knee": (0.5, 2.2), "hip": (0.5, 0)},
    **{"wrist": (1.5, 0.2), "elbow": (1.4, -1.1), "shoulder": (1, -2.4)},
}
FRONTAL = {
    **{"pelvis": (0, 0), "thorax": (0, -2.4), "upper_neck": (0, -2.6)},
    "head_top": (0, -2.6 - 4 / 3),
    **{f"left_{part}": place for part, place in LEFT.items()},
    **{f"right_{part}": (-x, y) for part, (x, y) in LEFT.items()},
}


def make_person(**changes):
    """A person who stands upright and faces the camera, with a head size of 30 px."""
    head_size, pelvis = 30.0, np.array([320.0, 230.0])
    points = pelvis + head_size * np.array([FRONTAL[name] for name in KEYPOINTS])
    fields = {
        "image_name": "1.jpg",
        "keypoints": points.astype(np.float32),
        "visibility": np.full(16, Visibility.VISIBLE, np.int8),
        "center": np.float32([320, 240]),
        "scale": head_size / 25,
        "head_box": np.full(4, -1, np.float32),
        "head_size": head_size,
        "index": 0,
    }
    return mpii_pose.PersonAnnotation(**fields | changes)


def moved(person, index=0, **places):
    """The person, of an index, with some keypoints elsewhere."""
    keypoints = person.keypoints.copy()
    for name, place in places.items():
        keypoints[KEYPOINTS.index(name)] = place
    return dataclasses.replace(person, keypoints=keypoints, index=index)


def exchanged(person, *parts):
    """The person with left and right of some parts exchanged."""
    keypoints = person.keypoints.copy()
    for part in parts:
        pair = [KEYPOINTS.index(f"{side}_{part}") for side in ("right", "left")]
        keypoints[pair] = keypoints[pair[::-1]]
    return dataclasses.replace(person, keypoints=keypoints)


def without(person, *names):
    """The person with some keypoints missing."""
    missing = np.isin(KEYPOINTS, names)
    keypoints = np.where(missing[:, None], np.float32(-1), person.keypoints)
    visibility = np.where(missing, Visibility.MISSING, person.visibility)
    return dataclasses.replace(person, keypoints=keypoints, visibility=visibility)


SOUND = make_person()
PELVIS, NECK = (SOUND.keypoints[KEYPOINTS.index(n)] for n in ("pelvis", "upper_neck"))
LONGER = moved(SOUND, head_top=NECK - [0, 40 * 1.2])
# The middle of HRNet's crop of this person, and half its side.
MIDDLE, HALF = SOUND.center + np.float32([0, 15 * SOUND.scale]), 125 * SOUND.scale


def found(measure, person, size=SIZE):
    """Returns {keypoint: amount} of a person."""
    amounts = measure(person, size)
    assert amounts.shape == (16,)
    return {KEYPOINTS[k]: amounts[k] for k in np.flatnonzero(amounts)}


@pytest.mark.parametrize("check", audit.CHECKS, ids=lambda check: check.name)
def test_sound_people_and_missing_keypoints_are_left_alone(check):
    for names in ((), ("left_wrist", "left_elbow", "left_ankle"), KEYPOINTS):
        assert found(check.measure, without(SOUND, *names)) == {}


def both(amount, *parts):
    """The same amount at the left and the right of some parts."""
    return {f"{side}_{part}": amount for part in parts for side in ("left", "right")}


def head(amount):
    return {"upper_neck": amount, "head_top": amount}


WRIST_IN_CROP = moved(SOUND, left_wrist=MIDDLE + np.array([HALF - 0.01, 0.01 - HALF]))
WRIST_OUTSIDE = moved(SOUND, left_wrist=MIDDLE + np.array([HALF + 30, 0]))
TWO, THREE = (
    moved(SOUND, **dict.fromkeys(names, PELVIS))
    for names in (["left_hip"], ["left_hip", "right_hip"])
)
# As if seen from behind: that cannot be told from the keypoints.
TURNED = exchanged(SOUND, "ankle", "knee", "hip", "wrist", "elbow", "shoulder")


@pytest.mark.parametrize(
    ("measure", "person", "amounts"),
    [
        # Outside the image starts at the centers of the outer pixels.
        (outside_image, moved(SOUND, left_wrist=(0, 0)), {}),
        (outside_image, moved(SOUND, left_wrist=(639, 479)), {}),
        (outside_image, moved(SOUND, left_wrist=(-0.25, 5)), {"left_wrist": 0.25}),
        (outside_image, moved(SOUND, left_wrist=(639.5, 5)), {"left_wrist": 0.5}),
        (outside_image, moved(SOUND, left_wrist=(5, -3)), {"left_wrist": 3}),
        (outside_image, moved(SOUND, left_wrist=(700, 481)), {"left_wrist": 61}),
        (coincident, TWO, {"left_hip": 2, "pelvis": 2}),
        (coincident, THREE, {"right_hip": 3, "left_hip": 3, "pelvis": 3}),
        (outside_crop, WRIST_IN_CROP, {}),
        (outside_crop, WRIST_OUTSIDE, {"left_wrist": 1}),
        # Head size agrees with scale and length, and fits the image, 480 px high.
        (impossible_head, make_person(head_size=30.2), {}),
        (impossible_head, without(LONGER, "upper_neck"), {}),
        (impossible_head, without(LONGER, "pelvis"), head(20)),
        (impossible_head, make_person(scale=1.0), head(20)),  # 30 px, not 25
        (impossible_head, make_person(head_size=481.0, scale=19.24), head(100.2083)),
        (suspected_swap, exchanged(SOUND, "hip"), both(1.0, "hip", "shoulder")),
        (suspected_swap, exchanged(SOUND, "knee"), both(1.0, "knee")),
        (suspected_swap, exchanged(SOUND, "elbow"), both(2.8, "elbow")),
        (suspected_swap, exchanged(SOUND, "ankle"), {}),
        (suspected_swap, TURNED, {}),
    ],
)
def test_each_check_measures_what_is_planted(measure, person, amounts):
    keypoints = person.keypoints[list(MPII.mirrored)] * [-1, 1] + [639, 0]
    mirrored = dataclasses.replace(person, keypoints=keypoints.astype(np.float32))

    assert found(measure, person) == pytest.approx(amounts)
    if measure is suspected_swap:
        assert set(found(measure, mirrored)) == set(amounts)


def test_an_image_of_unknown_size_has_no_outside_on_the_right():
    person = moved(SOUND, left_wrist=(5000, 20))

    assert found(outside_image, person, size=None) == {}


def test_real_annotations_have_the_known_defects(real_people, real_image_sizes):
    people = [person for group in real_people.values() for person in group]
    has = {
        check.name: np.array(
            [check.measure(p, real_image_sizes.get(p.image_name)) > 0 for p in people]
        )
        for check in audit.CHECKS
    }

    num_people = {name: where.any(axis=1).sum() for name, where in has.items()}
    assert has["outside_image"].sum() == 532
    assert has["outside_image"][:, KEYPOINTS.index("head_top")].sum() == 431
    assert has["outside_crop"].sum() == 1567
    assert num_people["coincident"] == 137
    assert num_people["impossible_head"] == 3
    assert num_people["suspected_swap"] == 425


def make_release(people, folder=None, sizes=None):
    return Release(
        source="a <b>file</b>",
        people=people,
        image_folder=folder,
        image_sizes={"1.jpg": SIZE} if sizes is None else sizes,
    )


def test_defects_of_all_splits_are_sorted_the_worst_first():
    people = {
        "train": [
            SOUND,
            moved(SOUND, head_top=(320, -4), left_wrist=(320, -2)),
            moved(SOUND, left_hip=PELVIS),
            exchanged(SOUND, "hip"),
        ],
        "validation": [
            moved(SOUND, left_wrist=(100, 230)),
            moved(SOUND, head_top=(320, -9)),
        ],
    }

    audited = audit.audit_release(make_release(people))

    defects = {defect.check.name: defect for defect in audited.defects}
    outside = defects["outside_image"]
    assert [finding.split for finding in outside.findings] == ["validation", "train"]
    assert [finding.amount for finding in outside.findings] == [9, 4]
    assert outside.num_keypoints == 3
    assert audited.num_keypoints == 6 * 16
    assert len(defects["coincident"].findings) == 1
    assert defects["outside_crop"].findings[0].split == "validation"
    assert len(defects["suspected_swap"].findings) == 1


def test_command_prints_counts_and_writes_the_page(drawn_release, tmp_path, capsys):
    audited = audit.audit_release(read_people_of(drawn_release))
    page = tmp_path / "audit.html"

    code = main(["audit", str(drawn_release), "--html", str(page)])

    assert code == 0
    assert audited.release.image_folder == drawn_release / "images"
    assert unknown_sizes(audited.release) == ""
    assert page.read_text() == audit.render_page(audited)
    text = capsys.readouterr().out
    assert text.endswith(f"Wrote {page}\n")
    assert f"Read {len(audited.release.everybody):,} people" in text
    assert f"{audited.num_keypoints:,} labelled keypoints" in text
    assert "videos have frames in both train and validation" in text
    for defect in audited.defects:
        row = next(line for line in text.splitlines() if defect.check.title in line)
        counts = defect.num_keypoints, len(defect.findings)
        assert row.split()[-2:] == [f"{count:,}" for count in counts]
        if defect.check.name in ("coincident", "suspected_swap"):
            assert counts == (0, 0)  # Drawn people are sound.


def render(people, folder=None, sizes=None):
    release = make_release({"train": people}, folder, sizes)
    return audit.render_page(audit.audit_release(release))


def test_page_needs_nothing_from_elsewhere_is_bounded_and_escapes_texts():
    name = "<script>&.jpg"
    person = make_person(image_name=name)
    many = [moved(person, index=i, left_wrist=(-9 - i, 5)) for i in range(50)]

    html = render(many, sizes={name: SIZE})

    sources = re.findall(r'(?:src|href)="([^"]*)"', html)
    assert sources
    assert all(s.startswith(("data:image/jpeg;base64,", "#")) for s in sources)
    assert "<script" not in html
    assert "url(" not in html
    assert "&lt;script&gt;&amp;.jpg" in html
    assert "a &lt;b&gt;file" in html
    assert html.count("<img") == 24  # 12 outside the image, 12 outside the crop
    assert "12 of 50 people" in html
    assert len(html) < 500_000
    # Split and index of a person stay on one line.
    together = re.findall(r'class="together">([^<\n]*)</span>', html)
    assert together[:3] == ["train, index 49", "train, index 48", "train, index 47"]


@pytest.mark.parametrize(
    ("box", "is_named"), [([300, 60, 340, 120], True), ([-1] * 4, False)]
)
def test_page_of_a_sound_person_has_a_legend_and_no_pictures(box, is_named):
    html = render([make_person(head_box=np.float32(box))], sizes={})

    assert ("></i>head box</span>" in html) == is_named
    assert "></i>crop</span>" in html
    assert html.count("None found") == render([]).count("None found") == 5
    assert "<strong>No whole images were found</strong>, so" in html


def test_any_person_can_be_shown():
    unlabelled = without(make_person(head_size=999.0), *KEYPOINTS)
    far, giant = moved(SOUND, left_wrist=(1e30, -1e30)), make_person(scale=1e30)

    for person in (unlabelled, far, giant):
        assert "<img" in render([person])


def test_page_shows_people_with_an_image_first_and_others_without(tmp_path):
    PIL.Image.new("RGB", SIZE[::-1], (0, 200, 0)).save(tmp_path / "2.jpg")
    people = [
        moved(make_person(image_name="1.jpg"), index=1, left_wrist=(-30, 5)),
        moved(make_person(image_name="2.jpg"), index=2, left_wrist=(-9, 5)),
    ]
    sizes = {"1.jpg": SIZE, "2.jpg": SIZE}

    pages_of = [render(people, folder, sizes) for folder in (tmp_path, None)]

    orders = ["".join(re.findall(r"index (\d)<", html)[:2]) for html in pages_of]
    assert orders == ["21", "12"]
    pictures = [re.findall(r'src="([^"]*)"', html)[:2] for html in pages_of]
    assert pictures[0][1] == pictures[1][0]
    assert pictures[0][0] != pictures[1][1]


def draw(person, keypoint, tmp_path, *, with_image, sizes, with_crop=False):
    """The picture of a finding, of an image that is white or missing."""
    if with_image:
        PIL.Image.new("RGB", SIZE[::-1], "white").save(tmp_path / "1.jpg")
    release = make_release({}, tmp_path if with_image else None, sizes)
    finding = audit.Finding("train", person, keypoints=(keypoint,), amount=9.0)
    return audit.draw_finding(finding, release, with_crop=with_crop)


def test_pictures_show_what_is_image_and_what_is_beyond(tmp_path):
    person = moved(SOUND, left_wrist=(-9, 5))

    corners = []
    for with_image, sizes in ((True, {}), (False, None), (False, {})):
        picture = draw(person, 15, tmp_path, with_image=with_image, sizes=sizes)
        assert picture.size == (pages.SIDE, pages.SIDE)
        corners.append([picture.getpixel(at) for at in ((1, 120), (238, 200))])

    dark, light = (70, 74, 80), (205, 208, 212)
    assert corners == [[dark, (255, 255, 255)], [dark, light], [light, light]]


def test_halo_is_at_the_keypoint_and_the_crop_is_outlined(tmp_path):
    """The window of the crop is known: its square, with a margin of 12 %."""
    picture = draw(SOUND, 0, tmp_path, with_image=True, sizes={}, with_crop=True)

    # The crop: 250 x scale = 300 px around the center, 15 x scale = 18 px below it.
    scale = pages.SIDE / (300 * 1.24)
    start = np.array([320, 240 + 18]) + 0.5 - 150 * 1.24
    x, y = (SOUND.keypoints[0] - start + 0.5) * scale - 0.5
    red, green, blue = picture.getpixel((round(x) + 7, round(y)))
    assert red > 150 > max(green, blue)
    left, top = (np.array([320 - 150, 240 + 18 - 150]) - start + 0.5) * scale - 0.5
    for at in ((round(left), 120), (60, round(top)), (239 - round(left), 120)):
        red, green, blue = picture.getpixel(at)
        assert green > 150 > max(red, blue)
