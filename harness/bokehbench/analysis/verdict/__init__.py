"""Evidence -> findings: why a number is less than ranked, from a closed list.

`invalid` findings take the number away, `provisional` ones keep it out of rankings. Each comes
with what to do about it.
"""

from collections.abc import Sequence

from bokehbench.analysis.verdict import backend, device, timing
from bokehbench.analysis.verdict.reports import Check, is_software_gpu
from bokehbench.analysis.verdict.rules import RULES, Rule
from bokehbench.facts import Evidence, Fidelity, Finding, Latency
from bokehbench.facts.derived import Status

__all__ = ["RULES", "Rule", "is_software_gpu", "judge", "status_of"]

_CHECKS: dict[str, Check] = {
    "trial_failed": backend.trial_failed,
    "no_gpu_proof": backend.no_gpu_proof,
    "fallback": backend.fallback,
    "backend_switched": backend.backend_switched,
    "nan_output": backend.nan_output,
    "output_differs_from_reference": backend.output_differs,
    "implausible_latency": backend.implausible_latency,
    "no_image_scored": backend.no_image_scored,
    "software_gpu": backend.software_gpu,
    "app_disturbed": device.app_disturbed,
    "emulator": device.emulator,
    "throttled": device.throttled,
    "thermal_override": device.thermal_override,
    "not_settled": device.not_settled,
    "low_battery": device.low_battery,
    "clocks_unlocked_rooted": device.clocks_unlocked,
    "foreign_load": device.foreign_load,
    "mixed_conditions": device.mixed_conditions,
    "too_few_samples": timing.too_few_samples,
    "aggregates_only": timing.aggregates_only,
    "imported": device.imported,
    "unranked_protocol": timing.unranked_protocol,
    "no_warmup": timing.no_warmup,
    "unstable_between_processes": timing.unstable,
    "drift_within_process": timing.drifting,
    "bimodal": timing.bimodal,
    "incomplete": timing.incomplete,
    "outputs_differ_between_processes": backend.outputs_differ,
}


def judge(evidence: Evidence, latency: Latency, fidelity: Fidelity | None) -> tuple[Finding, ...]:
    """All findings about one Record, in the order of the closed list."""
    findings = []
    for code, rule in RULES.items():
        message = _CHECKS[code](evidence, latency, fidelity)
        if message:
            findings.append(
                Finding(
                    code=code,
                    effect=rule.effect,
                    message=message,
                    advice=rule.advice,
                    threshold=rule.threshold,
                )
            )
    return tuple(findings)


def status_of(findings: Sequence[Finding]) -> Status:
    """Invalid if any finding is, else provisional if any is, else ranked."""
    effects = {finding.effect for finding in findings}
    if "invalid" in effects:
        return "invalid"
    return "provisional" if "provisional" in effects else "ranked"
