"""COCO keypoints JSON has all annotations, and COCO's own tools read it."""

import dataclasses
import json

import numpy as np
import pytest

import mpii_pose
from mpii_pose.formats import coco
from mpii_pose.skeleton import KEYPOINTS, Visibility


def people_of(content):
    """The people of a file, from nothing but the file."""
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


@pytest.mark.parametrize("source", ["drawn_people", "real_people"])
def test_nothing_of_people_is_lost(source, request, tmp_path):
    sizes = None
    if source == "real_people":
        sizes = request.getfixturevalue("real_image_sizes")
    for split, people in request.getfixturevalue(source).items():
        path = tmp_path / f"{split}.json"
        coco.write_coco(path, people, image_sizes=sizes)

        content = json.loads(path.read_text())

        found = list(people_of(content))
        for field in dataclasses.fields(mpii_pose.PersonAnnotation):
            values = [getattr(person, field.name) for person in found]
            expected = [getattr(person, field.name) for person in people]
            np.testing.assert_array_equal(values, expected, err_msg=field.name)
        assert all(("width" in image) == bool(sizes) for image in content["images"])
        if sizes:
            boxes = np.array([record["bbox"] for record in content["annotations"]])
            ends = np.array([sizes[person.image_name][::-1] for person in people])
            assert (boxes[:, :2] >= 0).all()
            assert (boxes[:, :2] + boxes[:, 2:] <= ends - 1 + 1e-3).all()


def test_cocos_own_tools_read_the_file_and_score_it_perfectly(drawn_people, tmp_path):
    pycocotools = pytest.importorskip("pycocotools.coco", reason="needs pycocotools")
    cocoeval = pytest.importorskip("pycocotools.cocoeval")
    people = drawn_people["train"]
    sizes = {person.image_name: (480, 640) for person in people}
    coco.write_coco(tmp_path / "train.json", people, image_sizes=sizes)

    truth = pycocotools.COCO(str(tmp_path / "train.json"))

    (category,) = truth.loadCats(truth.getCatIds(catNms=["person"]))
    assert category["keypoints"] == list(KEYPOINTS)
    records = truth.loadAnns(truth.getAnnIds())
    for record, person in zip(records, people, strict=True):
        assert record["num_keypoints"] == person.labelled.sum()
        (image,) = truth.loadImgs(record["image_id"])
        assert image["file_name"] == person.image_name
        assert (image["height"], image["width"]) == (480, 640)
    mask = truth.annToMask(records[0])
    assert mask.sum() == pytest.approx(records[0]["area"], rel=0.1)
    results = [
        {k: record[k] for k in ("image_id", "category_id", "keypoints")} | {"score": 1}
        for record in records
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
        (polygon,) = record["segmentation"]
        corners = np.array(polygon).reshape(4, 2) - (x, y)
        expected = [(0, 0), (width, 0), (width, height), (0, height)]
        np.testing.assert_allclose(corners, expected, atol=1e-4)


SQUARE = [-20, 10, 100, 100]


@pytest.mark.parametrize(
    ("places", "box"),
    [
        ({}, SQUARE),
        ({9: (50, 60)}, SQUARE),
        ({9: (50, 60), 0: (50, 90)}, SQUARE),
        ({9: (-3, -4), 0: (-9, -8)}, [-9, -8, 6, 4]),  # Nothing is left of it once cut.
    ],
)
def test_box_without_an_area_is_a_square_around_the_center(drawn_people, places, box):
    person = dataclasses.replace(
        drawn_people["test"][0],
        center=np.float32([30, 60]),
        scale=0.5,
        keypoints=np.full((16, 2), -1, np.float32),
        visibility=np.isin(np.arange(16), list(places)).astype(np.int8),
    )
    for keypoint, place in places.items():
        person.keypoints[keypoint] = place

    (record,) = coco.people_to_coco([person])["annotations"]
    sizes = {person.image_name: (101, 71)}
    (cut,) = coco.people_to_coco([person], image_sizes=sizes)["annotations"]

    assert record["num_keypoints"] == len(places)
    assert record["bbox"] == box
    assert cut["bbox"] == [0, 10, 70, 90]


def test_ids_and_bones_count_from_1(drawn_people):
    content = coco.people_to_coco(drawn_people["train"])

    for records in (content["images"], content["annotations"]):
        assert [r["id"] for r in records] == list(range(1, len(records) + 1))
    (category,) = content["categories"]
    names = category["keypoints"]

    bones = {frozenset(names[k - 1] for k in bone) for bone in category["skeleton"]}
    assert {"right_knee", "right_ankle"} in bones
    assert {"upper_neck", "head_top"} in bones
    assert len(bones) == 15
    assert "sigmas" not in category


def test_sigmas_stand_in_the_file_if_they_are_given_and_fit(drawn_people):
    content = coco.people_to_coco(drawn_people["train"], sigmas=[0.05] * 16)

    assert content["categories"][0]["sigmas"] == [0.05] * 16
    for wrong in ([0.05] * 17, [0.05] * 15 + [0.0], []):
        with pytest.raises(ValueError, match="sigmas must be 16 numbers above 0"):
            coco.people_to_coco(drawn_people["train"], sigmas=wrong)
