import numpy as np
import pytest

from mpii_pose.evaluation.pckh import (
    DIALECTS,
    pckh,
    pckh_auc,
    pckh_curve,
    pckh_slices,
    pckh_table,
)
from mpii_pose.skeleton import KEYPOINTS, MPII, Visibility
from mpii_pose.transforms.convert import shared_keypoints
from tests import real_people
from tests.golden import plain

HEAD_SIZE = 10.0
HEAD = ("upper_neck", "head_top")
WRIST = KEYPOINTS.index("left_wrist")
ANKLES = MPII.group_indices["ankle"]


def people(count, seed=0):
    """Random truth, predictions that hit about half of it, and everything labelled."""
    random = np.random.default_rng(seed)
    truth = random.uniform(0, 500, (count, 16, 2))
    predicted = truth + random.normal(0, 4, truth.shape)
    return predicted, truth, np.full((count, 16), 2), np.full(count, HEAD_SIZE)


def one_person(errors=0.0):
    """A person whose keypoint `k` is predicted `errors[k]` head sizes to the right."""
    truth = np.random.default_rng(1).uniform(0, 500, (1, 16, 2)).round()
    predicted = truth.copy()
    predicted[0, :, 0] += np.broadcast_to(errors, 16) * HEAD_SIZE
    return predicted, truth, np.full((1, 16), 2), np.array([HEAD_SIZE])


def cells_of(table):
    """The cells of a Markdown table, row by row, without the rule."""
    header, _, *rows = table.splitlines()
    return [[cell.strip() for cell in row.split("|")[1:-1]] for row in (header, *rows)]


# Tompson's predictions on the validation people, as published.
LIMBS = {"elbow": 83.37, "wrist": 76.74, "hip": 81.93, "knee": 73.36, "ankle": 65.45}


@pytest.mark.parametrize(
    ("dialect", "head", "total"),
    [
        ("official", 96.66, 82.34),
        ("hrnet", 95.60, 82.34),
        ("mmpose", 95.60, 82.34),
        ("pytorch_pose", 95.60, 81.46),
    ],
)
def test_published_row_is_reproduced(dialect, head, total):
    scores = pckh(*real_people.tompson(), dialect=dialect)

    expected = {"head": head, "shoulder": 92.71, **LIMBS}
    assert scores.groups == pytest.approx(expected, abs=0.01)
    assert scores.total == pytest.approx(total, abs=0.01)
    if dialect == "official":
        at_a_tenth = pckh(*real_people.tompson(), threshold=0.1)
        assert at_a_tenth.total == pytest.approx(28.98, abs=0.01)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_scores_equal_a_count_one_by_one(dialect):
    predicted, truth, _, _ = people(40)
    random = np.random.default_rng(2)
    visibility = random.integers(0, 3, (40, 16))
    inputs = predicted, truth, visibility, random.uniform(5, 20, 40)

    scores = pckh(*inputs, dialect=dialect)

    expected = plain.pckh(*inputs, threshold=0.5, dialect=dialect)
    assert scores.rows == pytest.approx(expected)
    np.testing.assert_array_equal(scores.num_labelled, (visibility > 0).sum(axis=0))
    assert scores.left_out == ()
    assert (scores.threshold, scores.dialect) == (0.5, dialect)


@pytest.mark.parametrize(
    ("dialect", "of_ties", "head_without_neck"),
    [
        ("official", 100, 50),
        ("hrnet", 100, 100),
        ("mmpose", 0, 100),
        ("pytorch_pose", 0, 100),
    ],
)
def test_dialects_differ_in_ties_and_in_the_head(dialect, of_ties, head_without_neck):
    without_neck = np.where(np.isin(KEYPOINTS, HEAD[0]), 1.0, 0.0)

    tied = pckh(*one_person(errors=0.5), dialect=dialect)
    scores = pckh(*one_person(without_neck), dialect=dialect)

    assert tied.total == of_ties
    assert scores.groups["head"] == head_without_neck
    assert scores.total == pytest.approx(100 * 13 / 14)


def test_pelvis_and_thorax_are_scored_but_not_in_the_total():
    is_trunk = np.isin(KEYPOINTS, ("pelvis", "thorax"))

    scores = pckh(*one_person(np.where(is_trunk, 1.0, 0.0)))

    assert scores.total == 100
    np.testing.assert_array_equal(scores.per_keypoint, np.where(is_trunk, 0, 100))


@pytest.mark.parametrize("nothing", [np.nan, np.inf])
def test_prediction_that_is_no_number_is_a_miss(nothing):
    predicted, *rest = one_person()
    predicted[0, WRIST] = nothing

    scores = pckh(predicted, *rest)

    assert scores.per_keypoint[WRIST] == 0
    assert scores.total == pytest.approx(100 * 13 / 14)


def test_missing_keypoints_do_not_count_whatever_was_predicted():
    predicted, truth, visibility, head_size = people(20)
    visibility[:7, WRIST] = Visibility.MISSING
    garbage = predicted.copy()
    garbage[:7, WRIST] = np.nan
    truth[:7, WRIST] = -1

    scores = pckh(garbage, truth, visibility, head_size)

    assert scores.num_labelled[WRIST] == 13
    kept = pckh(*(x[7:] for x in (predicted, truth, visibility, head_size)))
    assert scores.per_keypoint[WRIST] == kept.per_keypoint[WRIST]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_keypoint_that_nobody_has_is_nan_and_left_out_of_means(dialect):
    predicted, truth, visibility, head_size = one_person()
    visibility[0, ANKLES[0]] = Visibility.MISSING

    scores = pckh(predicted, truth, visibility, head_size, dialect=dialect)

    assert np.isnan(scores.per_keypoint[ANKLES[0]])
    assert scores.groups["ankle"] == 100
    assert scores.total == 100


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("count", [0, 3])
def test_nobody_labelled_scores_nan(dialect, count):
    predicted, truth, visibility, head_size = people(count)

    scores = pckh(predicted, truth, visibility * 0, head_size * 0, dialect=dialect)

    assert np.isnan(list(scores.rows.values())).all()


def test_inputs_are_not_modified_and_may_be_tensors():
    inputs = [x.astype(np.float32) for x in people(10)]
    inputs[0][0, 0] = np.nan
    inputs[2][1] = 0
    before = [x.copy() for x in inputs]
    for x in inputs:
        x.flags.writeable = False

    scores = pckh_slices(*inputs, dialect="mmpose")["all"]

    for x, original in zip(inputs, before, strict=True):
        np.testing.assert_array_equal(x, original)
    tf = pytest.importorskip("tensorflow")
    of_tensors = pckh(*map(tf.constant, inputs), dialect="mmpose")
    np.testing.assert_array_equal(of_tensors.per_keypoint, scores.per_keypoint)


def test_where_picks_people_or_keypoints():
    inputs = people(10)
    some = np.arange(10) < 4

    expected = pckh(*(x[:4] for x in inputs))

    for where in (some, np.tile(some[:, np.newaxis], 16)):
        scores = pckh(*inputs, where=where)
        np.testing.assert_array_equal(scores.per_keypoint, expected.per_keypoint)
        np.testing.assert_array_equal(scores.num_labelled, [4] * 16)
        assert scores.left_out == ()


def test_scores_of_some_keypoints_name_those_they_leave_out():
    shared = np.isin(KEYPOINTS, shared_keypoints("coco17", "mpii"))
    inputs = people(4)

    limbs = pckh(*inputs, where=np.tile(shared, (4, 1)))
    table = cells_of(pckh_table({"COCO model": limbs, "MPII model": pckh(*inputs)}))

    assert limbs.left_out == HEAD
    assert table[1][0] == "COCO model (12 keypoints, without upper_neck, head_top)"
    assert table[2][0] == "MPII model"
    assert "(12 keypoints, without upper_neck, head_top)" in str(limbs)


def test_slices_share_out_the_keypoints():
    predicted, truth, _, _ = people(60)
    random = np.random.default_rng(4)
    visibility = random.integers(0, 3, (60, 16))
    head_size = random.uniform(20, 200, 60)
    head_size[0] = 50.0

    slices = pckh_slices(predicted, truth, visibility, head_size)

    counts = {name: scores.num_labelled.sum() for name, scores in slices.items()}
    assert list(counts)[3:] == ["head 0 to 50 px", "head 50 to 100 px", "head 100+ px"]
    assert counts["all"] == counts["visible"] + counts["occluded"]
    assert counts["all"] == sum(list(counts.values())[3:])
    assert counts["occluded"] == (visibility == 1).sum()
    assert counts["head 0 to 50 px"] == (visibility[head_size < 50] > 0).sum()


def test_slices_can_be_of_some_people_and_keypoints_only():
    predicted, truth, visibility, head_size = people(40)
    visibility[::2, ~np.isin(KEYPOINTS, HEAD)] = Visibility.OCCLUDED
    wrists = np.zeros((40, 16), bool)
    wrists[10:, WRIST] = True
    inputs = predicted, truth, visibility, head_size

    slices = pckh_slices(*inputs, where=wrists)
    of_people = pckh_slices(*inputs, where=np.arange(40) >= 10)

    expected = pckh(*inputs, where=wrists & (visibility == 1))
    assert slices["occluded"].total == expected.total
    assert slices["all"].num_labelled.sum() == 30
    assert "left_ankle" in slices["visible"].left_out
    assert of_people["occluded"].num_labelled.sum() == 15 * 14
    assert of_people["head 0 to 50 px"].num_labelled.sum() == 30 * 16
    assert of_people["occluded"].left_out == HEAD
    assert of_people["visible"].left_out == of_people["all"].left_out == ()


def test_curve_rises_and_has_the_single_scores():
    inputs = people(30)

    curve = pckh_curve(*inputs, dialect="hrnet")

    totals = [scores.total for scores in curve]
    assert totals == sorted(totals)
    assert [scores.threshold for scores in curve] == [k / 100 for k in range(51)]
    assert totals[50] == pckh(*inputs, dialect="hrnet").total
    assert totals[10] == pckh(*inputs, threshold=0.1).total
    some = pckh_curve(*inputs, thresholds=(k / 10 for k in range(3)), dialect="hrnet")
    assert [scores.total for scores in some] == totals[:30:10]


@pytest.mark.parametrize(("error", "area"), [(0.0, 100.0), (0.25, 51.0), (0.6, 0.0)])
def test_area_under_the_curve_of_one_constant_error(error, area):
    # A step at 0.25 is the ramp from 0.24 to 0.25 and all beyond: 0.005 + 0.25 of 0.5.
    curve = pckh_curve(*one_person(errors=error))

    assert pckh_auc(curve) == pytest.approx(area)
    for wrong in (curve[:1], curve[::-1], [curve[3], curve[3]]):
        with pytest.raises(ValueError, match="two or more rising thresholds, got"):
            pckh_auc(wrong)


def test_scores_print_the_row_of_the_papers():
    predicted, truth, visibility, head_size = one_person()
    predicted[0, WRIST] += 100
    visibility[0, list(ANKLES)] = 0

    scores = pckh(predicted, truth, visibility, head_size)

    printed = str(scores)
    assert scores._repr_markdown_() == printed
    numbers = ["100.00"] * 3 + ["50.00"] + ["100.00"] * 2 + ["nan", "91.67"]
    assert cells_of(printed) == [
        ["", "Head", "Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "Total"],
        ["PCKh@0.5 (official)", *numbers],
    ]
    header, rule, row = printed.splitlines()
    assert set(rule) == set("|-: ")
    assert len(header) == len(rule) == len(row)


WITHOUT_TRUTH = np.zeros((3, 16, 2))
WITHOUT_TRUTH[2, WRIST, 0] = np.nan


@pytest.mark.parametrize(
    ("changed", "value", "message"),
    [
        ("predicted", np.ones((3, 16)), r"predicted must .*\(3, 16, 2\).*\(3, 16\)"),
        ("predicted", np.ones((3, 17, 2)), r"\(3, 16, 2\).*\(3, 17, 2\)"),
        ("predicted", np.ones(()), r"\(0, 16, 2\).*got \(\)"),
        ("truth", np.ones((2, 16, 2)), r"truth must .*\(3, 16, 2\).*\(2, 16, 2\)"),
        ("visibility", np.ones((3, 14)), r"visibility must .*\(3, 16\).*\(3, 14\)"),
        ("head_size", np.ones((3, 1)), r"head_size must .*\(3,\).*\(3, 1\)"),
        ("where", np.ones(16), r"where must .*\(3, 16\).*\(16, 16\)"),
        ("truth", WITHOUT_TRUTH, r"finite.*person 2, left_wrist is \[ *nan"),
        ("threshold", -0.1, "threshold must be 0 or more, in head sizes, got -0.1"),
        ("threshold", np.nan, "threshold must be 0 or more"),
        ("threshold", np.inf, "threshold must be 0 or more"),
        ("dialect", "coco", "official, hrnet, .*got 'coco'"),
    ],
)
def test_wrong_input_is_refused_by_name(changed, value, message):
    names = ("predicted", "truth", "visibility", "head_size")
    inputs = dict(zip(names, people(3), strict=True))
    inputs[changed] = value

    with pytest.raises(ValueError, match=message):
        pckh(**inputs)


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf])
def test_unknown_head_size_is_refused_where_it_is_needed(bad):
    predicted, truth, visibility, head_size = people(3)
    head_size[1] = bad
    known = np.isfinite(head_size) & (head_size > 0)
    unlabelled = visibility * known[:, np.newaxis]

    for score in (pckh, pckh_curve, pckh_slices):
        with pytest.raises(ValueError, match=f"head_size .* positive.* 1 has {bad}"):
            score(predicted, truth, visibility, head_size)

    assert pckh(predicted, truth, unlabelled, head_size).num_labelled.max() == 2
    scores = pckh(predicted, truth, visibility, head_size, where=known)
    assert scores.num_labelled.max() == 2


@pytest.mark.parametrize("edges", [(50, 30), (0, 30), (30, 30), (np.nan,)])
def test_slices_by_head_size_need_edges_that_rise(edges):
    with pytest.raises(ValueError, match="head_size_edges must rise from 0, got"):
        pckh_slices(*people(3), head_size_edges=edges)
