"""A file of predictions gets every score, and its problems are named."""

import io
import json
import re
import shutil
import time
from unittest import mock

import numpy as np
import pytest
import scipy.io

import mpii_pose
from mpii_pose.evaluation.pckh import DIALECTS
from mpii_pose.formats.predictions import PredictionError
from mpii_pose.person import person_square
from mpii_pose.tools import pages
from mpii_pose.tools.evaluate import (
    default_path,
    evaluate,
    read_truth,
    render_page,
    report_lines,
)
from mpii_pose.tools.main import main


@pytest.fixture(scope="module")
def truth(drawn_release):
    return read_truth(drawn_release, split="train")


@pytest.fixture(scope="module")
def points(truth):
    """Predictions with many small errors and some large ones."""
    noise = np.random.default_rng(0).standard_t(2, truth.keypoints.shape)
    return truth.keypoints + 0.1 * truth.head_size[:, None, None] * noise


@pytest.fixture
def pred(points, tmp_path):
    mpii_pose.write_predictions(tmp_path / "pred.mat", points)
    return tmp_path / "pred.mat"


@pytest.fixture(scope="module")
def worse(points, truth):
    return points + 0.3 * truth.head_size[:, None, None]


@pytest.fixture(scope="module")
def report(points, worse, truth, tmp_path_factory):
    """The points as pred.mat, compared with worse ones."""
    folder = tmp_path_factory.mktemp("report")
    mpii_pose.write_predictions(folder / "pred.mat", points)
    np.save(folder / "worse.npy", worse)
    return evaluate(folder / "pred.mat", truth, compare=folder / "worse.npy")


def text_of(report):
    return "\n".join(report_lines(report))


def test_release_is_looked_for_here_and_where_tfds_keeps_it(
    pred, drawn_release, tmp_path, monkeypatch, capsys
):
    (tmp_path / "data" / "downloads").mkdir(parents=True)
    (tmp_path / "data" / "downloads" / "manual").symlink_to(drawn_release)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)

    assert read_truth(default_path()).people

    monkeypatch.chdir(drawn_release)
    monkeypatch.delenv("TFDS_DATA_DIR")

    assert main(["evaluate", str(pred), "--split", "train"]) == 0
    assert main(["evaluate", str(pred)]) == 1
    assert "say --split train" in capsys.readouterr().err


def test_text_has_all_scores_and_comparisons(report, truth, points, worse):
    found, _ = report.evaluations

    for threshold in (0.5, 0.1):
        for dialect in DIALECTS:
            options = {"threshold": threshold, "dialect": dialect}
            scores = mpii_pose.pckh(points, *truth.labels, **options)
            assert found.scores[scores.title].groups == pytest.approx(scores.groups)
            assert found.scores[scores.title].total == pytest.approx(scores.total)
    expected = mpii_pose.pckh_intervals(points, *truth.labels, images=truth.images)
    assert found.scores["PCKh@0.5 (official)"].intervals == expected.intervals
    assert found.auc == mpii_pose.pckh_auc(mpii_pose.pckh_curve(points, *truth.labels))
    text = text_of(report)
    for part in (
        f"{len(truth.people)} people of train in {len({*truth.images})} images",
        "pred.mat, read as counting pixels from 1",
        str(mpii_pose.pckh_table(found.scores)),
        f"AUC from 0 to 0.5 (official): {found.auc:.2f}",
        str(mpii_pose.pckh_table(found.slices)),
        f"\n{found.errors}\n",
        f"\n{found.alignment}",
        "worse.npy, read as counting pixels from 0",
        f"{found.path} against {report.evaluations[1].path}",
        "which is more than chance",
    ):
        assert part in text
    arrays = points, worse, *truth.labels
    for comparison, threshold in zip(report.comparisons, (0.5, 0.1), strict=True):
        options = {"images": truth.images, "threshold": threshold}
        assert str(comparison) == str(mpii_pose.compare_pckh(*arrays, **options))
        assert str(comparison) in text


def some_nan(points):
    points = points.copy()
    points[3, 4] = np.nan
    return points


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda points: points + 1, "count pixels from 1?"),
        (lambda points: points / 2, "about half of the expected coordinates"),
        (some_nan, "1 keypoints of 1 people are not predicted"),
    ],
)
def test_problems_are_printed_beside_the_scores(
    change, sentence, truth, points, tmp_path, capsys, drawn_release, monkeypatch
):
    # Closer to the truth, so that a pixel is seen.
    close = truth.keypoints + (points - truth.keypoints) / 30
    np.save(tmp_path / "a.npy", change(close))
    arguments = [str(tmp_path / "a.npy"), str(drawn_release), "--split", "train"]
    printed = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(printed, "ascii"))

    assert main(["evaluate", *arguments]) == 0

    text = printed.getvalue().decode("ascii")
    assert re.search(f"PROBLEM  .*{re.escape(sentence)}", text)
    of_base_1 = evaluate(tmp_path / "a.npy", truth, base=1).evaluations[0]
    assert (of_base_1.problems == []) == ("pixels from 1" in sentence)
    assert re.search(r"PCKh@0.5 \(official\) .*\d \? \d", text)


def test_exported_annotations_score_100(drawn_release, tmp_path, capsys):
    main(["export", "coco", str(drawn_release), str(tmp_path)])
    content = json.loads((tmp_path / "person_keypoints_train.json").read_text())
    poses = [{**each, "score": 0.9} for each in content["annotations"]]
    copies = [
        # Nearer to the center, and less sure.
        {**pose, "score": 0.01, "keypoints": [*pose["center"], 2] * 16}
        for pose in poses
    ]
    first, second = tmp_path / "poses.json", tmp_path / "copies.json"
    first.write_text(json.dumps(poses))
    second.write_text(json.dumps(copies + poses))
    words = ["evaluate", first, drawn_release, "--split", "train", "--compare", second]

    assert main(list(map(str, words))) == 0

    text = capsys.readouterr().out
    rows = re.findall(r"\| PCKh@.*", text)
    assert len(rows) == 2 * 2 * len(DIALECTS)
    for row in rows:
        assert row.count("100.00") == 8
    note = f"{len(poses)} of {2 * len(poses)} poses were left over"
    assert [note in line for line in text.splitlines() if "NOTE" in line] == [True]


@pytest.mark.parametrize(
    ("split", "count", "message"),
    [
        ("validation", "train", "train has as many: say --split train"),
        ("validation", "test", "test has as many, and its labels are withheld: MPII"),
        ("train", 3, r"a\.npy: predictions for 3 people, and train has .*; send one"),
        ("test", None, "'test', as its labels are withheld: .* scored on train, valid"),
        ("nothing", None, "'nothing'; predictions can be scored on train, validation"),
    ],
)
def test_other_people_are_refused_and_those_of_the_predictions_named(
    split, count, message, drawn_release, drawn_people, tmp_path
):
    count = len(drawn_people[count]) if count in drawn_people else count or 1
    np.save(tmp_path / "a.npy", np.ones((count, 16, 2)))

    with pytest.raises(PredictionError, match=message):
        evaluate(tmp_path / "a.npy", read_truth(drawn_release, split=split))


@pytest.mark.parametrize("split", ["validation", "validation_others"])
def test_all_of_an_image_can_be_swapped_with(split, drawn_release, drawn_people):
    everybody = [*drawn_people["validation"], *drawn_people["validation_others"]]

    truth = read_truth(drawn_release, split=split)

    with_others = 0
    for person, others in zip(drawn_people[split], truth.others, strict=True):
        names = [other.image_name for other in everybody]
        expected = names.count(person.image_name) - 1
        assert (~np.isnan(others).all(axis=(1, 2))).sum() == expected
        with_others += expected > 0
    assert with_others


def test_page_shows_scores_curves_and_the_worst(report):
    page = render_page(report, max_examples=5)

    assert page.count("<img src=") == 5
    assert page.count("<polyline") == 2 * 8
    total = report.evaluations[0].scores["PCKh@0.5 (official)"].total
    assert f' 100.0,{100 - total:.1f}" fill' in page
    assert f">{total:.1f}</span>" in page
    for scores in report.evaluations[0].scores.values():
        assert f"{scores.total:.2f}" in page
    worst = int(np.nanargmax(report.evaluations[0].mean_error))
    assert page.index(f"index {worst}<") < page.index("</figure>\n<figure><img")
    assert "http" not in page
    assert "nan" not in re.sub(r'src="[^"]*"', "", page)


def test_predictions_of_missing_keypoints_are_not_shown(truth, tmp_path):
    missing = truth.visibility[..., np.newaxis] == 0
    assert missing.any()
    points = truth.keypoints + 0.3 * truth.head_size[:, np.newaxis, np.newaxis]
    shown = []
    for place in (0.0, 150.0):
        np.save(tmp_path / "a.npy", np.where(missing, place, points))
        report = evaluate(tmp_path / "a.npy", truth)
        shown.append(render_page(report, max_examples=8))

    assert shown[0] == shown[1]
    np.save(tmp_path / "a.npy", np.where(missing, points, np.nan))
    with pytest.raises(PredictionError, match="no labelled keypoint is predicted"):
        evaluate(tmp_path / "a.npy", truth)


def test_far_predictions_do_not_shrink_the_picture(truth, tmp_path, monkeypatch):
    close_up = mock.Mock(side_effect=pages.close_up)
    monkeypatch.setattr(pages, "close_up", close_up)
    np.save(tmp_path / "a.npy", truth.keypoints + np.array([1e6, 0]))

    render_page(evaluate(tmp_path / "a.npy", truth), max_examples=1)

    person = truth.people[0]
    middle, side = person_square(person.center, np.float64(person.scale))
    points = close_up.call_args.args[0]
    assert points[:, 0].max() == pytest.approx(middle[0] + side / 2)


def test_errors_of_keypoints_count_two_heads_at_most(truth, tmp_path):
    points = truth.keypoints.astype(float)
    points[1, 6] += 1e6
    points[2] += truth.head_size[2]
    np.save(tmp_path / "a.npy", points)

    error = evaluate(tmp_path / "a.npy", truth).evaluations[0].mean_error

    assert error[1] == pytest.approx(2 / (truth.visibility[1] > 0).sum())
    assert error[2] == pytest.approx(np.sqrt(2), rel=1e-3)
    assert error[0] == 0


def test_page_without_images_names_the_option(pred, release, tmp_path, capsys):
    shutil.rmtree(release / "images")
    page = tmp_path / "page.html"
    words = ["evaluate", pred, release, "--split", "train", "--html", page]

    assert main(list(map(str, words))) == 0

    assert "There are no images" in page.read_text()
    assert capsys.readouterr().out.endswith(f"Wrote {page}\n")


@pytest.mark.slow
def test_published_predictions_are_scored_and_in_time(real_mpii, tmp_path, capsys):
    mat = scipy.io.loadmat(real_mpii / "validation_truth.mat")
    preds = mat["pos_pred_src"].transpose(2, 0, 1).astype(float)
    scipy.io.savemat(tmp_path / "pred.mat", {"preds": preds})
    start = time.process_time()

    source = real_mpii / "cpm_annotations.json.gz"
    code = main(["evaluate", str(tmp_path / "pred.mat"), str(source)])

    assert code == 0
    assert time.process_time() - start < 20
    text = capsys.readouterr().out
    assert "2,958 people of validation in 2,729 images" in text
    assert re.search(r"PCKh@0.5 \(official\) .* 82\.32 ± 0\.\d\d \|", text)
    # These predictions were decoded in whole cells of a coarse map.
    assert "crop pixels, which is (+0.11, -0.04) cells" in text
    assert "PROBLEM" not in text


def test_a_coco_model_is_scored_on_the_keypoints_it_shares(truth, points, tmp_path):
    coco = np.nan_to_num(mpii_pose.convert_keypoints(points, "mpii", "coco17"), nan=5.0)
    np.save(tmp_path / "coco.npy", coco)

    path, coco17 = tmp_path / "coco.npy", mpii_pose.skeletons.COCO17
    report = evaluate(path, truth, compare=path, skeleton=coco17)

    (found, _) = report.evaluations
    names = mpii_pose.shared_keypoints("coco17", "mpii")
    shared = np.isin(mpii_pose.skeleton.KEYPOINTS, names)
    where = np.tile(shared, (len(points), 1))
    expected = mpii_pose.pckh(points, *truth.labels, where=where)
    scores = found.scores["PCKh@0.5 (official)"]
    assert scores.total == pytest.approx(expected.total)
    assert found.slices["all"].total == pytest.approx(expected.total)
    assert np.isnan(scores.groups["head"])
    assert found.problems == []
    for slice_scores in found.slices.values():
        assert set(slice_scores.left_out) >= {"upper_neck", "head_top"}
    text = text_of(report)
    assert "Scored on the 12 of 14 keypoints that coco17 shares with MPII" in text
    assert "(12 keypoints, without upper_neck, head_top)" in text
    assert "No total here is PCKh&#39;s total" in render_page(report, max_examples=1)
