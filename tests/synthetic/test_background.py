import numpy as np
from PIL import Image

from mpii_pose.synthetic import background
from mpii_pose.synthetic.canvas import BACKGROUND, Canvas

GREY = (128, 128, 128)


def test_backgrounds_differ_and_are_not_plain():
    images = [
        np.asarray(background.draw_background(np.random.default_rng(s), size=(60, 80)))
        for s in range(10)
    ]

    assert len({image.tobytes() for image in images}) == 10
    for image in images:
        assert image.shape == (60, 80, 3)
        assert image.std() > 5


def test_an_occluder_covers_its_point_and_little_else():
    for seed in range(40):
        canvas = Canvas(Image.new("RGB", (400, 300), GREY))
        at = np.array((200.0, 150.0))

        background.draw_occluder(canvas, np.random.default_rng(seed), at=at, length=40)

        labels = {
            (x, y): canvas.label_at((x, y))
            for x in range(0, 400, 4)
            for y in range(0, 300, 4)
        }
        assert set(labels.values()) <= {BACKGROUND, background.OCCLUDER}
        assert 0 < np.mean([*labels.values()]) < 0.1 * background.OCCLUDER
        near = [
            label for (x, y), label in labels.items() if abs(x - 200) + abs(y - 150) < 9
        ]
        assert background.OCCLUDER in near


def test_a_stool_covers_whom_it_stands_before():
    canvas = Canvas(Image.new("RGB", (100, 100), GREY))
    canvas.fill(np.array(((0, 0), (99, 0), (99, 99), (0, 99))), (200, 0, 0), 7)
    seat = np.array((50.0, 40.0))

    background.draw_stool(canvas, np.random.default_rng(0), seat=seat, height=40)

    assert canvas.label_at(seat) == BACKGROUND
    assert canvas.label_at((50, 70)) == 7


def test_grain_is_bounded_and_has_no_mean():
    image = Image.new("RGB", (200, 100), GREY)

    grain = background.add_grain(image, np.random.default_rng(0), strength=6)

    change = np.asarray(grain, np.int16) - 128
    assert (change.min(), change.max()) == (-6, 6)
    # Uniform in -6 ... 6: standard error 3.7 / sqrt(60,000).
    assert abs(change.mean()) < 0.06
