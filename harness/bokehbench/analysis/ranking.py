"""Who is ahead of whom: score ratios and MOS differences by paired bootstrap, ties as ties.

Two entrants are tied when the 95 % interval of their ratio holds 1 (of their difference, 0).
The level is per pair, not for all pairs at once.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import msgspec

from bokehbench.analysis.intervals import Z95, Interval, student_quantile
from bokehbench.analysis.latency import MIN_PROCESSES
from bokehbench.analysis.opinion import VoteTable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

RESAMPLES = 10_000
_CHUNK = 500
"""Resamples drawn at once, so that memory does not grow with their number."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """`first` against `second`: score ratio (neutral 1) or MOS difference (neutral 0).

    `ci95` is over images and processes (or raters), `fixed_ci95` with the images as they are, for
    a test set that is fixed. Both are None where `reason` says why.
    """

    first: str
    second: str
    value: float
    neutral: float
    ci95: Interval | None = None
    fixed_ci95: Interval | None = None
    reason: str | None = None

    @property
    def tied(self) -> bool:
        """Whether the two can't be told apart."""
        return self.ci95 is None or self.ci95[0] <= self.neutral <= self.ci95[1]


@dataclass(frozen=True)
class Contender:
    """An entrant of track 1: dB by image, medians of its processes in ms, and its score.

    Comparisons call it by its `key`, reasons by its `name`. Only contenders of the same
    `setting` (device, dataset, protocol) are compared.
    """

    key: str
    name: str
    score: float
    psnr: Mapping[str, float]
    process_medians_ms: tuple[float, ...]
    setting: str


def score_ratios(
    contenders: Sequence[Contender], *, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[Comparison, ...]:
    """The ratio of scores of each pair, in the order given, with intervals.

    ratio = 2^(2 (PSNR - PSNR')) ms' / ms. Images are resampled once and the same for
    all, processes of each contender by themselves. Over images, deviations are widened by
    sqrt(n / (n - 1)) t / 1.96, so that few images do not look sure (Hesterberg 2015,
    doi:10.1080/00031305.2015.1089789). Intervals are percentiles on the scale of log2.

    A pair has none without `MIN_PROCESSES` process medians each or two images in common.
    """
    import numpy as np

    if len(contenders) < 2:
        return ()
    random = np.random.default_rng(seed)
    images = sorted({image for contender in contenders for image in contender.psnr})
    psnr = np.array([[c.psnr.get(image, math.nan) for c in contenders] for image in images])
    drops = [
        _log2_median_drift(random, contender.process_medians_ms, resamples)
        for contender in contenders
    ]
    pairs = list(combinations(range(len(contenders)), 2))
    gaps = np.stack([psnr[:, a] - psnr[:, b] for a, b in pairs], axis=1)
    gain = 2 * _resampled_drift(random, gaps, resamples)
    made = []
    for place, (a, b) in enumerate(pairs):
        first, second = contenders[a], contenders[b]
        reason = _unlike(first, second, int((~np.isnan(gaps[:, place])).sum()))
        ratio = math.exp2(math.log2(first.score) - math.log2(second.score))
        both = fixed = None
        if reason is None:
            latency = drops[a] - drops[b]
            both = _percentiles(ratio, gain[:, place] + latency)
            fixed = _percentiles(ratio, latency)
        made.append(
            Comparison(
                first=first.key,
                second=second.key,
                value=ratio,
                neutral=1.0,
                ci95=both,
                fixed_ci95=fixed,
                reason=reason,
            )
        )
    return tuple(made)


def _unlike(first: Contender, second: Contender, common: int) -> str | None:
    if first.setting != second.setting:
        return "measured under different settings"
    for contender in (first, second):
        count = len(contender.process_medians_ms)
        if count < MIN_PROCESSES:
            return f"{contender.name} has {count} processes, {MIN_PROCESSES} are needed"
    return None if common > 1 else f"{common} images in common, 2 are needed"


def _log2_median_drift(
    random: "np.random.Generator", medians_ms: Sequence[float], resamples: int
) -> "Array":
    """log2(runtime / resampled runtime): how a resampling of processes moves the score."""
    import numpy as np

    if not medians_ms:
        return np.zeros(resamples)
    values = np.log2(np.asarray(medians_ms))
    drawn = values[random.integers(len(values), size=(resamples, len(values)))]
    drift: Array = np.median(values) - np.median(drawn, axis=1)
    return drift


def _resampled_drift(random: "np.random.Generator", gaps: "Array", resamples: int) -> "Array":
    """resamples x pairs: how far the mean over resampled images lies from the mean, widened.

    `gaps` is images x pairs, NaN where one of the two has no value.
    """
    import numpy as np

    present = ~np.isnan(gaps)
    counts = present.sum(axis=0)
    means = np.where(present, gaps, 0.0).sum(axis=0) / np.maximum(counts, 1)
    centred = np.where(present, gaps - means, 0.0)
    total = len(gaps)
    drift = np.empty((resamples, gaps.shape[1]))
    for start in range(0, resamples, _CHUNK):
        size = min(_CHUNK, resamples - start)
        drawn = random.multinomial(total, np.full(total, 1 / total), size=size)
        weight = np.maximum(drawn @ present, 1)
        drift[start : start + size] = (drawn @ centred) / weight
    widened: Array = drift * np.array([_widening(int(count)) for count in counts])
    return widened


def _widening(count: int) -> float:
    if count < 2:
        return 0.0
    return math.sqrt(count / (count - 1)) * student_quantile(0.975, count - 1) / Z95


def _percentiles(ratio: float, drift: "Array") -> Interval:
    import numpy as np

    low, high = np.percentile(drift, (2.5, 97.5))
    return ratio * math.exp2(float(low)), ratio * math.exp2(float(high))


def opinion_differences(
    names: Sequence[str], votes: VoteTable, *, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[Comparison, ...]:
    """The difference in MOS of each pair of methods, in the order given, with intervals.

    A difference is the mean of what each rater gave more to the first for the same image.
    Raters and images are both resampled, the same for both methods (Owen 2007, the pigeonhole
    bootstrap, doi:10.1214/07-AOAS122); with the images as they are, raters alone. Deviations
    over raters are widened as in `score_ratios`. Raters count by their weights.
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
            centred = weights * np.where(present, gap - value, 0.0)
            random = np.random.default_rng(seed)
            both = _spread(random, value, centred, weights, resamples, images=True)
            fixed = _spread(random, value, centred, weights, resamples, images=False)
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


def _spread(
    random: "np.random.Generator",
    value: float,
    centred: "Array",
    weights: "Array",
    resamples: int,
    *,
    images: bool,
) -> Interval:
    """Percentile interval of a weighted mean over raters x images."""
    import numpy as np

    raters, count = centred.shape
    drift = np.empty(resamples)
    for start in range(0, resamples, _CHUNK):
        size = min(_CHUNK, resamples - start)
        rows = random.multinomial(raters, np.full(raters, 1 / raters), size=size)
        columns = np.ones((size, count))
        if images:
            columns = random.multinomial(count, np.full(count, 1 / count), size=size) * 1.0
        below = ((rows @ weights) * columns).sum(axis=1)
        above = ((rows @ centred) * columns).sum(axis=1)
        drift[start : start + size] = np.where(below > 0, above / np.maximum(below, 1e-300), 0.0)
    low, high = np.percentile(drift, (2.5, 97.5)) * _widening(raters)
    return value + float(low), value + float(high)


def rank_ranges(
    names: Sequence[str], comparisons: Sequence[Comparison]
) -> dict[str, tuple[int, int]]:
    """The ranks that each entrant can have: 1 + those ahead, to all - those behind.

    Ahead and behind are those that can be told apart; without ties both numbers are equal.
    """
    ahead = dict.fromkeys(names, 0)
    behind = dict.fromkeys(names, 0)
    for comparison in comparisons:
        if comparison.tied:
            continue
        first_wins = comparison.value > comparison.neutral
        loser = comparison.second if first_wins else comparison.first
        winner = comparison.first if first_wins else comparison.second
        ahead[loser] += 1
        behind[winner] += 1
    return {name: (1 + ahead[name], len(names) - behind[name]) for name in names}
