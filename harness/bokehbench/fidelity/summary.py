"""Scores of many pairs -> mean, median, interval and worst of each metric."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from bokehbench.fidelity.comparing import Compared

METRICS: Final = {"psnr": "high", "ssim": "high", "ms_ssim": "high", "lpips": "low"}
"""Metric -> which of its values is the better one."""

RESAMPLES: Final = 10_000
SEED: Final = 2022
LEVEL: Final = 0.95
INTERVAL_METHOD: Final = (
    f"percentile bootstrap of the mean over images, {RESAMPLES} resamples, PCG64 seed {SEED}"
)
WORST: Final = 5
_BLOCK_VALUES = 1 << 22


@dataclass(frozen=True)
class Summary:
    """One metric over the pairs that have it; None where there is nothing.

    `interval` is that of the mean, from two values on. `worst` are names, the worst first.
    """

    mean: float | None
    median: float | None
    interval: tuple[float, float] | None
    worst: tuple[str, ...]


def summarise(compared: Sequence[Compared]) -> dict[str, Summary]:
    """Each metric that any pair has.

    Identical images have an infinite PSNR, which stays out of its mean, median and interval.
    """
    found = {}
    for metric, better in METRICS.items():
        values = [
            (value, one.pair.name)
            for one in compared
            if one.scores is not None and (value := getattr(one.scores, metric)) is not None
        ]
        if values or metric == "psnr":
            found[metric] = _summary(values, better)
    return found


def _summary(values: list[tuple[float, str]], better: str) -> Summary:
    numbers = [value for value, _ in values]
    sign = 1 if better == "high" else -1
    worst = sorted(values, key=lambda pair: sign * pair[0])[:WORST]
    return Summary(
        mean=math.fsum(numbers) / len(numbers) if numbers else None,
        median=statistics.median(numbers) if numbers else None,
        interval=bootstrap_interval(numbers),
        worst=tuple(name for _, name in worst),
    )


def bootstrap_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """The interval of the mean by `INTERVAL_METHOD`; None below two values."""
    import numpy as np

    if len(values) < 2:
        return None
    numbers = np.asarray(values, dtype=np.float64)
    generator = np.random.Generator(np.random.PCG64(SEED))
    block = max(1, _BLOCK_VALUES // len(numbers))
    means: list[Any] = []
    for first in range(0, RESAMPLES, block):
        count = min(block, RESAMPLES - first)
        drawn = generator.integers(0, len(numbers), (count, len(numbers)))
        means.append(numbers[drawn].mean(axis=1))
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(np.concatenate(means), [tail, 1 - tail])
    return float(low), float(high)
