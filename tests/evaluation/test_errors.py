import numpy as np
import pytest

from mpii_pose.evaluation.errors import ErrorKind, image_neighbours, keypoint_errors
from mpii_pose.evaluation.pckh import pckh
from mpii_pose.skeleton import KEYPOINTS, MPII, Visibility

HEAD_SIZE = 10.0
KINDS = ["good", "jitter", "inversion", "swap", "miss"]
LEFT, RIGHT = (KEYPOINTS.index(f"{side}_knee") for side in ("left", "right"))
TOP = KEYPOINTS.index("head_top")


def spread_out(count):
    """Poses whose keypoints are 50 px apart, five head sizes."""
    grid = 50.0 * np.stack(np.meshgrid(np.arange(4), np.arange(4)), axis=-1)
    truth = np.tile(grid.reshape(16, 2), (count, 1, 1))
    return truth, np.full((count, 16), 2), np.full(count, HEAD_SIZE)


@pytest.mark.parametrize(
    ("point", "offset", "kind"),
    [
        ("knee", (0, 0), ErrorKind.GOOD),
        ("knee", (5, 0), ErrorKind.GOOD),  # The threshold, and beyond it.
        ("knee", (0, 5.1), ErrorKind.JITTER),
        ("knee", (0, 10), ErrorKind.JITTER),  # Twice the threshold, and beyond it.
        ("knee", (10.1, 0), ErrorKind.MISS),
        ("other knee", (0, 4), ErrorKind.INVERSION),
        ("other knee", (5, 0), ErrorKind.INVERSION),
        ("other knee", (5.1, 0), ErrorKind.MISS),
        ("somebody's left knee", (0, 0), ErrorKind.SWAP),
        ("somebody's right knee", (4, 0), ErrorKind.SWAP),
        ("head's top", (0, 0), ErrorKind.MISS),
        ("knee", (np.nan, np.nan), ErrorKind.MISS),
    ],
)
def test_place_of_a_left_knee_decides_its_kind(point, offset, kind):
    truth, visibility, head_size = spread_out(1)
    others = truth[:, np.newaxis] + 500.0
    points = {
        "knee": truth[0, LEFT],
        "other knee": truth[0, RIGHT],
        "somebody's left knee": others[0, 0, LEFT],
        "somebody's right knee": others[0, 0, RIGHT],
        "head's top": truth[0, TOP],
    }
    predicted = truth.copy()
    predicted[0, LEFT] = points[point] + np.array(offset)

    errors = keypoint_errors(predicted, truth, visibility, head_size, others=others)

    assert errors.kinds[0, LEFT] == kind
    assert (np.delete(errors.kinds[0], LEFT) == ErrorKind.GOOD).all()


@pytest.mark.parametrize(("toward", "kind"), [(7, "JITTER"), (9, "INVERSION")])
def test_confusion_must_explain_the_place_twice_as_well(toward, kind):
    truth, visibility, head_size = spread_out(1)
    truth[0, RIGHT] = truth[0, LEFT] + np.array([12, 0])
    predicted = truth.copy()
    predicted[0, LEFT, 0] += toward

    errors = keypoint_errors(predicted, truth, visibility, head_size)

    assert errors.kinds[0, LEFT] == ErrorKind[kind]


def test_missing_keypoint_is_no_place_to_confuse():
    truth, visibility, head_size = spread_out(1)
    predicted = truth[:, MPII.mirrored]
    visibility[0, RIGHT] = Visibility.MISSING

    errors = keypoint_errors(predicted, truth, visibility, head_size)

    assert errors.kinds[0, RIGHT] == ErrorKind.UNLABELLED
    assert errors.kinds[0, LEFT] == ErrorKind.MISS
    assert errors.counts[RIGHT].sum() == 0


def test_good_is_what_pckh_finds():
    truth, visibility, head_size = spread_out(30)
    random = np.random.default_rng(0)
    predicted = truth + random.normal(0, 4, truth.shape)
    visibility = random.integers(0, 3, visibility.shape)

    errors = keypoint_errors(predicted, truth, visibility, head_size)

    scores = pckh(predicted, truth, visibility, head_size)
    np.testing.assert_array_equal(errors.counts.sum(axis=1), scores.num_labelled)
    shares = errors.shares
    assert shares["total"]["good"] == pytest.approx(scores.total)
    for row in shares.values():
        assert list(row) == KINDS
        assert sum(row.values()) == pytest.approx(100)


def test_table_has_a_row_per_group_and_a_column_per_kind():
    truth, visibility, head_size = spread_out(2)

    errors = keypoint_errors(truth, truth, visibility, head_size)

    header, _, *rows = str(errors).splitlines()
    assert errors._repr_markdown_() == str(errors)
    assert [cell.strip() for cell in header.split("|")[2:-1]] == KINDS
    assert [row.split("|")[1].strip() for row in rows] == [*MPII.groups, "total"]
    total = [cell.strip() for cell in rows[-1].split("|")[2:-1]]
    assert total == ["100.00", *["0.00"] * 4]


def test_nothing_predicted_is_missed_and_nobody_labelled_has_no_kinds():
    truth, visibility, head_size = spread_out(2)
    visibility[1], head_size[1], truth[1] = 0, -1, -1

    errors = keypoint_errors(np.full_like(truth, np.nan), truth, visibility, head_size)

    assert errors.shares["total"]["miss"] == 100
    assert (errors.kinds[1] == ErrorKind.UNLABELLED).all()
    assert errors.counts.sum() == 16


def test_neighbours_are_the_others_of_the_image():
    truth, visibility, _ = spread_out(4)
    truth += np.arange(4)[:, np.newaxis, np.newaxis] * 1000
    visibility[2, LEFT] = Visibility.MISSING

    others = image_neighbours(["a", "b", "a", "a"], truth, visibility)

    assert others.shape == (4, 2, 16, 2)
    np.testing.assert_array_equal(others[0, :, TOP], truth[[2, 3], TOP])
    np.testing.assert_array_equal(others[2], truth[[0, 3]])
    assert np.isnan(others[0, 0, LEFT]).all()
    assert np.isnan(others[1]).all()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"others": np.zeros((2, 3, 14, 2))}, r"others must have .*\(2, 3, 16, 2\)"),
        ({"others": np.zeros((1, 3, 16, 2))}, r"others must have .*\(2, 3, 16, 2\)"),
        ({"threshold": -1}, "threshold must be 0 or more"),
        ({"where": np.ones(3)}, "where must have shape"),
        ({"head_size": [10, -1]}, r"head_size must be .* person 1"),
    ],
)
def test_bad_input_is_refused(changed, message):
    truth, visibility, head_size = spread_out(2)
    inputs = {"truth": truth, "visibility": visibility, "head_size": head_size}

    with pytest.raises(ValueError, match=message):
        keypoint_errors(truth, **inputs | changed)
