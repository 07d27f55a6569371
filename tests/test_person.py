"""The values of a person are checked once, whatever file they are from."""

import numpy as np
import pytest

from mpii_pose.person import AnnotationError, person_from_source


def person(**fields):
    source = {"image_name": "1.jpg", "center": (9, 9), "scale": 2.0}
    return person_from_source("file: person 1", **source | fields)


@pytest.mark.parametrize(
    ("box", "head_size"),
    [((11, 21, 41, 61), 0.6 * 50), ((5, 5, 5, 5), 25 * 2.0), (None, 25 * 2.0)],
    ids=["box", "empty", "none"],
)
def test_head_size_is_that_of_the_box_else_of_the_scale(box, head_size):
    assert person(head_box=box).head_size == pytest.approx(head_size)


def test_head_box_without_end_is_refused():
    with pytest.raises(AnnotationError, match=r"file: person 1, image 1.jpg: head box"):
        person(head_box=(-3e38, -3e38, 3e38, 3e38))


def test_thin_head_box_has_a_size():
    thin = person(head_box=(5, 5, 5, 15))

    assert thin.head_size == pytest.approx(6)
    np.testing.assert_array_equal(thin.head_box, (4, 4, 4, 14))
