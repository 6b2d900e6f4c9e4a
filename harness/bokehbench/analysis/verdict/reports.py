"""What several checks ask of evidence: processes that succeeded, and what they reported."""

from collections.abc import Callable, Iterator

from bokehbench.analysis.proof import is_software
from bokehbench.facts import BackendReport, Evidence, Fidelity, Latency, Trial

Check = Callable[[Evidence, Latency, Fidelity | None], str]
"""What was found, in words, or an empty text."""


def succeeded(evidence: Evidence) -> Iterator[Trial]:
    """Timed processes and those of images that ended well."""
    for trial in (*evidence.trials, *evidence.image_trials):
        if trial.status == "ok":
            yield trial


def reports(evidence: Evidence) -> Iterator[BackendReport]:
    """What the engine said in each of them."""
    for trial in succeeded(evidence):
        if trial.report is not None:
            yield trial.report


def adapters(evidence: Evidence) -> list[str]:
    """Adapters as the engine named them; where it names none, the device's GPU."""
    names = [report.adapter for report in reports(evidence) if report.adapter]
    if names or not evidence.device.gpu:
        return names
    return [evidence.device.gpu]


def is_software_gpu(evidence: Evidence) -> bool:
    """The GPU backend ran on a software rasteriser, by the adapter's name."""
    return evidence.backend == "gpu" and any(map(is_software, adapters(evidence)))
