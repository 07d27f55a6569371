"""Scores predictions, compares two files of them, and shows the worst on a page.

Printed are PCKh in each dialect with 95 % intervals, PCKh by slice, the kinds of errors
and a constant offset.

Examples:
  python -m mpii_pose evaluate pred.mat ~/mpii
  python -m mpii_pose evaluate pred.mat mpii_annotations.json --html pred.html
  python -m mpii_pose evaluate new.npy ~/mpii --compare old.mat --html new.html
  python -m mpii_pose evaluate results.json ~/mpii --skeleton coco17

PREDICTIONS is pred.mat (HRNet, MMPose 0.x, pytorch-pose), preds.h5 (Hourglass), .npy or
.npz [N, 16, 2], all in index order, or COCO results (.json, with image_id). .mat and
.h5 count pixels from 1, the others from 0, unless --base is given.
PATH is a folder with a copy of MPII, a file of annotations or a dataset's folder.
Images are needed only for the pictures on the page.
"""

import argparse
import itertools
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from etils import epath

from mpii_pose.drawing import poses
from mpii_pose.drawing.poses import Color, Stroke, draw_strokes
from mpii_pose.evaluation import alignment, comparison, errors, pckh
from mpii_pose.files import user_path
from mpii_pose.formats import predictions
from mpii_pose.person import PersonAnnotation, person_square
from mpii_pose.release import find
from mpii_pose.release.release import Release
from mpii_pose.release.split import TEST, VALIDATION, VALIDATION_OTHERS
from mpii_pose.skeleton import KEYPOINTS, MPII, SKELETONS, Skeleton
from mpii_pose.tools import pages
from mpii_pose.tools.people import read_people_of
from mpii_pose.transforms.convert import shared_keypoints

THRESHOLDS = (0.5, 0.1)
MAX_EXAMPLES = 24
# Larger errors of a keypoint, in head sizes, count as this much in a person's mean: a
# keypoint far away counts as much as one that is at another person.
_MOST_ERROR = 2.0
_WITHHELD = "its labels are withheld: MPII scores test predictions itself"
_ERROR: Color = (235, 30, 45)
_LEGEND = poses.SIDES | {"error": _ERROR}
_LINE_WIDTH, _ERROR_WIDTH = 2.5, 1.5
_CURVES = ("#0b57b0", "#c2410c")  # Colors of the first and the second file.


def add_parser(commands: Any) -> None:
    """Adds the command."""
    text = "score predictions, and compare two"
    parser = commands.add_parser("evaluate", help=text, description=__doc__)
    parser.add_path("predictions", "PREDICTIONS", "the file to score")
    text = "a copy of MPII (default: this folder, else TFDS's manual downloads)"
    parser.add_path("path", "PATH", text, nargs="?")
    parser.add_path("--compare", "OTHER", "predictions to compare with")
    text = "whose predictions (default: %(default)s)"
    parser.add_argument("--split", default=VALIDATION, help=text)
    text = "from which pixel the files count"
    parser.add_argument("--base", type=int, choices=(0, 1), help=text)
    text = "of the files; of another than MPII's, the shared keypoints are scored"
    parser.add_argument("--skeleton", choices=[*SKELETONS], default="mpii", help=text)
    parser.add_path("--images", "DIR", "the folder with the images")
    parser.add_path("--html", "FILE", "write a page with pictures")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prints the scores and writes the page."""
    report = evaluate(
        args.predictions,
        read_truth(args.path or default_path(), args.split, image_folder=args.images),
        compare=args.compare,
        base=args.base,
        skeleton=SKELETONS[args.skeleton],
    )
    print(*report_lines(report), sep="\n")
    if args.html:
        pages.write(args.html, render_page(report))
        print(f"\nWrote {args.html}")
    return 0


class Truth(NamedTuple):
    """The N people of a split, whose labels predictions are scored against."""

    release: Release
    split: str
    people: Sequence[PersonAnnotation]  # In index order.
    keypoints: np.ndarray  # float32 [N, 16, 2]
    visibility: np.ndarray  # int8 [N, 16]
    head_size: np.ndarray  # float64 [N]
    images: np.ndarray  # [N], names
    others: np.ndarray  # float64 [N, M, 16, 2], of the same images; NaN: none

    @property
    def labels(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Truth, visibility and head size, as every score takes them."""
        return self.keypoints, self.visibility, self.head_size


class Evaluation(NamedTuple):
    """The scores of one file with predictions of N people."""

    path: epath.Path
    base: int  # From which pixel it was taken to count.
    points: np.ndarray  # float64 [N, 16, 2], 0-based
    notes: Sequence[str]  # Of reading the file.
    problems: Sequence[str]  # What `check_predictions` found.
    scores: Mapping[str, pckh.PCKhScores]  # By name of the row, some with intervals.
    curve: Sequence[pckh.PCKhScores]  # Official PCKh from 0 to 0.5.
    auc: float  # The area under `curve`, in percent.
    slices: Mapping[str, pckh.PCKhScores]  # Official PCKh@0.5 by name of the slice.
    errors: errors.KeypointErrors
    alignment: alignment.AlignmentAudit
    mean_error: np.ndarray  # float64 [N], in head sizes; NaN without labels


class Report(NamedTuple):
    """One evaluation, or two that are compared, against the same people."""

    truth: Truth
    evaluations: Sequence[Evaluation]
    comparisons: Sequence[comparison.PCKhComparison]  # Of two, at each of `THRESHOLDS`.
    coverage: str  # Which keypoints are scored, where they are not all.


def default_path() -> epath.Path:
    """Returns this folder, or TFDS's manual downloads where no release is in it."""
    data_dir = os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")
    here, downloads = user_path("."), user_path(data_dir) / "downloads" / "manual"
    return downloads if not find.find(here).sources and downloads.is_dir() else here


def read_truth(
    path: epath.PathLike,
    split: str = VALIDATION,
    *,
    image_folder: epath.PathLike | None = None,
) -> Truth:
    """Reads the people of a split from a release, an annotation file or a dataset.

    Raises PredictionError if none of them is labelled.
    """
    release = read_people_of(path, image_folder=image_folder)
    people = release.people.get(split, [])
    if not any(person.visibility.any() for person in people):
        labelled = [name for name in release.people if name != TEST]
        withheld = f", as {_WITHHELD}" if split == TEST else ""
        raise predictions.PredictionError(
            f"{path}: no labelled people of {split!r}{withheld}; predictions can be "
            f"scored on {', '.join(labelled) or 'none of the splits there'}"
        )
    # In validation images there are people of two splits.
    other = {VALIDATION: VALIDATION_OTHERS, VALIDATION_OTHERS: VALIDATION}.get(split)
    near = release.people.get(other or "", [])
    keypoints, visibility, images = (
        np.array([getattr(person, name) for person in [*people, *near]])
        for name in ("keypoints", "visibility", "image_name")
    )
    count = len(people)
    return Truth(
        release=release,
        split=split,
        people=people,
        keypoints=keypoints[:count],
        visibility=visibility[:count],
        head_size=np.array([person.head_size for person in people], np.float64),
        images=images[:count],
        others=errors.image_neighbours(images, keypoints, visibility)[:count],
    )


def evaluate(
    path: epath.PathLike,
    truth: Truth,
    *,
    compare: epath.PathLike | None = None,
    base: int | None = None,
    skeleton: Skeleton = MPII,
) -> Report:
    """Scores a file of predictions, and another one to compare it with.

    `base`, `skeleton` and errors are those of `read_prediction_file`. If the skeleton
    is not MPII's, the keypoints that both have are scored.
    """
    where, coverage = None, ""
    if skeleton != MPII:
        shared = np.isin(KEYPOINTS, shared_keypoints(skeleton, MPII))
        where = np.tile(shared, (len(truth.people), 1))
        coverage = (
            f"Scored on the {shared[list(MPII.counted)].sum()} of {len(MPII.counted)} "
            f"keypoints that {skeleton.name} shares with MPII. No total here is "
            "PCKh's total."
        )
    paths = [user_path(each) for each in (path, compare) if each is not None]
    evaluations = [_evaluate(each, truth, base, skeleton, where) for each in paths]
    arrays = (*(each.points for each in evaluations), *truth.labels)
    options: dict[str, Any] = {"images": truth.images, "where": where}
    comparisons = [
        comparison.compare_pckh(*arrays, threshold=threshold, **options)
        for threshold in (THRESHOLDS if len(paths) > 1 else ())
    ]
    return Report(truth, evaluations, comparisons, coverage)


def _evaluate(
    path: epath.Path,
    truth: Truth,
    base: int | None,
    skeleton: Skeleton,
    where: np.ndarray | None,
) -> Evaluation:
    """Scores one file, on the keypoints `where`, bool [N, 16]; None for all."""
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always", UserWarning)
        points = predictions.read_prediction_file(
            path, truth.people, base=base, skeleton=skeleton
        )
    if len(points) != len(truth.people):
        groups = truth.release.people.items()
        fitting = [name for name, group in groups if len(group) == len(points)]
        advice = "send one for each, in index order"
        if with_labels := [name for name in fitting if name != TEST]:
            advice = f"{with_labels[0]} has as many: say --split {with_labels[0]}"
        elif fitting:
            advice = f"test has as many, and {_WITHHELD} (export submission)"
        raise predictions.PredictionError(
            f"{path}: predictions for {len(points):,} people, and {truth.split} has "
            f"{len(truth.people):,}; {advice}"
        )
    arrays = (points, *truth.labels)
    error, labelled = pckh.distances(*arrays, where=where)
    if np.isnan(error[labelled]).all():
        raise predictions.PredictionError(f"{path}: no labelled keypoint is predicted")
    scores = {}
    for threshold in THRESHOLDS:
        for dialect in pckh.DIALECTS:
            options: dict[str, Any] = {"threshold": threshold, "dialect": dialect}
            score: Any = pckh.pckh
            if dialect == "official" and len({*truth.images}) > 1:
                score = comparison.pckh_intervals
                options["images"] = truth.images
            scored = score(*arrays, where=where, **options)
            scores[scored.title] = scored
    curve = pckh.pckh_curve(*arrays, where=where)
    away = np.nan_to_num(np.minimum(error, _MOST_ERROR), nan=_MOST_ERROR)
    one_where = None if where is None else where[0]
    return Evaluation(
        path=path,
        base=predictions.BASES[path.suffix.lower()] if base is None else base,
        points=points,
        notes=[str(n.message) for n in notes if n.category is UserWarning],
        problems=predictions.check_predictions(points, truth.people, where=one_where),
        scores=scores,
        curve=curve,
        auc=pckh.pckh_auc(curve),
        slices=pckh.pckh_slices(*arrays, where=where),
        errors=errors.keypoint_errors(*arrays, others=truth.others, where=where),
        alignment=alignment.alignment_audit(*arrays, where=where),
        mean_error=np.ma.masked_array(away, ~labelled).mean(axis=1).filled(np.nan),
    )


def report_lines(report: Report) -> Iterator[str]:
    """Yields the lines of a text with everything in a report."""
    truth = report.truth
    yield (
        f"{len(truth.people):,} people of {truth.split} in {len({*truth.images}):,} "
        f"images, from the {truth.release.source}"
    )
    if report.coverage:
        yield report.coverage
    for each in report.evaluations:
        yield f"\n{each.path}, read as counting pixels from {each.base} (--base)"
        yield from (f"NOTE  {note}" for note in each.notes)
        yield from (f"PROBLEM  {problem}" for problem in each.problems)
        yield f"\n{pckh.pckh_table(each.scores)}"
        yield f"AUC from 0 to 0.5 (official): {each.auc:.2f}"
        yield f"\n{pckh.pckh_table(each.slices)}"
        yield f"\n{each.errors}"
        yield f"\n{each.alignment}"
    if report.comparisons:
        first, second = (each.path for each in report.evaluations)
        yield f"\n{first} against {second}"
        yield from map(str, report.comparisons)


def render_page(report: Report, *, max_examples: int = MAX_EXAMPLES) -> str:
    """Returns the report as an HTML page.

    It shows the people with an image of whom the first file is furthest off, at most
    `max_examples`. A picture takes about 15 kB.
    """
    first = report.evaluations[0]
    return pages.render(
        "evaluate.html.jinja",
        report=report,
        groups=list(MPII.groups),
        charts={
            group: list(_curves(report, group)) for group in ("total", *MPII.groups)
        },
        colors=_CURVES,
        legend=_LEGEND,
        examples=list(_worst(first, report.truth, max_examples)),
    )


def _curves(report: Report, group: str) -> Iterator[tuple[str, str, float]]:
    """Yields name, points (x: 0 to 100, y: 100 to 0) and last score of each curve."""
    for each in report.evaluations:
        rates = [scores.rows[group] for scores in each.curve]
        points = zip(np.linspace(0, 100, len(rates)), rates, strict=True)
        known = [f"{x:.1f},{100 - y:.1f}" for x, y in points if not np.isnan(y)]
        yield each.path.name, " ".join(known), rates[-1]


def _worst(
    evaluation: Evaluation, truth: Truth, max_examples: int
) -> Iterator[tuple[str, str, int]]:
    """Yields picture, names of the wrong keypoints and index of a person."""
    mean_error = np.nan_to_num(evaluation.mean_error)
    pictures = (
        _picture(evaluation, truth, int(index))
        for index in np.argsort(-mean_error, kind="stable")
        if mean_error[index]
    )
    yield from itertools.islice(filter(None, pictures), max_examples)


def _picture(
    evaluation: Evaluation, truth: Truth, index: int
) -> tuple[str, str, int] | None:
    """Returns an example of the page; None of a person without an image.

    A line leads to each wrong keypoint. Keypoints without a label are left out.
    """
    person = truth.people[index]
    image = pages.load_image(truth.release.image_folder, person.image_name)
    if image is None:
        return None
    kinds = evaluation.errors.kinds[index]
    labelled = kinds != errors.ErrorKind.UNLABELLED
    predicted = np.where(labelled[:, np.newaxis], evaluation.points[index], np.nan)
    middle, side = person_square(person.center, np.float64(person.scale))
    near = np.clip(predicted, middle - side / 2, middle + side / 2)
    shown = [person.keypoints[labelled], near[np.isfinite(near).all(axis=1)]]
    picture, place = pages.close_up(np.concatenate(shown), person.head_size, image)
    wrong = np.flatnonzero(kinds > errors.ErrorKind.GOOD)
    picture = poses.draw_pose(picture, place(predicted), line_width=_LINE_WIDTH)
    labels = place(person.keypoints)
    ends = np.where(np.isfinite(predicted), place(predicted), labels)
    strokes = [Stroke(labels[k], ends[k], _ERROR_WIDTH, _ERROR) for k in wrong]
    strokes += [Stroke(labels[k], labels[k], 3 * _ERROR_WIDTH, _ERROR) for k in wrong]
    names = ", ".join(KEYPOINTS[k] for k in wrong).replace("_", " ")
    return pages.data_uri(draw_strokes(picture, strokes)), names, index
