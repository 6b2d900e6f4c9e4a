"""Evidence -> findings: why a number is less than ranked, from a closed list.

`invalid` findings take the number away, `provisional` ones keep it out of rankings. Each comes
with what to do about it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from bokehbench.analysis.latency import MIN_PROCESSES, MIN_SAMPLES, timed_ok
from bokehbench.analysis.proof import is_software, ran_on_gpu
from bokehbench.facts import BackendReport, Evidence, Fidelity, Finding, Latency, Trial
from bokehbench.facts.derived import Status


@dataclass(frozen=True)
class Rule:
    """One entry of the closed list."""

    code: str
    effect: Literal["invalid", "provisional"]
    advice: str


_RULES = (
    Rule("trial_failed", "invalid", "read the failure; try another backend or precision"),
    Rule("no_gpu_proof", "invalid", "use an engine that reports what it delegated"),
    Rule("fallback", "invalid", "ask for the backend that ran, or for an engine that has it"),
    Rule("nan_output", "invalid", "run with --precision fp32; check the model's ranges"),
    Rule(
        "no_image_scored",
        "invalid",
        "read why the images failed; check the dataset, the I/O spec and free space",
    ),
    Rule("software_gpu", "provisional", "use a device with a real GPU, or --backend xnnpack"),
    Rule(
        "too_few_samples",
        "provisional",
        f"run {MIN_PROCESSES} processes or more with {MIN_SAMPLES} samples in all",
    ),
    Rule("no_warmup", "provisional", "run with warm-ups: the first runs of a process are slow"),
    Rule("not_settled", "provisional", "cool the device down and run again"),
    Rule("incomplete", "provisional", "run again to the end; what was measured is kept"),
    Rule(
        "outputs_differ_between_processes",
        "provisional",
        "compare the outputs; a GPU that reorders sums may differ, a broken one does too",
    ),
)

RULES: dict[str, Rule] = {rule.code: rule for rule in _RULES}


def judge(evidence: Evidence, latency: Latency, fidelity: Fidelity | None) -> tuple[Finding, ...]:
    """All findings about one Record, in the order of the closed list."""
    findings = []
    for code, rule in RULES.items():
        message = _CHECKS[code](evidence, latency, fidelity)
        if message:
            findings.append(
                Finding(code=code, effect=rule.effect, message=message, advice=rule.advice)
            )
    return tuple(findings)


def status_of(findings: Sequence[Finding]) -> Status:
    """Invalid if any finding is, else provisional if any is, else ranked."""
    effects = {finding.effect for finding in findings}
    if "invalid" in effects:
        return "invalid"
    return "provisional" if "provisional" in effects else "ranked"


def is_software_gpu(evidence: Evidence) -> bool:
    """The GPU backend ran on a software rasteriser, by the adapter's name."""
    return evidence.backend == "gpu" and any(map(is_software, _adapters(evidence)))


def _adapters(evidence: Evidence) -> list[str]:
    """Adapters as the engine named them; where it names none, the device's GPU."""
    names = [report.adapter for report in _reports(evidence) if report.adapter]
    if names or not evidence.device.gpu:
        return names
    return [evidence.device.gpu]


def _succeeded(evidence: Evidence) -> Iterator[Trial]:
    for trial in (*evidence.trials, *evidence.image_trials):
        if trial.status == "ok":
            yield trial


def _reports(evidence: Evidence) -> Iterator[BackendReport]:
    for trial in _succeeded(evidence):
        if trial.report is not None:
            yield trial.report


def _trial_failed(evidence: Evidence, _latency: Latency, _fidelity: Fidelity | None) -> str:
    # A run that was cut short before its first trial ended has not failed.
    if timed_ok(evidence.trials) or not (evidence.finished or evidence.trials):
        return ""
    for trial in evidence.trials:
        if trial.failure is not None:
            return f"{trial.failure.kind}: {trial.failure.message}"
    return "no timed trial was run" if not evidence.trials else "no timed trial has samples"


def _no_gpu_proof(evidence: Evidence, _latency: Latency, _fidelity: Fidelity | None) -> str:
    if evidence.backend != "gpu":
        return ""
    unproven = [trial for trial in _succeeded(evidence) if not ran_on_gpu(trial.report)]
    if not unproven:
        return ""
    return f"{len(unproven)} processes did not report any operator on the GPU"


def _fallback(evidence: Evidence, _latency: Latency, _fidelity: Fidelity | None) -> str:
    ran = {report.name for report in _reports(evidence)} - {evidence.backend}
    if not ran:
        return ""
    return f"{evidence.backend} was asked for, {', '.join(sorted(ran))} ran"


def _nan_output(evidence: Evidence, _latency: Latency, _fidelity: Fidelity | None) -> str:
    timed = sum(
        1 for trial in timed_ok(evidence.trials) if trial.output and trial.output.nonfinite > 0
    )
    images = sum(1 for image in evidence.images if (image.nonfinite or 0) > 0)
    if not timed and not images:
        return ""
    return f"NaN or infinite values in {timed} timed outputs and {images} images"


def _software_gpu(evidence: Evidence, _latency: Latency, _fidelity: Fidelity | None) -> str:
    if not is_software_gpu(evidence):
        return ""
    name = next(filter(is_software, _adapters(evidence)))
    return f"the GPU is software: {name}"


def _too_few_samples(_evidence: Evidence, latency: Latency, _fidelity: Fidelity | None) -> str:
    if latency.processes == 0:
        # That no trial succeeded says it already.
        return ""
    if latency.processes >= MIN_PROCESSES and latency.samples >= MIN_SAMPLES:
        return ""
    return f"{latency.samples} samples of {latency.processes} processes"


def _no_image_scored(evidence: Evidence, _latency: Latency, fidelity: Fidelity | None) -> str:
    if evidence.dataset is None or not evidence.finished or not timed_ok(evidence.trials):
        return ""
    if fidelity is not None and fidelity.images > 0:
        return ""
    why = next((image.failure for image in evidence.images if image.failure), "no image was run")
    return f"0 of {evidence.dataset.pairs} images could be scored: {why}"


def _no_warmup(evidence: Evidence, latency: Latency, _fidelity: Fidelity | None) -> str:
    if evidence.protocol.warmups > 0 or latency.processes == 0:
        return ""
    return "no run was a warm-up"


def _not_settled(evidence: Evidence, _latency: Latency, _fidelity: Fidelity | None) -> str:
    unsettled = [c for c in evidence.conditions if c.settled is False]
    if not unsettled:
        return ""
    return f"the device did not meet its targets within {unsettled[0].settle_seconds or 0:.0f} s"


def _incomplete(evidence: Evidence, _latency: Latency, fidelity: Fidelity | None) -> str:
    parts = []
    if not evidence.finished:
        parts.append("the run has not finished")
    failed = sum(trial.status == "failed" for trial in evidence.trials)
    if failed and timed_ok(evidence.trials):
        parts.append(f"{failed} of {len(evidence.trials)} timed trials failed")
    lost = fidelity.failed if fidelity else sum(i.status == "failed" for i in evidence.images)
    if lost:
        parts.append(f"{lost} images failed")
    if evidence.dataset is not None:
        scored = fidelity.images if fidelity else 0
        missing = evidence.dataset.pairs - scored - lost
        if missing > 0:
            parts.append(f"{missing} of {evidence.dataset.pairs} images were not scored")
    return "; ".join(parts)


def _outputs_differ(evidence: Evidence, _latency: Latency, _fidelity: Fidelity | None) -> str:
    # Timed processes of one Record all get the same input from the same seed.
    hashes = {trial.output.sha256 for trial in timed_ok(evidence.trials) if trial.output}
    if len(hashes) < 2:
        return ""
    return f"{len(hashes)} different outputs of one input"


_Check = Callable[[Evidence, Latency, Fidelity | None], str]

_CHECKS: dict[str, _Check] = {
    "trial_failed": _trial_failed,
    "no_gpu_proof": _no_gpu_proof,
    "fallback": _fallback,
    "nan_output": _nan_output,
    "no_image_scored": _no_image_scored,
    "no_warmup": _no_warmup,
    "not_settled": _not_settled,
    "software_gpu": _software_gpu,
    "too_few_samples": _too_few_samples,
    "incomplete": _incomplete,
    "outputs_differ_between_processes": _outputs_differ,
}
