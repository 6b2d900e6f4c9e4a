"""One Record in a few lines: the number, how sure it is, and what is wrong with it."""

import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from bokehbench.text import clean, counted

if TYPE_CHECKING:
    from bokehbench.facts import ConditionSeries, Evidence, Latency, Record

MOST_SENSORS = 4
"""Of a kind, those that changed most; the others are in the record."""

NO_VALUE = "N.A."


def summary(record: "Record") -> str:
    """What is told of a Record on the screen."""
    evidence, derived = record.evidence, record.derived
    head = f"{clean(evidence.label or evidence.model.name)} · {evidence.backend}"
    if evidence.precision != "default":
        head += f" {evidence.precision}"
    if evidence.launch == "app":
        head += " in the app"
    lines = [f"{head}: {derived.status}  (record {record.record_id})"]
    lines += [f"  {line}" for line in _latency(evidence, derived.latency)]
    lines += [
        f"  {finding.code}: {clean(finding.message)}; {clean(finding.advice)}"
        for finding in derived.findings
    ]
    return "\n".join(lines)


def _latency(evidence: "Evidence", latency: "Latency") -> list[str]:
    lines = []
    if latency.median_ms is not None:
        parts = [f"median {_ms(latency.median_ms)}{_interval(latency)}"]
        if latency.p90_ms is not None:
            parts.append(f"p90 {_ms(latency.p90_ms)}")
        parts += [f"first {_ms(latency.first_ms)}", f"load {_ms(latency.load_ms)}"]
        parts.append(counted(latency.processes, "process", "processes"))
        if latency.aggregated_runs:
            parts.append(counted(latency.samples + latency.aggregated_runs, "run"))
        else:
            parts.append(counted(latency.samples, "sample"))
        if peak := max((t.peak_memory_bytes or 0 for t in evidence.trials), default=0):
            parts.append(f"peak {peak / 2**20:.0f} MiB")
        lines.append(", ".join(parts))
    if latency.load_cold_ms is not None or latency.load_warm_ms is not None:
        lines.append(
            f"load with kernels to compile {_ms(latency.load_cold_ms)}, "
            f"with compiled ones at hand {_ms(latency.load_warm_ms)}"
        )
    if latency.reference_ratio is not None and latency.reference_bound is not None:
        lines.append(
            f"reference workload after the run: {latency.reference_ratio:.3f}x its time before "
            f"(throttled beyond {latency.reference_bound:.3f}x)"
        )
    return lines + _sustained(evidence, latency)


def _interval(latency: "Latency") -> str:
    if latency.ci95_ms is None or latency.ci_level is None:
        return ""
    low, high = latency.ci95_ms
    return f" [{low:.2f}, {high:.2f}] ({100 * latency.ci_level:.4g} %)"


def _sustained(evidence: "Evidence", latency: "Latency") -> list[str]:
    """The long run, or why there is none though it was tried."""
    long = latency.sustained
    if long is None:
        failed = [t.failure for t in evidence.sustained if t.failure is not None]
        return [f"sustained: {clean(failed[-1].message)}"] if failed else []
    trial = [trial for trial in evidence.sustained if trial.status == "ok"][-1]
    early = "" if trial.capped else ", all that it was given, before its time was over"
    lines = [
        f"sustained over {long.seconds:.0f} s: first {_ms(long.first_ms)}, "
        f"last {_ms(long.last_ms)}, score {long.score:.3f} ({long.runs} runs{early})"
    ]
    shown = sensors(trial.series) if trial.series is not None else []
    lines.append("  " + ("; ".join(shown) or "no sensor of the device was read meanwhile"))
    return lines


def sensors(series: "ConditionSeries") -> list[str]:
    """What sensors showed, each from the first tenth of its readings to the last."""
    return [
        *_changes(series.temperatures_celsius, 1.0, "°C", 1),
        *_changes({f"cpu{core}": khz for core, khz in series.cpu_khz.items()}, 1e3, "MHz", 0),
        *_changes({"GPU": series.gpu_khz}, 1e3, "MHz", 0),
        *_changes({"GPU load": series.gpu_load_percent}, 1.0, "%", 0),
    ]


def _changes(
    by_name: "Mapping[str, Sequence[float | None]]", divisor: float, unit: str, digits: int
) -> list[str]:
    found = []
    for name, readings in by_name.items():
        known = [value / divisor for value in readings if value is not None]
        if not known:
            continue
        tenth = max(1, len(known) // 10)
        first, last = statistics.median(known[:tenth]), statistics.median(known[-tenth:])
        change = abs(last - first) / max(abs(first), 1e-9)
        text = f"{clean(name)} {first:.{digits}f} to {last:.{digits}f} {unit}"
        found.append((change, text))
    most = sorted(found, key=lambda pair: -pair[0])[:MOST_SENSORS]
    return [text for _, text in most]


def _ms(value: float | None) -> str:
    return NO_VALUE if value is None else f"{value:.2f} ms"
