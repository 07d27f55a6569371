"""The report has all splits, the worst first, and knows image sizes where it can."""

import dataclasses
import json
import re

import numpy as np
import PIL.Image
import pytest

import mpii_pose
from mpii_pose.release import release as release_lib
from mpii_pose.skeleton import KEYPOINTS
from mpii_pose.tools import close_ups
from mpii_pose.tools.audit import page, report, thumbnails
from tests import releases
from tests.tools.audit.people import exchanged, make_person, moved, without


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


@pytest.fixture
def defects():
    found = report.audit_people(planted(), image_sizes={"1.jpg": (480, 640)})
    return {defect.check.name: defect for defect in found}


def test_all_splits_are_looked_at_and_the_worst_comes_first(defects):
    outside = defects["outside_image"]

    assert [finding.split for finding in outside.findings] == ["validation", "train"]
    assert [finding.amount for finding in outside.findings] == [9, 4]
    assert len(outside.findings) == 2
    assert outside.num_keypoints == 3


def test_what_is_planted_is_found(defects):
    assert len(defects["coincident"].findings) == 1
    assert defects["outside_crop"].findings[0].split == "validation"
    assert len(defects["impossible_head"].findings) >= 1
    assert len(defects["suspected_swap"].findings) == 1


def test_nobody_has_no_defects():
    for people in ({}, {"train": []}):
        assert [len(d.findings) for d in report.audit_people(people)] == [0] * 5


def test_drawn_people_are_sound_but_for_what_lies_outside(drawn_release):
    audit = report.audit_release(drawn_release)

    counts = {defect.check.name: len(defect.findings) for defect in audit.defects}
    assert audit.release.image_folder == drawn_release / "images"
    assert audit.release.images_of_unknown_size == []
    assert counts["coincident"] == 0
    assert counts["suspected_swap"] == 0


def test_sizes_come_from_the_files_else_from_the_annotations(drawn_release, tmp_path):
    people = mpii_pose.read_people(drawn_release)
    releases.write_cpm(tmp_path / "mpii_annotations.json", people)
    records = json.loads((tmp_path / "mpii_annotations.json").read_text())
    for record in records[1:]:
        record |= {"img_height": 123.0, "img_width": 45.0}
    (tmp_path / "mpii_annotations.json").write_text(json.dumps(records))

    alone = release_lib.read_sized_people(tmp_path)
    beside = release_lib.read_sized_people(
        tmp_path, image_folder=drawn_release / "images"
    )

    assert alone.image_folder is None
    assert set(alone.image_sizes.values()) == {(123, 45)}
    names = {person.image_name for group in alone.people.values() for person in group}
    assert set(beside.image_sizes) == names
    assert (123, 45) not in beside.image_sizes.values()


def test_a_folder_of_images_that_is_not_there_is_refused(drawn_release, tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder of images"):
        report.audit_release(drawn_release, image_folder=tmp_path / "none")


def test_damaged_and_missing_images_have_no_size(real_mpii, tmp_path):
    (tmp_path / "text.jpg").write_text("no image")
    (tmp_path / "dds.jpg").write_bytes(b"DDS " + bytes([124]) + bytes(200))
    whole = (real_mpii / "images" / "004645041.jpg").read_bytes()
    (tmp_path / "whole.jpg").write_bytes(whole)

    sizes = release_lib.read_image_sizes(
        tmp_path, ["text.jpg", "dds.jpg", "none.jpg", "whole.jpg"]
    )

    assert set(sizes) == {"whole.jpg"}


def test_text_says_the_counts(drawn_release):
    audit = report.audit_release(drawn_release)

    text = report.format_audit(audit)

    assert f"Read {len(audit.release.everybody):,} people" in text
    for defect in audit.defects:
        row = next(line for line in text.splitlines() if defect.check.title in line)
        assert row.split()[-2:] == [
            f"{defect.num_keypoints:,}",
            f"{len(defect.findings):,}",
        ]


def make_audit(people, folder=None, sizes=None):
    release = release_lib.Release(
        source="a <b>file</b>",
        people=people,
        image_folder=folder,
        image_sizes=sizes or {},
    )
    defects = report.audit_people(people, image_sizes=sizes)
    return report.Audit(release=release, defects=defects)


def test_page_needs_nothing_from_elsewhere_and_is_bounded():
    many = [moved(make_person(index=i), left_wrist=(-9 - i, 5)) for i in range(50)]
    audit = make_audit({"train": many}, sizes={"1.jpg": (480, 640)})

    html = page.render_page(audit, max_examples=3)

    sources = re.findall(r'(?:src|href)="([^"]*)"', html)
    assert sources
    assert all(s.startswith(("data:image/jpeg;base64,", "#")) for s in sources)
    assert "<script" not in html
    assert "url(" not in html
    assert html.count("<img") == 6  # three outside the image, three outside the crop
    assert "3 of 50 people" in html
    assert len(html) < 200_000


def test_page_keeps_split_and_index_of_a_person_on_one_line():
    html = page.render_page(make_audit(planted()))

    together = re.findall(r'class="together">([^<\n]*)</span>', html)
    assert len(together) == html.count("<figcaption>") > 0
    assert all(re.fullmatch(r"\w+, index -?\d+", text) for text in together)


def test_legend_promises_head_boxes_only_where_the_annotations_have_them():
    known, unknown = (
        dataclasses.replace(make_person(), head_box=np.array(box, np.float32))
        for box in ([300, 60, 340, 120], [-1, -1, -1, -1])
    )

    with_box, without = (
        page.render_page(make_audit({"train": [person]})) for person in (known, unknown)
    )

    assert "></i>head box</span>" in with_box
    assert "></i>head box</span>" not in without
    assert "></i>crop</span>" in without


def test_page_escapes_what_files_say():
    person = moved(make_person(image_name="<script>&.jpg"), left_wrist=(-9, 5))
    audit = make_audit({"train": [person]}, sizes={"<script>&.jpg": (480, 640)})

    html = page.render_page(audit)

    assert "<script>" not in html
    assert "&lt;script&gt;&amp;.jpg" in html
    assert "a &lt;b&gt;file" in html


def test_page_shows_images_that_are_there_and_poses_without(drawn_release, tmp_path):
    audit = report.audit_release(drawn_release)

    release = release_lib.Release(
        source=audit.release.source,
        people=audit.release.people,
        image_folder=tmp_path,
        image_sizes=audit.release.image_sizes,
    )
    without = report.Audit(release=release, defects=audit.defects)

    texts = [page.render_page(each) for each in (audit, without)]
    assert texts[0].count("<img") == texts[1].count("<img") > 0
    assert texts[0] != texts[1]


def test_page_of_nobody_says_so():
    html = page.render_page(make_audit({"train": [make_person()]}))

    assert html.count("None found") == 5
    assert "1 images are missing or cannot\nbe read" in html


@pytest.mark.parametrize(
    "person",
    [
        without(make_person(head_size=999.0), *KEYPOINTS),
        moved(make_person(), left_wrist=(1e30, -1e30)),
        make_person(scale=1e30),
    ],
    ids=["no_keypoints", "far", "giant"],
)
def test_any_person_can_be_drawn(person):
    html = page.render_page(make_audit({"test": [person]}, sizes={"1.jpg": (480, 640)}))

    assert html.count("<img") > 0


def test_pictures_show_what_is_image_and_what_is_beyond(drawn_release):
    person = moved(make_person(), left_wrist=(-9, 5))
    finding = report.Finding(split="train", person=person, keypoints=(15,), amount=9.0)
    white = PIL.Image.new("RGB", (640, 480), "white")

    corners = []
    for image, size in ((white, None), (None, (480, 640)), (None, None)):
        picture = thumbnails.draw_finding(finding, image=image, image_size=size)
        assert picture.size == (close_ups.SIDE, close_ups.SIDE)
        corners.append([picture.getpixel(at) for at in ((1, 120), (238, 200))])

    dark, light = (70, 74, 80), (205, 208, 212)
    assert corners == [[dark, (255, 255, 255)], [dark, light], [light, light]]


def test_a_negative_number_of_examples_is_refused():
    with pytest.raises(ValueError, match="max_examples must be 0 or more, got -1"):
        page.render_page(make_audit({}), max_examples=-1)
