"""Correlation of opinion with metrics over methods: PLCC and SRCC, each with its interval."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from bokehbench.analysis.intervals import Interval, fisher_interval
from bokehbench.analysis.ranktest import doubled_midranks

MIN_METHODS = 4
"""Fisher's z has the variance 1 / (n - 3)."""

Kind = Literal["PLCC", "SRCC"]


class Correlation(msgspec.Struct, frozen=True, kw_only=True):
    """A correlation over `methods` methods; None where there is none, and `note` says why."""

    metric: str
    kind: Kind
    value: float | None
    ci95: Interval | None
    methods: int
    interval: str
    note: str | None = None


INTERVALS: dict[Kind, str] = {
    "PLCC": "Fisher z, variance 1/(n-3)",
    "SRCC": "Fisher z, variance (1+r^2/2)/(n-3) (Bonett and Wright 2000)",
}


def correlations(
    opinion: Mapping[str, float], metrics: Mapping[str, Mapping[str, float | None]]
) -> tuple[Correlation, ...]:
    """PLCC and SRCC of every metric with opinion, over the methods that have both.

    No curve is fitted before PLCC. For a distance such as LPIPS a good agreement is near -1.
    A metric that no method has is left out.

    Args:
        opinion: method -> mean opinion score.
        metrics: metric -> method -> value, None where it has none.
    """
    known = {name: v for name, v in metrics.items() if any(x is not None for x in v.values())}
    return tuple(
        _one(name, kind, opinion, values) for name, values in known.items() for kind in INTERVALS
    )


def _one(
    metric: str, kind: Kind, opinion: Mapping[str, float], values: Mapping[str, float | None]
) -> Correlation:
    pairs = [
        (opinion[method], value)
        for method, value in values.items()
        if value is not None and math.isfinite(value) and method in opinion
    ]
    count = len(pairs)
    left, right = [a for a, _ in pairs], [b for _, b in pairs]
    value = pearson(left, right) if kind == "PLCC" else spearman(left, right)
    note, interval = None, None
    if count < MIN_METHODS:
        note = f"{count} methods have both; an interval needs {MIN_METHODS}"
        # Of two methods the correlation is always 1 or -1, of three it says next to nothing.
        value = value if count > 2 else None
    elif value is None:
        note = "all methods have the same value"
    else:
        extra = value * value / 2 if kind == "SRCC" else 0.0
        interval = fisher_interval(value, (1 + extra) / (count - 3))
    return Correlation(
        metric=metric,
        kind=kind,
        value=value,
        ci95=interval,
        methods=count,
        interval=INTERVALS[kind],
        note=note,
    )


def pearson(left: Sequence[float], right: Sequence[float]) -> float | None:
    """Pearson's correlation; None where one side does not vary or has fewer than two values."""
    if len(left) < 2:
        return None
    mean_left, mean_right = math.fsum(left) / len(left), math.fsum(right) / len(right)
    a = [value - mean_left for value in left]
    b = [value - mean_right for value in right]
    scale = math.sqrt(_dot(a, a) * _dot(b, b))
    if scale == 0:
        return None
    return max(-1.0, min(1.0, _dot(a, b) / scale))


def _dot(left: Sequence[float], right: Sequence[float]) -> float:
    return math.fsum(a * b for a, b in zip(left, right, strict=True))


def spearman(left: Sequence[float], right: Sequence[float]) -> float | None:
    """Spearman's rank correlation; equal values share the mean of their ranks."""
    return pearson(doubled_midranks(left), doubled_midranks(right))
