"""Checks reading, crops, heatmaps, PCKh and audit on 50 real people, kept as numbers.

What is expected was computed by `plain.py`; `make.py` says how the people were chosen.
"""

import json
import pathlib

import numpy as np
import pytest

import mpii_pose
from mpii_pose.person import person_square
from mpii_pose.tools import audit_checks as checks
from mpii_pose.transforms import geometry
from tests import releases
from tests.golden import make

FOLDER = pathlib.Path(__file__).parent
ANNOTATIONS = FOLDER / "mpii_annotations.json"
RECORDS = json.loads(ANNOTATIONS.read_text())
TOMPSON = json.loads((FOLDER / "tompson.json").read_text())
EXPECTED = json.loads((FOLDER / "expected.json").read_text())


@pytest.fixture(scope="module")
def people():
    return mpii_pose.read_people(ANNOTATIONS)["validation"]


def stack(people, name):
    return np.stack([getattr(person, name) for person in people])


@pytest.fixture(scope="module")
def truth(people):
    """What PCKh needs to know of the people."""
    return tuple(
        stack(people, name) for name in ("keypoints", "visibility", "head_size")
    )


@pytest.fixture(scope="module")
def published():
    """Tompson's predictions, and head sizes by the head boxes."""
    corners = np.array(TOMPSON["head_boxes"])
    head_size = 0.6 * np.hypot(*(corners[:, 2:] - corners[:, :2]).T)
    return np.array(TOMPSON["predictions"]) - 1, head_size


def test_people_are_read_as_the_file_has_them(people):
    for index, (person, record) in enumerate(zip(people, RECORDS, strict=True)):
        assert (person.image_name, person.index) == (record["img_paths"], index)
        assert person.person_index == record["people_index"] - 1
        assert person.scale == record["scale_provided"]
        assert person.head_size == pytest.approx(25 * person.scale)
        np.testing.assert_array_equal(person.center, np.subtract(record["objpos"], 1))
        for k, (x, y, flag) in enumerate(record["joint_self"]):
            if x == y == 0:
                assert person.visibility[k] == 0
                assert tuple(person.keypoints[k]) == (-1, -1)
            else:
                assert person.visibility[k] == 1 + flag
                np.testing.assert_array_equal(
                    person.keypoints[k], np.float32((x - 1, y - 1))
                )


def test_one_person_is_as_counted_by_hand(people):
    (person,) = (p for p in people if p.image_name == "059359245.jpg")
    wrist = mpii_pose.skeleton.KEYPOINTS.index("left_wrist")

    middle, side = person_square(person.center, np.float32(person.scale))

    # In the file, counted from 1: left wrist (1037, 563), objpos (898, 461), scale
    # 4.588, no feet.
    assert tuple(person.keypoints[wrist]) == (1036, 562)
    assert person.visibility.tolist() == [0, 0, 2, 2, 0, 0] + 10 * [2]
    assert person.head_size == pytest.approx(114.7)
    np.testing.assert_allclose(middle, (897, 460 + 68.82), atol=1e-3)
    assert side == pytest.approx(1147)


def test_people_are_the_same_in_the_official_file(people, tmp_path):
    path = releases.write_matlab(tmp_path, {"train": people})

    # Who is for validation is no matter of the file, but of Tompson's list.
    (found,) = mpii_pose.read_people(path).values()

    releases.assert_same_people(found, people, but=("separated",))


def test_people_are_the_same_in_hrnets_file(people, tmp_path):
    path = tmp_path / "valid.json"
    releases.write_hrnet(tmp_path, {"validation": people}, {"validation": path.name})

    found = mpii_pose.read_people(path)["validation"]

    unknown = ("person_index", "visibility")
    releases.assert_same_people(found, people, but=unknown)
    np.testing.assert_array_equal(
        stack(found, "visibility") > 0, stack(people, "visibility") > 0
    )


@pytest.mark.parametrize("alignment", make.ALIGNMENTS)
def test_crops_begin_and_end_where_hrnets_do(people, alignment):
    matrix = np.asarray(crop_to_image(people, alignment))

    last = make.plain.CROP - 1
    corners = np.broadcast_to(
        np.array(((0, 0), (last, last)), np.float32), (len(people), 2, 2)
    )
    found = np.asarray(geometry.apply_affine(matrix, corners)).reshape(-1, 4)
    np.testing.assert_allclose(found, EXPECTED["crops"][alignment], atol=2e-3)


def crop_to_image(people, alignment, **how):
    square = person_square(
        np.float32(stack(people, "center")), np.float32(stack(people, "scale"))
    )
    return geometry.crop_to_image_matrix(
        *square,
        image_size=(256, 256),
        alignment=geometry.Alignment.named(alignment),
        **how,
    )


@pytest.mark.parametrize("turned", EXPECTED["turned_crops"])
def test_turned_and_mirrored_crops_show_the_same_square(people, turned):
    matrix = crop_to_image(
        [people[turned["person"]]],
        turned["alignment"],
        rotation=np.float32(np.radians(turned["degrees"])),
        flip=turned["flip"],
    )

    np.testing.assert_allclose(
        np.asarray(matrix)[0], turned["crop_to_image"], atol=2e-3
    )


@pytest.mark.parametrize(
    "ceiling",
    EXPECTED["ceilings"],
    ids=lambda c: f"{c['encoding']}-{c['method']}-{c['alignment']}",
)
def test_heatmaps_lose_what_they_must_and_no_more(people, truth, ceiling):
    keypoints, visibility, _ = truth
    matrix = crop_to_image(people, ceiling["alignment"])
    heatmaps, _ = mpii_pose.encode_heatmaps(
        geometry.apply_affine(geometry.invert_affine(matrix), keypoints),
        visibility,
        alignment=ceiling["alignment"],
        encoding=ceiling["encoding"],
    )
    decoded, _ = mpii_pose.decode_heatmaps(
        heatmaps, method=ceiling["method"], alignment=ceiling["alignment"]
    )
    predicted = np.asarray(geometry.apply_affine(matrix, decoded))

    totals = [
        mpii_pose.pckh(predicted, *truth, threshold=threshold).total
        for threshold in (0.5, 0.1, 0.05)
    ]
    # One of 636 keypoints, that float32 puts on the other side of a threshold, or of
    # the middle between two cells.
    assert totals == pytest.approx(ceiling["totals"], abs=0.16)
    area = mpii_pose.pckh_auc(mpii_pose.pckh_curve(predicted, *truth))
    assert area == pytest.approx(ceiling["auc"], abs=0.05)


@pytest.mark.parametrize("threshold", ["0.5", "0.1"])
@pytest.mark.parametrize("dialect", EXPECTED["tompson"]["rows"])
def test_published_predictions_get_their_rows(truth, published, dialect, threshold):
    predicted, head_size = published
    row = dict(EXPECTED["tompson"]["rows"][dialect][threshold])

    scores = mpii_pose.pckh(
        predicted, *truth[:2], head_size, threshold=float(threshold), dialect=dialect
    )

    assert scores.total == pytest.approx(row.pop("total"), abs=2e-3)
    assert scores.groups == pytest.approx(row, abs=2e-3)


def test_published_predictions_get_their_area_under_the_curve(truth, published):
    predicted, head_size = published

    curve = mpii_pose.pckh_curve(predicted, *truth[:2], head_size)

    assert mpii_pose.pckh_auc(curve) == pytest.approx(
        EXPECTED["tompson"]["auc"], abs=2e-3
    )


def test_head_boxes_give_the_head_size_that_scales_do(truth, published):
    # Corners are whole pixels, and scales are rounded to 3 digits.
    np.testing.assert_allclose(published[1], truth[2], rtol=1e-3)


def test_audit_reports_what_is_odd(people):
    sizes = {r["img_paths"]: (r["img_height"], r["img_width"]) for r in RECORDS}
    poses = checks.stack_poses(people, sizes)

    found = {
        check.name: int((check.measure(poses) > 0).sum()) for check in checks.CHECKS
    }

    assert found == EXPECTED["audit"]


def test_the_people_are_of_many_kinds(people):
    visibility = stack(people, "visibility")

    assert len(people) == make.NUM_PEOPLE
    for state in (0, 1, 2):
        assert (visibility == state).any(axis=1).sum() >= 8
    assert min(EXPECTED["audit"].values()) > 0


@pytest.mark.slow
def test_the_files_are_what_the_real_annotations_give(real_mpii):
    for name, text in make.make(real_mpii).items():
        assert (FOLDER / name).read_text() == text, f"{name}: run make.py"
