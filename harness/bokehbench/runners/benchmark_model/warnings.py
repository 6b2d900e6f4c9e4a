"""What a reader of a log should know beside its numbers, a sentence each."""

import re
from typing import Final

from bokehbench.runners.benchmark_model.delegates import CPU_BACKENDS
from bokehbench.runners.benchmark_model.delegation import Delegation
from bokehbench.runners.benchmark_model.lines import Text
from bokehbench.runners.benchmark_model.outcome import Judgement
from bokehbench.runners.benchmark_model.results import Numbers
from bokehbench.runners.benchmark_model.runs import RawRun

_SOFTWARE: Final = re.compile(r"llvmpipe|lavapipe|swiftshader|softpipe", re.IGNORECASE)

SHOWN: Final = 40
"""Warnings kept of one run."""


def warnings_of(
    run: RawRun,
    numbers: Numbers,
    delegation: Delegation,
    judgement: Judgement,
    *,
    text: Text,
    exit_code: int | None,
    tool: str | None,
) -> tuple[str, ...]:
    """All warnings about one run, the gravest first."""
    found: list[str] = []
    for line, reason in delegation.fallback:
        found.append(f"fallback: {reason}{_at(line)}")
    if delegation.unproven:
        found.append(
            f"unproven: {delegation.requested} was asked for, and no line says that it ran"
        )
    found += _about_the_result(run, numbers, judgement, exit_code, tool_known=bool(run.entries))
    if numbers.complete and delegation.requested is None:
        found.append(
            f"{tool or 'the log'} does not tell which backend was asked for, so that a fallback "
            "can't be seen"
        )
    found += _about_the_backend(run, delegation)
    for line, token in run.of("unconsumed"):
        found.append(f"flags that this build does not know:{token.values[0]}{_at(line)}")
    if judgement.outcome in ("ok", "ok_with_fallback"):
        errors = [
            (line, token.text)
            for line, token in run.entries
            if token.gravity in ("error", "fatal") and token.kind in ("failure", "unavailable")
        ]
        for line, message in errors[:5]:
            found.append(f"error that did not end the run: {message}{_at(line)}")
    if run.dropped:
        found.append(f"{run.dropped} lines more than one run can have were passed over")
    if text.cut_lines:
        found.append(f"{text.cut_lines} lines were too long and were read only at their start")
    if text.encoding != "utf-8":
        found.append(f"the log is {text.encoding.upper()}")
    return tuple(dict.fromkeys(found))[:SHOWN]


def _about_the_result(
    run: RawRun,
    numbers: Numbers,
    judgement: Judgement,
    exit_code: int | None,
    *,
    tool_known: bool,
) -> list[str]:
    found = []
    if numbers.complete and exit_code is None and judgement.outcome != "failed":
        found.append(
            "the exit code is not known: a run whose Invoke failed prints a result as well"
        )
    if numbers.complete and judgement.outcome == "failed":
        found.append("a result was printed, but the run failed: its numbers are worth nothing")
    if numbers.unconfirmed:
        found.append("the last line has no end: the log may have been cut in a number")
    elif judgement.outcome == "incomplete":
        if run.of("count") and numbers.values.get("count") == 0:
            found.append("nothing was run: a dry run, or no runs were asked for")
        elif run.of("count"):
            found.append("the log ends before the result: what it holds is of the warm-up")
        elif tool_known:
            found.append("the log holds no result")
        else:
            found.append("no line is of benchmark_model or of LiteRT's tools")
    asked = _asked_runs(run)
    count = numbers.values.get("count")
    if asked is not None and count is not None and 0 < count < asked:
        found.append(f"{count:.0f} runs of {asked} that were asked for: the time limit came first")
    return found


def _asked_runs(run: RawRun) -> int | None:
    for _, token in run.of("param"):
        if (token.values[0] or "").strip() == "Min num runs":
            text = token.values[1] or ""
            return int(text[:9]) if text.isdigit() else None
    return None


def _about_the_backend(run: RawRun, delegation: Delegation) -> list[str]:
    found = []
    for line, _ in run.of("opengl"):
        found.append(f"OpenCL was not used: the GPU delegate fell back to OpenGL{_at(line)}")
    for line, token in run.of("adapter"):
        if delegation.backend == "gpu" and _SOFTWARE.search(token.values[0] or ""):
            found.append(f"the GPU is software{_at(line)}: {token.values[0]}")
    devices = delegation.params.get("nnapi accelerators available", "")
    if delegation.backend == "nnapi" and devices.strip() == "nnapi-reference":
        found.append("NNAPI has no device but nnapi-reference, which is the CPU")
    if run.of("run_model") and delegation.backend not in (None, *CPU_BACKENDS):
        found.append("run_model does not wait for the accelerator: it may have timed queueing")
    on_cpu = delegation.backend in CPU_BACKENDS
    if delegation.fully_accelerated and delegation.asks_accelerator and on_cpu:
        found.append(f"`Fully accelerated: True` counts {delegation.backend} as well")
    profiled = delegation.params.get("enable op profiling")
    if run.profile is not None or profiled == "1":
        found.append("operators were profiled, which slows a run down")
    return found


def _at(line: int | None) -> str:
    return f" (line {line})" if line is not None else ""
