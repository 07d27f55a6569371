"""Every public layout of predictions is read as the same people, pixels from 0."""

import json

import h5py
import numpy as np
import pytest
import scipy.io

import mpii_pose
from mpii_pose.formats.coco import people_to_coco
from mpii_pose.formats.prediction_files import read_prediction_file
from mpii_pose.formats.predictions import PredictionError


@pytest.fixture(scope="module")
def people(drawn_release):
    return mpii_pose.read_people(drawn_release)["train"]


@pytest.fixture(scope="module")
def points(people):
    noise = np.random.default_rng(0).normal(size=(len(people), 16, 2))
    return np.array([person.center for person in people])[:, np.newaxis] + noise


def results(people, points, name_image=lambda person: person.image_name):
    return [
        {
            "image_id": name_image(person),
            "category_id": 1,
            "keypoints": np.column_stack([pose, np.ones(16)]).ravel().tolist(),
            "score": 0.5,
        }
        for person, pose in zip(people, points, strict=True)
    ]


def write(path, points, layout):
    scores = np.ones((*points.shape[:2], 1))
    if layout == "hourglass":
        with h5py.File(path, "w") as file:
            file["preds"] = points + 1
    elif layout == "eval-mpii":
        with h5py.File(path, "w") as file:
            file["preds"] = (points + 1).transpose(2, 1, 0)
    elif layout == "hrnet":
        scipy.io.savemat(path, {"preds": points + 1})
    elif layout == "npy with scores":
        np.save(path, np.concatenate([points, scores], axis=2))
    elif layout == "npz":
        np.savez(path, anything=points)
    elif layout == "npz with scores":
        np.savez(path, scores=scores, keypoints=points)


@pytest.mark.parametrize(
    ("layout", "name"),
    [
        ("hourglass", "preds.h5"),
        ("eval-mpii", "preds.h5"),
        ("hourglass", "v73.mat"),
        ("hrnet", "pred.mat"),
        ("npy with scores", "a.npy"),
        ("npz", "a.npz"),
        ("npz with scores", "a.npz"),
    ],
)
def test_each_layout_is_read_as_the_same_points(layout, name, people, points, tmp_path):
    write(tmp_path / name, points, layout)

    found = read_prediction_file(tmp_path / name, people)

    np.testing.assert_allclose(found, points)


def test_base_can_be_said(people, points, tmp_path):
    np.save(tmp_path / "a.npy", points + 1)

    found = read_prediction_file(tmp_path / "a.npy", people, base=1)

    np.testing.assert_allclose(found, points)


def image_ids(people):
    names = list(dict.fromkeys(person.image_name for person in people))
    ids = {
        image["file_name"]: image["id"] for image in people_to_coco(people)["images"]
    }
    assert list(ids) == names
    return ids


@pytest.mark.parametrize("way", ["name", "stem", "number", "export", "mixed"])
def test_coco_results_find_their_people_in_any_order(way, people, points, tmp_path):
    ids = image_ids(people)
    names = {
        "name": lambda person: person.image_name,
        "stem": lambda person: person.image_name.removesuffix(".jpg"),
        "number": lambda person: int(person.image_name.removesuffix(".jpg")),
        "export": lambda person: ids[person.image_name],
    }
    # One image by two names: an image listed twice.
    names["mixed"] = lambda person: names["name" if person.index % 2 else "number"](
        person
    )
    content = results(people, points, names[way])[::-1]
    (tmp_path / "a.json").write_text(json.dumps(content))

    found = read_prediction_file(tmp_path / "a.json", people)

    np.testing.assert_allclose(found, points)


def test_poses_of_others_and_poses_too_many_are_left_out(people, points, tmp_path):
    far = (
        points + 100 * np.array([person.head_size for person in people])[:, None, None]
    )
    content = results(people, far) + results(people, points) * 2
    (tmp_path / "a.json").write_text(json.dumps(content))

    found = read_prediction_file(tmp_path / "a.json", people)

    np.testing.assert_allclose(found, points)


def test_people_without_a_pose_are_not_predicted(people, points, tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(results(people, points)[1:]))

    found = read_prediction_file(tmp_path / "a.json", people)

    assert np.isnan(found[0]).all()
    np.testing.assert_allclose(found[1:], points[1:])


def coco17(content):
    content[0]["keypoints"] = [0.0] * 51


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content[0].update(image_id="x.jpg"), r"result 0: .*'x\.jpg'"),
        (lambda content: content[0].pop("image_id"), "no field 'image_id'"),
        (lambda content: content[0].pop("keypoints"), "no field 'keypoints'"),
        (coco17, r"16 times x, y and score, got 51 .*--skeleton coco17"),
        (lambda content: content.clear(), "an empty one"),
    ],
)
def test_results_that_do_not_fit_are_refused(change, message, people, points, tmp_path):
    content = results(people, points)
    change(content)
    (tmp_path / "a.json").write_text(json.dumps(content))

    with pytest.raises((mpii_pose.AnnotationError, PredictionError), match=message):
        read_prediction_file(tmp_path / "a.json", people)


@pytest.mark.parametrize("name", ["a.mat", "a.h5", "a.npy", "a.npz", "a.json"])
def test_damaged_files_are_named(name, people, tmp_path):
    (tmp_path / name).write_bytes(b"nothing of the kind")

    with pytest.raises(mpii_pose.AnnotationError, match=name):
        read_prediction_file(tmp_path / name, people)


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("a.npy", np.zeros((5, 17, 2))),
        ("a.npy", np.zeros((5, 16))),
        ("a.npy", np.zeros((5, 16, 4))),
        ("a.npy", np.full((5, 16, 2), "x")),
    ],
)
def test_other_shapes_are_refused(name, array, people, tmp_path):
    np.save(tmp_path / name, array)

    with pytest.raises(mpii_pose.AnnotationError, match=r"a\.npy: expected"):
        read_prediction_file(tmp_path / name, people)


def test_arrays_of_unknown_names_are_listed(people, points, tmp_path):
    np.savez(tmp_path / "a.npz", one=points, other=points)

    with pytest.raises(mpii_pose.AnnotationError, match="found one, other"):
        read_prediction_file(tmp_path / "a.npz", people)


def test_files_of_other_kinds_are_refused(people, tmp_path):
    with pytest.raises(mpii_pose.AnnotationError, match=r"one of \.mat, \.h5"):
        read_prediction_file(tmp_path / "a.pkl", people)


def test_nan_everywhere_is_refused(people, points, tmp_path):
    np.save(tmp_path / "a.npy", np.full_like(points, np.nan))

    with pytest.raises(PredictionError, match="no keypoint is predicted, all are NaN"):
        read_prediction_file(tmp_path / "a.npy", people)


def test_hdf5_that_declares_what_it_does_not_hold_is_refused(people, tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("preds", (10**9, 16, 2), chunks=(1, 16, 2))
    assert (tmp_path / "a.h5").stat().st_size < 10_000

    with pytest.raises(mpii_pose.AnnotationError, match="holds 32000000000 numbers"):
        read_prediction_file(tmp_path / "a.h5", people)


def test_keypoints_that_coco_calls_absent_are_not_predicted(people, points, tmp_path):
    content = results(people, points)
    for record in content:
        record["keypoints"][: 3 * 10] = [0] * 30
    (tmp_path / "a.json").write_text(json.dumps(content))

    found = read_prediction_file(tmp_path / "a.json", people)

    assert np.isnan(found[:, :10]).all()
    np.testing.assert_allclose(found[:, 10:], points[:, 10:])


def test_results_on_real_people_find_nearly_all_of_them(
    real_people, real_mpii, tmp_path
):
    """Of published predictions, shuffled, 97 % get back to their person."""
    people = real_people["validation"]
    mat = scipy.io.loadmat(real_mpii / "validation_truth.mat")
    predicted = mat["pos_pred_src"].transpose(2, 0, 1).astype(float) - 1
    order = np.random.default_rng(0).permutation(len(people))
    content = results(people, predicted)
    (tmp_path / "a.json").write_text(json.dumps([content[i] for i in order]))

    found = read_prediction_file(tmp_path / "a.json", people)

    right = np.all(np.isclose(found, predicted), axis=(1, 2))
    nobody = np.isnan(found).all(axis=(1, 2))
    assert right.mean() > 0.99
    assert (~right & ~nobody).mean() < 0.001
