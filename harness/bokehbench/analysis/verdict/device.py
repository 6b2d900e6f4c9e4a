"""Findings about the device: heat, power, load, and what kind of device it is."""

from collections.abc import Iterator

from bokehbench.analysis.verdict.rules import FOREIGN_BUSY, LOW_BATTERY_PERCENT
from bokehbench.facts import Conditions, Evidence, Fidelity, Latency
from bokehbench.facts.record import IMPORTED

_STATUS = ("NONE", "LIGHT", "MODERATE", "SEVERE", "CRITICAL", "EMERGENCY", "SHUTDOWN")


def emulator(evidence: Evidence, _latency: Latency, _fidelity: Fidelity | None) -> str:
    return "the device is an emulator" if evidence.device.emulator else ""


def app_disturbed(evidence: Evidence, _latency: Latency, _fidelity: Fidelity | None) -> str:
    processes = (
        *evidence.trials,
        *evidence.image_trials,
        *evidence.reference_before,
        *evidence.reference_after,
        *evidence.sustained,
    )
    hit = [trial for trial in processes if trial.failure and trial.failure.kind == "disturbed"]
    if not hit:
        return ""
    changes = dict.fromkeys(change for t in hit if t.app is not None for change in t.app.changes)
    told = f" ({', '.join(changes)})" if changes else ""
    return (
        f"{len(hit)} of {len(processes)} processes were discarded: "
        f"the app was not in front all the time{told}"
    )


def throttled(evidence: Evidence, latency: Latency, _fidelity: Fidelity | None) -> str:
    parts = []
    ratio, bound = latency.reference_ratio, latency.reference_bound
    if ratio is not None and bound is not None and ratio > bound:
        parts.append(f"the reference workload took {ratio:.3f}x as long after (bound {bound:.3f}x)")
    hot = [c for c in _trusted(evidence) if (c.thermal_status or 0) > 0]
    if hot:
        worst = max(hot, key=lambda c: c.thermal_status or 0)
        status = min(worst.thermal_status or 0, len(_STATUS) - 1)
        parts.append(f"thermal status {_STATUS[status]} {worst.when} the run")
    return "; ".join(parts)


def _trusted(evidence: Evidence) -> Iterator[Conditions]:
    for conditions in evidence.conditions:
        if not conditions.thermal_override:
            yield conditions


def thermal_override(evidence: Evidence, _latency: Latency, _fidelity: Fidelity | None) -> str:
    if not any(conditions.thermal_override for conditions in evidence.conditions):
        return ""
    return "the thermal status is overridden"


def not_settled(evidence: Evidence, _latency: Latency, _fidelity: Fidelity | None) -> str:
    unsettled = [c for c in evidence.conditions if c.settled is False]
    if not unsettled:
        return ""
    why = f": {unsettled[0].unsettled}" if unsettled[0].unsettled else ""
    seconds = unsettled[0].settle_seconds or 0
    return f"the device did not meet its targets within {seconds:.0f} s{why}"


def low_battery(evidence: Evidence, _latency: Latency, _fidelity: Fidelity | None) -> str:
    parts = []
    levels = [c.battery_percent for c in evidence.conditions if c.battery_percent is not None]
    if levels and min(levels) < LOW_BATTERY_PERCENT:
        parts.append(f"battery at {min(levels)} %")
    if any(conditions.low_power_mode for conditions in evidence.conditions):
        parts.append("power saving is on")
    return "; ".join(parts)


def clocks_unlocked(evidence: Evidence, _latency: Latency, _fidelity: Fidelity | None) -> str:
    # A Linux board or host has root as a matter of course; no user of an app does.
    if evidence.device.platform != "android" or not evidence.device.rooted:
        return ""
    if any(conditions.clocks_locked for conditions in evidence.conditions):
        return ""
    return "rooted, with clocks that were not locked"


def imported(evidence: Evidence, _latency: Latency, _fidelity: Fidelity | None) -> str:
    if evidence.launch != IMPORTED:
        return ""
    return "made of a log; nobody saw the device"


def foreign_load(evidence: Evidence, _latency: Latency, _fidelity: Fidelity | None) -> str:
    busy = [
        conditions.cpu_busy
        for conditions in evidence.conditions
        if conditions.when == "before" and conditions.cpu_busy is not None
    ]
    if not busy or max(busy) <= FOREIGN_BUSY:
        return ""
    return f"{max(busy):.0%} of all cores were busy before"


def mixed_conditions(evidence: Evidence, _latency: Latency, _fidelity: Fidelity | None) -> str:
    seen = {
        "plugged in": {c.plugged for c in evidence.conditions},
        "screen on": {c.screen_on for c in evidence.conditions},
        "power saving": {c.low_power_mode for c in evidence.conditions},
    }
    changed = [what for what, values in seen.items() if {True, False} <= values]
    return f"changed in the course of the run: {', '.join(changed)}" if changed else ""
