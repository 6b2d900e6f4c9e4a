"""Whether a process ran on what was asked for, by the engine's own report."""

import re

from bokehbench.facts import BackendReport, Trial
from bokehbench.facts.trial import CPU_BACKENDS

_SOFTWARE_GPU = re.compile(r"llvmpipe|lavapipe|swiftshader|softpipe", re.IGNORECASE)


def ran_there(report: BackendReport | None) -> bool:
    """Whether the engine said that the accelerator took the model or a part of it."""
    if report is None:
        return False
    if report.proof is not None:
        return True
    return report.fully_accelerated is True or (report.delegated_nodes or 0) > 0


def ran_as_asked(trial: Trial) -> bool:
    """A process that succeeded on the backend that was asked for, proven where it is no CPU."""
    if trial.status != "ok":
        return False
    if trial.report is not None and trial.report.name != trial.backend:
        return False
    return trial.backend in CPU_BACKENDS or ran_there(trial.report)


def is_software(adapter: str) -> bool:
    """Whether an adapter's name is that of a rasteriser on the CPU."""
    return _SOFTWARE_GPU.search(adapter) is not None


def is_worth_keeping(trial: Trial) -> bool:
    """Whether nothing else needs to be tried: proven, and on no GPU that is only software."""
    adapter = trial.report.adapter if trial.report else None
    return ran_as_asked(trial) and not is_software(adapter or "")
