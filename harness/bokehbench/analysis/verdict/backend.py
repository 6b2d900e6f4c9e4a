"""Findings about what ran: failures, proof, fallback, outputs that are wrong."""

import math
from collections.abc import Sequence

from bokehbench.analysis.latency import process_ns, timed_ok
from bokehbench.analysis.proof import is_software, ran_there
from bokehbench.analysis.verdict.reports import (
    adapters,
    is_software_gpu,
    reports,
    succeeded,
)
from bokehbench.analysis.verdict.rules import MEMORY_BYTES_PER_SECOND, REFERENCE_PSNR
from bokehbench.facts import Evidence, Fidelity, Latency, Trial
from bokehbench.facts.trial import CPU_BACKENDS
from bokehbench.text import counted

LOAD_SECONDS = 2.0
"""Twice a second a load is sampled: a shorter process may have run between two samples."""


def trial_failed(evidence: Evidence, _latency: Latency, _fidelity: Fidelity | None) -> str:
    # A run that was cut short before its first trial ended has not failed.
    if timed_ok(evidence.trials) or not (evidence.finished or evidence.trials):
        return ""
    for trial in evidence.trials:
        if trial.failure is not None:
            return f"{trial.failure.kind}: {trial.failure.message}"
    return "no timed trial was run" if not evidence.trials else "no timed trial has samples"


def no_gpu_proof(evidence: Evidence, _latency: Latency, _fidelity: Fidelity | None) -> str:
    if evidence.backend in CPU_BACKENDS:
        return ""
    unproven = [trial for trial in succeeded(evidence) if not ran_there(trial.report)]
    if not unproven:
        return ""
    where = "the GPU" if evidence.backend == "gpu" else evidence.backend
    text = (
        f"{counted(len(unproven), 'process', 'processes')} did not report any operator on {where}"
    )
    load = _gpu_load(unproven) if evidence.backend == "gpu" else ""
    return f"{text}; {load}" if load else text


def _gpu_load(trials: Sequence[Trial]) -> str:
    """What the GPU's load was while processes ran that are long enough to show in it."""
    seen = []
    for trial in trials:
        series = trial.series
        if series is None or not series.times_ns or series.times_ns[-1] < LOAD_SECONDS * 1e9:
            continue
        if known := [load for load in series.gpu_load_percent if load is not None]:
            seen.append(max(known))
    if not seen:
        return ""
    if max(seen) > 0:
        return f"its load reached {max(seen):.0f} %, which does not say for whom"
    return f"its load stayed at 0 % in all {len(seen)} whose load was sampled"


def fallback(evidence: Evidence, _latency: Latency, _fidelity: Fidelity | None) -> str:
    ran = {report.name for report in reports(evidence)} - {evidence.backend}
    if not ran:
        return ""
    return f"{evidence.backend} was asked for, {', '.join(sorted(ran))} ran"


def backend_switched(evidence: Evidence, _latency: Latency, _fidelity: Fidelity | None) -> str:
    seen: dict[str, set[str | int]] = {
        "delegates": {report.delegate for report in reports(evidence) if report.delegate},
        "GPU interfaces": {r.gpu_api for r in reports(evidence) if r.gpu_api},
        "counts of delegated operators": {
            report.delegated_nodes
            for report in reports(evidence)
            if report.delegated_nodes is not None
        },
    }
    parts = [
        f"{len(values)} {what}: {', '.join(sorted(map(str, values)))}"
        for what, values in seen.items()
        if len(values) > 1
    ]
    return "; ".join(parts)


def nan_output(evidence: Evidence, _latency: Latency, _fidelity: Fidelity | None) -> str:
    timed = sum(
        1 for trial in timed_ok(evidence.trials) if trial.output and trial.output.nonfinite > 0
    )
    images = sum(1 for image in evidence.images if (image.nonfinite or 0) > 0)
    if not timed and not images:
        return ""
    return f"NaN or infinite values in {timed} timed outputs and {images} images"


def software_gpu(evidence: Evidence, _latency: Latency, _fidelity: Fidelity | None) -> str:
    if not is_software_gpu(evidence):
        return ""
    name = next(filter(is_software, adapters(evidence)))
    return f"the GPU is software: {name}"


def output_differs(evidence: Evidence, _latency: Latency, _fidelity: Fidelity | None) -> str:
    compared = [image for image in evidence.images if image.reference_max_difference is not None]
    far = [
        image
        for image in compared
        if image.reference_psnr is not None and image.reference_psnr < REFERENCE_PSNR
    ]
    if not far:
        return ""
    worst = min(far, key=lambda image: image.reference_psnr or 0.0)
    return (
        f"{len(far)} of {len(compared)} images differ from this host's own output: "
        f"{worst.name} has {worst.reference_psnr:.1f} dB, "
        f"off by up to {worst.reference_max_difference:g} of 255"
    )


def implausible_latency(evidence: Evidence, latency: Latency, _fidelity: Fidelity | None) -> str:
    references = timed_ok((*evidence.reference_before, *evidence.reference_after))
    if any(process_ns(trial) <= 0 for trial in references):
        return "the reference workload took no time at all, in the same engine"
    if latency.min_ms is None:
        return ""
    moved = math.prod(evidence.timing_shape)
    moved += max(
        (math.prod(t.output.shape) for t in timed_ok(evidence.trials) if t.output), default=0
    )
    # A byte an element is the least that a tensor of any type takes.
    least_ms = moved / MEMORY_BYTES_PER_SECOND * 1e3
    bound_ms = evidence.prediction.roofline_ms if evidence.prediction else None
    if bound_ms is not None and latency.min_ms < bound_ms and bound_ms > least_ms:
        return (
            f"{latency.min_ms:.6f} ms is less than the {bound_ms:.6f} ms that the arithmetic and "
            "the memory of the profile's GPU need for this model"
        )
    if latency.min_ms >= least_ms:
        return ""
    return (
        f"{latency.min_ms:.6f} ms is less than the {least_ms:.6f} ms that moving "
        f"{moved} bytes takes"
    )


def no_image_scored(evidence: Evidence, _latency: Latency, fidelity: Fidelity | None) -> str:
    if evidence.dataset is None or not evidence.finished or not timed_ok(evidence.trials):
        return ""
    if fidelity is not None and fidelity.images > 0:
        return ""
    why = next((image.failure for image in evidence.images if image.failure), "no image was run")
    return f"0 of {evidence.dataset.pairs} images could be scored: {why}"


def outputs_differ(evidence: Evidence, _latency: Latency, _fidelity: Fidelity | None) -> str:
    # Timed processes of one Record all get the same input from the same seed.
    hashes = {trial.output.sha256 for trial in timed_ok(evidence.trials) if trial.output}
    if len(hashes) < 2:
        return ""
    return f"{len(hashes)} different outputs of one input"
