"""Findings about the samples: too few, cold, unstable, drifting, of two modes, cut short."""

from bokehbench.analysis.latency import MIN_PROCESSES, MIN_SAMPLES, process_ns, timed_ok
from bokehbench.analysis.reference import MIN_PROCESSES as MIN_REFERENCES
from bokehbench.analysis.verdict.rules import (
    DRIFT_RATIO,
    MODES_DISTANCE,
    MODES_RATIO,
    UNSTABLE_SHARE,
)
from bokehbench.facts import Evidence, Fidelity, Latency, Trial
from bokehbench.text import counted

CUT_SHARE = 0.001
"""What unprinted digits may leave open without a word; six digits leave 0.0005 % at most."""


def too_few_samples(_evidence: Evidence, latency: Latency, _fidelity: Fidelity | None) -> str:
    if latency.processes == 0:
        # That no trial succeeded says it already.
        return ""
    runs = latency.samples + latency.aggregated_runs
    if latency.processes >= MIN_PROCESSES and runs >= MIN_SAMPLES:
        return ""
    what = "run" if latency.aggregated_runs else "sample"
    return f"{counted(runs, what)} of {counted(latency.processes, 'process', 'processes')}"


def aggregates_only(evidence: Evidence, latency: Latency, _fidelity: Fidelity | None) -> str:
    if not latency.aggregated_runs:
        return ""
    averaged = latency.averaged_processes
    statistic = "medians" if not averaged else "averages" if averaged == latency.processes else None
    told = statistic or f"averages ({averaged} of {latency.processes} processes) and medians"
    text = f"raw samples are not available: {told} of {counted(latency.aggregated_runs, 'run')}"
    cut = max(map(_cut_share, timed_ok(evidence.trials)))
    return f"{text}, printed so that {cut:.1%} is left open" if cut > CUT_SHARE else text


def _cut_share(trial: Trial) -> float:
    """How far a process's number may be off for its digits that were not printed."""
    told = trial.aggregate
    if trial.invoke_ns or told is None:
        return 0.0
    name = "avg_ns" if told.median_ns is None else "median_ns"
    low, high = told.intervals_ns.get(name, (0, 0))
    return (high - low) / 2 / max(1.0, process_ns(trial))


def unranked_protocol(evidence: Evidence, latency: Latency, _fidelity: Fidelity | None) -> str:
    if evidence.protocol.ranked or latency.processes == 0:
        return ""
    return f"measured by the protocol {evidence.protocol.name}"


def no_warmup(evidence: Evidence, latency: Latency, _fidelity: Fidelity | None) -> str:
    if evidence.protocol.warmups > 0 or latency.processes == 0:
        return ""
    return "no run was a warm-up"


def unstable(_evidence: Evidence, latency: Latency, _fidelity: Fidelity | None) -> str:
    # A time that is none is implausible, which another finding says.
    if latency.ci95_ms is None or latency.median_ms is None or latency.median_ms <= 0:
        return ""
    low, high = latency.ci95_ms
    half = (high - low) / 2 / latency.median_ms
    if half <= UNSTABLE_SHARE:
        return ""
    return (
        f"the interval {low:.3f} to {high:.3f} ms of {latency.processes} processes is the median "
        f"plus or minus {half:.1%}"
    )


def drifting(_evidence: Evidence, latency: Latency, _fidelity: Fidelity | None) -> str:
    if latency.drift is None or 1 / DRIFT_RATIO <= latency.drift <= DRIFT_RATIO:
        return ""
    word = "slower" if latency.drift > 1 else "faster"
    factor = max(latency.drift, 1 / latency.drift)
    return f"processes end {factor:.3f}x {word} than they begin"


def bimodal(_evidence: Evidence, latency: Latency, _fidelity: Fidelity | None) -> str:
    distance, ratio = latency.mode_distance, latency.mode_ratio
    if distance is None or ratio is None or distance <= MODES_DISTANCE or ratio <= MODES_RATIO:
        return ""
    return f"two modes {ratio:.2f}x apart (Ashman's D {distance:.1f})"


def incomplete(evidence: Evidence, latency: Latency, fidelity: Fidelity | None) -> str:
    parts = []
    if not evidence.finished:
        parts.append("the run has not finished")
    elif missing_references := _missing_references(evidence, latency):
        parts.append(missing_references)
    failed = sum(trial.status == "failed" for trial in evidence.trials)
    if failed and timed_ok(evidence.trials):
        parts.append(f"{failed} of {len(evidence.trials)} timed trials failed")
    lost = fidelity.failed if fidelity else sum(i.status == "failed" for i in evidence.images)
    if lost:
        parts.append(f"{counted(lost, 'image')} failed")
    if evidence.dataset is not None:
        scored = fidelity.images if fidelity else 0
        missing = evidence.dataset.pairs - scored - lost
        if missing > 0:
            parts.append(f"{missing} of {evidence.dataset.pairs} images were not scored")
    return "; ".join(parts)


def _missing_references(evidence: Evidence, latency: Latency) -> str:
    """Whether the reference workload was to tell of throttling and could not."""
    wanted = evidence.protocol.reference.processes
    if wanted < MIN_REFERENCES or latency.reference_ratio is not None or not latency.processes:
        return ""
    before, after = (
        len(timed_ok(trials)) for trials in (evidence.reference_before, evidence.reference_after)
    )
    return (
        f"the reference workload ended well in {before} of {wanted} processes before and {after} "
        "after, so nothing tells of throttling"
    )
