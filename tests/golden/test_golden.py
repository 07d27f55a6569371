"""Checks reading, crops, heatmaps and PCKh on 50 real people, kept as numbers.

These are facts about published images: names, coordinates and scores, no pixels.

* mpii_annotations.json: 50 people of MPII's validation list, as CPM's copy of the
  annotations has them (pixels counted from 1). They were chosen at random, some of each
  kind: outside the image or the crop, coincident, missing or occluded keypoints, an
  impossible head, a suspected swap, the smallest and the largest.
* tompson.json: Tompson et al.'s predictions for them and the corners of their head
  boxes, from `validation_truth.mat` (pixels counted from 1).
"""

import gzip
import json
import pathlib

import numpy as np
import pytest
import scipy.io

import mpii_pose
from mpii_pose.person import person_square
from mpii_pose.transforms import geometry
from tests.golden import plain

FOLDER = pathlib.Path(__file__).parent
ANNOTATIONS = FOLDER / "mpii_annotations.json"
RECORDS = json.loads(ANNOTATIONS.read_text())
TOMPSON = json.loads((FOLDER / "tompson.json").read_text())
# The people by the plain reading of the file: keypoints, labelled, center and scale.
PLAIN = [plain.parse(record) for record in RECORDS]
KEYPOINTS, LABELLED, CENTERS, SCALES = map(np.array, zip(*PLAIN, strict=True))


@pytest.fixture(scope="module")
def people():
    return mpii_pose.read_people(ANNOTATIONS)["validation"]


def stack(people, name):
    return np.stack([getattr(person, name) for person in people])


@pytest.fixture(scope="module")
def truth(people):
    """Keypoints, visibility and head size, as PCKh takes them."""
    names = ("keypoints", "visibility", "head_size")
    return tuple(stack(people, name) for name in names)


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
                place = np.float32((x - 1, y - 1))
                np.testing.assert_array_equal(person.keypoints[k], place)


def crop_to_image(people, alignment, **how):
    center, scale = (np.float32(stack(people, name)) for name in ("center", "scale"))
    how |= {"image_size": (256, 256), "alignment": geometry.Alignment.named(alignment)}
    return geometry.crop_to_image_matrix(*person_square(center, scale), **how)


@pytest.mark.parametrize(
    ("degrees", "flip"),
    [(0.0, False), (30.0, False), (-45.0, False), (0.0, True), (60.0, True)],
)
@pytest.mark.parametrize("alignment", plain.ALIGNMENTS)
def test_crops_show_the_same_square_as_hrnets(people, alignment, degrees, flip):
    rotation = np.radians(degrees)

    of_each = np.full(50, rotation, np.float32)
    matrices = crop_to_image(people, alignment, rotation=of_each, flip=flip)

    for matrix, (_, _, center, scale) in zip(matrices, PLAIN, strict=True):
        expected = plain.crop_to_image(
            center, scale, alignment=alignment, rotation=rotation, flip=flip
        )
        for corner in ((0, 0), (plain.CROP - 1, plain.CROP - 1)):
            found = plain.apply(np.asarray(matrix), corner)
            np.testing.assert_allclose(found, plain.apply(expected, corner), atol=2e-3)


WAYS = [
    ("unbiased", "dark", "half_pixel"),
    ("unbiased", "dark", "udp"),
    ("unbiased", "dark", "legacy"),
    ("unbiased", "quarter", "half_pixel"),
    ("unbiased", "argmax", "half_pixel"),
    ("msra", "argmax", "half_pixel"),
    ("msra", "quarter", "legacy"),
]


@pytest.mark.parametrize("way", WAYS, ids="-".join)
def test_heatmaps_lose_what_the_plain_formulas_lose(people, truth, way):
    encoding, method, alignment = way
    keypoints, visibility, _ = truth
    matrix = crop_to_image(people, alignment)
    by_formula = np.full((len(PLAIN), 16, 2), np.nan)
    for person, k in zip(*np.nonzero(LABELLED), strict=True):
        by_formula[person, k] = plain.through_heatmap(
            KEYPOINTS[person, k],
            plain.crop_to_image(CENTERS[person], SCALES[person], alignment=alignment),
            alignment=alignment,
            encoding=encoding,
            method=method,
        )
    expected = by_formula, KEYPOINTS, LABELLED, 25 * SCALES

    heatmaps, _ = mpii_pose.encode_heatmaps(
        geometry.apply_affine(geometry.invert_affine(matrix), keypoints),
        visibility,
        alignment=alignment,
        encoding=encoding,
    )
    decoded, _ = mpii_pose.decode_heatmaps(heatmaps, method=method, alignment=alignment)
    predicted = np.asarray(geometry.apply_affine(matrix, decoded))

    for threshold in (0.5, 0.1, 0.05):
        found = mpii_pose.pckh(predicted, *truth, threshold=threshold).total
        # One of 636 keypoints, that float32 puts on the other side of a threshold, or
        # of the middle between two cells.
        total = plain.pckh(*expected, threshold=threshold)["total"]
        assert found == pytest.approx(total, abs=0.16)
    area = mpii_pose.pckh_auc(mpii_pose.pckh_curve(predicted, *truth))
    assert area == pytest.approx(plain.auc(*expected), abs=0.05)


@pytest.mark.parametrize("threshold", [0.5, 0.1])
@pytest.mark.parametrize("dialect", plain.DIALECTS)
def test_published_predictions_get_their_rows(truth, published, dialect, threshold):
    predicted, head_size = published
    options = {"threshold": threshold, "dialect": dialect}

    scores = mpii_pose.pckh(predicted, *truth[:2], head_size, **options)

    expected = plain.pckh(predicted, KEYPOINTS, LABELLED, head_size, **options)
    assert scores.rows == pytest.approx(expected, abs=2e-3)
    if options == {"threshold": 0.5, "dialect": "official"}:
        limbs = {"elbow": 75.694, "wrist": 67.0, "hip": 78.359, "knee": 63.301}
        head = {"head": 95.918, "shoulder": 89.857, "ankle": 54.688, "total": 76.415}
        assert scores.rows == pytest.approx(head | limbs, abs=2e-3)


def test_head_boxes_give_the_head_size_that_scales_do(truth, published):
    # Corners are whole pixels, and scales are rounded to 3 digits.
    np.testing.assert_allclose(published[1], truth[2], rtol=1e-3)


@pytest.mark.slow
def test_people_and_predictions_are_those_of_the_published_files(real_mpii):
    with gzip.open(real_mpii / "cpm_annotations.json.gz") as file:
        real = [r for r in json.load(file) if r["isValidation"] == 1]
    mat = scipy.io.loadmat(real_mpii / "validation_truth.mat")
    places = {(r["annolist_index"], r["people_index"]): i for i, r in enumerate(real)}

    chosen = [places[r["annolist_index"], r["people_index"]] for r in RECORDS]

    for place, record in zip(chosen, RECORDS, strict=True):
        assert record == {name: real[place][name] for name in record}
    predictions, boxes = (
        mat[name].transpose(2, 0, 1)[chosen]
        for name in ("pos_pred_src", "headboxes_src")
    )
    np.testing.assert_array_equal(TOMPSON["predictions"], predictions.round(2))
    np.testing.assert_array_equal(TOMPSON["head_boxes"], boxes.round().reshape(-1, 4))
