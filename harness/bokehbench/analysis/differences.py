"""Differences in MOS between methods, by a bootstrap over raters and images, paired by vote."""

import math
from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING

from bokehbench.analysis.intervals import Interval
from bokehbench.analysis.opinion import VoteTable
from bokehbench.analysis.ranking import RESAMPLES, Comparison, widening

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


def opinion_differences(
    names: Sequence[str], votes: VoteTable, *, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[Comparison, ...]:
    """The difference in MOS of each pair of methods, in the order given, with intervals.

    A difference is the mean of what each rater gave more to the first for the same image.
    Raters and images are resampled, the same for both methods; with the images as they are,
    raters alone. Both resamplings hold the votes' own noise, so its second half is taken out
    again, by the residuals of a two-way layout. Deviations are widened as in
    `ranking.score_ratios`. Raters count by their weights.
    """
    import numpy as np

    cube = _cube(names, votes)
    made = []
    for a, b in combinations(range(len(names)), 2):
        gap = cube[a] - cube[b]
        present = ~np.isnan(gap)
        weights = present * votes.weights[:, None]
        reason = None
        if min(present.any(axis=1).sum(), present.any(axis=0).sum()) < 2:
            reason = "fewer than two raters or images in common"
        both = fixed = None
        total = float(weights.sum())
        value = float((weights * np.where(present, gap, 0.0)).sum()) / total if total else 0.0
        if reason is None:
            random = np.random.default_rng(seed)
            centred = weights * np.where(present, gap - value, 0.0)
            both, fixed = _two_way(random, value, centred, weights, resamples)
        made.append(
            Comparison(
                first=names[a],
                second=names[b],
                value=value,
                neutral=0.0,
                ci95=both,
                fixed_ci95=fixed,
                reason=reason,
            )
        )
    return tuple(made)


def _cube(names: Sequence[str], votes: VoteTable) -> "Array":
    """methods x raters x images, freed of the raters' biases."""
    import numpy as np

    images = sorted({image for _, image in votes.pictures})
    cube = np.full((len(names), len(votes.raters), len(images)), np.nan)
    for column, (method, image) in enumerate(votes.pictures):
        if method in names:
            scores = votes.scores[:, column] - votes.biases
            cube[names.index(method), :, images.index(image)] = scores
    return cube


def _two_way(
    random: "np.random.Generator",
    value: float,
    centred: "Array",
    weights: "Array",
    resamples: int,
) -> tuple[Interval, Interval]:
    """Intervals of a weighted mean over raters x images: over both, and over raters alone."""
    import numpy as np

    raters = _margin_drift(random, centred.sum(axis=1), weights.sum(axis=1), resamples)
    images = _margin_drift(random, centred.sum(axis=0), weights.sum(axis=0), resamples)
    drift = (raters + images) * _shared_noise(centred, weights)
    low, high, fixed_low, fixed_high = (
        float(number) for part in (drift, raters) for number in np.percentile(part, (2.5, 97.5))
    )
    return (value + low, value + high), (value + fixed_low, value + fixed_high)


def _margin_drift(
    random: "np.random.Generator", centred: "Array", weights: "Array", resamples: int
) -> "Array":
    """How far the mean moves when rows (or columns) are resampled, widened."""
    import numpy as np

    present = weights > 0
    count = int(present.sum())
    drawn = random.multinomial(count, np.full(count, 1 / count), size=resamples)
    below = np.maximum(drawn @ weights[present], 1e-300)
    drift: Array = (drawn @ centred[present]) / below * widening(count)
    return drift


def _shared_noise(centred: "Array", weights: "Array") -> float:
    """What the sum of both resamplings is to be scaled by.

    The variance over raters and that over images both hold the noise of single votes, which
    counts once: (Vr + Vi - Ve) / (Vr + Vi), and no less than the larger one alone.
    """
    import numpy as np

    total = weights.sum()

    def variance(axis: int) -> float:
        sums = centred.sum(axis=axis)
        count = int((weights.sum(axis=axis) > 0).sum())
        return float((sums**2).sum() / total**2) * count / max(count - 1, 1)

    gap = np.where(weights > 0, centred / np.where(weights > 0, weights, 1.0), 0.0)
    rows = centred.sum(axis=1) / np.maximum(weights.sum(axis=1), 1e-300)
    columns = centred.sum(axis=0) / np.maximum(weights.sum(axis=0), 1e-300)
    residuals = np.where(weights > 0, gap - rows[:, None] - columns, 0.0)
    cells = int((weights > 0).sum())
    free = max(cells - len(rows) - len(columns) + 1, 1)
    noise = float(((weights * residuals) ** 2).sum()) / total**2 * cells / free
    by_raters, by_images = variance(1), variance(0)
    both = by_raters + by_images
    if both <= 0:
        return 1.0
    return math.sqrt(max(by_raters, by_images, both - noise) / both)
