"""Raw nanoseconds of several processes -> one latency with its uncertainty.

Processes differ more than the runs inside one, so the statistic is the median of process
medians, and its interval is taken over processes. A tool that keeps the times of its runs to itself
enters with what it tells of each process.
"""

import statistics
from collections.abc import Sequence

from msgspec.structs import replace

from bokehbench.analysis import shape as shapes
from bokehbench.analysis.median import MIN_VALUES, median_interval
from bokehbench.analysis.percentile import MIN_SAMPLES, p90
from bokehbench.analysis.reference import reference_ratio
from bokehbench.facts import Evidence, Latency, Trial

MIN_PROCESSES = MIN_VALUES

__all__ = [
    "MIN_PROCESSES",
    "MIN_SAMPLES",
    "process_ns",
    "summarize",
    "summarize_evidence",
    "timed_ok",
]

_NS_PER_MS = 1e6


def timed_ok(trials: Sequence[Trial]) -> list[Trial]:
    """The trials that succeeded and carry samples, or a tool's own summary of them."""
    return [t for t in trials if t.status == "ok" and (t.invoke_ns or t.aggregate is not None)]


def process_ns(trial: Trial) -> float:
    """What one process stands for: the median of its samples, else what its tool told.

    That is a median, or from tools that tell none an average.
    """
    if trial.invoke_ns or trial.aggregate is None:
        return statistics.median(trial.invoke_ns)
    told = trial.aggregate
    return told.avg_ns if told.median_ns is None else told.median_ns


def summarize_evidence(evidence: Evidence) -> Latency:
    """Everything about time that one Record's evidence carries."""
    latency = summarize(evidence.trials, shape=evidence.timing_shape)
    before, after = (
        [process_ns(trial) / _NS_PER_MS for trial in timed_ok(trials)]
        for trials in (evidence.reference_before, evidence.reference_after)
    )
    ratio = reference_ratio(before, after)
    [*_, long] = [(), *(trial.invoke_ns for trial in timed_ok(evidence.sustained))]
    return replace(
        latency,
        reference_before_ms=statistics.median(before) if before else None,
        reference_after_ms=statistics.median(after) if after else None,
        reference_ratio=ratio[0] if ratio else None,
        reference_bound=ratio[1] if ratio else None,
        sustained=shapes.sustained_curve(long),
    )


def summarize(trials: Sequence[Trial], *, shape: Sequence[int] | None = None) -> Latency:
    """Latency in milliseconds over the timed trials that succeeded.

    `median_ms` is the median of process medians (the mean of the middle two for even counts),
    `ci95_ms` its interval, see `median_interval`. Over all samples pooled: `min_ms`, `mad_ms`
    (median absolute deviation from the pooled median, not scaled) and, from 64 samples
    on, `p90_ms`, see `percentile.p90`. `first_ms` is the
    median over processes of the very first run, warm-up included, and `load_ms` of the load.
    Where a process told only aggregates, nothing is said that takes all samples.

    Args:
        trials: timed processes; failed ones are left out.
        shape: the input shape that was timed, kept in the result.
    """
    good = timed_ok(trials)
    kept = None if shape is None else tuple(shape)
    if not good:
        return Latency(shape=kept)
    medians = [process_ns(trial) / _NS_PER_MS for trial in good]
    interval = median_interval(medians)
    firsts = [first for first in map(_first_ns, good) if first is not None]
    latency = Latency(
        median_ms=statistics.median(medians),
        ci95_ms=interval[0] if interval else None,
        ci_level=interval[1] if interval else None,
        min_ms=_least_ms(good),
        first_ms=statistics.median(firsts) / _NS_PER_MS if firsts else None,
        load_ms=_median_load(good),
        load_cold_ms=_median_load([t for t in good if t.report and t.report.cache == "cold"]),
        load_warm_ms=_median_load([t for t in good if t.report and t.report.cache == "warm"]),
        processes=len(good),
        samples=sum(len(trial.invoke_ns) for trial in good),
        process_medians_ms=tuple(medians),
        shape=kept,
    )
    if all(trial.invoke_ns for trial in good):
        return _with_samples(latency, [trial.invoke_ns for trial in good])
    told = [t.aggregate for t in good if not t.invoke_ns and t.aggregate is not None]
    return replace(
        latency,
        aggregated_runs=sum(aggregate.count for aggregate in told),
        averaged_processes=sum(aggregate.median_ns is None for aggregate in told),
    )


def _with_samples(latency: Latency, samples: Sequence[Sequence[int]]) -> Latency:
    """What takes the samples of every process."""
    pooled = sorted(sample for process in samples for sample in process)
    middle = statistics.median(pooled)
    estimate = p90(pooled)
    distance, ratio = shapes.two_modes(samples)
    return replace(
        latency,
        p90_ms=None if estimate is None else estimate / _NS_PER_MS,
        mad_ms=statistics.median(abs(sample - middle) for sample in pooled) / _NS_PER_MS,
        outliers=sum(map(shapes.outliers, samples)),
        drift=shapes.drift(samples),
        mode_distance=distance if distance < _FAR else _FAR,
        mode_ratio=ratio,
    )


def _first_ns(trial: Trial) -> int | None:
    """The very first run of a process."""
    if trial.invoke_ns or trial.aggregate is None:
        return (trial.warmup_ns or trial.invoke_ns)[0]
    return trial.aggregate.first_ns


def _least_ms(trials: Sequence[Trial]) -> float | None:
    """The shortest run of all, where every process tells its own."""
    least = [
        min(t.invoke_ns) if t.invoke_ns else t.aggregate.min_ns if t.aggregate else None
        for t in trials
    ]
    known = [ns for ns in least if ns is not None]
    return min(known) / _NS_PER_MS if len(known) == len(least) else None


_FAR = 1e6
"""Two modes without any spread are infinitely far apart, which JSON can't say."""


def _median_load(trials: Sequence[Trial]) -> float | None:
    loads = [trial.load_ns for trial in trials if trial.load_ns is not None]
    return statistics.median(loads) / _NS_PER_MS if loads else None
