"""The audit has all splits, the worst first, as a text and as a page."""

import dataclasses
import re

import numpy as np
import PIL.Image
import pytest

from mpii_pose.release.release import Release
from mpii_pose.skeleton import KEYPOINTS
from mpii_pose.tools import audit, pages
from mpii_pose.tools.main import main
from mpii_pose.tools.people import read_people_of
from tests.tools.annotated import SIZE, exchanged, make_person, moved, without


def make_audit(people, folder=None, sizes=None):
    release = Release(
        source="a <b>file</b>",
        people=people,
        image_folder=folder,
        image_sizes=sizes or {},
    )
    return audit.audit_release(release)


def planted():
    """One person for each kind of defect, and a sound one."""
    sound = make_person()
    pelvis = sound.keypoints[KEYPOINTS.index("pelvis")]
    return {
        "train": [
            sound,
            moved(sound, head_top=(320, -4), left_wrist=(320, -2)),
            moved(sound, left_hip=pelvis),
            make_person(scale=1.0),
            exchanged(sound, "hip"),
        ],
        "validation": [
            moved(sound, left_wrist=(100, 230)),
            moved(sound, head_top=(320, -9)),
        ],
    }


def test_planted_defects_are_found_in_all_splits_and_the_worst_comes_first():
    found = make_audit(planted(), sizes={"1.jpg": SIZE})

    defects = {defect.check.name: defect for defect in found.defects}
    outside = defects["outside_image"]
    assert [finding.split for finding in outside.findings] == ["validation", "train"]
    assert [finding.amount for finding in outside.findings] == [9, 4]
    assert outside.num_keypoints == 3
    assert found.num_keypoints == 7 * 16
    assert len(defects["coincident"].findings) == 1
    assert defects["outside_crop"].findings[0].split == "validation"
    assert len(defects["impossible_head"].findings) >= 1
    assert len(defects["suspected_swap"].findings) == 1


@pytest.mark.parametrize("people", [{}, {"train": []}])
def test_nobody_has_no_defects(people):
    assert [len(each.findings) for each in make_audit(people).defects] == [0] * 5


def test_command_prints_counts_and_writes_the_page(drawn_release, tmp_path, capsys):
    found = audit.audit_release(read_people_of(drawn_release))
    page = tmp_path / "audit.html"

    code = main(["audit", str(drawn_release), "--html", str(page), "--examples", "2"])

    assert code == 0
    assert found.release.image_folder == drawn_release / "images"
    assert found.release.images_of_unknown_size == []
    assert page.read_text() == audit.render_page(found, max_examples=2)
    text = capsys.readouterr().out
    assert text.endswith(f"Wrote {page}\n")
    assert f"Read {len(found.release.everybody):,} people" in text
    assert f"{found.num_keypoints:,} labelled keypoints" in text
    assert "videos have frames in both train and validation" in text
    for defect in found.defects:
        row = next(line for line in text.splitlines() if defect.check.title in line)
        counts = defect.num_keypoints, len(defect.findings)
        assert row.split()[-2:] == [f"{count:,}" for count in counts]
        # Drawn people are sound but for what lies outside.
        assert (
            defect.check.name not in ("coincident", "suspected_swap") or not counts[1]
        )


@pytest.mark.parametrize("number", ["-1", "many"])
def test_a_wrong_number_of_examples_is_refused(number, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["audit", "nowhere", "--examples", number])
    with pytest.raises(ValueError, match="max_examples must be 0 or more, got -1"):
        audit.render_page(make_audit({}), max_examples=-1)

    assert "argument --examples: must be 0 or more" in capsys.readouterr().err


def test_page_needs_nothing_from_elsewhere_is_bounded_and_escapes_texts():
    name = "<script>&.jpg"
    many = [
        moved(make_person(image_name=name, index=i), left_wrist=(-9 - i, 5))
        for i in range(50)
    ]

    html = audit.render_page(
        make_audit({"train": many}, sizes={name: SIZE}), max_examples=3
    )

    sources = re.findall(r'(?:src|href)="([^"]*)"', html)
    assert sources
    assert all(s.startswith(("data:image/jpeg;base64,", "#")) for s in sources)
    assert "<script" not in html
    assert "url(" not in html
    assert "&lt;script&gt;&amp;.jpg" in html
    assert "a &lt;b&gt;file" in html
    assert html.count("<img") == 6  # three outside the image, three outside the crop
    assert "3 of 50 people" in html
    assert len(html) < 200_000
    # Split and index of a person stay on one line.
    together = re.findall(r'class="together">([^<\n]*)</span>', html)
    assert together[:3] == ["train, index 49", "train, index 48", "train, index 47"]


@pytest.mark.parametrize(
    ("box", "is_named"), [([300, 60, 340, 120], True), ([-1] * 4, False)]
)
def test_page_of_a_sound_person_has_a_legend_and_no_pictures(box, is_named):
    person = dataclasses.replace(make_person(), head_box=np.float32(box))

    html = audit.render_page(make_audit({"train": [person]}))

    assert ("></i>head box</span>" in html) == is_named
    assert "></i>crop</span>" in html
    assert html.count("None found") == 5
    assert "1 images are missing or cannot\nbe read" in html


def test_page_shows_people_with_an_image_first_and_others_without(tmp_path):
    PIL.Image.new("RGB", SIZE[::-1], (0, 200, 0)).save(tmp_path / "2.jpg")
    people = [
        moved(make_person(image_name="1.jpg", index=1), left_wrist=(-30, 5)),
        moved(make_person(image_name="2.jpg", index=2), left_wrist=(-9, 5)),
    ]
    sizes = {"1.jpg": SIZE, "2.jpg": SIZE}

    pages_of = [
        audit.render_page(make_audit({"train": people}, folder, sizes))
        for folder in (tmp_path, None)
    ]

    orders = [re.findall(r"index (\d)<", html)[:2] for html in pages_of]
    assert orders == [["2", "1"], ["1", "2"]]
    pictures = [re.findall(r'src="([^"]*)"', html)[:2] for html in pages_of]
    assert pictures[0][1] == pictures[1][0]
    assert pictures[0][0] != pictures[1][1]


@pytest.mark.parametrize(
    "person",
    [
        without(make_person(head_size=999.0), *KEYPOINTS),
        moved(make_person(), left_wrist=(1e30, -1e30)),
        make_person(scale=1e30),
    ],
    ids=["no_keypoints", "far", "giant"],
)
def test_any_person_can_be_shown(person):
    html = audit.render_page(make_audit({"test": [person]}, sizes={"1.jpg": SIZE}))

    assert html.count("<img") > 0


def test_pictures_show_what_is_image_and_what_is_beyond():
    person = moved(make_person(), left_wrist=(-9, 5))
    finding = audit.Finding("train", person, keypoints=(15,), amount=9.0)
    white = PIL.Image.new("RGB", SIZE[::-1], "white")

    corners = []
    for image, size in ((white, None), (None, SIZE), (None, None)):
        picture = audit.draw_finding(finding, image=image, image_size=size)
        assert picture.size == (pages.SIDE, pages.SIDE)
        corners.append([picture.getpixel(at) for at in ((1, 120), (238, 200))])

    dark, light = (70, 74, 80), (205, 208, 212)
    assert corners == [[dark, (255, 255, 255)], [dark, light], [light, light]]


def test_halo_is_at_the_keypoint_and_the_crop_is_outlined():
    """The window of the crop is known: its square, with a margin of 12 %."""
    person = make_person()
    finding = audit.Finding("train", person, keypoints=(0,), amount=1.0)
    white = PIL.Image.new("RGB", SIZE[::-1], "white")

    picture = audit.draw_finding(finding, image=white, image_size=None, with_crop=True)

    # The crop: 250 x scale = 300 px around the center, 15 x scale = 18 px below it.
    scale = pages.SIDE / (300 * 1.24)
    start = np.array([320, 240 + 18]) + 0.5 - 150 * 1.24
    x, y = (person.keypoints[0] - start + 0.5) * scale - 0.5
    red, green, blue = picture.getpixel((round(x) + 7, round(y)))
    assert red > 150 > max(green, blue)
    left, top = (np.array([320 - 150, 240 + 18 - 150]) - start + 0.5) * scale - 0.5
    for at in ((round(left), 120), (60, round(top)), (239 - round(left), 120)):
        red, green, blue = picture.getpixel(at)
        assert green > 150 > max(red, blue)
