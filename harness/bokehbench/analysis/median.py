"""Confidence intervals of a median: between order statistics, with the level really achieved."""

import math
from collections.abc import Sequence

MIN_VALUES = 5
"""Four values and fewer cover their median too seldom to be called an interval."""

LEVEL = 0.95


def median_interval(
    values: Sequence[float], level: float = LEVEL
) -> tuple[tuple[float, float], float] | None:
    """An interval of the median and its level; None below five values.

    The k-th smallest to the k-th largest value cover the median of any continuous
    distribution with probability 1 - 2 P(Binomial(n, 1/2) < k), exactly; those levels are few.
    Between the two of them that enclose `level` the interval is interpolated as by Hettmansperger
    and Sheather (1986, Statistics and Probability Letters 4): nearly exact for symmetric
    and skewed distributions alike, where a bootstrap over few values covers too seldom
    (`benchmarks/statistics.py` shows both). Where even the whole range does not reach `level`, it
    is returned with what it reaches: 93.75 % for five values.
    """
    count = len(values)
    if count < MIN_VALUES:
        return None
    ordered = sorted(values)
    rank = 1
    while rank + 1 <= count // 2 and order_level(count, rank + 1) >= level:
        rank += 1
    outer = order_level(count, rank)
    if outer <= level or rank + 1 > count // 2:
        return (ordered[rank - 1], ordered[-rank]), outer
    share = (outer - level) / (outer - order_level(count, rank + 1))
    weight = (count - rank) * share / (rank + (count - 2 * rank) * share)
    low = (1 - weight) * ordered[rank - 1] + weight * ordered[rank]
    high = (1 - weight) * ordered[-rank] + weight * ordered[-rank - 1]
    return (low, high), level


def order_level(count: int, rank: int) -> float:
    """How surely the rank-th smallest to the rank-th largest of `count` values hold the median."""
    return 1 - 2 * sum(math.comb(count, i) for i in range(rank)) / 2.0**count
