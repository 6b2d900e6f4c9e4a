"""Exit code and words of one run -> how it went, and if it failed, as what.

An exit code other than 0 is a failure whatever was printed: a tool whose Invoke failed goes on
looping and still prints a summary. Without a printed result nothing is a success.
"""

import signal
from dataclasses import dataclass
from typing import Final, Literal

from bokehbench.runners.benchmark_model.delegation import Delegation
from bokehbench.runners.benchmark_model.failures import NODE_FAILED, ORDER
from bokehbench.runners.benchmark_model.results import Numbers
from bokehbench.runners.benchmark_model.rules import FailureKind
from bokehbench.runners.benchmark_model.runs import RawRun

Outcome = Literal["ok", "ok_with_fallback", "incomplete", "failed"]

TIMEOUT_EXIT: Final = 124
"""Exit code of coreutils' and toybox's `timeout`, and of our own deadline."""

_SIGNAL_BASE: Final = 128
_FROM_OUTSIDE: Final = frozenset(
    {signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE}
)
_WINDOWS_EXCEPTION: Final = 0xC0000000
_TOLD: Final = frozenset({"usage", "input_mismatch"})
"""Kinds that old builds report with an abort, after a message that says it all."""


@dataclass(frozen=True)
class Judgement:
    """How a run went. `line` is the line that decided, None where the exit code did."""

    outcome: Outcome
    kind: FailureKind | None = None
    message: str | None = None
    line: int | None = None


@dataclass(frozen=True)
class _Cause:
    kind: FailureKind
    weight: str
    line: int
    text: str
    gravity: str


def judge(
    run: RawRun,
    numbers: Numbers,
    delegation: Delegation,
    *,
    exit_code: int | None,
    python_tool: bool,
    last_words: str = "",
) -> Judgement:
    """The outcome of one run; `last_words` is the last line of a log that is not the tool's."""
    causes = _causes(run, delegation)
    fatal = [cause for cause in causes if cause.weight == "fatal"]
    if exit_code not in (None, 0) or fatal:
        return _failed(causes, numbers, delegation, exit_code, python_tool, last_words)
    if numbers.complete:
        outcome: Outcome = "ok_with_fallback" if delegation.fallback else "ok"
        return Judgement(outcome, line=numbers.result_line)
    if any(cause.weight == "cause" for cause in causes):
        return _failed(causes, numbers, delegation, exit_code, python_tool, last_words)
    return Judgement("incomplete")


def _causes(run: RawRun, delegation: Delegation) -> list[_Cause]:
    loaded = bool(run.of("loaded"))
    causes = []
    for line, token in run.of("failure"):
        verdict = token.verdict
        if verdict is None or (verdict.kind == "model_missing" and loaded):
            # The model was there; some other file was not.
            continue
        causes.append(_Cause(verdict.kind, verdict.weight, line, token.text, token.gravity))
    shaped = bool(delegation.params.get("input shapes"))
    for line, token in run.of(NODE_FAILED):
        name, act = token.values
        kind: FailureKind
        if "delegate" in (name or "").lower():
            kind = "delegate_failed"
        elif act == "prepare":
            kind = "input_mismatch" if shaped else "model_invalid"
        else:
            kind = "unknown"
        weight = "fatal" if act == "invoke" else "cause"
        causes.append(_Cause(kind, weight, line, token.text, token.gravity))
    return causes


def _failed(
    causes: list[_Cause],
    numbers: Numbers,
    delegation: Delegation,
    exit_code: int | None,
    python_tool: bool,
    last_words: str,
) -> Judgement:
    by_code = _kind_of_code(exit_code)
    best = _best(causes)
    if by_code is None and exit_code not in (None, 0):
        # A process that could say what is wrong has not crashed.
        told = [c for c in causes if c.kind not in ("crash", "killed", "timeout")]
        best = _best(told) or best
    if by_code is None:
        kind = best.kind if best else "unknown"
    elif by_code in ("crash", "killed"):
        memory = next((c for c in causes if c.kind == "out_of_memory"), None)
        told_end = next((c for c in causes if c.kind in _TOLD), None)
        if memory is not None:
            kind, best = "out_of_memory", memory
        elif by_code == "crash" and told_end is not None:
            kind, best = told_end.kind, told_end
        else:
            kind = by_code
            best = next((c for c in causes if c.kind == kind), None)
    else:
        kind = by_code
        best = next((c for c in causes if c.kind == kind), None)
    blamed = python_tool or any(c.kind == "delegate_failed" for c in causes)
    if kind == "unknown" and delegation.asks_accelerator and not numbers.has_session and blamed:
        kind = "delegate_failed"
    message = best.text if best else None
    if message is None and exit_code not in (None, 0):
        said = f"; its last line: {last_words}" if last_words else ""
        message = f"the tool ended with exit code {exit_code}{said}"
    return Judgement("failed", kind, message, best.line if best else None)


def _best(causes: list[_Cause]) -> _Cause | None:
    """The cause that says most: by kind in the list's order, then the first line."""
    ranked = [c for c in causes if c.weight != "hint"] or causes
    return min(ranked, key=lambda c: (ORDER.index(c.kind), c.line), default=None)


def _kind_of_code(exit_code: int | None) -> FailureKind | None:
    """What an exit code says by itself: a deadline, a signal, or nothing."""
    if exit_code is None or exit_code == 0:
        return None
    if exit_code == TIMEOUT_EXIT:
        return "timeout"
    if exit_code >= _WINDOWS_EXCEPTION:
        return "crash"
    # Shells add 128, Python's subprocess negates.
    number = -exit_code if exit_code < 0 else exit_code - _SIGNAL_BASE
    if not 0 < number < 65:
        return None
    return "killed" if number in _FROM_OUTSIDE else "crash"
