"""Whether a difference of PCKh means anything: intervals, and two predictions compared.

Keypoints of a person are not independent, nor are people of an image. So whole images
are drawn anew, with all their people, and everything is scored again (a bootstrap over
clusters; Davison and Hinkley, "Bootstrap Methods and their Application", 1997, section
3.8). What 95 % of the draws lie in is the interval. On published predictions it is 1.8
times as wide as the binomial formula has it: 82.34 plus or minus 0.68 for Tompson's at
0.5, not 0.38.

An interval tells what other images of the same kind might give. It does not tell what
training a network once more would.
"""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from mpii_pose.checks import check_choice
from mpii_pose.evaluation.images import image_numbers
from mpii_pose.evaluation.inputs import check_shape, check_threshold, distances
from mpii_pose.evaluation.pckh import pckh
from mpii_pose.evaluation.scores import DIALECTS, PCKhScores, scores_from_counts
from mpii_pose.skeleton import MPII, Skeleton

NUM_DRAWS = 2000
_TAILS = (2.5, 97.5)  # percentiles


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class PCKhComparison:
    """Two predictions of the same people; prints as a sentence.

    Attributes:
        difference: Total of `a` minus total of `b`, in points.
        interval: 95 % interval (low, high) of the difference. Where it holds 0, the
            difference may be chance.
        a: Scores of the first, with intervals of their own.
        b: Scores of the second.
    """

    difference: float
    interval: tuple[float, float]
    a: PCKhScores
    b: PCKhScores

    def __str__(self) -> str:
        low, high = self.interval
        verdict = "may be" if low <= 0 <= high else "is more than"
        return (
            f"{self.a.title}: {self.a.total:.2f} against {self.b.total:.2f}, a "
            f"difference of {self.difference:+.2f} points (95 % interval {low:+.2f} to "
            f"{high:+.2f}), which {verdict} chance."
        )


def compare_pckh(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    truth: npt.ArrayLike,
    visibility: npt.ArrayLike,
    head_size: npt.ArrayLike,
    *,
    images: npt.ArrayLike,
    seed: int = 0,
    **options: Any,
) -> PCKhComparison:
    """Compares two predictions of the same people, drawing the same images for both.

    Args:
        a: float [N, 16, 2], (x, y) in pixels of the full image; NaN is a miss.
        b: float [N, 16, 2], another prediction of the same people.
        truth: See `pckh`.
        visibility: See `pckh`.
        head_size: See `pckh`.
        images: [N], the image of each person: its name, or any number.
        seed: Of the 2,000 draws; the same seed gives the same intervals.
        **options: `threshold`, `dialect`, `where` and `skeleton` of `pckh`.

    Returns:
        Both scores and their difference, with intervals.

    Raises:
        ValueError: As `pckh`; or if `images` is not one per person, or fewer than two.
    """
    labels = truth, visibility, head_size
    drawn_a, drawn_b = _drawn_scores(
        [a, b], *labels, images=images, seed=seed, **options
    )
    scores_a, scores_b = (pckh(predicted, *labels, **options) for predicted in (a, b))
    differences = [
        one.total - other.total for one, other in zip(drawn_a, drawn_b, strict=True)
    ]
    return PCKhComparison(
        difference=scores_a.total - scores_b.total,
        interval=_interval(differences),
        a=_with_intervals(scores_a, drawn_a),
        b=_with_intervals(scores_b, drawn_b),
    )


def pckh_intervals(
    predicted: npt.ArrayLike,
    truth: npt.ArrayLike,
    visibility: npt.ArrayLike,
    head_size: npt.ArrayLike,
    *,
    images: npt.ArrayLike,
    seed: int = 0,
    **options: Any,
) -> PCKhScores:
    """Returns `pckh` with `intervals`, which `pckh_table` shows.

    Args:
        predicted: See `pckh`.
        truth: See `pckh`.
        visibility: See `pckh`.
        head_size: See `pckh`.
        images: See `compare_pckh`.
        seed: See `compare_pckh`.
        **options: `threshold`, `dialect`, `where` and `skeleton` of `pckh`.

    Raises:
        ValueError: As `compare_pckh`.
    """
    labels = truth, visibility, head_size
    (drawn,) = _drawn_scores([predicted], *labels, images=images, seed=seed, **options)
    return _with_intervals(pckh(predicted, *labels, **options), drawn)


def _drawn_scores(
    predictions: list[npt.ArrayLike],
    truth: npt.ArrayLike,
    visibility: npt.ArrayLike,
    head_size: npt.ArrayLike,
    *,
    images: npt.ArrayLike,
    seed: int,
    threshold: float = 0.5,
    dialect: str = "official",
    where: npt.ArrayLike | None = None,
    skeleton: Skeleton = MPII,
) -> list[list[PCKhScores]]:
    """Returns the scores of each prediction in every draw of images."""
    check_choice("dialect", dialect, DIALECTS)
    check_threshold(threshold)
    counts = []
    for predicted in predictions:
        error, labelled = distances(
            predicted, truth, visibility, head_size, where=where, skeleton=skeleton
        )
        counts.append(DIALECTS[dialect].found(error, threshold) & labelled)
    drawn = _draw(np.stack([*counts, labelled], axis=1), images, seed)
    return [
        [
            scores_from_counts(
                draw[index],
                draw[-1],
                threshold=threshold,
                dialect=dialect,
                skeleton=skeleton,
            )
            for draw in drawn
        ]
        for index in range(len(predictions))
    ]


def _draw(counts: np.ndarray, images: npt.ArrayLike, seed: int) -> np.ndarray:
    """Sums counts [N, ...] over images drawn with replacement; [draws, ...]."""
    image, num_images = image_numbers(images)
    check_shape("images", image, counts.shape[:1])
    if num_images < 2:
        raise ValueError(f"intervals need two or more images, got {num_images}")
    per_image = np.zeros((num_images, *counts.shape[1:]))
    np.add.at(per_image, image, counts)
    times_drawn = np.random.default_rng(seed).multinomial(
        num_images, np.full(num_images, 1 / num_images), size=NUM_DRAWS
    )
    return np.tensordot(times_drawn.astype(np.float64), per_image, axes=1)


def _with_intervals(scores: PCKhScores, drawn: list[PCKhScores]) -> PCKhScores:
    rows = [draw.rows for draw in drawn]
    intervals = {name: _interval([row[name] for row in rows]) for name in scores.rows}
    return dataclasses.replace(scores, intervals=intervals)


def _interval(values: list[float]) -> tuple[float, float]:
    """Returns what 95 % of the values that are not NaN lie in."""
    known = np.array(values)[~np.isnan(values)]
    if not known.size:
        return float("nan"), float("nan")
    low, high = np.percentile(known, _TAILS)
    return float(low), float(high)
