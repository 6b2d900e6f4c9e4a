"""What the samples of a process look like: outliers, drift, two modes, and a long run's curve.

A time that is not above zero is no time: a clock jumped, or somebody edited a file. What takes
ratios or logarithms then says what it says of too few samples; that such a run is implausible is
a finding of its own.
"""

import math
import statistics
from collections.abc import Sequence

from bokehbench.facts import Sustained

OUTLIER_SCORE = 3.5
"""Iglewicz and Hoaglin (1993): a modified z-score 0.6745 |x - median| / MAD above 3.5."""

DRIFT_SHARE = 0.8
"""Of the processes have to drift the same way before it is called drift."""

MODE_SHARE = 0.1
"""Of the samples have to be in the smaller mode."""

CURVE_POINTS = 60
"""Points of a sustained curve: medians over equal spans of time."""


def outliers(samples: Sequence[int]) -> int:
    """How many samples of one process are outliers by the modified z-score; none are dropped."""
    if len(samples) < 3:
        return 0
    middle = statistics.median(samples)
    mad = statistics.median(abs(sample - middle) for sample in samples)
    if mad == 0:
        return 0
    return sum(0.6745 * abs(sample - middle) / mad > OUTLIER_SCORE for sample in samples)


def drift(processes: Sequence[Sequence[int]]) -> float:
    """By which factor processes are slower at their end than at their beginning.

    The median over processes of (median of the last third / median of the first third), or 1.0
    where processes don't agree on a direction or have fewer than 9 samples.
    """
    ratios = [
        _last_over_first(samples) for samples in processes if len(samples) >= 9 and min(samples) > 0
    ]
    if not ratios:
        return 1.0
    middle = statistics.median(ratios)
    agreeing = sum((ratio > 1) == (middle > 1) for ratio in ratios)
    return middle if agreeing >= DRIFT_SHARE * len(ratios) else 1.0


def two_modes(processes: Sequence[Sequence[int]]) -> tuple[float, float]:
    """How far apart the two halves of the best split are: Ashman's D, and the ratio of centres.

    Over all samples, each divided by its process's median. Ashman's D (1994) is the distance of
    the means in units of the spread inside; a normal distribution split at its best place has
    2.7, an even one 3.5. (0, 1) where there are too few samples or the smaller part is too small.
    """
    values = sorted(
        math.log(sample / middle)
        for samples in processes
        if samples and min(samples) > 0
        for middle in [statistics.median(samples)]
        for sample in samples
    )
    count = len(values)
    if count < 20:
        return 0.0, 1.0
    sums, squares = [0.0], [0.0]
    for value in values:
        sums.append(sums[-1] + value)
        squares.append(squares[-1] + value * value)

    def part(start: int, end: int) -> tuple[float, float]:
        size = end - start
        mean = (sums[end] - sums[start]) / size
        return mean, max(0.0, (squares[end] - squares[start]) / size - mean * mean)

    smallest = max(2, math.ceil(MODE_SHARE * count))
    best, split = math.inf, 0
    for place in range(smallest, count - smallest + 1):
        inside = place * part(0, place)[1] + (count - place) * part(place, count)[1]
        if inside < best:
            best, split = inside, place
    (low, low_variance), (high, high_variance) = part(0, split), part(split, count)
    spread = math.sqrt((low_variance + high_variance) / 2)
    distance = (high - low) / spread if spread > 0 else (math.inf if high > low else 0.0)
    return distance, math.exp(high - low)


def sustained_curve(samples: Sequence[int]) -> Sustained | None:
    """Latency over the time of one long process; None for fewer than two times above zero.

    Time is the sum of the runs, so pauses between them don't count. `first_ms` and `last_ms` are
    the medians over the first and the last tenth of the time; the sustained score is their
    ratio, 1 for a device that keeps its speed.
    """
    if len(samples) < 2 or min(samples) <= 0:
        return None
    ends: list[float] = []
    elapsed = 0.0
    for sample in samples:
        elapsed += sample / 1e9
        ends.append(elapsed)
    points = min(CURVE_POINTS, len(samples))
    spans: list[list[float]] = [[] for _ in range(points)]
    for end, sample in zip(ends, samples, strict=True):
        spans[min(points - 1, int((end - sample / 2e9) / elapsed * points))].append(sample / 1e6)
    curve = tuple(
        ((number + 0.5) * elapsed / points, statistics.median(span))
        for number, span in enumerate(spans)
        if span
    )
    first = [s / 1e6 for s, end in zip(samples, ends, strict=True) if end - s / 1e9 < elapsed / 10]
    last = [s / 1e6 for s, end in zip(samples, ends, strict=True) if end > 0.9 * elapsed]
    first_ms, last_ms = statistics.median(first), statistics.median(last)
    return Sustained(
        seconds=elapsed,
        runs=len(samples),
        first_ms=first_ms,
        last_ms=last_ms,
        score=first_ms / last_ms,
        curve=curve,
    )


def _last_over_first(samples: Sequence[int]) -> float:
    third = len(samples) // 3
    return statistics.median(samples[-third:]) / statistics.median(samples[:third])
