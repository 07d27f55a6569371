import hashlib
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from mpii_pose.synthetic import release, write_release
from tests.synthetic import plain_reader

HEAD_BOX = ("x1", "y1", "x2", "y2")


def annotations(directory) -> pathlib.Path:
    return directory / release.ANNOTATION_FOLDER


def load(directory):
    mat = (annotations(directory) / release.ANNOTATION_FILE).read_bytes()
    return plain_reader.load(mat)


def listed_people(directory):
    text = (annotations(directory) / release.VALIDATION_PEOPLE_FILE).read_text()
    header, *rows = text.splitlines()
    assert header == "image_name,person_index"
    return [(name, int(index)) for name, index in (row.split(",") for row in rows)]


def digests(directory):
    """Each file's path and SHA-256."""
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def is_labelled(rect) -> bool:
    return (
        len(plain_reader.points(rect)) > 0
        and plain_reader.has(rect, "scale")
        and plain_reader.has(rect, "objpos")
    )


@pytest.fixture(scope="module", params=[5, 6])
def written(tmp_path_factory, request):
    directory = tmp_path_factory.mktemp("release")
    write_release(directory, num_people=60, seed=request.param)
    return directory


@pytest.fixture(scope="module")
def mat(written):
    """The struct RELEASE of the annotation file."""
    return load(written)


def all_rects(mat, *, is_train=True):
    return [
        rect
        for entry, train in zip(mat.annolist, mat.img_train, strict=True)
        for rect in plain_reader.rects(entry)
        if train == is_train
    ]


def test_files_lie_where_mpii_puts_them(written, mat):
    names = {entry.image.name for entry in mat.annolist}

    assert {path.name for path in (written / "images").iterdir()} == names
    assert {path.name for path in annotations(written).iterdir()} == {
        "mpii_human_pose_v1_u12_1.mat",
        "validation_people.csv",
    }


def test_images_are_rgb_jpegs_of_the_sizes_asked_for(tmp_path):
    write_release(tmp_path, num_people=8, image_sizes=[(100, 150), (120, 90)])

    sizes = set()
    for path in (tmp_path / "images").iterdir():
        with Image.open(path) as image:
            image.load()
            assert (image.format, image.mode) == ("JPEG", "RGB")
            sizes.add((image.height, image.width))
    assert sizes == {(100, 150), (120, 90)}


def test_images_have_the_bytes_asked_for(tmp_path):
    write_release(
        tmp_path, num_people=40, image_sizes=[(200, 300)], bytes_per_pixel=0.46
    )

    sizes = [path.stat().st_size for path in (tmp_path / "images").iterdir()]
    assert 0.7 * 0.46 * 60_000 <= min(sizes) < max(sizes) <= 1.3 * 0.46 * 60_000
    assert np.mean(sizes) == pytest.approx(0.46 * 60_000, rel=0.1)


def test_the_number_of_labelled_people_is_the_one_asked_for(mat):
    assert sum(map(is_labelled, all_rects(mat))) == 60
    assert not any(map(is_labelled, all_rects(mat, is_train=False)))


def test_listed_people_are_labelled_people(written, mat):
    rects = {e.image.name: plain_reader.rects(e) for e in mat.annolist}

    people = listed_people(written)

    assert len(people) == len(set(people)) == 6
    for name, person_index in people:
        assert is_labelled(rects[name][person_index])


def test_test_people_have_a_place_and_a_scale_but_no_points(mat):
    people = all_rects(mat, is_train=False)

    assert len(people) == 24
    for rect in people:
        assert plain_reader.has(rect, "objpos")
        assert plain_reader.has(rect, "scale")
        assert not plain_reader.points(rect)
    for entry, train in zip(mat.annolist, mat.img_train, strict=True):
        assert (np.size(entry.vididx) == 0) == (not train)
        assert (np.size(entry.frame_sec) == 0) == (not train)


def test_flags_are_absent_empty_numbers_and_text(mat):
    flags = {"head": set(), "body": set()}
    for rect in all_rects(mat):
        for point in plain_reader.points(rect):
            where = "head" if point.id in (8, 9) else "body"
            flags[where].add(plain_reader.flag(point))

    assert flags["head"] == {"absent", "empty"}
    assert flags["body"] == {
        "absent",
        "empty",
        "number 0",
        "number 1",
        "text 0",
        "text 1",
    }


def test_points_come_in_any_order_and_partly(mat):
    orders = [
        [point.id for point in plain_reader.points(rect)] for rect in all_rects(mat)
    ]

    assert any(order != sorted(order) for order in orders)
    assert any(0 < len(order) < 16 for order in orders)
    assert all(len(set(order)) == len(order) for order in orders)


@pytest.mark.parametrize("field", ["x1", "annopoints", "scale", "objpos"])
def test_a_field_is_absent_here_and_empty_there(mat, field):
    rects = all_rects(mat)

    assert any(field not in rect._fieldnames for rect in rects)
    assert any(
        field in rect._fieldnames and not plain_reader.has(rect, field)
        for rect in rects
    )


def test_labelled_people_without_a_head_box_are_rare(mat):
    labelled = [r for r in all_rects(mat) if is_labelled(r)]

    boxless = [rect for rect in labelled if not plain_reader.has(rect, "x1")]

    assert 0 < len(boxless) < 0.15 * len(labelled)


def test_some_images_are_odd(mat):
    train = [
        entry
        for entry, is_train in zip(mat.annolist, mat.img_train, strict=True)
        if is_train
    ]
    rects = all_rects(mat)

    assert any(np.size(entry.annorect) == 0 for entry in train)
    assert any(np.size(entry.annorect) > 1 for entry in train)
    for name in ("head_r11", "torso_r33", "part_occ1", "part_occ10"):
        share = np.mean([name in rect._fieldnames for rect in rects])
        assert 0 < share < 0.2


def test_activities_are_told_for_some_images(mat):
    ids = [np.ravel(act.act_id).tolist() for act in mat.act]

    assert [] in ids
    assert [-1] in ids
    by_id = {}
    for act in mat.act:
        if np.size(act.act_name):
            by_id.setdefault(act.act_id, set()).add((act.cat_name, act.act_name))
    assert len(by_id) > 4
    assert all(len(names) == 1 for names in by_id.values())


def test_videos_and_separated_people_point_to_what_is_there(mat):
    videos = [e.vididx for e in mat.annolist if np.size(e.vididx)]

    assert set(videos) == set(range(1, len(mat.video_list) + 1))
    rows = 0
    for entry, separated in zip(mat.annolist, mat.single_person, strict=True):
        for row in np.ravel(separated):
            assert 1 <= row <= len(plain_reader.rects(entry))
            rows += 1
    assert 0 < rows < len(all_rects(mat)) + 24


def test_identities_of_mpii_hold_in_the_file(mat):
    checked = 0
    for rect in filter(is_labelled, all_rects(mat)):
        if not plain_reader.has(rect, "x1"):
            continue
        x1, y1, x2, y2 = (float(getattr(rect, name)) for name in HEAD_BOX)
        diagonal = np.hypot(x2 - x1, y2 - y1)
        keypoints, _ = plain_reader.keypoints(rect)

        assert 25 * rect.scale == pytest.approx(0.6 * diagonal)
        neck_to_top = np.hypot(*(keypoints[9] - keypoints[8]))
        assert neck_to_top == pytest.approx(0.8 * diagonal)
        checked += 1
    assert checked > 50


def test_same_seed_gives_the_same_bytes_in_another_process(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    code = (
        "import sys; from mpii_pose.synthetic import write_release; "
        "write_release(sys.argv[1], num_people=6, seed=3)"
    )

    write_release(here, num_people=6, seed=3)
    subprocess.run(
        [sys.executable, "-c", code, str(there)],
        check=True,
        env=os.environ | {"PYTHONHASHSEED": "7"},
        cwd=pathlib.Path(__file__).parents[2],
    )

    assert digests(here) == digests(there)


def test_different_seeds_give_different_people(tmp_path):
    write_release(tmp_path / "1", num_people=3, seed=1)
    write_release(tmp_path / "2", num_people=3, seed=2)

    first, second = (set(digests(tmp_path / seed).values()) for seed in "12")
    # The list of validation people names different images, too.
    assert not first & second


@pytest.mark.parametrize("num_people", [1, 2, 4, 8])
def test_a_few_people_are_enough(tmp_path, num_people):
    write_release(tmp_path, num_people=num_people)

    assert len(listed_people(tmp_path)) == (num_people > 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_people": 0}, "num_people must be 1 or more, got 0"),
        ({"num_people": -3}, "num_people must be 1 or more, got -3"),
        ({"seed": -1}, "seed must be 0 or more, got -1"),
        ({"image_sizes": []}, "at least one"),
        ({"image_sizes": [(100, 30)]}, r"\(height, width\) = \(100, 30\)"),
        ({"bytes_per_pixel": 0.01}, "bytes_per_pixel must be 0.1 or more"),
    ],
)
def test_bad_options_are_refused_before_anything_is_written(tmp_path, options, message):
    directory = tmp_path / "new"

    with pytest.raises(ValueError, match=message):
        write_release(directory, **{"num_people": 5} | options)

    assert not directory.exists()


@pytest.mark.parametrize("folder", ["images", "mpii_human_pose_v1_u12_2"])
def test_a_folder_that_holds_files_is_never_written_to(tmp_path, folder):
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "015601864.jpg").write_bytes(b"mine")

    with pytest.raises(FileExistsError, match=f"{folder} is not empty"):
        write_release(tmp_path, num_people=1)

    assert list(digests(tmp_path)) == [f"{folder}/015601864.jpg"]


def test_a_directory_with_other_things_in_it_is_fine(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "images").mkdir()

    write_release(tmp_path, num_people=1)

    assert (tmp_path / "notes.txt").read_text() == "mine"
