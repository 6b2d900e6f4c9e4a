"""Tokens of one run -> which tool wrote the log, about which model, with how many threads."""

from bokehbench.runners.benchmark_model.delegation import Delegation
from bokehbench.runners.benchmark_model.runs import RawRun

PYTHON_TOOL = "benchmark_litert_model.py"


def is_python_tool(run: RawRun) -> bool:
    """Whether LiteRT's Python tool wrote the log."""
    kinds = ("accelerators", "litert_start", "litert_loaded", "json_value", "json")
    if any(run.of(kind) for kind in kinds):
        return True
    said = ("Model file not found", PYTHON_TOOL)
    return any(word in token.text for _, token in run.of("failure") for word in said)


def tool_of(run: RawRun, *, python_tool: bool) -> str | None:
    """The tool's name, or None for a log that is none of theirs."""
    if python_tool:
        return PYTHON_TOOL
    if any(run.of(kind) for kind in ("run_model", "run_graph", "run_done")):
        return "run_model"
    if run.of("labelled") or run.of("heading"):
        return "benchmark_litert_model"
    if any(run.of(kind) for kind in ("start", "summary", "running", "session", "loaded")):
        return "benchmark_model"
    return None


def version_of(run: RawRun) -> str | None:
    """The runtime's version, which only builds of some vendors print."""
    return _first(run, "version")


def model_of(run: RawRun, delegation: Delegation) -> str | None:
    """The model's path."""
    kinds = ("litert_model", "run_graph", "loaded")
    named = (_first(run, kind) for kind in kinds)
    return delegation.params.get("graph") or next(filter(None, named), None)


def threads_of(delegation: Delegation) -> int | None:
    """CPU threads, where the log tells."""
    for label in ("num threads", "#threads used for cpu inference"):
        text = delegation.params.get(label, "")
        if text.isascii() and text.isdigit():
            return int(text[:9])
    return None


def api_of(run: RawRun, delegation: Delegation) -> str | None:
    """The GPU's API; one that came after another failed is the one that ran."""
    if run.of("opengl") and delegation.api in (None, "opencl"):
        return "opengl"
    if delegation.api is not None:
        return delegation.api
    for delegate in delegation.delegates:
        for word, api in (("webgpu", "webgpu"), ("_cl", "opencl"), ("_gl", "opengl")):
            if delegate.backend == "gpu" and word in delegate.name.lower():
                return api
    return None


def adapter_of(run: RawRun) -> str | None:
    """The GPU, where the log names it."""
    return _first(run, "adapter")


def _first(run: RawRun, kind: str) -> str | None:
    return next((token.values[0] for _, token in run.of(kind)), None)
