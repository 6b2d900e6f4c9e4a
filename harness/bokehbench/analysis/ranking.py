"""Who is ahead of whom: score ratios by paired bootstrap, and ranks in which ties are ties.

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
    `settings` (what all were measured under, by name) are compared.
    """

    key: str
    name: str
    score: float
    psnr: Mapping[str, float]
    process_medians_ms: tuple[float, ...]
    settings: Mapping[str, str]


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
    names = dict.fromkeys((*first.settings, *second.settings))
    differing = [n for n in names if first.settings.get(n) != second.settings.get(n)]
    if differing:
        return f"measured under different settings: {', '.join(differing)}"
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
    widened: Array = drift * np.array([widening(int(count)) for count in counts])
    return widened


def widening(count: int) -> float:
    """sqrt(n / (n - 1)) t / 1.96: what a bootstrap of `count` values falls short by."""
    if count < 2:
        return 0.0
    return math.sqrt(count / (count - 1)) * student_quantile(0.975, count - 1) / Z95


def _percentiles(ratio: float, drift: "Array") -> Interval:
    import numpy as np

    low, high = np.percentile(drift, (2.5, 97.5))
    return ratio * math.exp2(float(low)), ratio * math.exp2(float(high))


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
