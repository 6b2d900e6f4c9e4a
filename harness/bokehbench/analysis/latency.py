"""Raw nanoseconds of several processes -> one latency with its uncertainty.

Processes differ more than the runs inside one, so the statistic is the median of process
medians, and its interval is taken over processes.
"""

import math
import statistics
from collections.abc import Sequence

from bokehbench.facts import Latency, Trial

MIN_PROCESSES = 5
MIN_SAMPLES = 64
"""Samples that a 90th percentile needs, as LoadGen of MLPerf demands of a single stream."""

_NS_PER_MS = 1e6


def timed_ok(trials: Sequence[Trial]) -> list[Trial]:
    """The trials that succeeded and carry samples."""
    return [trial for trial in trials if trial.status == "ok" and trial.invoke_ns]


def summarize(trials: Sequence[Trial], *, shape: Sequence[int] | None = None) -> Latency:
    """Latency in milliseconds over the timed trials that succeeded.

    `median_ms` is the median of process medians (the mean of the middle two for even counts),
    `ci95_ms` its interval, see `median_interval`. Over all samples pooled: `min_ms`, `mad_ms`
    (median absolute deviation from the pooled median, not scaled) and, from 64 samples
    on, `p90_ms` (the smallest sample that at least 90 % do not exceed). `first_ms` is the
    median over processes of the very first run, warm-up included, and `load_ms` of the load.

    Args:
        trials: timed processes; failed ones are left out.
        shape: the input shape that was timed, kept in the result.
    """
    good = timed_ok(trials)
    kept = None if shape is None else tuple(shape)
    if not good:
        return Latency(shape=kept)
    medians = [statistics.median(trial.invoke_ns) / _NS_PER_MS for trial in good]
    pooled = sorted(sample for trial in good for sample in trial.invoke_ns)
    centre = statistics.median(pooled)
    firsts = [(trial.warmup_ns or trial.invoke_ns)[0] for trial in good]
    loads = [trial.load_ns for trial in good if trial.load_ns is not None]
    interval = median_interval(medians)
    return Latency(
        median_ms=statistics.median(medians),
        ci95_ms=interval[0] if interval else None,
        ci_level=interval[1] if interval else None,
        p90_ms=_percentile(pooled, 90) / _NS_PER_MS if len(pooled) >= MIN_SAMPLES else None,
        min_ms=pooled[0] / _NS_PER_MS,
        mad_ms=statistics.median(abs(sample - centre) for sample in pooled) / _NS_PER_MS,
        first_ms=statistics.median(firsts) / _NS_PER_MS,
        load_ms=statistics.median(loads) / _NS_PER_MS if loads else None,
        processes=len(good),
        samples=len(pooled),
        process_medians_ms=tuple(medians),
        shape=kept,
    )


def median_interval(values: Sequence[float]) -> tuple[tuple[float, float], float] | None:
    """A confidence interval of the median and the level that it really has.

    The k-th smallest to the k-th largest value cover the median of any continuous
    distribution with probability 1 - 2 P(Binomial(n, 1/2) < k): exact, without resampling. The
    largest k that keeps 95 % is taken; five values reach 93.75 % at most. Fewer have none.
    """
    count = len(values)
    if count < MIN_PROCESSES:
        return None
    ordered = sorted(values)
    # P(Binomial < 1): the level with k = 1, from the smallest to the largest value.
    below = 1
    rank = 1
    while 1 - 2 * (below + math.comb(count, rank)) / 2**count >= 0.95:
        below += math.comb(count, rank)
        rank += 1
    return (ordered[rank - 1], ordered[-rank]), 1 - 2 * below / 2**count


def _percentile(ordered: Sequence[int], percent: int) -> int:
    """Nearest rank: an observed value, never an interpolated one."""
    return ordered[-(-len(ordered) * percent // 100) - 1]
