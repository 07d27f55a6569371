"""COCO keypoints JSON holds the annotations, and COCO's own tools read it."""

import json

import numpy as np
import pytest

import mpii_pose
from mpii_pose.formats import coco
from mpii_pose.release import find
from mpii_pose.skeleton import KEYPOINTS, Visibility
from tests import releases


@pytest.fixture(scope="module")
def drawn_people(drawn_release):
    return mpii_pose.read_people(drawn_release)


def test_drawn_people_of_every_split_read_back_equal(drawn_people, tmp_path):
    for split, people in drawn_people.items():
        coco.write_coco(tmp_path / f"{split}.json", people)

        found = coco.read_coco(tmp_path / f"{split}.json")

        releases.assert_same_people(found, people)


def test_all_real_people_read_back_equal(real_mpii):
    source = find.find_source(real_mpii / "cpm_annotations.json.gz")
    people = source.read()

    for split, expected in people.items():
        content = coco.people_to_coco(expected, image_sizes=source.read_with_sizes()[1])
        found = coco.people_from_coco(json.loads(json.dumps(content)))

        releases.assert_same_people(found, expected)
        boxes = np.array([a["bbox"] for a in content["annotations"]])
        sizes = {image["id"]: image for image in content["images"]}
        last = np.array(
            [
                (sizes[a["image_id"]]["width"] - 1, sizes[a["image_id"]]["height"] - 1)
                for a in content["annotations"]
            ]
        )
        assert (boxes[:, :2] >= 0).all(), split
        assert (boxes[:, :2] + boxes[:, 2:] <= last + 1e-3).all(), split
    assert {split: len(p) for split, p in people.items()} == {
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


def test_skeleton_and_mirrored_pairs_name_both_sides():
    category = coco.PERSON_CATEGORY

    for right, left in category["mirrored_pairs"]:
        assert right.replace("right", "left") == left
    assert min(min(bone) for bone in category["skeleton"]) == 1
    assert max(max(bone) for bone in category["skeleton"]) == 16


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda c: c["categories"][0].update(keypoints=["nose"]),
            "must be .*right_ank",
        ),
        (
            lambda c: c["annotations"][0].pop("center"),
            r"annotations\[0\]: no field 'ce",
        ),
        (lambda c: c["annotations"][0].update(image_id=99), "no image has id 99"),
        (lambda c: c["annotations"][0].update(keypoints=[1, 2]), "keypoints must be"),
        (lambda c: c.pop("annotations"), "no field 'annotations'"),
    ],
)
def test_other_content_is_refused_in_words(drawn_people, change, message):
    content = json.loads(json.dumps(coco.people_to_coco(drawn_people["train"][:2])))
    change(content)

    with pytest.raises(mpii_pose.AnnotationError, match=message):
        coco.people_from_coco(content)


@pytest.mark.parametrize("text", ["not json", "[]"])
def test_a_file_that_is_no_json_object_is_refused(tmp_path, text):
    (tmp_path / "people.json").write_text(text)

    with pytest.raises(mpii_pose.AnnotationError, match=r"people\.json"):
        coco.read_coco(tmp_path / "people.json")
