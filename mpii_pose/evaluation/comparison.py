"""Intervals of PCKh, and two predictions compared: whether a difference may be chance.

Keypoints of a person are not independent, nor are people of an image. So whole images
are resampled with all their people, and each sample is scored: a bootstrap over
clusters (Davison and Hinkley, "Bootstrap Methods and their Application", 1997, section
3.8). The interval covers the scores of 95 % of the samples. On published predictions it
is 1.8 times as wide as the binomial formula has it: 82.34 plus or minus 0.68 for
Tompson's at 0.5, not 0.38.

It covers scores on other images of the same kind, not those of another training.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mpii_pose.evaluation import pckh
from mpii_pose.skeleton import NUM_KEYPOINTS

NUM_SAMPLES = 2000
_TAILS = (2.5, 97.5)  # percentiles


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class PCKhComparison:
    """Two predictions of the same people; prints as a sentence.

    Attributes:
        difference: Total of `a` minus total of `b`, in points.
        interval: 95 % interval (low, high) of the difference. Where 0 lies within, the
            difference may be chance.
        a: Scores of the first, with intervals of their own.
        b: Scores of the second.
    """

    difference: float
    interval: tuple[float, float]
    a: pckh.PCKhScores
    b: pckh.PCKhScores

    def __str__(self) -> str:
        if np.isnan(self.difference):
            return f"{self.a.title}: no labelled keypoint, so nothing is compared."
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
    """Returns the difference of two predictions, scored on the same samples of images.

    Args:
        a: float [N, 16, 2], (x, y) in pixels of the full image; NaN is a miss.
        b: float [N, 16, 2], another prediction of the same people.
        truth: See `pckh`.
        visibility: See `pckh`.
        head_size: See `pckh`.
        images: [N], the image of each person: its name, or any number.
        seed: Of the 2,000 samples; the same seed gives the same intervals.
        **options: `threshold`, `dialect` and `where` of `pckh`.

    Raises:
        ValueError: As `pckh`; or if `images` is not one per person, or fewer than two.
    """
    labels = truth, visibility, head_size
    resampled = _resampled([a, b], labels, images, seed, options)
    (scores_a, rows_a), (scores_b, rows_b) = resampled
    return PCKhComparison(
        difference=scores_a.total - scores_b.total,
        interval=_interval(rows_a["total"] - rows_b["total"]),
        a=scores_a,
        b=scores_b,
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
) -> pckh.PCKhScores:
    """Returns `pckh` with `intervals`, which `pckh_table` shows.

    The arrays are as in `pckh`, `images`, `seed` and `options` as in `compare_pckh`.
    """
    labels = truth, visibility, head_size
    ((scores, _),) = _resampled([predicted], labels, images, seed, options)
    return scores


def _resampled(
    predictions: Sequence[npt.ArrayLike],
    labels: Sequence[npt.ArrayLike],
    images: npt.ArrayLike,
    seed: int,
    options: Mapping[str, Any],
) -> Iterator[tuple[pckh.PCKhScores, dict[str, np.ndarray]]]:
    """Yields each prediction's scores with intervals, and its rows in each sample."""
    scores = [pckh.pckh(predicted, *labels, **options) for predicted in predictions]
    threshold, dialect = scores[0].threshold, scores[0].dialect
    counts = []
    for predicted in predictions:
        error, labelled = pckh.distances(predicted, *labels, where=options.get("where"))
        counts.append(pckh.DIALECTS[dialect].found(error, threshold) & labelled)
    image, num_images = pckh.image_numbers(images)
    pckh.check_shape("images", image, labelled.shape[:1])
    if num_images < 2:
        raise ValueError(f"intervals need two or more images, got {num_images}")
    per_image = np.zeros((num_images, len(counts) + 1, NUM_KEYPOINTS))
    np.add.at(per_image, image, np.stack([*counts, labelled], axis=1))
    # How often each image is taken, with replacement.
    times_taken = np.random.default_rng(seed).multinomial(
        num_images, np.full(num_images, 1 / num_images), size=NUM_SAMPLES
    )
    samples = np.tensordot(times_taken.astype(np.float64), per_image, axes=1)
    *correct, counted = np.moveaxis(samples, 1, 0)
    for each, found in zip(scores, correct, strict=True):
        _, rows = pckh.rates_from_counts(found, counted, dialect=dialect)
        intervals = {name: _interval(values) for name, values in rows.items()}
        yield dataclasses.replace(each, intervals=intervals), rows


def _interval(values: np.ndarray) -> tuple[float, float]:
    """Returns the ends of the middle 95 % of the values that are not NaN."""
    known = values[~np.isnan(values)]
    if not known.size:
        return float("nan"), float("nan")
    low, high = np.percentile(known, _TAILS)
    return float(low), float(high)
