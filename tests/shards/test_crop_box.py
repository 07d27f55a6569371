"""Crops are stored by one scale, within the frame, and keypoints move with them."""

import numpy as np
import pytest

from mpii_pose.shards.crop_box import fit_crop_box

FRAMES = [(720, 1280), (1080, 1920), (480, 853), (601, 397), (48, 64), (1, 1), (1, 900)]
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


@pytest.mark.parametrize("least", [0.1, 1, 1.37, 3.3, 50])
@pytest.mark.parametrize("square", SQUARES)
@pytest.mark.parametrize("size", FRAMES)
def test_box_is_whole_pixels_of_one_scale_within_the_frame(size, square, least):
    frame = np.array(size[::-1], float)
    (place, part) = SQUARES[square]
    middle, side = np.array(place) * frame, part * max(size)

    box = fit_crop_box(middle, side, size, reduction=least)

    assert box.width >= 1
    assert box.height >= 1
    assert box.reduction >= 1
    assert (np.array(box.start) >= 0).all()
    assert (np.array(box.end) <= frame + 1e-3).all()
    # All of the square that is in the frame, but for a part of a stored pixel at the
    # end of a frame that is stored whole.
    wanted_start = np.clip(middle + 0.5 - side / 2, 0, frame)
    wanted_end = np.clip(middle + 0.5 + side / 2, 0, frame)
    if (wanted_end > wanted_start).all():
        assert (np.array(box.start) <= wanted_start + 1e-6).all()
        assert (np.array(box.end) > wanted_end - box.reduction - 1e-6).all()
    np.testing.assert_array_less(
        np.subtract(box.end, box.start),
        np.maximum(wanted_end - wanted_start, 0) + 2 * box.reduction + 1e-6,
    )


@pytest.mark.parametrize("square", SQUARES)
@pytest.mark.parametrize("size", FRAMES)
def test_points_go_to_stored_pixels_and_back(size, square):
    (place, part) = SQUARES[square]
    middle = np.array(place) * size[::-1]
    box = fit_crop_box(middle, part * max(size), size, reduction=2.7)
    points = np.random.default_rng(0).uniform(-50, 2000, (16, 2))

    matrix = box.image_to_frame()

    assert matrix[0, 0] == matrix[1, 1]
    back = box.from_frame(points) @ matrix[:, :2].T + matrix[:, 2]
    np.testing.assert_allclose(back, points, atol=2e-3)


def test_whole_frame_loses_a_twentieth_of_a_pixel_at_most():
    for size in [(720, 1280), (1080, 1920), (480, 854), (540, 959)]:
        box = fit_crop_box((400, 300), 5000, size, reduction=2.13)

        lost = (np.array(size[::-1]) - box.end) / box.reduction
        assert (lost < 0.06).all(), (size, box)


def test_frame_is_never_enlarged():
    box = fit_crop_box((30, 30), 20.5, (64, 64), reduction=0.2)

    assert box.reduction == 1
    assert box.width in (21, 22)
