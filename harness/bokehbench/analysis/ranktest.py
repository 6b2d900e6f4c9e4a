"""Exact rank tests over processes: are these slower than those, and by which factor.

Wilcoxon's rank-sum test as a permutation test: the null distribution counts every way in which
the processes could have been dealt to the two sides. No distribution of the noise is assumed. The
interval is that of Hodges and Lehmann, from the same distribution. Beyond EXACT_PROCESSES, where
counting takes seconds to hours, the normal approximation with its corrections for ties and
continuity stands for it: with 50 on each side it is off by less than 0.0005.
"""

import math
import statistics
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

TREND_ROUNDS = 8

EXACT_PROCESSES = 100
"""Of both sides together."""


@dataclass(frozen=True)
class RankTest:
    """How `second` relates to `first`; all on the scale of the values (logarithms of times).

    `shift` is the Hodges-Lehmann estimate of second - first, `interval` its confidence interval
    with the level really achieved. `p_greater` is the probability of ranks at least as far on the
    side of a greater `second` if the labels meant nothing; `p_less` on the other side.
    """

    shift: float
    interval: tuple[float, float] | None
    level: float | None
    p_greater: float
    p_less: float

    @property
    def p_two_sided(self) -> float:
        """Twice the smaller of the two, at most 1."""
        return min(1.0, 2 * min(self.p_greater, self.p_less))


def rank_sum(first: Sequence[float], second: Sequence[float], level: float = 0.95) -> RankTest:
    """Two independent groups of processes.

    Raises:
        ValueError: a group is empty.
    """
    if not first or not second:
        raise ValueError("a rank test needs processes on both sides")
    ranks = doubled_midranks([*first, *second])
    observed = sum(ranks[len(first) :])
    p_greater, p_less = _tails(ranks, len(second), observed)
    differences = sorted(b - a for b in second for a in first)
    interval, achieved = _interval(
        differences, _u_tail(len(first), len(second)), level, len(differences)
    )
    return RankTest(statistics.median(differences), interval, achieved, p_greater, p_less)


def without_trend(
    first: Sequence[float], second: Sequence[float]
) -> tuple[list[float], list[float]]:
    """Both groups without the trend that they share; the n-th of both ran in one round.

    The line is Theil's and Sen's over the rounds, drawn through both groups without looking at
    which is which. Below TREND_ROUNDS it would follow the noise more than a trend, and what is
    left would look quieter than it is; then nothing is taken out.

    Raises:
        ValueError: the groups are of different length.
    """
    if len(first) != len(second):
        raise ValueError("side by side means as many processes on one side as on the other")
    middles = [(a + b) / 2 for a, b in zip(first, second, strict=True)]
    count = len(middles)
    if count < TREND_ROUNDS:
        return list(first), list(second)
    slopes = [
        (middles[j] - middles[i]) / (j - i) for i in range(count) for j in range(i + 1, count)
    ]
    slope = statistics.median(slopes)
    return (
        [value - slope * place for place, value in enumerate(first)],
        [value - slope * place for place, value in enumerate(second)],
    )


def centre(values: Sequence[float]) -> float:
    """Hodges' and Lehmann's estimate: the median of the means of all pairs.

    Nearly as exact as a mean where noise is normal, and hardly moved by outliers.
    """
    pairs = [(values[i] + values[j]) / 2 for i in range(len(values)) for j in range(i, len(values))]
    return statistics.median(pairs)


def _interval(
    ordered: Sequence[float], tail: Sequence[float], level: float, count: int
) -> tuple[tuple[float, float] | None, float | None]:
    """The interval between the k-th smallest and the k-th largest difference.

    `tail[k]` is the probability that the statistic is at most k: the largest k is taken that
    keeps the level; None when even the whole range does not.
    """
    k = bisect_right(tail, (1 - level) / 2 + 1e-12)
    if k == 0:
        return None, None
    return (ordered[k - 1], ordered[count - k]), 1 - 2 * tail[k - 1]


def doubled_midranks(values: Sequence[float]) -> list[int]:
    """Ranks times two, so that the middle ranks of ties are whole numbers."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end + 1 < len(order) and values[order[end + 1]] == values[order[start]]:
            end += 1
        for place in order[start : end + 1]:
            ranks[place] = start + end + 2
        start = end + 1
    return ranks


def is_exact(first: int, second: int) -> bool:
    """Whether the p-values of so many processes are counted, not approximated."""
    return first + second <= EXACT_PROCESSES


def _tails(ranks: Sequence[int], chosen: int, observed: int) -> tuple[float, float]:
    """P(sum >= observed) and P(sum <= observed) of doubled ranks, if the labels meant nothing."""
    others = len(ranks) - chosen
    if is_exact(others, chosen):
        counts, total = _rank_sum_counts(tuple(sorted(ranks)), chosen)
        greater = sum(count for value, count in counts if value >= observed) / total
        return greater, sum(count for value, count in counts if value <= observed) / total
    count = len(ranks)
    ties = math.fsum(size**3 - size for size in Counter(ranks).values()) / (count * (count - 1))
    # Doubled ranks have four times the variance, and steps of two.
    deviation = 2 * math.sqrt(others * chosen / 12 * (count + 1 - ties))
    if deviation == 0:
        return 1.0, 1.0
    away = observed - chosen * (count + 1)
    normal = statistics.NormalDist(0, deviation)
    return normal.cdf(1 - away), normal.cdf(1 + away)


@lru_cache(maxsize=256)
def _rank_sum_counts(
    ranks: tuple[int, ...], chosen: int
) -> tuple[tuple[tuple[int, int], ...], int]:
    """How many choices of `chosen` ranks have each sum, and how many choices there are.

    The counts of one size are the digits of one large number, so that a rank is added to all sums
    at once by shifting it.
    """
    count = len(ranks)
    digit_bytes = count // 8 + 1  # no count is above 2^count
    ways = [1] + [0] * chosen
    for number, rank in enumerate(ranks):
        for size in range(min(number, chosen - 1), -1, -1):
            ways[size + 1] += ways[size] << 8 * digit_bytes * rank
    length = sum(ranks) + 1
    digits = ways[chosen].to_bytes(length * digit_bytes, "little")
    counts = (
        (value, int.from_bytes(digits[value * digit_bytes : (value + 1) * digit_bytes], "little"))
        for value in range(length)
    )
    return tuple((value, ways) for value, ways in counts if ways), math.comb(count, chosen)


@lru_cache(maxsize=256)
def _u_tail(first: int, second: int) -> tuple[float, ...]:
    """P(U <= k) of the Mann-Whitney statistic without ties, for k = 0, 1, ..."""
    if not is_exact(first, second):
        middle = first * second / 2
        normal = statistics.NormalDist(middle, math.sqrt(middle * (first + second + 1) / 6))
        return tuple(normal.cdf(k + 0.5) for k in range(math.ceil(middle)))
    ranks = tuple(range(1, first + second + 1))
    counts, total = _rank_sum_counts(ranks, second)
    return _cumulated(counts, total)


def _cumulated(counts: Sequence[tuple[int, int]], total: int) -> tuple[float, ...]:
    """Without ties the sums follow each other without gaps, from the smallest on."""
    found = []
    below = 0
    for _, count in counts:
        below += count
        found.append(below / total)
    return tuple(found)
