"""Files of predictions in every public layout are read as the same points, 0-based.

The usual mistakes in predictions are found.
"""

import json
import re

import h5py
import numpy as np
import pytest
import scipy.io
import scipy.sparse

import mpii_pose
from mpii_pose import AnnotationError
from mpii_pose.formats import predictions
from mpii_pose.formats.coco import people_to_coco
from mpii_pose.formats.predictions import PredictionError, read_prediction_file


@pytest.fixture(scope="module")
def people(drawn_release):
    return mpii_pose.read_people(drawn_release)["train"]


@pytest.fixture
def truth(people):
    """Good predictions: the labels, and the center where there is none."""
    points = np.array([p.keypoints for p in people], np.float64)
    missing = np.array([p.visibility == 0 for p in people])
    centers = np.array([p.center for p in people], np.float64)[:, None]
    return np.where(missing[..., None], centers, points)


@pytest.fixture
def points(people):
    """Sixteen points around each center."""
    noise = np.random.default_rng(0).normal(size=(len(people), 16, 2))
    return np.array([person.center for person in people])[:, np.newaxis] + noise


def results(people, points, name_image=lambda person: person.image_name):
    """COCO results."""
    return [
        {
            "image_id": name_image(person),
            "category_id": 1,
            "keypoints": np.column_stack([pose, np.ones(16)]).ravel().tolist(),
            "score": 0.5,
        }
        for person, pose in zip(people, points, strict=True)
    ]


def write(path, content):
    """Writes an array, or arrays by name, in the format of the file's suffix."""
    if path.suffix == ".npy":
        np.save(path, content)
    elif path.suffix == ".npz":
        np.savez(path, **content)
    elif path.suffix == ".mat":
        scipy.io.savemat(path, content)
    elif path.suffix == ".json":
        path.write_text(json.dumps(content))
    else:
        with h5py.File(path, "w") as file:
            file.update(content)
    return path


@pytest.mark.filterwarnings("ignore:.*is read as")
@pytest.mark.parametrize("num_people", [0, 1, 2, 3, 16])
def test_pred_mat_counts_from_1_and_is_read_from_0(num_people, tmp_path, monkeypatch):
    predicted = np.random.default_rng(0).normal(size=(num_people, 16, 2)) * 300
    path = tmp_path / "pred.mat"
    monkeypatch.setenv("HOME", str(tmp_path))

    mpii_pose.write_predictions("~/pred.mat", predicted)

    stored = scipy.io.loadmat(path)["preds"]
    assert stored.shape == (num_people, 16, 2)
    np.testing.assert_array_equal(stored, predicted + 1)
    found = mpii_pose.read_predictions("~/pred.mat")
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, predicted, atol=1e-10)
    if num_people not in (0, 2):  # [2, 16, 2] is read as two people.
        write(path, {"preds": stored.transpose(2, 1, 0)})
        found = mpii_pose.read_predictions(path)
        np.testing.assert_allclose(found, predicted, atol=1e-10)


def test_a_file_of_two_possible_layouts_is_read_with_a_warning(tmp_path):
    predictions.write_predictions(tmp_path / "pred.mat", np.ones((2, 16, 2)))

    with pytest.warns(UserWarning, match=r"pred.mat: .*is read as \[people, keypoints"):
        predictions.read_predictions(tmp_path / "pred.mat")


@pytest.mark.parametrize(
    ("written", "name", "content"),
    [
        ("a.h5", "preds.h5", lambda points: {"preds": points + 1}),
        ("a.h5", "a.hdf5", lambda points: {"preds": (points + 1).transpose(2, 1, 0)}),
        ("a.h5", "v73.mat", lambda points: {"preds": points + 1}),  # As by save -v7.3.
        ("a.mat", "pred.mat", lambda points: {"preds": points + 1}),
        ("a.npy", "a.npy", lambda points: np.pad(points, ((0, 0), (0, 0), (0, 1)))),
        ("a.npz", "a.npz", lambda points: {"anything": points}),
        ("a.npz", "a.npz", lambda points: {"one": points[0], "keypoints": points}),
        ("a.npz", "a.NPZ", lambda points: {"predictions": points, "other": points}),
    ],
)
def test_each_layout_is_read_as_the_same_points(
    written, name, content, people, points, tmp_path
):
    path = write(tmp_path / written, content(points)).rename(tmp_path / name)

    np.testing.assert_allclose(read_prediction_file(path, people), points)


def test_the_first_pixels_number_can_be_given(people, points, tmp_path):
    path = write(tmp_path / "a.npy", points)

    np.testing.assert_allclose(read_prediction_file(path, people, base=1), points - 1)
    write(tmp_path / "a.mat", {"preds": points})
    found = read_prediction_file(tmp_path / "a.mat", people, base=0)
    np.testing.assert_allclose(found, points)


def test_poses_of_another_skeleton_are_converted(people, points, tmp_path):
    poses = np.concatenate([points, points[:, :1]], axis=1)
    path = write(tmp_path / "a.npy", poses)

    found = read_prediction_file(path, people, skeleton=mpii_pose.skeleton.COCO17)

    expected = mpii_pose.convert_keypoints(poses, "coco17", "mpii")
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize("way", ["name", "stem", "number", "export", "mixed"])
def test_coco_results_find_their_people_in_any_order(way, people, points, tmp_path):
    images = people_to_coco(people)["images"]
    id_of = {image["file_name"]: image["id"] for image in images}
    names = {
        "name": lambda person: person.image_name,
        "stem": lambda person: person.image_name.removesuffix(".jpg"),
        "number": lambda person: int(person.image_name.removesuffix(".jpg")),
        "export": lambda person: id_of[person.image_name],
    }
    # One image by two names: an image listed twice.
    names["mixed"] = lambda person: names["name" if person.index % 2 else "number"](
        person
    )
    path = write(tmp_path / "a.json", results(people, points, names[way])[::-1])

    np.testing.assert_allclose(read_prediction_file(path, people), points)


def test_poses_of_others_and_poses_too_many_are_left_out(people, points, tmp_path):
    far = np.array([100 * person.head_size for person in people])[:, None, None]
    content = results(people, points + far) + results(people, points) * 2
    path = write(tmp_path / "a.json", content)

    np.testing.assert_allclose(read_prediction_file(path, people), points)


@pytest.mark.parametrize(("distance", "is_found"), [(0.49, True), (0.51, False)])
def test_a_pose_is_of_a_person_within_half_the_square(
    distance, is_found, people, tmp_path
):
    person = people[0]
    away = np.array([0, distance * 250 * person.scale])
    pose = np.tile(person.center + away, (1, 16, 1))
    other = np.array([[people[1].center] * 16])
    content = results([person], pose) + results([people[1]], other)
    path = write(tmp_path / "a.json", content)

    found = read_prediction_file(path, people[:2])

    assert np.isfinite(found[0]).all() == is_found


def test_people_and_keypoints_without_a_pose_are_not_predicted(
    people, points, tmp_path
):
    content = results(people, points)[1:]
    for record in content:
        record["keypoints"][: 3 * 10] = [0] * 30  # COCO's way to leave them out.
    path = write(tmp_path / "a.json", content)

    found = read_prediction_file(path, people)

    assert np.isnan(found[0]).all()
    assert np.isnan(found[:, :10]).all()
    np.testing.assert_allclose(found[1:, 10:], points[1:, 10:])


def cells(*values):
    array = np.empty((1, len(values)), object)
    array[0] = values
    return array


NO_ARRAY = "an array of numbers named preds"
SHAPES = r"expected preds \[N, 16, 2\], or \[2, 16, N\].*"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.mat", {"other": np.zeros(3)}, NO_ARRAY),
        ("a.mat", {"preds": "text"}, NO_ARRAY),
        ("a.mat", {"preds": {"a": 1}}, NO_ARRAY),
        ("a.mat", {"preds": cells(1, "a")}, NO_ARRAY),
        ("a.mat", {"preds": np.zeros((4, 16, 2), complex)}, NO_ARRAY),
        ("a.mat", {"preds": scipy.sparse.eye(3)}, "array"),
        ("a.mat", {"preds": np.zeros((4, 14, 2))}, SHAPES + r"\(4, 14, 2\)"),
        ("a.mat", {"preds": np.zeros((16, 2, 4))}, SHAPES + r"\(16, 2, 4\)"),
        ("a.mat", {"preds": np.zeros((16, 2))}, SHAPES + r"\(16, 2\)"),
        ("a.npy", np.zeros((5, 17, 2)), SHAPES + r"\(5, 17, 2\)"),
        ("a.npy", np.zeros((5, 16)), SHAPES + r"\(5, 16\)"),
        ("a.npy", np.zeros((2, 16)), SHAPES + r"\(2, 16\)"),
        ("a.npy", np.zeros((5, 16, 4)), SHAPES + r"\(5, 16, 4\)"),
        ("a.npy", np.full((5, 16, 2), "x"), NO_ARRAY),
        ("a.npy", np.full((5, 16, 2), np.nan), "no keypoint is predicted, all are NaN"),
        ("a.npz", {"one": np.ones(3), "other": np.ones(3)}, "found one, other"),
    ],
)
def test_files_without_predictions_are_refused(
    name, content, message, people, tmp_path
):
    path = write(tmp_path / name, content)
    error = (AnnotationError, PredictionError)

    with pytest.raises(error, match=rf"{name}: .*{message}"):
        read_prediction_file(path, people)
    if name == "a.mat":
        with pytest.raises(AnnotationError, match=rf"a\.mat: .*{message}"):
            predictions.read_predictions(path)


@pytest.mark.parametrize("name", ["a.mat", "a.h5", "a.npy", "a.npz", "a.json"])
def test_damaged_files_are_named(name, people, points, tmp_path):
    content = {".npy": points, ".json": results(people, points)}
    whole = write(tmp_path / name, content.get(name[1:], {"preds": points}))

    for data in (b"", b"nothing of the kind", whole.read_bytes()[:-9]):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(AnnotationError, match=rf"{name}: "):
            read_prediction_file(tmp_path / name, people)
    with pytest.raises(AnnotationError, match=r"a\.pkl: .*one of \.mat, \.h5"):
        read_prediction_file(tmp_path / "a.pkl", people)


def test_hdf5_that_declares_more_than_it_holds_is_refused(people, tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("preds", (10**9, 16, 2), chunks=(1, 16, 2))
    assert (tmp_path / "a.h5").stat().st_size < 10_000

    with pytest.raises(AnnotationError, match="holds 32000000000 numbers"):
        read_prediction_file(tmp_path / "a.h5", people)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content[0].update(image_id="x.jpg"), r"result 0: .*'x\.jpg'"),
        (lambda content: content[0].pop("image_id"), "no field 'image_id'"),
        (lambda content: content[0].pop("keypoints"), "no field 'keypoints'"),
        (
            lambda content: content[0].update(keypoints=[0.0] * 51),
            r"16 times x, y and score, got 51 .*--skeleton coco17",
        ),
        (lambda content: content[0].update(keypoints=["0"] * 48), "16 times x, y"),
        (lambda content: content.clear(), "an empty one"),
    ],
)
def test_results_that_do_not_fit_are_refused(change, message, people, points, tmp_path):
    content = results(people, points)
    change(content)
    path = write(tmp_path / "a.json", content)

    with pytest.raises((AnnotationError, PredictionError), match=message):
        read_prediction_file(path, people)


def test_results_on_real_people_find_nearly_all_of_them(
    real_people, real_mpii, tmp_path
):
    """Of published predictions, shuffled, 99 % get back to their person."""
    people = real_people["validation"]
    mat = scipy.io.loadmat(real_mpii / "validation_truth.mat")
    predicted = mat["pos_pred_src"].transpose(2, 0, 1).astype(float) - 1
    order = np.random.default_rng(0).permutation(len(people))
    content = results(people, predicted)
    path = write(tmp_path / "a.json", [content[i] for i in order])

    found = read_prediction_file(path, people)

    right = np.all(np.isclose(found, predicted), axis=(1, 2))
    nobody = np.isnan(found).all(axis=(1, 2))
    assert right.mean() > 0.99
    assert (~right & ~nobody).mean() < 0.001
    assert predictions.check_predictions(predicted, people) == []
    assert predictions.check_predictions(predicted[::-1], people) != []


def test_good_predictions_have_no_problems(people, truth):
    noise = np.random.default_rng(0).normal(size=truth.shape)

    assert predictions.check_predictions(truth, people) == []
    assert predictions.check_predictions(truth + noise, people) == []
    assert predictions.check_predictions(np.zeros((0, 16, 2)), []) == []


def off_by(step):
    def change(truth):
        return truth + step + np.random.default_rng(0).normal(size=truth.shape) / 4

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda truth: truth[1:], "for {fewer} people and {all} people in the split"),
        (
            lambda truth: np.random.default_rng(1).permutation(truth),
            "in y, expected 0.5 or more. Are they in index order, and in pixels",
        ),
        (lambda truth: truth[..., ::-1], "0.5 or more. x and y are exchanged."),
        (off_by(1), "do they count pixels from 1?"),
        (off_by(-1), "do they count pixels from 1?"),
    ],
)
def test_the_usual_mistakes_are_found(change, message, people, truth):
    (problem, *others) = predictions.check_predictions(change(truth), people)

    assert message.format(all=len(people), fewer=len(people) - 1) in problem
    assert not others


@pytest.mark.parametrize("step", [[0.4, 0.4], [1, 0], [1, -1]])
def test_other_offsets_are_not_the_grids(step, people, truth):
    assert predictions.check_predictions(off_by(step)(truth), people) == []


@pytest.mark.parametrize("nothing", [np.nan, np.inf])
def test_keypoints_that_are_not_predicted_are_counted(people, truth, nothing):
    truth[3, :9] = nothing
    where = np.arange(16) >= 5

    (problem,) = predictions.check_predictions(truth, people)
    (of_some,) = predictions.check_predictions(truth, people, where=where)

    assert problem.startswith("9 keypoints of 1 people are not finite")
    assert of_some.startswith("4 keypoints of 1 people are not finite")


@pytest.mark.parametrize("shape", [(5, 17, 2), (16, 2)])
def test_predictions_of_another_shape_are_refused(shape, tmp_path):
    with pytest.raises(
        PredictionError, match=rf"\[N, 16, 2\], got {re.escape(str(shape))}"
    ):
        predictions.write_predictions(tmp_path / "pred.mat", np.zeros(shape))
