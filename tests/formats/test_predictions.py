"""Files of predictions in every public layout are read as the same points, 0-based.

The usual mistakes in predictions are found.
"""

import dataclasses
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
from mpii_pose.person import person_square

REFUSED = (AnnotationError, PredictionError)

pytestmark = pytest.mark.filterwarnings("ignore:.*(is read as|were left over)")


@pytest.fixture(scope="module")
def people(drawn_people):
    return drawn_people["train"]


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
            "keypoints": np.column_stack([pose, np.ones(len(pose))]).ravel().tolist(),
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
    if num_people not in (0, 2, 3):  # [2, 16, 2 or 3] is read as two people.
        write(path, {"preds": stored.transpose(2, 1, 0)})
        found = mpii_pose.read_predictions(path)
        np.testing.assert_allclose(found, predicted, atol=1e-10)


@pytest.mark.parametrize("last", [2, 3])
def test_a_file_of_two_possible_layouts_is_two_people_and_warned_of(last, tmp_path):
    preds = np.random.default_rng(0).normal(size=(2, 16, last))
    path = write(tmp_path / "pred.mat", {"preds": preds})

    with pytest.warns(UserWarning, match=r"pred.mat: .*is read as \[people, keypoints"):
        found = predictions.read_predictions(path)

    np.testing.assert_allclose(found, preds[..., :2] - 1)


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
def test_each_layout_is_read_alike(written, name, content, people, points, tmp_path):
    path = write(tmp_path / written, content(points)).rename(tmp_path / name)

    np.testing.assert_allclose(read_prediction_file(path, people), points)
    # The first pixel's number can be given.
    counted_from = 0 if name.casefold().endswith((".npy", ".npz")) else 1
    for base in (0, 1):
        found = read_prediction_file(path, people, base=base)
        np.testing.assert_allclose(found, points + counted_from - base)


def test_poses_of_another_skeleton_are_converted(people, points, tmp_path):
    poses = np.concatenate([points, points[:, :1]], axis=1)
    path = write(tmp_path / "a.npy", poses)

    coco = write(tmp_path / "a.json", results(people, poses))

    expected = mpii_pose.convert_keypoints(poses, "coco17", "mpii")
    for file in (path, coco):
        found = read_prediction_file(file, people, skeleton=mpii_pose.skeleton.COCO17)
        np.testing.assert_allclose(found, expected)


WAYS = {
    "name": lambda name, ids: name,
    "stem": lambda name, ids: name.removesuffix(".jpg"),
    "number": lambda name, ids: int(name.removesuffix(".jpg")),
    "export": lambda name, ids: ids[name],
}


def with_images(people, names):
    """People whose images, in the order of their first people, have other names."""
    new = dict(zip(dict.fromkeys(p.image_name for p in people), names, strict=False))
    return [dataclasses.replace(p, image_name=new[p.image_name]) for p in people]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("numbers", [None, range(100), range(1, 100), range(90, 0, -1)])
def test_coco_results_find_their_people(way, numbers, people, points, tmp_path):
    if numbers:
        people = with_images(people, [f"{number:06d}.jpg" for number in numbers])
    images = people_to_coco(people)["images"]
    ids = {image["file_name"]: image["id"] for image in images}
    content = results(people, points, lambda p: WAYS[way](p.image_name, ids))
    path = write(tmp_path / "a.json", content[::-1])

    np.testing.assert_allclose(read_prediction_file(path, people), points)


@pytest.mark.parametrize(
    ("names", "ids", "message"),
    [
        (["0.jpg", "1.jpg"], [1, 1], "result 0: image_id 1 is 0.jpg or 1.jpg"),
        (["7.jpg", "007.jpg"], [7, 7], "result 0: image_id 7 is 007.jpg or 7.jpg"),
        (["a.jpg", "a.png"], ["a", "a"], "result 0: image_id 'a' is a.jpg or a.png"),
        (["7.jpg", "8.jpg"], [7, 1], "result 1: image_id 1 is no image"),
        (["7.jpg", "8.jpg"], ["7", 8], "result 1: image_id 8 is no image"),
        (["7.jpg", "8.jpg"], ["7.jpg", ["8.jpg"]], "result 1: image_id must be a name"),
        (["7.jpg", "8.jpg"], ["7.jpg", None], "result 1: image_id must be a name"),
    ],
)
def test_ids_of_two_kinds_are_refused(names, ids, message, people, points, tmp_path):
    everybody, ids = with_images(people[:2], names), iter(ids)
    assert people[0].image_name != people[1].image_name
    content = results(everybody, points[:2], lambda person: next(ids))
    path = write(tmp_path / "a.json", content)

    with pytest.raises(REFUSED, match=message):
        read_prediction_file(path, everybody)


def test_poses_of_others_and_poses_too_many_are_left_over(people, points, tmp_path):
    far = np.array([100 * person.head_size for person in people])[:, None, None]
    content = results(people, points + far) + results(people, points) * 2
    path = write(tmp_path / "a.json", content)

    with pytest.warns(UserWarning, match=rf"{2 * len(people)} of .* poses were left"):
        found = read_prediction_file(path, people)

    np.testing.assert_allclose(found, points)
    path = write(tmp_path / "a.json", results(people[:1], points[:1] + far[:1]))
    with pytest.raises(PredictionError, match=r"a\.json: no .* far from their people"):
        read_prediction_file(path, people[:1])


@pytest.mark.parametrize(
    ("scores", "shares", "is_right"),
    [
        ((0.9, 0.01), (0.3, 0.0), True),  # A copy nearer to the center.
        ((0.9, 0.3), (0.3, 0.0), True),
        ((40.0, 0.4), (0.9, 0.0), True),
        ((0.5, 0.5), (0.3, 0.0), False),  # The nearer one, as the scores are equal.
        ((0.8, 0.9), (0.1, 0.9), True),  # Somebody else, who is surer and far.
        ((-3.0, -9.0), (0.1, 0.2), True),  # Logarithms.
        ((0.1, 0.9), (0.98, 1.02), True),  # Out of reach.
    ],
)
def test_a_near_pose_of_high_score_is_taken(scores, shares, is_right, people, tmp_path):
    reach = 125 * people[0].scale
    poses = [people[0].center + np.full((16, 2), (0, s * reach)) for s in shares]
    content = results([people[0]] * 2, poses)
    for record, score in zip(content, scores, strict=True):
        record["score"] = score

    for order in (1, -1):
        path = write(tmp_path / "a.json", content[::order])
        (found,) = read_prediction_file(path, people[:1])
        np.testing.assert_allclose(found, poses[0 if is_right else 1])


@pytest.mark.parametrize("state", [0, 2])
def test_labels_tell_which_of_two_near_poses_is_whose(state, people, tmp_path):
    pose = people[0].keypoints - people[0].center
    places = np.float32([(100, 100), (100, 100 + 60 * people[0].scale)])
    person = dataclasses.replace(people[0], visibility=np.full(16, state, np.int8))
    two = [
        dataclasses.replace(person, keypoints=pose + own, center=other)
        for own, other in zip(places, places[::-1], strict=True)
    ]
    poses = np.array([person.keypoints for person in two])
    path = write(tmp_path / "a.json", results(two, poses)[::-1])

    found = read_prediction_file(path, two)

    np.testing.assert_allclose(found, poses if state else poses[::-1])


def test_people_and_keypoints_without_a_pose_are_nan(people, points, tmp_path):
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
        ("a.npy", np.full((5, 16, 2), np.nan), "no keypoint is predicted: all are NaN"),
        ("a.npz", {"one": np.ones(3), "other": np.ones(3)}, "found one, other"),
    ],
)
def test_files_of_no_predictions_are_refused(name, content, message, people, tmp_path):
    path = write(tmp_path / name, content)

    with pytest.raises(REFUSED, match=f"{name}: .*{message}"):
        read_prediction_file(path, people)
    if name == "a.mat":
        with pytest.raises(AnnotationError, match=rf"a\.mat: .*{message}"):
            predictions.read_predictions(path)


def test_hdf5_that_declares_more_than_it_holds_is_refused(people, tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("preds", (10**9, 16, 2), chunks=(1, 16, 2))

    with pytest.raises(AnnotationError, match="holds 32000000000 numbers"):
        read_prediction_file(tmp_path / "a.h5", people)


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


def keypoints(values):
    return lambda content: content[0].update(keypoints=values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content[0].update(image_id="x.jpg"), r"result 0: .*'x\.jpg'"),
        (lambda content: content[0].pop("image_id"), "no field 'image_id'"),
        (lambda content: content[0].pop("keypoints"), "no field 'keypoints'"),
        (keypoints([0.0] * 51), r"16 times x, y and .*\[0.0, .*--skeleton coco17"),
        (keypoints([[1, 2], [3, 4]]), r"result 0: keypoints must.*got \[\[1, 2\]"),
        (keypoints(["0"] * 48), "16 times x, y"),
        (lambda content: content[1].update(score="high"), "result 1: score must be"),
        (lambda content: content.clear(), "an empty one"),
    ],
)
def test_results_that_do_not_fit_are_refused(change, message, people, points, tmp_path):
    content = results(people, points)
    change(content)
    path = write(tmp_path / "a.json", content)

    with pytest.raises(REFUSED, match=message):
        read_prediction_file(path, people)


def test_results_find_nearly_all_real_people(real_people, real_mpii, tmp_path):
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


def test_exported_annotations_of_all_real_people_come_back(real_people, tmp_path):
    for people in real_people.values():
        path = write(tmp_path / "a.json", people_to_coco(people)["annotations"][::-1])

        found = read_prediction_file(path, people)

        truth = np.array([person.keypoints for person in people])
        truth[[~person.labelled for person in people]] = np.nan
        np.testing.assert_array_equal(found, truth)


def in_crop(truth, sides, centers):
    """Pixels of HRNet's crops of (height, width) 256 x 192."""
    return (truth - centers) / sides * 256 + np.array([96, 128])


def at_random(truth, sides, centers):
    """An untrained network: any place in the crop."""
    return centers + np.random.default_rng(0).uniform(-0.5, 0.5, truth.shape) * sides


def in_another_order(truth, sides, centers):
    return np.random.default_rng(1).permutation(truth)


def half_off(truth, sides, centers):
    """Every second keypoint is 0.3 head sizes off: no offset that all have."""
    return truth + np.resize([0.0, 0.03], (16, 1)) * sides * [1, 0]


def off_by(step, unit="px"):
    """Points that are off by a step in pixels, or in cells of heatmaps of 64."""

    def change(truth, sides, centers):
        noise = np.random.default_rng(0).normal(size=truth.shape) / 4
        return truth + np.array(step) * (sides / 64 if unit == "cells" else 1) + noise

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda truth, *_: truth, None),
        (lambda truth, *_: truth[1:], "for .* people in the split; send one for each"),
        (in_another_order, "0.17 or less: are they in index order, and in pixels of"),
        (lambda truth, *_: truth[..., ::-1], "0.17 or less: x and y are exchanged."),
        (lambda truth, *_: truth / 2, "about half of the expected .* resized image"),
        (lambda truth, *_: truth * 2, "about twice the expected .* resized image?"),
        (lambda truth, *_: truth * 0.7, r"about 0.7\d? times the expected"),
        (lambda truth, *_: truth * [0.2, 0.4], r"0.2\d? times \(x\) and 0.[34]\d?"),
        (lambda truth, *_: truth / [640, 480], "within 0 to 1: are they divided"),
        (lambda *place: in_crop(*place) / 256, "within 0 to 1: are they divided"),
        (in_crop, "in one place: are they in pixels of the crop"),
        (lambda *place: in_crop(*place) / 4, "in one place: are they in pixels of"),
        (at_random, None),
        (half_off, None),
        (lambda truth, sides, centers: centers - 0.5 * sides + 0 * truth, None),
        (lambda truth, sides, centers: centers + 0.5 * sides + 0 * truth, None),
        (off_by(1), "do they count pixels from 1?"),
        (off_by(-1), "do they count pixels from 1?"),
        (off_by([0.4, 0.4]), None),
        (off_by([1, 0]), None),
        (off_by([1, -1]), None),
        # A hundredth of a cell is the noise.
        (off_by([0.25, 0.25], "cells"), r"lie \(\+0.2\d, \+0.2\d\) cells .* quarter"),
        (off_by([-0.5, 0], "cells"), r"lie \(-0.5\d, .0.0\d\) cells .* made twice?"),
        (off_by([0.1, 0.1], "cells"), None),
    ],
)
def test_usual_mistakes_are_found_in_no_bad_network(change, message, people, truth):
    middles, sides = person_square(
        np.array([p.center for p in people]), np.array([p.scale for p in people])
    )
    places = truth, sides[:, None, None], middles[:, None]

    problems = predictions.check_predictions(change(*places), people)

    assert len(problems) == (message is not None), problems
    assert not message or re.search(message, problems[0])


def test_results_in_other_pixels_are_read_and_found_out(people, truth, tmp_path):
    for change in (truth / 2, truth + 1e5):
        path = write(tmp_path / "a.json", results(people, change))
        found = read_prediction_file(path, people)
        (problem,) = predictions.check_predictions(found, people)
        assert "expected 0.17 or less" in problem


@pytest.mark.parametrize("nothing", [np.nan, np.inf])
def test_keypoints_that_are_not_predicted_are_counted(people, truth, nothing):
    truth[3, :9] = nothing

    def counted(labelled, **options):
        visibility = 2 * np.isin(np.arange(16), labelled).astype(np.int8)
        person = dataclasses.replace(people[3], visibility=visibility)
        group = [*people[:3], person, *people[4:]]
        return predictions.check_predictions(truth, group, **options)

    # Of a person of test nobody knows which are labelled.
    for labelled, where, count in (([], None, 9), ([], 5, 4), ([0, 8, 9], 5, 1)):
        where = None if where is None else np.arange(16) >= where
        (problem,) = counted(labelled, where=where)
        assert problem.startswith(f"{count} keypoints of 1 people are not predicted")
    assert counted([9, 10]) == []
    assert predictions.check_predictions(np.zeros((0, 16, 2)), []) == []


@pytest.mark.parametrize("shape", [(5, 17, 2), (16, 2)])
def test_predictions_of_another_shape_are_refused(shape, tmp_path):
    message = re.escape(f"[N, 16, 2], got {shape}")
    with pytest.raises(PredictionError, match=message):
        predictions.write_predictions(tmp_path / "pred.mat", np.zeros(shape))
