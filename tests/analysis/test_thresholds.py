"""Findings with a threshold: evidence just beyond it, and evidence just short of it."""

from typing import Any

import pytest
from msgspec.structs import replace

from bokehbench.analysis import RULES
from bokehbench.analysis.latency import summarize_evidence
from bokehbench.analysis.verdict import judge
from bokehbench.facts import (
    Conditions,
    ConditionSeries,
    Evidence,
    ImageScore,
    OutputReport,
    ReferenceWorkload,
    Trial,
)
from tests.support.evidence import make_device, make_evidence, make_report, make_trial, make_trials


def codes(evidence: Evidence) -> set[str]:
    return {finding.code for finding in judge(evidence, summarize_evidence(evidence), None)}


def conditions(**changes: Any) -> tuple[Conditions, ...]:
    return (Conditions(when="before", at="", **changes),)


def both(before: dict[str, Any], after: dict[str, Any]) -> tuple[Conditions, ...]:
    return (
        Conditions(when="before", at="", **before),
        Conditions(when="after", at="", **after),
    )


def processes(*medians_ms: float) -> tuple[Trial, ...]:
    return tuple(make_trial(index=i, ms=ms) for i, ms in enumerate(medians_ms))


def references(*medians_ms: float) -> tuple[Trial, ...]:
    return tuple(make_trial(index=i, ms=ms) for i, ms in enumerate(medians_ms))


def with_samples(*samples_ms: float) -> tuple[Trial, ...]:
    times = tuple(round(ms * 1e6) for ms in samples_ms)
    return tuple(make_trial(index=i, invoke_ns=times) for i in range(5))


def image(psnr: float | None, difference: float | None) -> tuple[ImageScore, ...]:
    score = ImageScore(
        index=0,
        name="0",
        status="ok",
        reference_psnr=psnr,
        reference_max_difference=difference,
    )
    return (score,)


def gpu(*reports: dict[str, Any]) -> tuple[Trial, ...]:
    return tuple(
        make_trial("gpu", index=i, report=make_report("gpu", **changes))
        for i, changes in enumerate(reports)
    )


def fastest(ms: float) -> tuple[Trial, ...]:
    output = OutputReport(sha256="0" * 64, shape=(1, 1024, 1024, 3), dtype="f32", nonfinite=0)
    return tuple(replace(trial, output=output) for trial in make_trials(ms=ms))


def with_references(before: int, after: int) -> dict[str, Any]:
    """A run whose protocol wants three processes of the reference workload on each side."""
    protocol = replace(make_evidence().protocol, reference=ReferenceWorkload(processes=3))
    return {
        "protocol": protocol,
        "reference_before": references(*[10.0] * before),
        "reference_after": references(*[10.0] * after),
    }


RAMP = [20 + step * 0.05 for step in range(24)]
"""20.0 to 21.15 ms: the last third is 1.04 times the first."""

FULL = (1, 1024, 1024, 3)

CASES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (
        "throttled",
        {
            "reference_before": references(10.0, 10.01, 9.99),
            "reference_after": references(11.02, 11.02, 11.02),
        },
        {
            "reference_before": references(10.0, 10.01, 9.99),
            "reference_after": references(10.98, 10.98, 10.98),
        },
    ),
    (
        "throttled",
        # The same slowdown within a reference workload whose own noise allows it.
        {
            "reference_before": references(10.0, 10.1, 9.9),
            "reference_after": references(12.5, 12.6, 12.4),
        },
        {
            "reference_before": references(10.0, 12.0, 8.3),
            "reference_after": references(12.5, 14.9, 10.3),
        },
    ),
    (
        "throttled",
        {"conditions": both({"thermal_status": 0}, {"thermal_status": 1})},
        {"conditions": both({"thermal_status": 0}, {"thermal_status": 0})},
    ),
    (
        "thermal_override",
        {"conditions": conditions(thermal_override=True, thermal_status=0)},
        {"conditions": conditions(thermal_override=False, thermal_status=0)},
    ),
    (
        "low_battery",
        {"conditions": conditions(battery_percent=24)},
        {"conditions": conditions(battery_percent=25)},
    ),
    (
        "low_battery",
        {"conditions": conditions(battery_percent=90, low_power_mode=True)},
        {"conditions": conditions(battery_percent=90, low_power_mode=False)},
    ),
    (
        "emulator",
        {"device": make_device(emulator=True)},
        {"device": make_device(emulator=None)},
    ),
    (
        "clocks_unlocked_rooted",
        {"device": make_device(rooted=True), "conditions": conditions()},
        {
            "device": make_device(rooted=True),
            "conditions": conditions(clocks_locked=True),
        },
    ),
    (
        "clocks_unlocked_rooted",
        {"device": make_device(rooted=True), "conditions": conditions()},
        {"device": make_device(rooted=False), "conditions": conditions()},
    ),
    (
        "clocks_unlocked_rooted",
        {"device": make_device(rooted=True)},
        {"device": make_device(rooted=True, platform="linux")},
    ),
    (
        "foreign_load",
        {"conditions": conditions(cpu_busy=0.26)},
        {"conditions": conditions(cpu_busy=0.25)},
    ),
    (
        "mixed_conditions",
        {"conditions": both({"plugged": True}, {"plugged": False})},
        {"conditions": both({"plugged": True}, {"plugged": None})},
    ),
    (
        "mixed_conditions",
        {"conditions": both({"screen_on": True}, {"screen_on": False})},
        {"conditions": both({"screen_on": True}, {"screen_on": True})},
    ),
    (
        "unstable_between_processes",
        {"trials": processes(19.0, 20.0, 20.0, 20.0, 21.02)},
        {"trials": processes(19.0, 20.0, 20.0, 20.0, 20.98)},
    ),
    (
        "drift_within_process",
        {"trials": with_samples(*(20 + 1.3 * (ms - 20) for ms in RAMP))},
        {"trials": with_samples(*RAMP)},
    ),
    (
        "bimodal",
        # The two alternate, so that neither end of a process differs from the other.
        {"trials": with_samples(*[20.0, 20.1, 21.5, 21.6] * 6)},
        {"trials": with_samples(*[20.0, 20.1, 20.8, 20.9] * 6)},
    ),
    (
        "implausible_latency",
        {"timing_shape": FULL, "trials": fastest(0.0629)},
        {"timing_shape": FULL, "trials": fastest(0.0630)},
    ),
    (
        "output_differs_from_reference",
        {"images": image(39.9, 9.0)},
        {"images": image(40.1, 9.0)},
    ),
    (
        "output_differs_from_reference",
        {"images": image(20.0, 90.0)},
        {"images": image(None, None)},
    ),
    (
        "backend_switched",
        {"backend": "gpu", "trials": gpu({}, {}, {}, {}, {"delegated_nodes": 30})},
        {"backend": "gpu", "trials": gpu({}, {}, {}, {}, {})},
    ),
    (
        "backend_switched",
        {
            "backend": "gpu",
            "trials": gpu(*[{"gpu_api": "OpenCL"}] * 4, {"gpu_api": "OpenGL"}),
        },
        {"backend": "gpu", "trials": gpu(*[{"gpu_api": "OpenCL"}] * 4, {"gpu_api": None})},
    ),
    (
        "unranked_protocol",
        {"protocol": replace(make_evidence().protocol, ranked=False)},
        {"protocol": replace(make_evidence().protocol, ranked=True)},
    ),
    ("incomplete", with_references(3, 2), with_references(3, 3)),
    ("incomplete", with_references(0, 0), {"reference_before": ()}),
]


@pytest.mark.parametrize(("code", "beyond", "short"), CASES)
def test_threshold(code: str, beyond: dict[str, Any], short: dict[str, Any]) -> None:
    assert codes(make_evidence(**beyond)) == {code}
    assert code not in codes(make_evidence(**short))


def test_an_override_makes_the_status_worthless() -> None:
    found = codes(make_evidence(conditions=conditions(thermal_override=True, thermal_status=3)))
    assert found == {"thermal_override"}


def test_what_is_unknown_is_no_finding() -> None:
    assert codes(make_evidence(conditions=both({}, {}))) == set()


def test_every_rule_says_when_it_applies() -> None:
    assert all(rule.threshold for rule in RULES.values())


SILENT = {"fully_accelerated": None, "delegated_nodes": None}


@pytest.mark.parametrize(
    ("seconds", "loads", "said"),
    [
        (2.0, (0.0, None, 0.0), "its load stayed at 0 % in all 5 whose load was sampled"),
        (2.0, (0.0, 41.0, 0.0), "its load reached 41 %, which does not say for whom"),
        (1.9, (0.0, 0.0, 0.0), ""),
        (2.0, (None, None, None), ""),
        (2.0, (), ""),
    ],
)
def test_the_load_of_a_gpu_that_nobody_proved(
    seconds: float, loads: tuple[float | None, ...], said: str
) -> None:
    series = ConditionSeries(times_ns=(0, 10**9, round(seconds * 1e9)), gpu_load_percent=loads)
    trials = tuple(replace(trial, series=series) for trial in gpu(*[SILENT] * 5))
    evidence = make_evidence(backend="gpu", trials=trials)
    [finding] = judge(evidence, summarize_evidence(evidence), None)
    start = "5 processes did not report any operator on the GPU"
    assert (finding.code, finding.message) == (
        "no_gpu_proof",
        f"{start}; {said}" if said else start,
    )
    # Where the engine gives counts, its load is nobody's argument.
    proven = tuple(replace(trial, series=series) for trial in gpu(*[{}] * 5))
    assert codes(make_evidence(backend="gpu", trials=proven)) == set()
