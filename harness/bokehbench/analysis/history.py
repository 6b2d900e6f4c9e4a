"""How a model's latency went from run to run, with what changed in between."""

import statistics
from collections import Counter
from collections.abc import Sequence

import msgspec

from bokehbench.analysis.compare import gpu_options
from bokehbench.facts import Record


class HistoryRow(msgspec.Struct, frozen=True, kw_only=True):
    """One record in a history.

    `normalised_ms` is the median with the unit's own speed taken out: multiplied by the reference
    workload's median over all rows of this kind of device, engine, backend and precision, divided
    by this row's. None without a reference workload, or where it took no time at all. `changed`
    names what is not as in the row before of the same device, backend and precision; an app's
    rows are apart from a shell's.
    """

    record_id: str
    run_id: str
    created: str
    name: str
    model_sha256: str
    device_id: str
    device: str
    backend: str
    precision: str
    status: str
    reasons: tuple[str, ...]
    median_ms: float | None
    ci95_ms: tuple[float, float] | None
    processes: int
    reference_ms: float | None
    normalised_ms: float | None
    celsius: float | None
    battery_percent: int | None
    engine: str
    build: str | None
    changed: tuple[str, ...]
    launch: str


def history(records: Sequence[Record]) -> list[HistoryRow]:
    """Rows from the oldest record to the newest."""
    ordered = sorted(records, key=lambda record: (record.evidence.created, record.record_id))
    references: dict[tuple[str, ...], list[float]] = {}
    for record in ordered:
        if (value := _reference_ms(record)) is not None:
            references.setdefault(_kind(record), []).append(value)
    last: dict[tuple[str, ...], Record] = {}
    rows = []
    shown = _device_names(ordered)
    for record in ordered:
        evidence, latency = record.evidence, record.derived.latency
        started = "app" if evidence.launch == "app" else ""
        unit = (evidence.device.device_id, evidence.backend, evidence.precision, started)
        own, usual = _reference_ms(record), references.get(_kind(record))
        normalised = None
        if latency.median_ms is not None and own is not None and usual:
            normalised = latency.median_ms * statistics.median(usual) / own
        before = evidence.conditions[0] if evidence.conditions else None
        rows.append(
            HistoryRow(
                record_id=record.record_id,
                run_id=evidence.run_id,
                created=evidence.created,
                name=evidence.label or evidence.model.name,
                model_sha256=evidence.model.sha256,
                device_id=evidence.device.device_id,
                device=shown[evidence.device.device_id],
                backend=evidence.backend,
                precision=evidence.precision,
                launch=evidence.launch,
                status=record.derived.status,
                reasons=record.derived.reasons,
                median_ms=latency.median_ms,
                ci95_ms=latency.ci95_ms,
                processes=latency.processes,
                reference_ms=latency.reference_before_ms,
                normalised_ms=normalised,
                celsius=max(before.temperatures_celsius.values(), default=None) if before else None,
                battery_percent=before.battery_percent if before else None,
                engine=f"{evidence.engine.name} {evidence.engine.version}",
                build=evidence.device.fingerprint or evidence.device.kernel,
                changed=_changed(last.get(unit), record),
            )
        )
        last[unit] = record
    return rows


def _reference_ms(record: Record) -> float | None:
    """The reference workload's time before the run, where it is one."""
    value = record.derived.latency.reference_before_ms
    return value if value is not None and value > 0 else None


def _device_names(records: Sequence[Record]) -> dict[str, str]:
    """Device id -> its model, with the id behind it where several units are of that model."""
    models = {r.evidence.device.device_id: r.evidence.device.model or "" for r in records}
    several = {model for model, count in Counter(models.values()).items() if count > 1}
    return {
        unit: f"{model} ({unit})" if model in several and model else model or unit
        for unit, model in models.items()
    }


def _kind(record: Record) -> tuple[str, ...]:
    """Units of one model of phone are alike but for their speed."""
    evidence = record.evidence
    device = evidence.device
    return (
        device.manufacturer or "",
        device.model or device.device_id,
        evidence.engine.name,
        evidence.engine.version,
        evidence.backend,
        evidence.precision,
        "app" if evidence.launch == "app" else "",
    )


def _changed(before: Record | None, now: Record) -> tuple[str, ...]:
    if before is None:
        return ()
    old, new = _versions(before), _versions(now)
    return tuple(f"{key}: {old[key]} -> {new[key]}" for key in old if old[key] != new[key])


def _versions(record: Record) -> dict[str, str]:
    evidence = record.evidence
    device, protocol = evidence.device, evidence.protocol
    return {
        "model": evidence.model.sha256[:12],
        "engine": f"{evidence.engine.name} {evidence.engine.version}",
        "build": device.fingerprint or device.kernel or "unknown",
        "runner": evidence.runner.sha256[:12],
        "launch": evidence.launch,
        "threads": str(evidence.threads),
        "core mask": f"{evidence.core_mask:x}",
        "GPU options": gpu_options(evidence),
        "input shape": "x".join(map(str, evidence.timing_shape)),
        "protocol": f"{protocol.name} {protocol.processes}x{protocol.runs}",
    }
