"""The submission of groups has an element for each, with the people found there."""

import re

import numpy as np
import pytest
import scipy.io

import mpii_pose
from mpii_pose.formats import submission_multi
from mpii_pose.formats.predictions import PredictionError


def cell(items):
    array = np.empty((1, len(items)), object)
    for i, item in enumerate(items):
        array[0, i] = item
    return array


@pytest.fixture(scope="module")
def groups_file(matlab_file, people, tmp_path_factory):
    """All people of a test image as one group, and each of them as another."""
    release = scipy.io.loadmat(matlab_file)["RELEASE"]
    listed = []
    for image in release["annolist"][0, 0].ravel():
        name = image["image"]["name"][0, 0][0]
        here = [p.person_index + 1.0 for p in people if p.image_name == name]
        groups = [np.array([here])] + [np.array([[one]]) for one in here]
        listed.append(cell(groups if here else []))
    path = tmp_path_factory.mktemp("groups") / "groups_v12.mat"
    scipy.io.savemat(path, {"groups": cell(listed)})
    return path


@pytest.fixture(scope="module")
def groups(matlab_file, groups_file):
    return submission_multi.read_groups(matlab_file, groups_file)


@pytest.fixture
def predicted(groups):
    """Two people and a group further one more, in and around its box."""
    draw = np.random.default_rng(0)
    poses, scores = [], []
    for number, group in enumerate(groups):
        count = 2 + number % 2
        middle = (group.box[:2] + group.box[2:]) / 2
        poses.append(middle + 3 * draw.normal(size=(count, 16, 2)))
        scores.append(draw.random((count, 16)))
    return poses, scores


def test_groups_with_a_separated_person_are_not_scored(groups, people):
    by_image = {}
    for person in people:
        by_image.setdefault(person.image_name, []).append(person)
    expected = sum(
        all(p.separated != 1 for p in here) for here in by_image.values()
    ) + sum(person.separated != 1 for person in people)

    assert len(groups) == expected > 3


def test_a_group_says_what_a_method_may_know(groups, people):
    group = groups[0]
    here = [p for p in people if p.image_name == group.image_name]

    centers = np.array([person.center for person in here])
    np.testing.assert_allclose(group.box[:2], centers.min(axis=0))
    np.testing.assert_allclose(group.box[2:], centers.max(axis=0))
    assert group.scale == pytest.approx(np.mean([person.scale for person in here]))


def test_every_pose_is_in_its_group_with_scores(
    matlab_file, groups_file, groups, predicted, tmp_path
):
    poses, scores = predicted
    poses[0][0, 3] = np.nan
    path = tmp_path / "pred_keypoints_mpii_multi.mat"

    problems = submission_multi.write_multi_submission(
        path, poses, scores, matlab_file=matlab_file, groups_file=groups_file
    )

    assert problems == []
    pred = scipy.io.loadmat(path, struct_as_record=False)["pred"]
    assert pred.shape == (1, len(groups))
    for number, element in enumerate(pred[0]):
        assert element.image[0, 0].name[0] == groups[number].image_name
        assert element.annorect.shape == (1, len(poses[number]))
        for j, rect in enumerate(element.annorect[0]):
            points = rect.annopoints[0, 0].point[0]
            ids = [int(point.id[0, 0]) for point in points]
            assert ids == [k for k in range(16) if (number, j, k) != (0, 0, 3)]
            for k, point in zip(ids, points, strict=True):
                at = point.x[0, 0] - 1, point.y[0, 0] - 1
                np.testing.assert_allclose(at, poses[number][j, k])
                assert point.score[0, 0] == scores[number][j, k]


def test_groups_nobody_was_found_in_are_said_and_written_by_force(
    matlab_file, groups_file, groups, predicted, tmp_path
):
    poses, scores = predicted
    poses[1], scores[1] = [], []
    options = {"matlab_file": matlab_file, "groups_file": groups_file}

    with pytest.raises(PredictionError, match=r"1 of .* groups have no predicted"):
        submission_multi.write_multi_submission(
            tmp_path / "a.mat", poses, scores, **options
        )
    assert not (tmp_path / "a.mat").exists()
    problems = submission_multi.write_multi_submission(
        tmp_path / "a.mat", poses, scores, force=True, **options
    )

    assert len(problems) == 1
    pred = scipy.io.loadmat(tmp_path / "a.mat", struct_as_record=False)["pred"]
    assert pred[0, 1].annorect.size == 0


def no_scores(poses, scores):
    scores[0][1, 4] = np.nan


def same_scores(poses, scores):
    scores[:] = [np.ones_like(score) for score in scores]


def other_order(poses, scores):
    poses.reverse()
    scores.reverse()


def exchanged(poses, scores):
    poses[:] = [pose[..., ::-1] for pose in poses]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (no_scores, "1 predicted keypoints have no score"),
        (same_scores, "All scores are 1"),
        (other_order, "do not follow"),
        (exchanged, "do not follow|exchanged"),
    ],
)
def test_usual_mistakes_are_said(change, message, groups, predicted):
    change(*predicted)

    problems = submission_multi.check_multi_predictions(*predicted, groups)

    assert any(re.search(message, problem) for problem in problems)


def test_sound_predictions_have_no_problems(groups, predicted):
    assert submission_multi.check_multi_predictions(*predicted, groups) == []


def test_other_numbers_of_groups_and_other_shapes_are_refused(groups, predicted):
    poses, scores = predicted

    with pytest.raises(PredictionError, match=f"the {len(groups)} groups of test"):
        submission_multi.check_multi_predictions(poses[1:], scores[1:], groups)
    wrong = [scores[0][:, 1:], *scores[1:]]
    with pytest.raises(PredictionError, match=r"group 0: .*\(2, 15\)"):
        submission_multi.check_multi_predictions(poses, wrong, groups)


def test_groups_of_another_release_are_refused(matlab_file, tmp_path):
    scipy.io.savemat(tmp_path / "groups.mat", {"groups": cell([cell([])])})

    with pytest.raises(mpii_pose.AnnotationError, match="expected groups of"):
        submission_multi.read_groups(matlab_file, tmp_path / "groups.mat")


def test_people_that_are_not_there_are_named(matlab_file, tmp_path):
    count = scipy.io.loadmat(matlab_file)["RELEASE"]["annolist"][0, 0].size
    listed = [cell([np.array([[99.0]])])] * count
    scipy.io.savemat(tmp_path / "groups.mat", {"groups": cell(listed)})

    with pytest.raises(mpii_pose.AnnotationError, match="has no person 99"):
        submission_multi.read_groups(matlab_file, tmp_path / "groups.mat")
