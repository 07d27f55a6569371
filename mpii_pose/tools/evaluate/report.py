"""All that can be said of a file of predictions, as data and as text."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from etils import epath

from mpii_pose.evaluation.alignment import AlignmentAudit, alignment_audit
from mpii_pose.evaluation.comparison import PCKhComparison, compare_pckh, pckh_intervals
from mpii_pose.evaluation.errors import KeypointErrors, keypoint_errors
from mpii_pose.evaluation.pckh import (
    DIALECTS,
    PCKhScores,
    distances,
    pckh,
    pckh_auc,
    pckh_curve,
    pckh_slices,
    pckh_table,
)
from mpii_pose.files import user_path
from mpii_pose.formats.predictions import (
    BASES,
    PredictionError,
    check_predictions,
    read_prediction_file,
)
from mpii_pose.skeleton import MPII, Skeleton
from mpii_pose.tools.evaluate.truth import Truth
from mpii_pose.transforms.convert import shared_keypoints

THRESHOLDS = (0.5, 0.1)
# Of a person's mean error each keypoint is at most this much, in head sizes: one that
# is somewhere else altogether counts as much as one that is near another person.
_MOST_ERROR = 2.0


class Evaluation(NamedTuple):
    """One file of predictions of N people."""

    path: epath.Path
    base: int  # From which pixel it was taken to count.
    points: np.ndarray  # float64 [N, 16, 2], 0-based
    problems: Sequence[str]  # What `check_predictions` found.
    scores: Mapping[str, PCKhScores]  # By name of the row, some with intervals.
    curve: Sequence[PCKhScores]  # Official PCKh from 0 to 0.5.
    slices: Mapping[str, PCKhScores]  # Official PCKh@0.5 by name of the slice.
    errors: KeypointErrors
    alignment: AlignmentAudit
    error: np.ndarray  # float64 [N, 16], in head sizes; NaN where not predicted
    mean_error: np.ndarray  # float64 [N], in head sizes; NaN without labels

    @property
    def auc(self) -> float:
        """The area under `curve`, in percent."""
        return pckh_auc(self.curve)


class Report(NamedTuple):
    """One evaluation, or two that are compared, against the same people."""

    truth: Truth
    evaluations: Sequence[Evaluation]
    comparisons: Sequence[PCKhComparison]  # Of two, at each of `THRESHOLDS`.
    coverage: str  # Which keypoints are scored, where they are not all.


def evaluate(
    path: epath.PathLike,
    truth: Truth,
    *,
    compare: epath.PathLike | None = None,
    base: int | None = None,
    skeleton: Skeleton = MPII,
) -> Report:
    """Scores a file of predictions, or two.

    Args:
        path: See `formats.predictions`.
        truth: The people.
        compare: Another file of the same people.
        base: From which pixel the files count; by default as is the custom of each.
        skeleton: Which keypoints the files have. Of another than MPII's, those are
            scored that both have.

    Raises:
        PredictionError: The predictions are not of these people.
        AnnotationError: A file is damaged.
    """
    paths = [path] if compare is None else [path, compare]
    evaluations = [_evaluate(user_path(each), truth, base, skeleton) for each in paths]
    where, comparisons = _shared(skeleton, truth), []
    if compare is not None:
        a, b = (each.points for each in evaluations)
        comparisons = [
            compare_pckh(
                *(a, b, *truth.labels),
                images=truth.images,
                threshold=threshold,
                where=where,
            )
            for threshold in THRESHOLDS
        ]
    coverage = ""
    if where is not None:
        count = where[0][list(MPII.counted)].sum()
        coverage = (
            f"Scored on the {count} of {len(MPII.counted)} keypoints that "
            f"{skeleton.name} shares with MPII. No total here is PCKh's total."
        )
    return Report(
        truth=truth, evaluations=evaluations, comparisons=comparisons, coverage=coverage
    )


def format_report(report: Report) -> str:
    """Returns everything as text."""
    return "\n".join(_lines(report))


def _shared(skeleton: Skeleton, truth: Truth) -> np.ndarray | None:
    """Returns which keypoints MPII has too, bool [N, 16]; None where all."""
    if skeleton == MPII:
        return None
    shared = np.isin(MPII.keypoints, shared_keypoints(skeleton, MPII))
    return np.tile(shared, (len(truth.people), 1))


def _evaluate(
    path: epath.Path, truth: Truth, base: int | None, skeleton: Skeleton
) -> Evaluation:
    points = read_prediction_file(path, truth.people, base=base, skeleton=skeleton)
    where = _shared(skeleton, truth)
    if len(points) != len(truth.people):
        counts = truth.release.people
        fitting = [name for name in counts if len(counts[name]) == len(points)]
        advice = "send one for each, in index order"
        if fitting:
            advice = f"{fitting[0]} has as many: say --split {fitting[0]}"
        raise PredictionError(
            f"{path}: predictions for {len(points):,} people, and {truth.split} has "
            f"{len(truth.people):,}; {advice}"
        )
    error, labelled = distances(points, *truth.labels, where=where)
    if np.isnan(error[labelled]).all():
        raise PredictionError(f"{path}: no labelled keypoint is predicted")
    scores = {}
    for threshold in THRESHOLDS:
        for dialect in DIALECTS:
            options: dict[str, Any] = {
                "threshold": threshold,
                "dialect": dialect,
                "where": where,
            }
            if dialect == "official" and len({*truth.images}) > 1:
                scored = pckh_intervals(
                    *(points, *truth.labels), images=truth.images, **options
                )
            else:
                scored = pckh(points, *truth.labels, **options)
            scores[scored.title] = scored
    away = np.where(np.isnan(error), _MOST_ERROR, np.minimum(error, _MOST_ERROR))
    mean_error = np.ma.masked_array(away, ~labelled).mean(axis=1).filled(np.nan)
    return Evaluation(
        path=path,
        base=BASES[path.suffix.lower()] if base is None else base,
        points=points,
        problems=check_predictions(
            points, truth.people, where=None if where is None else where[0]
        ),
        scores=scores,
        curve=pckh_curve(points, *truth.labels, where=where),
        slices=pckh_slices(points, *truth.labels, where=where),
        errors=keypoint_errors(points, *truth.labels, others=truth.others, where=where),
        alignment=alignment_audit(points, *truth.labels, where=where),
        error=error,
        mean_error=mean_error,
    )


def _lines(report: Report) -> Iterator[str]:
    truth = report.truth
    yield (
        f"{len(truth.people):,} people of {truth.split} in {len({*truth.images}):,} "
        f"images, from the {truth.release.source}"
    )
    if report.coverage:
        yield report.coverage
    for each in report.evaluations:
        yield f"\n{each.path}, read as counting pixels from {each.base} (--base)"
        for problem in each.problems:
            yield f"PROBLEM  {problem}"
        yield f"\n{pckh_table(each.scores)}"
        yield f"AUC from 0 to 0.5 (official): {each.auc:.2f}"
        yield f"\n{pckh_table(each.slices)}"
        yield f"\n{each.errors}"
        yield f"\n{each.alignment}"
    if report.comparisons:
        first, second = (each.path.name for each in report.evaluations)
        yield f"\n{first} against {second}"
        yield from map(str, report.comparisons)
