"""The evaluation as one HTML page that needs no other file and no network."""

from collections.abc import Iterator

import numpy as np

from mpii_pose.drawing import poses
from mpii_pose.drawing.lines import Color, Stroke, draw_strokes
from mpii_pose.evaluation.errors import ErrorKind
from mpii_pose.person import person_square
from mpii_pose.skeleton import MPII
from mpii_pose.tools import close_ups, pages
from mpii_pose.tools.evaluate.report import Evaluation, Report
from mpii_pose.tools.evaluate.truth import Truth

MAX_EXAMPLES = 24
_FOUND = 0.5  # Errors above this many head sizes are shown.
_ERROR: Color = (235, 30, 45)
_LEGEND = poses.SIDES | {"error": _ERROR}
_LINE_WIDTH, _ERROR_WIDTH = 2.5, 1.5
# Curves of the first and the second file.
_COLORS = ("#0b57b0", "#c2410c")


def render_page(report: Report, *, max_examples: int = MAX_EXAMPLES) -> str:
    """Returns the report as HTML.

    Args:
        report: The scores.
        max_examples: How many people are shown, the worst of the first file and of
            those with an image. A picture takes about 15 kB.
    """
    first = report.evaluations[0]
    return pages.render(
        "evaluate/page.html.jinja",
        report=report,
        groups=list(MPII.groups),
        charts={group: _curves(report, group) for group in ("total", *MPII.groups)},
        colors=_COLORS,
        legend=_LEGEND,
        examples=list(_worst(first, report.truth, max_examples)),
    )


def _curves(report: Report, group: str) -> list[tuple[str, str, float]]:
    """Returns name, points (x: 0 to 100, y: 100 to 0) and last score of each curve."""
    curves = []
    for each in report.evaluations:
        rates = [scores.rows[group] for scores in each.curve]
        last = each.curve[-1].threshold
        points = " ".join(
            f"{100 * scores.threshold / last:.1f},{100 - rate:.1f}"
            for scores, rate in zip(each.curve, rates, strict=True)
            if not np.isnan(rate)
        )
        curves.append((each.path.name, points, rates[-1]))
    return curves


def _worst(
    evaluation: Evaluation, truth: Truth, max_examples: int
) -> Iterator[tuple[str, str, int]]:
    """Yields picture, names of the wrong keypoints and index of a person."""
    folder = truth.release.image_folder
    if folder is None:
        return
    order = np.argsort(-np.nan_to_num(evaluation.mean_error, nan=-1.0), kind="stable")
    shown = 0
    for index in order:
        if shown == max_examples or not evaluation.mean_error[index] > 0:
            return
        name = truth.people[index].image_name
        image = close_ups.load_image(folder, name)
        if image is not None:
            shown += 1
            picture, wrong = _draw(evaluation, truth, index, image)
            names = ", ".join(wrong).replace("_", " ")
            yield close_ups.data_uri(picture), names, int(index)


def _draw(
    evaluation: Evaluation, truth: Truth, index: int, image: poses.Image.Image
) -> tuple[poses.Image.Image, list[str]]:
    """Draws the prediction of labelled keypoints, and a line to each wrong one."""
    person = truth.people[index]
    labelled = evaluation.errors.kinds[index] != ErrorKind.UNLABELLED
    predicted = np.where(labelled[:, np.newaxis], evaluation.points[index], np.nan)
    middle, side = person_square(person.center, np.float64(person.scale))
    near = np.clip(predicted, middle - side / 2, middle + side / 2)
    shown = np.concatenate(
        [person.keypoints[labelled], near[np.isfinite(near).all(axis=1)]]
    )
    picture, place = close_ups.close_up(
        shown, person.head_size, image, (image.height, image.width)
    )
    wrong = np.flatnonzero(labelled & ~(evaluation.error[index] <= _FOUND))
    picture = poses.draw_pose(picture, place(predicted), line_width=_LINE_WIDTH)
    labels = place(person.keypoints)
    ends = np.where(np.isfinite(predicted), place(predicted), labels)
    strokes = [Stroke(labels[k], ends[k], _ERROR_WIDTH, _ERROR) for k in wrong]
    strokes += [Stroke(labels[k], labels[k], 3 * _ERROR_WIDTH, _ERROR) for k in wrong]
    return draw_strokes(picture, strokes), [MPII.keypoints[k] for k in wrong]
