"""Crops are stored by one scale, within the frame, and keypoints move with them."""

import numpy as np
import pytest

from mpii_pose.shards.images import CropBox, fit_crop_box

# Frames, and squares in shares of them: middle, side.
FRAMES = [(720, 1280), (601, 397), (48, 64), (1, 1), (1, 900)]
SQUARES = {
    "inside": ((0.5, 0.5), 0.4),
    "over the left border": ((0.05, 0.5), 0.6),
    "over the lower right corner": ((0.98, 0.9), 0.7),
    "over both sides": ((0.5, 0.5), 1.1),
    "the frame many times over": ((0.4, 0.6), 400),
    "left of the frame": ((-3, 0.5), 0.5),
    "below the frame": ((0.5, 9), 0.5),
    "3 px": ((0.3, 0.6), 0.004),
}


def boxes(least):
    """Yields frame, square and box of every case."""
    for height, width in FRAMES:
        frame = np.array([width, height], float)
        for place, part in SQUARES.values():
            middle, side = np.array(place) * frame, part * max(frame)
            box = fit_crop_box(middle, side, (height, width), reduction=least)
            yield frame, middle + 0.5 - side / 2, middle + 0.5 + side / 2, box


@pytest.mark.parametrize("least", [0.1, 1, 1.37, 3.3, 50])
def test_box_is_whole_pixels_of_one_scale_within_the_frame(least):
    for frame, low, high, box in boxes(least):
        assert box.width >= 1
        assert box.height >= 1
        assert 1 <= box.reduction <= max(1, min(frame))
        assert box.reduction >= min(least, min(frame))
        assert (np.array(box.start) >= 0).all()
        assert (np.array(box.end) <= frame + 1e-3).all()
        # All of the square that is in the frame, but for a part of a stored pixel at
        # the end of a frame that is stored whole.
        wanted_start, wanted_end = np.clip(low, 0, frame), np.clip(high, 0, frame)
        if (wanted_end > wanted_start).all():
            assert (np.array(box.start) <= wanted_start + 1e-6).all()
            assert (np.array(box.end) > wanted_end - box.reduction - 1e-6).all()
        np.testing.assert_array_less(
            np.subtract(box.end, box.start),
            np.maximum(wanted_end - wanted_start, 0) + 2 * box.reduction + 1e-6,
        )


def test_points_go_to_stored_pixels_and_back():
    points = np.random.default_rng(0).uniform(-50, 2000, (16, 2))
    for *_, box in boxes(2.7):
        matrix = box.image_to_frame()

        assert matrix[0, 0] == matrix[1, 1]
        back = box.from_frame(points) @ matrix[:, :2].T + matrix[:, 2]
        np.testing.assert_allclose(back, points, atol=2e-3)


@pytest.mark.parametrize(
    ("middle", "side", "size", "reduction", "expected"),
    [
        # By hand: edges from 20.25 to 40.75, stored as they are.
        ((30, 30), 20.5, (64, 64), 0.2, CropBox((20, 20), 1, 21, 21)),
        # From 5 to 25, ten pixels of two.
        ((14.5, 14.5), 20, (64, 64), 2, CropBox((5, 5), 2, 10, 10)),
        # Over the right border: it ends there.
        ((60, 31.5), 20, (64, 64), 2, CropBox((50, 22), 2, 7, 10)),
        # Stored whole: 64 px become 21 of 64 / 21, not 21.3 of 3.
        ((32, 32), 500, (64, 64), 3, CropBox((0, 0), 64 / 21, 21, 21)),
        # Stored whole, but for 0.7 stored columns: 3 px may become 3.12, not more.
        ((45, 50), 500, (100, 90), 3, CropBox((0, 0), 100 / 33, 29, 33)),
        # Over the left border, so not whole: the reduction stays.
        ((5, 31.5), 20, (64, 64), 3, CropBox((0, 22), 3, 6, 7)),
        # Outside: the nearest pixels.
        ((-90, 31.5), 20, (64, 64), 2, CropBox((0, 22), 2, 1, 10)),
        ((99, 31.5), 20, (64, 64), 2, CropBox((62, 22), 2, 1, 10)),
    ],
)
def test_boxes_worked_out_by_hand(middle, side, size, reduction, expected):
    assert fit_crop_box(middle, side, size, reduction=reduction) == expected


def test_whole_frame_loses_a_twentieth_of_a_pixel_at_most():
    for size in [(720, 1280), (1080, 1920), (480, 854), (540, 959)]:
        box = fit_crop_box((400, 300), 5000, size, reduction=2.13)

        lost = (np.array(size[::-1]) - box.end) / box.reduction
        assert (lost < 0.06).all(), (size, box)
