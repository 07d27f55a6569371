"""COCO keypoints JSON holds the annotations, and COCO's own tools read it."""

import dataclasses
import json

import numpy as np
import pytest

import mpii_pose
from mpii_pose.formats import coco
from mpii_pose.skeleton import KEYPOINTS, Skeleton, Visibility
from tests import releases


@pytest.fixture(scope="module")
def drawn_people(drawn_release):
    return mpii_pose.read_people(drawn_release)


def people_of(content):
    """The people that a file is about, from nothing but what stands in it."""
    images = {image["id"]: image for image in content["images"]}
    for record in content["annotations"]:
        image = images[record["image_id"]]
        rows = np.array(record["keypoints"]).reshape(-1, 3)
        missing = rows[:, 2:] == Visibility.MISSING
        assert (rows[missing[:, 0]] == 0).all()
        of_image = ("activity", "category", "video_id", "frame_sec")
        of_person = ("scale", "head_size", "index", "person_index", "separated")
        yield mpii_pose.PersonAnnotation(
            image_name=image["file_name"],
            keypoints=np.where(missing, -1, rows[:, :2]).astype(np.float32),
            visibility=rows[:, 2].astype(np.int8),
            center=np.array(record["center"], np.float32),
            head_box=np.array(record["head_box"], np.float32),
            **{name: image[name] for name in of_image},
            **{name: record[name] for name in of_person},
        )


def test_nothing_of_drawn_people_is_lost(drawn_people, tmp_path):
    for split, people in drawn_people.items():
        coco.write_coco(tmp_path / f"{split}.json", people)

        content = json.loads((tmp_path / f"{split}.json").read_text())

        releases.assert_same_people(people_of(content), people)


def test_nothing_of_all_real_people_is_lost(real_people, real_image_sizes, tmp_path):
    fields = [field.name for field in dataclasses.fields(mpii_pose.PersonAnnotation)]

    for split, people in real_people.items():
        coco.write_coco(
            tmp_path / f"{split}.json", people, image_sizes=real_image_sizes
        )
        content = json.loads((tmp_path / f"{split}.json").read_text())

        found = list(people_of(content))
        for name in fields:
            np.testing.assert_array_equal(
                np.array([getattr(person, name) for person in found]),
                np.array([getattr(person, name) for person in people]),
                err_msg=name,
            )
        boxes = np.array([record["bbox"] for record in content["annotations"]])
        last = (
            np.array([real_image_sizes[person.image_name][::-1] for person in people])
            - 1
        )
        assert (boxes[:, :2] >= 0).all()
        assert (boxes[:, :2] + boxes[:, 2:] <= last + 1e-3).all()
    assert {split: len(people) for split, people in real_people.items()} == {
        "train": 22246,
        "validation": 2958,
    }


def test_cocos_own_tools_read_the_file(drawn_people, tmp_path):
    pycocotools = pytest.importorskip("pycocotools.coco", reason="needs pycocotools")
    people = drawn_people["train"]
    sizes = {person.image_name: (480, 640) for person in people}
    coco.write_coco(tmp_path / "train.json", people, image_sizes=sizes)

    dataset = pycocotools.COCO(str(tmp_path / "train.json"))

    (category,) = dataset.loadCats(dataset.getCatIds(catNms=["person"]))
    assert category["keypoints"] == list(KEYPOINTS)
    records = dataset.loadAnns(dataset.getAnnIds())
    for record, person in zip(records, people, strict=True):
        x, y, v = np.reshape(record["keypoints"], (16, 3)).T
        labelled = person.visibility > Visibility.MISSING
        np.testing.assert_array_equal(v, person.visibility)
        np.testing.assert_array_equal(
            np.stack([x, y], axis=1)[labelled], person.keypoints[labelled]
        )
        assert (x[~labelled] == 0).all()
        assert (y[~labelled] == 0).all()
        assert record["num_keypoints"] == labelled.sum()
        (image,) = dataset.loadImgs(record["image_id"])
        assert image["file_name"] == person.image_name
        assert (image["height"], image["width"]) == (480, 640)


def test_cocos_evaluation_scores_the_labels_themselves_perfectly(
    drawn_people, tmp_path
):
    pycocotools = pytest.importorskip("pycocotools.coco", reason="needs pycocotools")
    cocoeval = pytest.importorskip("pycocotools.cocoeval")
    coco.write_coco(tmp_path / "train.json", drawn_people["train"])
    truth = pycocotools.COCO(str(tmp_path / "train.json"))
    results = [
        {k: a[k] for k in ("image_id", "category_id", "keypoints")} | {"score": 1.0}
        for a in truth.loadAnns(truth.getAnnIds())
    ]

    evaluation = cocoeval.COCOeval(truth, truth.loadRes(results), "keypoints")
    evaluation.params.kpt_oks_sigmas = np.full(16, 0.05)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()

    assert evaluation.stats[0] == pytest.approx(1.0)


def test_box_holds_labelled_keypoints_and_head_box(drawn_people):
    people = drawn_people["train"]

    content = coco.people_to_coco(people)

    for record, person in zip(content["annotations"], people, strict=True):
        x, y, width, height = record["bbox"]
        points = person.keypoints[person.visibility > Visibility.MISSING]
        corners = points
        if (person.head_box != -1).any():
            corners = np.concatenate([points, person.head_box.reshape(2, 2)])
        np.testing.assert_allclose(corners.min(0), (x, y), rtol=1e-5)
        np.testing.assert_allclose(corners.max(0), (x + width, y + height), rtol=1e-5)
        assert record["area"] == pytest.approx(width * height)


def test_box_of_a_person_without_keypoints_is_a_square_around_the_center(drawn_people):
    person = drawn_people["test"][0]

    record = coco.people_to_coco([person])["annotations"][0]

    x, y, width, height = record["bbox"]
    assert (width, height) == pytest.approx((200 * person.scale,) * 2, rel=1e-5)
    np.testing.assert_allclose(
        (x + width / 2, y + height / 2), person.center, rtol=1e-5
    )
    assert record["num_keypoints"] == 0


def test_category_names_bones_from_1_and_both_sides():
    category = coco.person_category()

    for right, left in category["mirrored_pairs"]:
        assert right.replace("right", "left") == left
    assert len(category["mirrored_pairs"]) == 6
    assert min(min(bone) for bone in category["skeleton"]) == 1
    assert max(max(bone) for bone in category["skeleton"]) == 16


def test_people_of_another_skeleton_say_its_keypoints(drawn_people):
    eyes = Skeleton(
        name="eyes",
        keypoints=("right_eye", "left_eye"),
        bones=(("left_eye", "right_eye"),),
    )
    person = dataclasses.replace(
        drawn_people["test"][0],
        keypoints=np.float32([[5, 6], [8, 9]]),
        visibility=np.int8([2, 1]),
    )

    content = coco.people_to_coco([person], skeleton=eyes)

    (category,) = content["categories"]
    assert category["keypoints"] == ["right_eye", "left_eye"]
    assert category["skeleton"] == [[2, 1]]
    assert category["mirrored_pairs"] == [["right_eye", "left_eye"]]
    assert content["annotations"][0]["keypoints"] == [5, 6, 2, 8, 9, 1]
    releases.assert_same_people(people_of(content), [person])


def test_sigmas_stand_in_the_file_only_if_they_are_given(drawn_people):
    people = drawn_people["train"]

    (without,) = coco.people_to_coco(people)["categories"]
    (category,) = coco.people_to_coco(people, sigmas=[0.05] * 16)["categories"]

    assert "sigmas" not in without
    assert category["sigmas"] == [0.05] * 16


@pytest.mark.parametrize("sigmas", [[0.05] * 17, [0.05] * 15 + [0.0], []])
def test_sigmas_that_do_not_fit_are_refused(drawn_people, sigmas):
    with pytest.raises(ValueError, match="sigmas must be 16 numbers above 0"):
        coco.people_to_coco(drawn_people["train"], sigmas=sigmas)
