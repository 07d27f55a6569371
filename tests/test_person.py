"""What a file says of a person is checked once, whatever file it is."""

import numpy as np
import pytest

from mpii_pose.person import AnnotationError, person_from_source


def person(**fields):
    source = {"image_name": "1.jpg", "center": (9, 9), "scale": 2.0}
    return person_from_source("file: person 1", **source | fields)


def test_head_size_is_that_of_the_box_else_of_the_scale():
    assert person(head_box=(11, 21, 41, 61)).head_size == pytest.approx(0.6 * 50)
    assert person().head_size == 25 * 2.0


@pytest.mark.parametrize(
    "box",
    [(5, 5, 5, 5), (-3e38, -3e38, 3e38, 3e38)],
    ids=["empty", "endless"],
)
def test_head_box_without_a_size_is_refused(box):
    with pytest.raises(AnnotationError, match=r"file: person 1, image 1.jpg: head box"):
        person(head_box=box)


def test_thin_head_box_has_a_size():
    assert person(head_box=(5, 5, 5, 15)).head_size == pytest.approx(6)
    np.testing.assert_array_equal(
        person(head_box=(5, 5, 5, 15)).head_box, (4, 4, 4, 14)
    )
