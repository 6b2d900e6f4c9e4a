"""Raw nanoseconds of several processes -> one latency with its uncertainty.

Processes differ more than the runs inside one, so the statistic is the median of process
medians, and its interval is taken over processes.
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

__all__ = ["MIN_PROCESSES", "MIN_SAMPLES", "summarize", "summarize_evidence", "timed_ok"]

_NS_PER_MS = 1e6


def timed_ok(trials: Sequence[Trial]) -> list[Trial]:
    """The trials that succeeded and carry samples."""
    return [trial for trial in trials if trial.status == "ok" and trial.invoke_ns]


def summarize_evidence(evidence: Evidence) -> Latency:
    """Everything about time that one Record's evidence carries."""
    latency = summarize(evidence.trials, shape=evidence.timing_shape)
    before, after = (
        [statistics.median(trial.invoke_ns) / _NS_PER_MS for trial in timed_ok(trials)]
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
    middle = statistics.median(pooled)
    firsts = [(trial.warmup_ns or trial.invoke_ns)[0] for trial in good]
    interval = median_interval(medians)
    estimate = p90(pooled)
    samples = [trial.invoke_ns for trial in good]
    distance, ratio = shapes.two_modes(samples)
    return Latency(
        median_ms=statistics.median(medians),
        ci95_ms=interval[0] if interval else None,
        ci_level=interval[1] if interval else None,
        p90_ms=None if estimate is None else estimate / _NS_PER_MS,
        min_ms=pooled[0] / _NS_PER_MS,
        mad_ms=statistics.median(abs(sample - middle) for sample in pooled) / _NS_PER_MS,
        first_ms=statistics.median(firsts) / _NS_PER_MS,
        load_ms=_median_load(good),
        load_cold_ms=_median_load([t for t in good if t.report and t.report.cache == "cold"]),
        load_warm_ms=_median_load([t for t in good if t.report and t.report.cache == "warm"]),
        processes=len(good),
        samples=len(pooled),
        process_medians_ms=tuple(medians),
        shape=kept,
        outliers=sum(map(shapes.outliers, samples)),
        drift=shapes.drift(samples),
        mode_distance=distance if distance < _FAR else _FAR,
        mode_ratio=ratio,
    )


_FAR = 1e6
"""Two modes without any spread are infinitely far apart, which JSON can't say."""


def _median_load(trials: Sequence[Trial]) -> float | None:
    loads = [trial.load_ns for trial in trials if trial.load_ns is not None]
    return statistics.median(loads) / _NS_PER_MS if loads else None
