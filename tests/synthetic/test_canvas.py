import numpy as np
import pytest
from PIL import Image

from mpii_pose.synthetic import canvas
from mpii_pose.synthetic.canvas import Canvas

GREY, RED, BLUE = (100, 100, 100), (200, 0, 0), (0, 0, 200)


def square(x1, y1, x2, y2):
    return np.array(((x1, y1), (x2, y1), (x2, y2), (x1, y2)), np.float64)


@pytest.mark.parametrize("oversampling", [1, 2, 3])
def test_label_and_color_agree_on_what_is_on_top(oversampling):
    drawing = Canvas(Image.new("RGB", (12, 9), GREY), oversampling=oversampling)

    drawing.fill(square(1, 1, 7, 6), RED, 1)
    drawing.fill(square(4, 3, 9, 7), BLUE, 2)

    image = drawing.image()
    assert image.size == (12, 9)
    for point, color, label in (
        ((11, 8), GREY, canvas.BACKGROUND),
        ((2, 2), RED, 1),
        ((5, 4), BLUE, 2),
    ):
        assert image.getpixel(point) == color
        assert drawing.label_at(point) == label


def test_a_detail_leaves_the_label():
    drawing = Canvas(Image.new("RGB", (9, 9), GREY))
    drawing.fill(square(0, 0, 8, 8), RED, 7)

    drawing.fill(square(2, 2, 6, 6), BLUE)

    assert drawing.image().getpixel((4, 4)) == BLUE
    assert drawing.label_at((4, 4)) == 7


def test_a_shape_is_centered_on_its_pixel():
    drawing = Canvas(Image.new("RGB", (21, 21), (0, 0, 0)))

    drawing.fill(canvas.ellipse(np.array((10, 10)), np.array((5, 0)), 1), (255,) * 3)

    y, x = np.nonzero(np.asarray(drawing.image())[..., 0] > 127)
    # Half a drawn pixel, a quarter of an image's, is lost to rounding.
    np.testing.assert_allclose((x.mean(), y.mean()), (10, 10), atol=0.26)


def test_a_capsule_surrounds_its_line():
    start, end = np.array((3.0, 4.0)), np.array((15.0, 9.0))

    outline = canvas.capsule(start, end, 2, 1)

    to_start = np.linalg.norm(outline - start, axis=1)
    to_end = np.linalg.norm(outline - end, axis=1)
    np.testing.assert_allclose(np.minimum(to_start - 2, to_end - 1), 0, atol=1e-9)


def test_shades_stay_colors():
    assert canvas.shade((200, 100, 10), 0.5) == (100, 50, 5)
    assert canvas.shade((200, 100, 10), 2) == (255, 200, 20)
