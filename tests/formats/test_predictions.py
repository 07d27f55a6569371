"""pred.mat counts from 1, and the usual mistakes in predictions are found."""

import numpy as np
import pytest
import scipy.io
import scipy.sparse

import mpii_pose
from mpii_pose import skeleton
from mpii_pose.formats import predictions

SPLIT = "train"


@pytest.fixture(scope="module")
def people(drawn_release):
    return mpii_pose.read_people(drawn_release)[SPLIT]


@pytest.fixture
def truth(people):
    """Good predictions: the labels, and the center where there is none."""
    points = np.array([p.keypoints for p in people], np.float64)
    missing = np.array([p.visibility == 0 for p in people])
    centers = np.array([p.center for p in people], np.float64)[:, None]
    return np.where(missing[..., None], centers, points)


def test_file_counts_from_1_and_reads_back_from_0(tmp_path):
    predicted = np.random.default_rng(0).normal(size=(5, 16, 2)) * 300

    predictions.write_predictions(tmp_path / "pred.mat", predicted)

    stored = scipy.io.loadmat(tmp_path / "pred.mat")["preds"]
    assert stored.shape == (5, 16, 2)
    np.testing.assert_array_equal(stored, predicted + 1)
    found = predictions.read_predictions(tmp_path / "pred.mat")
    np.testing.assert_allclose(found, predicted, atol=1e-10)


@pytest.mark.parametrize("num_people", [1, 3, 5, 16])
def test_file_with_the_axes_of_old_h5_files_reads_the_same(tmp_path, num_people):
    predicted = np.random.default_rng(0).normal(size=(num_people, 16, 2))
    turned = (predicted + 1).transpose(2, 1, 0)
    scipy.io.savemat(tmp_path / "pred.mat", {"preds": turned})

    found = predictions.read_predictions(tmp_path / "pred.mat")

    np.testing.assert_allclose(found, predicted, atol=1e-12)


@pytest.mark.filterwarnings("ignore:.*is read as")
@pytest.mark.parametrize("num_people", [0, 1, 2, 16])
def test_any_number_of_people_reads_back_equal(tmp_path, num_people):
    predicted = np.random.default_rng(0).normal(size=(num_people, 16, 2)) * 300
    predictions.write_predictions(tmp_path / "pred.mat", predicted)

    found = predictions.read_predictions(tmp_path / "pred.mat")

    np.testing.assert_allclose(found, predicted, atol=1e-10)


def test_what_can_be_two_layouts_says_which_was_read(tmp_path):
    predictions.write_predictions(tmp_path / "pred.mat", np.ones((2, 16, 2)))

    with pytest.warns(UserWarning, match=r"pred.mat: .*is read as \[people, keypoints"):
        predictions.read_predictions(tmp_path / "pred.mat")


@pytest.mark.filterwarnings("ignore:.*is read as")
def test_keypoints_of_another_skeleton_read_back_equal(tmp_path):
    points = skeleton.Skeleton(name="points", keypoints=("a", "b"))
    predicted = np.random.default_rng(0).normal(size=(2, 2, 2)) * 300
    predictions.write_predictions(tmp_path / "pred.mat", predicted, skeleton=points)

    found = predictions.read_predictions(tmp_path / "pred.mat", skeleton=points)

    np.testing.assert_allclose(found, predicted, atol=1e-10)


def cells(*values):
    array = np.empty((1, len(values)), object)
    array[0] = values
    return array


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"other": np.zeros(3)}, "an array of numbers named preds"),
        ({"preds": "text"}, "an array of numbers named preds"),
        ({"preds": {"a": 1}}, "an array of numbers named preds"),
        ({"preds": cells(1, "a")}, "an array of numbers named preds"),
        ({"preds": np.zeros((4, 16, 2), complex)}, "an array of numbers named preds"),
        ({"preds": scipy.sparse.eye(3)}, "array"),
        ({"preds": np.zeros((4, 14, 2))}, r"\[N, 16, 2\].*\[2, 16, N\].*\(4, 14, 2\)"),
        ({"preds": np.zeros((16, 2, 4))}, r"\[N, 16, 2\].*\[2, 16, N\].*\(16, 2, 4\)"),
        ({"preds": np.zeros((16, 2))}, r"\[N, 16, 2\].*\[2, 16, N\].*\(16, 2\)"),
    ],
)
def test_other_files_are_refused(tmp_path, content, message):
    scipy.io.savemat(tmp_path / "pred.mat", content)

    with pytest.raises(mpii_pose.AnnotationError, match=rf"pred\.mat: .*{message}"):
        predictions.read_predictions(tmp_path / "pred.mat")


def test_a_damaged_file_is_refused(tmp_path):
    predictions.write_predictions(tmp_path / "pred.mat", np.ones((5, 16, 2)))
    whole = (tmp_path / "pred.mat").read_bytes()

    for data in (b"", whole[:150], whole[:-9], b"text" * 99):
        (tmp_path / "pred.mat").write_bytes(data)
        with pytest.raises(mpii_pose.AnnotationError, match=r"pred\.mat: "):
            predictions.read_predictions(tmp_path / "pred.mat")


def test_files_are_found_below_the_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))

    mpii_pose.write_predictions("~/pred.mat", np.ones((1, 16, 2)))

    assert (tmp_path / "pred.mat").exists()
    assert mpii_pose.read_predictions("~/pred.mat").shape == (1, 16, 2)


def test_good_predictions_have_no_problems(people, truth):
    noise = np.random.default_rng(0).normal(size=truth.shape)

    assert predictions.check_predictions(truth, people) == []
    assert predictions.check_predictions(truth + noise, people) == []


def test_wrong_number_of_people_is_found(people, truth):
    (problem,) = predictions.check_predictions(truth[1:], people)

    assert f"{len(people) - 1} people and {len(people)} people" in problem


@pytest.mark.parametrize("nothing", [np.nan, np.inf])
def test_keypoints_that_are_not_predicted_are_counted(people, truth, nothing):
    truth[3, :9] = nothing

    (problem,) = predictions.check_predictions(truth, people)

    assert problem.startswith("9 keypoints of 1 people are not finite")


def test_another_order_is_found(people, truth):
    shuffled = truth[np.random.default_rng(1).permutation(len(truth))]

    problems = predictions.check_predictions(shuffled, people)

    assert any("index order" in problem for problem in problems)


def test_exchanged_x_and_y_are_found(people, truth):
    problems = predictions.check_predictions(truth[..., ::-1], people)

    assert any("x and y are exchanged" in problem for problem in problems)


@pytest.mark.parametrize("step", [1, -1])
def test_a_grid_that_is_off_by_one_pixel_is_found(people, truth, step):
    noise = np.random.default_rng(0).normal(size=truth.shape) / 4

    problems = predictions.check_predictions(truth + step + noise, people)

    assert any("count pixels from 1" in problem for problem in problems)


def test_tompsons_published_predictions_have_no_problems(real_mpii, real_people):
    truth = scipy.io.loadmat(real_mpii / "validation_truth.mat")
    people = real_people["validation"]
    predicted = truth["pos_pred_src"].transpose(2, 0, 1).astype(float) - 1

    assert predictions.check_predictions(predicted, people) == []
    assert predictions.check_predictions(predicted[::-1], people) != []


def test_no_people_and_no_predictions_are_no_problem():
    assert predictions.check_predictions(np.zeros((0, 16, 2)), []) == []
