import numpy as np
import pytest

from mpii_pose.evaluation.alignment import REACH, alignment_audit
from mpii_pose.evaluation.pckh import pckh
from mpii_pose.skeleton import KEYPOINTS
from tests import real_people

LEFT_RIGHT = np.array(
    [name.startswith("left_") - name.startswith("right_") for name in KEYPOINTS]
)[:, np.newaxis]
CELL = 4.0  # pixels of a crop of 256 in a cell of 64


def people(count=2000):
    """Random people of about the real ones' sizes."""
    random = np.random.default_rng(0)
    head_size = random.uniform(30, 150, count)
    truth = random.uniform(0, 8, (count, 16, 2)) * head_size[:, np.newaxis, np.newaxis]
    return truth.round(), np.full((count, 16), 2), head_size


def crop_pixel(head_size, size=256):
    """HRNet's crop is ten head sizes wide."""
    return (10 * head_size / size)[:, np.newaxis, np.newaxis]


def noisy(truth, head_size, share=0.1):
    """Predictions with normal errors, and misses that lean downwards."""
    random = np.random.default_rng(1)
    errors = random.normal(0, share, truth.shape)
    missed = random.uniform(size=truth.shape[:2]) < 0.15
    errors[missed] = random.normal((0, 1.5), 1.5, (missed.sum(), 2))
    return truth + errors * head_size[:, np.newaxis, np.newaxis]


# The share of noise, the constant offset and that of left keypoints, in cells.
OFFSETS = [
    (0.0, (0.25, 0.0), (0.0, 0.0)),
    (0.05, (0.0, -0.25), (0.0, 0.0)),
    (0.05, (0.0, 0.0), (0.0, 0.0)),
    (0.05, (0.0, 0.0), (0.25, 0.1)),
    (0.05, (0.25, 0.0), (0.25, 0.1)),
    (0.1, (0.25, 0.25), (0.0, 0.0)),
    (0.15, (-0.5, 0.0), (0.0, 0.0)),
    (0.15, (0.25, 0.0), (0.0, 0.0)),
]


@pytest.mark.parametrize(("share", "cells", "mirrored"), OFFSETS)
@pytest.mark.parametrize("real", [False, True], ids=["random", "real"])
def test_injected_offset_of_the_crop_is_found(share, cells, mirrored, real):
    labels = real_people.read(validation_only=True)[:3] if real else people()
    truth, visibility, head_size = labels
    predicted = noisy(truth, head_size, share)
    offset = CELL * (cells + LEFT_RIGHT * mirrored)
    slipped = predicted + crop_pixel(head_size) * offset

    audit = alignment_audit(slipped, truth, visibility, head_size)

    np.testing.assert_allclose(audit.cells, cells, atol=0.02)
    np.testing.assert_allclose(audit.crop.mirrored / CELL, mirrored, atol=0.02)
    before = pckh(predicted, truth, visibility, head_size, threshold=0.1)
    assert audit.crop.corrected.total == pytest.approx(before.total, abs=0.3)
    assert audit.scores.total <= before.total + 0.3


def test_offset_of_a_pixel_of_the_frame_is_found_there():
    truth, visibility, head_size = people()
    slipped = noisy(truth, head_size, 0.01) + 1.0  # counted from 1

    audit = alignment_audit(slipped, truth, visibility, head_size, threshold=0.02)

    np.testing.assert_allclose(audit.frame.constant, 1, atol=0.05)
    assert audit.frame.corrected.total > audit.crop.corrected.total + 1
    assert audit.crop.corrected.total > audit.scores.total + 1


def test_offset_is_in_pixels_and_cells_of_the_sizes_given():
    truth, visibility, head_size = people()
    slipped = truth + crop_pixel(head_size, 384) * 2
    sizes = {"image_size": (512, 384), "heatmap_size": (128, 96)}

    audit = alignment_audit(slipped, truth, visibility, head_size, **sizes)

    np.testing.assert_allclose(audit.crop.constant, 2, atol=1e-6)
    np.testing.assert_allclose(audit.cells, 0.5, atol=1e-6)


def test_offset_injected_into_published_predictions_is_found():
    predicted, *labels = real_people.tompson()

    own = alignment_audit(predicted, *labels)
    slipped = predicted + crop_pixel(labels[2]) * CELL * [0.25, 0]
    audit = alignment_audit(slipped, *labels)

    np.testing.assert_allclose(audit.cells - own.cells, [0.25, 0], atol=0.02)
    # They have an offset of their own, which costs 0.7 points.
    np.testing.assert_allclose(own.cells, [0.11, -0.04], atol=0.01)
    assert own.scores.total == pytest.approx(28.97, abs=0.02)
    assert own.crop.corrected.total == pytest.approx(29.63, abs=0.1)
    assert audit.crop.corrected.total == pytest.approx(own.crop.corrected.total)


def test_where_and_missing_keypoints_are_left_out():
    truth, visibility, head_size = people(400)
    predicted = truth + crop_pixel(head_size)
    predicted[:100] += 30
    visibility[100:200], truth[100:200], head_size[100:200] = 0, -1, -1
    where = np.arange(400) >= 100

    audit = alignment_audit(predicted, truth, visibility, head_size, where=where)

    np.testing.assert_allclose(audit.crop.constant, 1)


def test_audit_prints_both_kinds_of_pixels():
    truth, visibility, head_size = people()

    printed = str(alignment_audit(truth + 1, truth, visibility, head_size))

    scores, crop, frame = printed.splitlines()
    assert scores.startswith("PCKh@0.1 (official): ")
    assert "crop pixels, which is (+0." in crop
    assert frame.startswith("off by (+1.00, +1.00) frame pixels")


def test_nothing_predicted_has_no_offset():
    truth, visibility, head_size = people(5)

    with pytest.raises(ValueError, match="no labelled keypoint is predicted"):
        alignment_audit(np.full_like(truth, np.nan), truth, visibility, head_size)


def test_spread_is_the_mean_error_that_is_left_in_head_sizes():
    truth, visibility, head_size = people(300)
    slipped = noisy(truth, head_size, 0.1) + crop_pixel(head_size) * 3
    unit = head_size[:, np.newaxis, np.newaxis]
    errors = np.linalg.norm((noisy(truth, head_size, 0.1) - truth) / unit, axis=2)

    audit = alignment_audit(slipped, truth, visibility, head_size)

    expected = np.minimum(errors, REACH).mean()
    assert audit.crop.spread == pytest.approx(expected, abs=0.005)
