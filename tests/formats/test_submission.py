"""The submission is a copy of the test images' structs, with points."""

import numpy as np
import pytest
import scipy.io

import mpii_pose
from mpii_pose.formats import submission


@pytest.fixture(scope="module")
def matlab_file(drawn_release):
    return drawn_release / "mpii_human_pose_v1_u12_2" / "mpii_human_pose_v1_u12_1.mat"


@pytest.fixture(scope="module")
def people(matlab_file):
    return mpii_pose.read_people(matlab_file)["test"]


@pytest.fixture
def predicted(people):
    """Points around the centers, each of its own."""
    centers = np.array([p.center for p in people], np.float64)
    noise = np.random.default_rng(0).normal(size=(len(people), 16, 2))
    return centers[:, None] + 5 * noise


def test_every_pose_stands_where_the_toolkit_looks_for_it(
    matlab_file, people, predicted, tmp_path
):
    path = tmp_path / "pred_keypoints_mpii.mat"

    submission.write_submission(path, predicted, matlab_file=matlab_file)

    # Read as MATLAB shows it, by the rules of MPII's README and nothing of ours.
    options = {"squeeze_me": True, "struct_as_record": False}
    release = scipy.io.loadmat(matlab_file, **options)["RELEASE"]
    expected = release.annolist[release.img_train == 0]
    pred = scipy.io.loadmat(path, **options)["pred"]
    assert [e.image.name for e in pred] == [e.image.name for e in expected]
    rows = {(p.image_name, p.person_index): p.index for p in people}
    found = 0
    for image, original in zip(pred, expected, strict=True):
        rects, originals = (
            np.atleast_1d(image.annorect),
            np.atleast_1d(original.annorect),
        )
        assert len(rects) == len(originals)
        for j, (rect, before) in enumerate(zip(rects, originals, strict=True)):
            for name in getattr(before, "_fieldnames", ()):
                if name in ("scale", "x1"):
                    assert np.all(getattr(rect, name) == getattr(before, name))
            index = rows.get((image.image.name, j))
            if index is None:
                continue
            points = rect.annopoints.point
            np.testing.assert_allclose(
                [p.x for p in points], predicted[index, :, 0] + 1
            )
            np.testing.assert_allclose(
                [p.y for p in points], predicted[index, :, 1] + 1
            )
            assert [p.id for p in points] == list(range(16))
            found += 1
    assert found == len(people)


def test_submission_reads_back_and_has_no_problems(matlab_file, predicted, tmp_path):
    path = tmp_path / "pred.mat"
    submission.write_submission(path, predicted, matlab_file=matlab_file)

    found = submission.read_submission(path, matlab_file=matlab_file)

    np.testing.assert_allclose(found, predicted, atol=1e-9)
    assert submission.check_submission(path, matlab_file=matlab_file) == []


def test_only_separated_people_need_predictions(
    matlab_file, people, predicted, tmp_path
):
    separated = np.array([p.separated == 1 for p in people])
    assert 0 < separated.sum() < len(people)
    predicted[~separated] = np.nan
    path = tmp_path / "pred.mat"

    submission.write_submission(path, predicted, matlab_file=matlab_file)

    found = submission.read_submission(path, matlab_file=matlab_file)
    assert np.isnan(found[~separated]).all()
    assert submission.check_submission(path, matlab_file=matlab_file) == []


def test_missing_pose_of_a_separated_person_is_a_problem(
    matlab_file, people, predicted, tmp_path
):
    predicted[next(p.index for p in people if p.separated == 1)] = np.nan
    path = tmp_path / "pred.mat"
    submission.write_submission(path, predicted, matlab_file=matlab_file)

    problems = submission.check_submission(path, matlab_file=matlab_file)

    assert any("16 keypoints of 1 people are not finite" in p for p in problems)


def test_wrong_number_of_predictions_is_refused(matlab_file, predicted, tmp_path):
    with pytest.raises(ValueError, match=f"the {len(predicted)} people of test"):
        submission.write_submission(
            tmp_path / "pred.mat", predicted[1:], matlab_file=matlab_file
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda pred: pred[:, 1:], "is it annolist"),
        (lambda pred: pred[:, ::-1], "must stay in the order of annolist"),
        (lambda pred: np.zeros(3), "expected a struct array named pred"),
    ],
)
def test_a_file_that_is_not_the_test_images_is_refused(
    matlab_file, predicted, tmp_path, change, message
):
    path = tmp_path / "pred.mat"
    submission.write_submission(path, predicted, matlab_file=matlab_file)
    pred = scipy.io.loadmat(path)["pred"]
    scipy.io.savemat(path, {"pred": change(pred)})

    with pytest.raises(mpii_pose.AnnotationError, match=message):
        submission.check_submission(path, matlab_file=matlab_file)


def test_annotations_that_are_not_the_release_are_refused(predicted, tmp_path):
    scipy.io.savemat(tmp_path / "other.mat", {"RELEASE": np.zeros(3)})

    with pytest.raises(mpii_pose.AnnotationError, match="annolist and img_train"):
        submission.write_submission(
            tmp_path / "pred.mat", predicted, matlab_file=tmp_path / "other.mat"
        )
