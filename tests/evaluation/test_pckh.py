import numpy as np
import pytest
import scipy.io
import tensorflow as tf

from mpii_pose import skeleton
from mpii_pose.evaluation.pckh import pckh, pckh_auc, pckh_curve, pckh_slices
from mpii_pose.evaluation.scores import DIALECTS, pckh_table

GROUPED = [k for group in skeleton.MPII.group_indices.values() for k in group]
HEAD_SIZE = 10.0
WRIST = skeleton.KEYPOINTS.index("left_wrist")
ANKLES = skeleton.MPII.group_indices["ankle"]


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


@pytest.fixture(scope="module")
def tompson(real_mpii):
    mat = scipy.io.loadmat(real_mpii / "validation_truth.mat")
    corners = mat["headboxes_src"]
    return (
        mat["pos_pred_src"].transpose(2, 0, 1),
        mat["pos_gt_src"].transpose(2, 0, 1),
        2 * (1 - mat["jnt_missing"].T),
        0.6 * np.linalg.norm(corners[1] - corners[0], axis=0),
    )


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
def test_published_row_is_reproduced(tompson, dialect, head, total):
    scores = pckh(*tompson, dialect=dialect)

    expected = {"head": head, "shoulder": 92.71, **LIMBS}
    assert scores.groups == pytest.approx(expected, abs=0.01)
    assert scores.total == pytest.approx(total, abs=0.01)


def test_published_total_at_a_tenth_is_reproduced(tompson):
    assert pckh(*tompson, threshold=0.1).total == pytest.approx(28.98, abs=0.01)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_scores_equal_a_count_by_hand(dialect):
    predicted, truth, visibility, head_size = people(40)
    visibility = np.random.default_rng(2).integers(0, 3, visibility.shape)

    scores = pckh(predicted, truth, visibility, head_size, dialect=dialect)

    hits, counts = np.zeros(16), np.zeros(16)
    for person in range(40):
        for k in range(16):
            if visibility[person, k] > 0:
                dx, dy = predicted[person, k] - truth[person, k]
                counts[k] += 1
                hits[k] += np.hypot(dx, dy) <= 0.5 * head_size[person]
    rates = 100 * hits / counts
    micro = 100 * hits[GROUPED].sum() / counts[GROUPED].sum()
    macro = rates[GROUPED].mean()
    np.testing.assert_allclose(scores.per_keypoint, rates)
    np.testing.assert_array_equal(scores.num_labelled, counts)
    assert scores.groups["ankle"] == pytest.approx((rates[0] + rates[5]) / 2)
    assert scores.total == pytest.approx(macro if dialect == "pytorch_pose" else micro)


@pytest.mark.parametrize(
    ("dialect", "score"),
    [("official", 100), ("hrnet", 100), ("mmpose", 0), ("pytorch_pose", 0)],
)
def test_error_equal_to_the_threshold_counts_unless_the_dialect_is_strict(
    dialect, score
):
    person = one_person(errors=0.5)

    assert pckh(*person, dialect=dialect).total == score


def test_head_is_neck_and_top_officially_and_the_top_alone_elsewhere():
    errors = np.zeros(16)
    errors[skeleton.KEYPOINTS.index("upper_neck")] = 1.0
    person = one_person(errors)

    heads = {d: pckh(*person, dialect=d).groups["head"] for d in DIALECTS}

    assert heads == {"official": 50, "hrnet": 100, "mmpose": 100, "pytorch_pose": 100}


def test_pelvis_and_thorax_are_scored_but_not_in_the_total():
    errors = np.zeros(16)
    trunk = [skeleton.KEYPOINTS.index(name) for name in ("pelvis", "thorax")]
    errors[trunk] = 1.0

    scores = pckh(*one_person(errors))

    assert scores.total == 100
    assert scores.per_keypoint[trunk].tolist() == [0, 0]


@pytest.mark.parametrize("factor", [0.25, 3.0])
def test_scores_do_not_change_when_everything_is_scaled(factor):
    predicted, truth, visibility, head_size = people(30)

    scores = pckh(predicted, truth, visibility, head_size)
    scaled = pckh(predicted * factor, truth * factor, visibility, head_size * factor)

    np.testing.assert_array_equal(scaled.per_keypoint, scores.per_keypoint)


def test_order_of_people_does_not_matter():
    inputs = people(30)
    order = np.random.default_rng(3).permutation(30)

    shuffled = pckh(*(x[order] for x in inputs))

    np.testing.assert_array_equal(shuffled.per_keypoint, pckh(*inputs).per_keypoint)


@pytest.mark.parametrize("nothing", [np.nan, np.inf])
def test_prediction_that_is_no_number_is_a_miss(nothing):
    predicted, *rest = one_person()
    predicted[0, WRIST] = nothing

    scores = pckh(predicted, *rest)

    assert scores.per_keypoint[WRIST] == 0
    assert scores.total == pytest.approx(100 * 13 / 14)


def test_missing_keypoints_do_not_count_whatever_was_predicted():
    predicted, truth, visibility, head_size = people(20)
    visibility[:7, WRIST] = skeleton.Visibility.MISSING
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
    visibility[0, ANKLES[0]] = skeleton.Visibility.MISSING

    scores = pckh(predicted, truth, visibility, head_size, dialect=dialect)

    assert np.isnan(scores.per_keypoint[ANKLES[0]])
    assert scores.groups["ankle"] == 100
    assert scores.total == 100


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("count", [0, 3])
def test_nobody_labelled_scores_nan(dialect, count):
    predicted, truth, visibility, head_size = people(count)

    scores = pckh(predicted, truth, visibility * 0, head_size * 0, dialect=dialect)

    assert np.isnan(scores.total)
    assert np.isnan(list(scores.groups.values())).all()


def test_inputs_are_not_modified():
    inputs = people(5)
    inputs[0][0, 0] = np.nan
    inputs[2][1] = 0
    before = [x.copy() for x in inputs]
    for x in inputs:
        x.flags.writeable = False

    pckh_slices(*inputs, dialect="mmpose")

    for x, original in zip(inputs, before, strict=True):
        np.testing.assert_array_equal(x, original)


def test_tensors_score_as_arrays_do():
    inputs = [x.astype(np.float32) for x in people(10)]

    scores = pckh(*map(tf.constant, inputs))

    np.testing.assert_array_equal(scores.per_keypoint, pckh(*inputs).per_keypoint)


def test_where_picks_people_or_keypoints():
    inputs = people(10)
    some = np.arange(10) < 4

    by_person = pckh(*inputs, where=some)
    by_keypoint = pckh(*inputs, where=np.tile(some[:, np.newaxis], 16))

    expected = pckh(*(x[:4] for x in inputs))
    np.testing.assert_array_equal(by_person.per_keypoint, expected.per_keypoint)
    np.testing.assert_array_equal(by_keypoint.per_keypoint, expected.per_keypoint)


def test_slices_share_out_the_keypoints():
    predicted, truth, _, _ = people(60)
    random = np.random.default_rng(4)
    visibility = random.integers(0, 3, (60, 16))
    head_size = random.uniform(20, 200, 60)
    head_size[0] = 50.0

    slices = pckh_slices(predicted, truth, visibility, head_size)

    counts = {name: scores.num_labelled.sum() for name, scores in slices.items()}
    assert list(counts)[3:] == [
        "head 0 to 50 px",
        "head 50 to 100 px",
        "head 100+ px",
    ]
    assert counts["all"] == counts["visible"] + counts["occluded"]
    assert counts["all"] == sum(list(counts.values())[3:])
    assert counts["occluded"] == (visibility == 1).sum()
    assert counts["head 0 to 50 px"] == (visibility[head_size < 50] > 0).sum()


def test_curve_rises_and_holds_the_single_scores():
    inputs = people(30)

    curve = pckh_curve(*inputs)

    totals = [scores.total for scores in curve]
    assert totals == sorted(totals)
    assert [scores.threshold for scores in curve] == [k / 100 for k in range(51)]
    assert totals[50] == pckh(*inputs).total
    assert totals[10] == pckh(*inputs, threshold=0.1).total


@pytest.mark.parametrize(("error", "area"), [(0.0, 100.0), (0.25, 51.0), (0.6, 0.0)])
def test_area_under_the_curve_of_one_constant_error(error, area):
    # A step at 0.25 is the ramp from 0.24 to 0.25 and all beyond: 0.005 + 0.25 of 0.5.
    person = one_person(errors=error)

    assert pckh_auc(pckh_curve(*person)) == pytest.approx(area)


def test_scores_print_the_row_of_the_papers():
    predicted, truth, visibility, head_size = one_person()
    predicted[0, WRIST] += 100
    visibility[0, list(ANKLES)] = 0

    scores = pckh(predicted, truth, visibility, head_size)

    printed = str(scores)
    assert scores._repr_markdown_() == printed
    header, rule, row = printed.splitlines()
    titles = ["", "Head", "Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "Total"]
    numbers = ["100.00"] * 3 + ["50.00"] + ["100.00"] * 2 + ["nan", "91.67"]
    assert [cell.strip() for cell in header.split("|")[1:-1]] == titles
    assert [cell.strip() for cell in row.split("|")[1:-1]] == [
        "PCKh@0.5 (official)",
        *numbers,
    ]
    assert set(rule) == set("|-: ")
    assert len(header) == len(rule) == len(row)


def test_table_has_a_row_per_name():
    scores = pckh(*one_person())

    table = pckh_table({"a": scores, "a longer name": scores})

    assert [line.split("|")[1].strip() for line in table.splitlines()[2:]] == [
        "a",
        "a longer name",
    ]


@pytest.mark.parametrize(
    ("changed", "shape", "message"),
    [
        ("predicted", (3, 16), r"predicted must have shape \(3, 16, 2\).*\(3, 16\)"),
        ("predicted", (), r"predicted must have shape \(0, 16, 2\).*got \(\)"),
        ("truth", (2, 16, 2), r"truth must have shape \(3, 16, 2\).*\(2, 16, 2\)"),
        ("visibility", (3, 14), r"visibility must have shape \(3, 16\).*\(3, 14\)"),
        ("head_size", (3, 1), r"head_size must have shape \(3,\).*\(3, 1\)"),
        ("where", (16,), r"where must have shape \(3, 16\).*\(16, 16\)"),
    ],
)
def test_wrong_shape_is_refused_with_both_shapes(changed, shape, message):
    names = ("predicted", "truth", "visibility", "head_size")
    inputs = dict(zip(names, people(3), strict=True))
    inputs[changed] = np.ones(shape)

    with pytest.raises(ValueError, match=message):
        pckh(**inputs)


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf])
@pytest.mark.parametrize("score", [pckh, pckh_curve, pckh_slices])
def test_unknown_head_size_is_never_counted_as_found(score, bad):
    predicted, truth, visibility, head_size = people(3)
    head_size[1] = bad

    with pytest.raises(ValueError, match=f"head_size .* positive.*person 1 has {bad}"):
        score(predicted, truth, visibility, head_size)


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf])
def test_head_size_does_not_matter_of_people_who_are_not_scored(bad):
    predicted, truth, visibility, head_size = people(3)
    head_size[1] = bad
    known = np.isfinite(head_size) & (head_size > 0)
    unlabelled = visibility * known[:, np.newaxis]

    assert pckh(predicted, truth, unlabelled, head_size).num_labelled.max() == 2
    scores = pckh(predicted, truth, visibility, head_size, where=known)
    assert scores.num_labelled.max() == 2


def test_truth_must_be_finite_where_labelled():
    predicted, truth, visibility, head_size = people(3)
    truth[2, WRIST, 0] = np.nan

    with pytest.raises(ValueError, match=r"finite.*person 2, left_wrist"):
        pckh(predicted, truth, visibility, head_size)


@pytest.mark.parametrize("threshold", [-0.1, np.nan, np.inf])
def test_threshold_must_be_a_length(threshold):
    with pytest.raises(ValueError, match="threshold must be 0 or more"):
        pckh(*people(1), threshold=threshold)


def test_unknown_dialect_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"official, hrnet, .*got 'coco'"):
        pckh(*people(1), dialect="coco")


# Five keypoints, as face detectors give them, of which the mouth's are in no row.
FACE = skeleton.Skeleton(
    name="face",
    keypoints=("right_eye", "left_eye", "nose", "right_mouth", "left_mouth"),
    groups={"eyes": ("right_eye", "left_eye"), "nose": ("nose",)},
)


def face(errors):
    """A face whose keypoint `k` is predicted `errors[k]` head sizes to the right."""
    truth = np.random.default_rng(1).uniform(0, 500, (1, 5, 2)).round()
    predicted = truth.copy()
    predicted[0, :, 0] += np.multiply(errors, HEAD_SIZE)
    return predicted, truth, np.full((1, 5), 2), np.array([HEAD_SIZE])


@pytest.mark.parametrize("dialect", DIALECTS)
def test_another_skeleton_has_its_own_keypoints_rows_and_total(dialect):
    scores = pckh(*face([0, 1, 0, 1, 1]), skeleton=FACE, dialect=dialect)

    assert scores.per_keypoint.tolist() == [100, 0, 100, 0, 0]
    assert scores.groups == {"eyes": 50, "nose": 100}
    assert scores.total == pytest.approx(200 / 3)
    slices = pckh_slices(*face([0, 1, 0, 1, 1]), skeleton=FACE, dialect=dialect)
    assert slices["all"].total == scores.total


def test_a_row_of_other_keypoints_says_whose_they_are_and_how_many():
    header, _, row = str(pckh(*face([0, 1, 0, 1, 1]), skeleton=FACE)).splitlines()

    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in (header, row)]
    assert cells == [
        ["", "Eyes", "Nose", "3 keypoints"],
        ["PCKh@0.5 (official, face)", "50.00", "100.00", "66.67"],
    ]


def test_keypoints_without_rows_are_all_counted():
    points = skeleton.Skeleton(name="points", keypoints=FACE.keypoints)

    scores = pckh(*face([0, 1, 0, 1, 1]), skeleton=points)

    assert scores.groups == {}
    assert scores.total == 40


def test_rows_of_different_skeletons_do_not_share_a_table():
    rows = {
        "body": pckh(*one_person()),
        "face": pckh(*face([0] * 5), skeleton=FACE),
    }

    with pytest.raises(ValueError, match="one skeleton, got face, mpii"):
        pckh_table(rows)


def test_keypoints_of_another_skeleton_are_refused_by_number():
    with pytest.raises(ValueError, match=r"predicted must have shape \(1, 16, 2\)"):
        pckh(*face([0] * 5))


def test_area_needs_rising_thresholds():
    curve = pckh_curve(*people(1))

    with pytest.raises(ValueError, match="two or more rising thresholds"):
        pckh_auc(curve[:1])
    with pytest.raises(ValueError, match="two or more rising thresholds"):
        pckh_auc(curve[::-1])


def test_slices_can_be_of_some_people_and_keypoints_only():
    predicted, truth, visibility, head_size = people(40)
    visibility[::2] = skeleton.Visibility.OCCLUDED
    wrists = np.zeros((40, 16), bool)
    wrists[10:, WRIST] = True

    slices = pckh_slices(predicted, truth, visibility, head_size, where=wrists)

    chosen = (predicted, truth, visibility, head_size)
    expected = pckh(*chosen, where=wrists & (visibility == 1))
    assert slices["occluded"].total == expected.total
    assert slices["all"].num_labelled.sum() == 30
    assert "left_ankle" in slices["visible"].left_out
    people_only = pckh_slices(*chosen, where=np.arange(40) >= 10)
    assert people_only["visible"].num_labelled.sum() == 15 * 16
    assert people_only["head 0 to 50 px"].num_labelled.sum() == 30 * 16
