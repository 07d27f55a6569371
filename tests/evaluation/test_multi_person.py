import numpy as np
import pytest

from mpii_pose.evaluation.multi_person import image_groups, multi_person_ap
from mpii_pose.skeleton import KEYPOINTS, MPII

HEAD_SIZE = 10.0
COUNTED = list(MPII.counted)
TRUNK = [KEYPOINTS.index(name) for name in ("pelvis", "thorax")]
ANKLE, WRIST = (KEYPOINTS.index(f"left_{part}") for part in ("ankle", "wrist"))


def person(at):
    """A true pose around (at, 0); another at a distance of 100 never overlaps."""
    angle = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    return 30 * np.stack([np.cos(angle), np.sin(angle)], axis=-1) + [at, 0]


def group(predicted, scores, truth, visibility=None):
    """The five inputs of one group; a score per person stands for all its keypoints."""
    predicted = np.reshape(predicted, (-1, 16, 2))
    truth = np.reshape(truth, (-1, 16, 2))
    return (
        predicted,
        np.broadcast_to(np.reshape(scores, (-1, 1)), predicted.shape[:2]),
        truth,
        np.full(truth.shape[:2], 2) if visibility is None else visibility,
        np.full(len(truth), HEAD_SIZE),
    )


def score(*groups, **options):
    return multi_person_ap(*zip(*groups, strict=True), **options)


def random_group(random, most=4):
    """A group of 0 to `most` people, predicted in part, twice, badly or not at all."""
    truth = random.uniform(0, 60, (random.integers(1, most + 1), 16, 2))
    visibility = random.integers(0, 3, truth.shape[:2])
    source = truth[random.integers(0, len(truth), random.integers(0, most + 2))]
    predicted = source + random.normal(0, 4, source.shape)
    predicted[random.uniform(size=predicted.shape[:2]) < 0.2] = np.nan
    scores = random.integers(0, 6, predicted.shape[:2]) / 5  # many are equal
    return predicted, scores, truth, visibility, random.uniform(5, 15, len(truth))


def plain_ap(groups, recall="official", threshold=0.5):
    """The definition in words, one keypoint at a time; the AP of each, in percent."""
    detections = {k: [] for k in COUNTED}
    num_labelled = dict.fromkeys(COUNTED, 0)
    for predicted, scores, truth, visibility, head_size in groups:

        def matches(p, g, k, predicted=predicted, truth=truth, group=head_size):
            return np.hypot(*(predicted[p, k] - truth[g, k])) <= threshold * group[g]

        def labels(g, visibility=visibility):
            return [k for k in COUNTED if visibility[g, k] > 0]

        def share(p, g, matches=matches, labels=labels):
            return np.mean([matches(p, g, k) for k in labels(g)] or [0])

        stands_for = {}
        for p in range(len(predicted)):
            shares = [share(p, g) for g in range(len(truth))]
            stands_for[p] = shares.index(max(shares))
        taken = {}
        for g in range(len(truth)):
            candidates = [p for p in stands_for if stands_for[p] == g and share(p, g)]
            if candidates:
                taken[max(candidates, key=lambda p, g=g: share(p, g))] = g
        for k in COUNTED:
            for p in range(len(predicted)):
                if not np.isnan(predicted[p, k]).any():
                    g = taken.get(p)
                    right = g is not None and k in labels(g) and matches(p, g, k)
                    detections[k].append((scores[p, k], right))
            if len(predicted) or recall == "strict":
                num_labelled[k] += sum(k in labels(g) for g in range(len(truth)))

    per_keypoint = np.full(16, np.nan)
    for k in COUNTED:
        ranked = sorted(detections[k], key=lambda d: -d[0])
        curve, found = [], 0
        for rank, (_, right) in enumerate(ranked, start=1):
            found += right
            curve.append((found / max(num_labelled[k], 1), found / rank))
        area, reached = 0.0, 0.0
        for level, _ in curve:
            if level > reached:
                best = max(precision for r, precision in curve if r >= level)
                area += (level - reached) * best
                reached = level
        if num_labelled[k]:
            per_keypoint[k] = 100 * area
    return per_keypoint


@pytest.mark.parametrize("recall", ["official", "strict"])
@pytest.mark.parametrize("seed", range(8))
def test_scores_equal_the_definition_in_words(seed, recall):
    random = np.random.default_rng(seed)
    groups = [random_group(random) for _ in range(12)]

    scores = score(*groups, recall=recall)

    expected = plain_ap(groups, recall)
    np.testing.assert_allclose(scores.per_keypoint, expected)
    assert 0 < scores.total < 100
    assert scores.total == pytest.approx(np.nanmean(expected))
    for name, indices in MPII.group_indices.items():
        assert scores.groups[name] == pytest.approx(np.mean(expected[list(indices)]))


TWO = [person(0), person(100)]
ROUND = person(0).round()


@pytest.mark.parametrize(
    ("groups", "total"),
    [
        # Everyone is found.
        ([group(TWO, [0.9, 0.8], TWO)], 100),
        # One of two is found: precision 1 up to a recall of 1/2.
        ([group(TWO[:1], [0.9], TWO)], 50),
        # The second stands for a person who is taken, surely or less so.
        ([group([TWO[0], TWO[0]], [0.9, 0.8], TWO)], 50),
        ([group([TWO[0], TWO[0] + 1], [0.8, 0.9], TWO)], 25),
        ([group([TWO[0] + 50, TWO[0] + 1], [0.8, 0.9], TWO)], 50),
        # A person beside everyone comes first (1/2, 2/3 -> 2/3) or last.
        ([group([*TWO, person(500)], [0.8, 0.7, 0.9], TWO)], 100 * 2 / 3),
        ([group([*TWO, person(500)], [0.8, 0.7, 0.6], TWO)], 100),
        # Scores are compared over groups: right, wrong, right.
        ([group(TWO[:1], [0.9], TWO[:1]), group(TWO, [0.7, 0.8], TWO[:1])], 250 / 3),
        # Predictions of a group without truth are false positives.
        ([group(TWO[:1], [0.5], TWO[:1]), group(TWO, [0.9, 0.1], [])], 50),
        # An error equal to the threshold is a match, a larger one is none.
        ([group(ROUND + np.array([0, 5]), [1], ROUND)], 100),
        ([group(ROUND + np.array([0, 5.1]), [1], ROUND)], 0),
        # Nothing is predicted.
        ([group(np.full((2, 16, 2), np.nan), [0.9, 0.8], TWO)], 0),
    ],
)
def test_groups_counted_by_hand(groups, total):
    scores = score(*groups)

    expected = np.full(16, float(total))
    expected[TRUNK] = np.nan
    np.testing.assert_allclose(scores.per_keypoint, expected)
    assert scores.total == pytest.approx(total)


def test_person_without_labels_cannot_be_found():
    visibility = np.array([[2] * 16, [0] * 16])
    inputs = group(TWO, [0.5, 0.9], TWO, visibility)
    inputs[4][1] = -1  # unknown, and not needed

    assert score(inputs).total == 50


def test_pelvis_and_thorax_need_no_score_and_no_place():
    predicted, scores, *truth = group(TWO, [0.9, 0.8], TWO)
    scores = scores.copy()
    predicted[:, TRUNK], scores[:, TRUNK] = 1e6, np.nan

    assert score((predicted, scores, *truth)).total == 100


def test_nobody_scores_nan():
    assert np.isnan(multi_person_ap([], [], [], [], []).total)


def test_inputs_are_not_modified_and_may_be_lists():
    groups = [random_group(np.random.default_rng(4)) for _ in range(3)]
    before = [[x.copy() for x in each] for each in groups]
    for each in groups:
        for x in each:
            x.flags.writeable = False

    scores = score(*groups)

    for each, original in zip(groups, before, strict=True):
        for x, y in zip(each, original, strict=True):
            np.testing.assert_array_equal(x, y)
    lists = [[x.tolist() for x in each] for each in groups]
    np.testing.assert_array_equal(score(*lists).per_keypoint, scores.per_keypoint)


def test_scores_print_the_row_of_the_papers():
    printed = str(score(group(TWO, [0.9, 0.8], TWO)))

    header, _, row = printed.splitlines()
    assert header.split("|")[-2].strip() == "Total"
    assert row.split("|")[1].strip() == "AP@0.5 (official recall)"
    assert row.count("100.00") == 8


@pytest.mark.parametrize(
    ("changed", "value", "message"),
    [
        (0, np.zeros((2, 14, 2)), r"predicted must have shape \(2, 16, 2\)"),
        (0, np.zeros((1, 16, 2)), r"scores must have shape \(1, 16\).*\(2, 16"),
        (1, np.zeros(2), r"scores must have shape \(2, 16\).*\(2,\)"),
        (2, np.zeros((2, 16)), r"truth must have shape \(2, 16, 2\)"),
        (3, np.zeros((1, 16)), r"visibility must have shape \(2, 16\)"),
        (4, np.zeros(1), r"head_size must have shape \(2,\)"),
        (1, np.full((2, 16), np.nan), r".*needs a score: .*person 0, right_ankle"),
        (4, [10.0, -1.0], "head_size must be .*: person 1 has -1"),
        (4, [10.0, np.inf], "head_size must be .*: person 1 has inf"),
        (2, np.full((2, 16, 2), np.nan), "truth must be finite.*person 0"),
    ],
)
def test_bad_input_is_refused_and_its_group_named(changed, value, message):
    bad = list(group(TWO, [0.9, 0.8], TWO))
    bad[changed] = value

    with pytest.raises(ValueError, match=f"group 1: {message}"):
        score(group(TWO, [0.9, 0.8], TWO), bad)


def test_numbers_of_groups_and_options_are_checked():
    inputs = list(zip(group(TWO, [0.9, 0.8], TWO), strict=True))

    with pytest.raises(ValueError, match="one item per group, got 1, 0, 1, 1, 1"):
        multi_person_ap(inputs[0], [], *inputs[2:])
    with pytest.raises(ValueError, match="official, strict, got 'all'"):
        multi_person_ap(*inputs, recall="all")
    with pytest.raises(ValueError, match="threshold must be 0 or more"):
        multi_person_ap(*inputs, threshold=-1)


def test_people_of_an_image_are_a_group_unless_one_stands_clear():
    images = ["b.jpg", "a.jpg", "b.jpg", "c.jpg"]

    groups = image_groups(images)
    crowded = image_groups(images, separated=[0, 1, 0, -1])

    assert [group.tolist() for group in groups] == [[1], [0, 2], [3]]
    assert [group.tolist() for group in crowded] == [[0, 2], [3]]
    with pytest.raises(ValueError, match=r"separated must have shape \(4,\).*\(3,\)"):
        image_groups(images, separated=[0, 1, 0])
