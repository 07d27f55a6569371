"""YOLO-pose labels are as Ultralytics' documentation asks for."""

import dataclasses

import numpy as np
import PIL.Image
import pytest

from mpii_pose.formats import yolo
from mpii_pose.release.release import read_sized_people
from mpii_pose.skeleton import MPII
from mpii_pose.tools.main import main
from tests import releases


@pytest.fixture(scope="module")
def release(drawn_release):
    return read_sized_people(drawn_release)


@pytest.fixture(scope="module")
def exported(drawn_release, tmp_path_factory):
    folder = tmp_path_factory.mktemp("yolo") / "out"
    assert main(["export", "yolo", str(drawn_release), str(folder)]) == 0
    return folder


def read_labels(folder):
    """{(split, image): (boxes [P, 4], keypoints [P, 16, 3])} in px, by the format.

    https://docs.ultralytics.com/datasets/pose: lines of class, box, keypoints; files
    are found from the image's path by /labels/ for /images/. Pixels from the outer
    edge, as the reader scales by width and height alone.
    """
    found = {}
    for path in (folder / "images").glob("*/*"):
        label = folder / "labels" / path.parent.name / f"{path.stem}.txt"
        size = np.array(PIL.Image.open(path).size)
        rows = [[float(word) for word in line.split()] for line in label.open()]
        rows = np.reshape(rows, (-1, 5 + 48))
        assert (rows[:, 0] == 0).all()
        assert ((rows[:, 1:5] >= 0) & (rows[:, 1:5] <= 1)).all()
        middle, extent = rows[:, 1:3] * size, rows[:, 3:5] * size
        points = rows[:, 5:].reshape(-1, 16, 3)
        assert ((points[..., :2] >= 0) & (points[..., :2] <= 1)).all()
        points[..., :2] *= size
        boxes = np.concatenate([middle - extent / 2, middle + extent / 2], axis=1)
        found[path.parent.name, path.name] = boxes, points
    return found


def test_labels_read_back_are_the_people_of_tompsons_split(exported, release):
    found = read_labels(exported)
    ours = {"train": ["train"], "val": ["validation", "validation_others"]}

    assert len(found) > 20
    for name, splits in ours.items():
        people = [p for split in splits for p in release.people[split]]
        images = {person.image_name for person in people}
        assert {image for split, image in found if split == name} == images
        for image in images:
            group = [person for person in people if person.image_name == image]
            size = np.array(release.image_sizes[image][::-1])
            for person, box, pose in zip(group, *found[name, image], strict=True):
                inside = ((person.keypoints >= -0.5) & (person.keypoints < size)).all(1)
                state = np.where(inside, person.visibility, 0)
                np.testing.assert_array_equal(pose[:, 2], state)
                np.testing.assert_allclose(
                    pose[state > 0, :2], person.keypoints[state > 0] + 0.5, atol=2e-3
                )
                assert (pose[state == 0, :2] == 0).all()
                assert (pose[state > 0, :2] >= box[:2] - 2e-3).all()
                assert (pose[state > 0, :2] <= box[2:] + 2e-3).all()


def test_the_description_names_folders_keypoints_and_their_mirror_images(exported):
    text = (exported / yolo.DATASET_FILE).read_text()

    assert "\ntrain: images/train\nval: images/val\nkpt_shape: [16, 3]\n" in text
    assert f"\nflip_idx: {list(MPII.mirrored)}\nnames:\n  0: person\n" in text
    assert '\nkpt_names:\n  0: ["right_ankle", "right_knee", ' in text


def pose(person, **changes):
    """A person with all keypoints at (30, 30) and no head box."""
    return dataclasses.replace(
        person,
        keypoints=np.full((16, 2), 30, np.float32),
        visibility=np.full(16, 2, np.int8),
        **{"head_box": np.full(4, -1, np.float32), "head_size": 20.0} | changes,
    )


def box_of(line, width, height):
    """The box's (x1, y1, x2, y2) in px."""
    x, y, w, h = np.array(line.split()[1:5], float) * [width, height, width, height]
    return [x - w / 2, y - h / 2, x + w / 2, y + h / 2]


def test_a_box_is_cut_to_the_image_and_keeps_its_margin(release):
    person = pose(release.people["train"][0])
    person.keypoints[0] = 40, 50
    head = dataclasses.replace(person, head_box=np.float32([20, 25, 35, 40]))

    box = box_of(yolo.yolo_line(person, (100, 45)), 45, 100)
    with_head = box_of(yolo.yolo_line(head, (100, 45)), 45, 100)

    assert box == pytest.approx([30.5 - 10, 30.5 - 10, 45, 50.5 + 10], abs=1e-3)
    assert with_head == pytest.approx([10.5, 15.5, 45, 60.5], abs=1e-3)


def test_a_keypoint_outside_the_image_is_missing(release):
    person = pose(release.people["train"][0])
    person.keypoints[8:10] = (99.5, -0.5), (30, -0.51)  # The outer edge, and beyond.

    words = yolo.yolo_line(person, (100, 100)).split()

    assert words[5 + 3 * 8 : 5 + 3 * 9] == ["1.000000", "0.000000", "2"]
    assert words[5 + 3 * 9 : 5 + 3 * 10] == ["0.000000", "0.000000", "0"]
    assert words[5 + 2 :: 3].count("2") == 15
    assert yolo.yolo_line(pose(release.people["train"][0]), (20, 100)) is None
    assert yolo.yolo_line(release.people["test"][0], (100, 100)) is None


@pytest.mark.parametrize("copy", [False, True])
def test_images_are_links_unless_copies_are_asked_for(drawn_release, tmp_path, copy):
    options = ["--copy"] if copy else []

    main(["export", "yolo", str(drawn_release), str(tmp_path / "out"), *options])

    images = list((tmp_path / "out" / "images").glob("*/*"))
    assert images
    for path in images:
        assert path.is_symlink() is not copy
        original = drawn_release / "images" / path.name
        assert path.read_bytes() == original.read_bytes()


def write_yolo(release, folder, sizes=None, people=None):
    return yolo.write_yolo(
        folder,
        release.people if people is None else people,
        image_folder=release.image_folder,
        image_sizes=sizes or release.image_sizes,
        copy=True,
    )


def test_nothing_is_written_unless_all_is(release, tmp_path, monkeypatch):
    first = release.people["train"][0].image_name
    sizes = {k: v for k, v in release.image_sizes.items() if k != first}

    with pytest.raises(FileNotFoundError, match=rf"1 of .* missing in .*{first}"):
        write_yolo(release, tmp_path / "out", sizes)
    with pytest.raises(FileNotFoundError, match="nobody is labelled"):
        write_yolo(release, tmp_path / "out", people={"test": release.people["test"]})
    person = release.people["train"][0]
    others = [dataclasses.replace(person, image_name=n) for n in ("a.jpg", "a.png")]
    with pytest.raises(ValueError, match=r"a\.jpg and a\.png have one .* a\.txt; ren"):
        write_yolo(release, tmp_path / "out", people={"train": others})
    with pytest.raises(FileExistsError, match=f"{tmp_path} exists; name a folder"):
        write_yolo(release, tmp_path)
    monkeypatch.setattr("shutil.copyfile", lambda *paths: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_yolo(release, tmp_path / "out")

    assert list(tmp_path.iterdir()) == []


def test_a_source_without_validation_others_is_pointed_out(
    drawn_release, drawn_people, tmp_path, capsys
):
    releases.write_cpm(tmp_path / "mpii_annotations.json", drawn_people)
    (tmp_path / "images").symlink_to(drawn_release / "images")

    assert main(["export", "yolo", str(tmp_path), str(tmp_path / "out")]) == 0

    assert "has no validation_others" in capsys.readouterr().out
