import numpy as np
import pytest

from mpii_pose.evaluation.comparison import compare_pckh, pckh_intervals
from mpii_pose.evaluation.pckh import DIALECTS, pckh, pckh_table
from mpii_pose.skeleton import KEYPOINTS, MPII
from tests import real_people

GROUPED = list(MPII.counted)
WRIST = KEYPOINTS.index("left_wrist")


def people(count, seed=0, error=4.0):
    """Random truth with predictions of which about half are right."""
    random = np.random.default_rng(seed)
    truth = random.uniform(0, 500, (count, 16, 2))
    predicted = truth + random.normal(0, error, truth.shape)
    return predicted, truth, np.full((count, 16), 2), np.full(count, 10.0)


def images(count, per_image=1):
    return [f"{person // per_image}.jpg" for person in range(count)]


@pytest.mark.parametrize("threshold", [0.3, 0.5])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_scores_are_those_of_pckh_and_lie_in_their_intervals(dialect, threshold):
    inputs = people(60)
    options = {"threshold": threshold, "dialect": dialect}
    some = np.arange(60) < 40

    for where in (None, some, inputs[2] * some[:, np.newaxis]):
        scores = pckh_intervals(*inputs, images=images(60), where=where, **options)

        expected = pckh(*inputs, where=where, **options)
        np.testing.assert_array_equal(scores.per_keypoint, expected.per_keypoint)
        assert scores.total == expected.total
        assert set(scores.intervals) == {*scores.groups, "total"}
        for name, (low, high) in scores.intervals.items():
            assert low < scores.rows[name] < high


def test_interval_of_independent_keypoints_is_the_binomial_one():
    predicted, truth, visibility, head_size = people(900)
    visibility[:, np.arange(16) != WRIST] = 0

    scores = pckh_intervals(predicted, truth, visibility, head_size, images=images(900))

    low, high = scores.intervals["total"]
    share = scores.total / 100
    half_width = 196 * np.sqrt(share * (1 - share) / 900)
    assert (high - low) / 2 == pytest.approx(half_width, rel=0.05)


def test_people_who_repeat_each_other_in_an_image_do_not_narrow_the_interval():
    inputs = people(50)
    repeated = [np.repeat(x, 4, axis=0) for x in inputs]

    once = pckh_intervals(*inputs, images=np.arange(50))
    four_times = pckh_intervals(*repeated, images=np.repeat(np.arange(50), 4))
    as_if_apart = pckh_intervals(*repeated, images=np.arange(200))

    assert four_times.intervals["total"] == pytest.approx(once.intervals["total"])
    low, high = once.intervals["total"]
    narrow_low, narrow_high = as_if_apart.intervals["total"]
    assert (high - low) / (narrow_high - narrow_low) == pytest.approx(2, rel=0.15)


def test_a_prediction_does_not_differ_from_itself():
    predicted, *labels = people(40)

    result = compare_pckh(predicted, predicted, *labels, images=images(40))

    assert result.difference == 0
    assert result.interval == (0, 0)
    assert "may be chance" in str(result)
    labels[1][:] = 0
    nothing = compare_pckh(predicted, predicted, *labels, images=images(40))
    assert str(nothing).endswith("no labelled keypoint, so nothing is compared.")


def test_difference_is_the_first_minus_the_second():
    good, *labels = people(60, error=3.0)
    bad, *_ = people(60, seed=1, error=6.0)
    bad += labels[0] - people(60, seed=1)[1]

    result = compare_pckh(good, bad, *labels, images=images(60))
    reverse = compare_pckh(bad, good, *labels, images=images(60))

    assert result.difference == pytest.approx(result.a.total - result.b.total)
    assert result.difference > 20
    low, high = result.interval
    assert 0 < low < result.difference < high
    assert reverse.difference == -result.difference
    assert reverse.interval == pytest.approx((-high, -low))
    assert result.a.total == pckh(good, *labels).total
    assert result.b.intervals == reverse.a.intervals
    assert "is more than chance" in str(result)


def test_pairing_makes_the_interval_of_a_difference_narrow():
    predicted, *labels = people(300)
    slightly_worse = predicted.copy()
    slightly_worse[:20, WRIST] = np.nan

    result = compare_pckh(predicted, slightly_worse, *labels, images=images(300, 2))

    low, high = result.interval
    own_low, own_high = result.a.intervals["total"]
    assert high - low < 0.5 * (own_high - own_low)
    assert low > 0


def test_same_seed_gives_the_same_interval_and_another_nearly_so():
    inputs, names = people(100), np.array(images(100, 3))
    order = np.random.default_rng(0).permutation(100)

    first, again, other = (
        pckh_intervals(*inputs, images=names, seed=seed) for seed in (0, 0, 1)
    )
    shuffled = pckh_intervals(*(x[order] for x in inputs), images=names[order])

    assert first.intervals == again.intervals != other.intervals
    assert first.intervals["total"] == pytest.approx(other.intervals["total"], abs=0.5)
    for name, interval in shuffled.intervals.items():
        assert interval == pytest.approx(first.intervals[name])


def test_group_that_nobody_has_has_no_interval():
    predicted, truth, visibility, head_size = people(20)
    visibility[:, [KEYPOINTS.index(f"{side}_ankle") for side in ("left", "right")]] = 0

    scores = pckh_intervals(predicted, truth, visibility, head_size, images=images(20))

    assert np.isnan(scores.intervals["ankle"]).all()
    assert not np.isnan(scores.intervals["total"]).any()
    assert "nan ±" not in str(scores)


def test_table_shows_intervals_where_there_are_any():
    inputs = people(30)
    scores = pckh_intervals(*inputs, images=images(30))

    table = pckh_table({"with": scores, "without": pckh(*inputs)})

    low, high = scores.intervals["total"]
    with_intervals, without = table.splitlines()[2:]
    assert f"{scores.total:.2f} ± {(high - low) / 2:.2f} |" in with_intervals
    assert without.endswith(f" {scores.total:.2f} |")


FIVE = images(5)


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        (FIVE[:4], {}, r"images must have shape \(5,\).*\(4,\)"),
        (np.zeros((5, 2)), {}, r"images must have shape \[N\], got \(5, 2\)"),
        (["one.jpg"] * 5, {}, "two or more images, got 1"),
        (FIVE, {"dialect": "coco"}, "dialect must be one of"),
        (FIVE, {"threshold": -1}, "threshold must be 0 or more"),
        (FIVE, {"where": np.ones(3)}, "where must have shape"),
        (FIVE, {"b": np.ones((4, 16, 2))}, r"truth must have shape \(4, 16, 2\)"),
    ],
)
def test_wrong_images_and_options_are_refused(names, options, message):
    predicted, *labels = people(5)
    b = options.pop("b", predicted)

    with pytest.raises(ValueError, match=message):
        compare_pckh(predicted, b, *labels, images=names, **options)


def test_published_predictions_have_a_wider_interval_than_the_binomial():
    scores = pckh_intervals(
        *real_people.tompson(), images=real_people.read(validation_only=True).images
    )

    low, high = scores.intervals["total"]
    share, count = scores.total / 100, scores.num_labelled[GROUPED].sum()
    binomial = 196 * np.sqrt(share * (1 - share) / count)
    assert (high - low) / 2 == pytest.approx(0.68, abs=0.03)
    assert (high - low) / 2 == pytest.approx(1.8 * binomial, rel=0.05)
    assert low < 82.34 < high
