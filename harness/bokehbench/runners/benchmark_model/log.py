"""A whole log of Google's benchmark tools -> facts, numbers, outcome; bytes in, structs out."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from bokehbench.runners.benchmark_model.counts import Interval
from bokehbench.runners.benchmark_model.delegates import Delegate, RefusedOp
from bokehbench.runners.benchmark_model.delegation import read_delegation
from bokehbench.runners.benchmark_model.lines import Text, read_lines
from bokehbench.runners.benchmark_model.op_profile import OpProfile
from bokehbench.runners.benchmark_model.origin import (
    adapter_of,
    api_of,
    is_python_tool,
    model_of,
    threads_of,
    tool_of,
    version_of,
)
from bokehbench.runners.benchmark_model.outcome import Outcome, judge
from bokehbench.runners.benchmark_model.results import read_numbers
from bokehbench.runners.benchmark_model.rules import FailureKind
from bokehbench.runners.benchmark_model.runs import OpenRun, RawRun, split_runs, take_up
from bokehbench.runners.benchmark_model.tokens import Tokens
from bokehbench.runners.benchmark_model.warnings import warnings_of

RUNS_KEPT: Final = 1000
"""Runs reported of one log; of more, the first ones and the last."""

DETAILS_KEPT: Final = 100_000
"""Entries of lists (operators, delegates) kept of all runs together."""

_NUMBERS = (
    "avg_us",
    "min_us",
    "max_us",
    "std_us",
    "p5_us",
    "median_us",
    "p95_us",
    "init_ms",
    "first_us",
    "warmup_avg_us",
    "peak_memory_mb",
    "init_memory_mb",
    "overall_memory_mb",
    "model_size_mb",
)


class ParsedLog(msgspec.Struct, frozen=True, kw_only=True):
    """What one run's log tells; None is "the text does not hold it".

    `delegated_nodes`, `total_nodes` and `partitions` are of the first delegate that the log
    reports; `delegates` has all. `intervals` says for a number whose digits were cut what it may
    have been. `lines` gives the line that each fact came from, `decided_by` the lines that decided
    the outcome.
    """

    outcome: Outcome
    failure_kind: FailureKind | None = None
    failure_message: str | None = None
    requested_backend: str | None = None
    backend: str | None = None
    avg_us: float | None = None
    min_us: float | None = None
    max_us: float | None = None
    std_us: float | None = None
    p5_us: float | None = None
    median_us: float | None = None
    p95_us: float | None = None
    count: int | None = None
    init_ms: float | None = None
    first_us: float | None = None
    warmup_avg_us: float | None = None
    warmup_count: int | None = None
    delegated_nodes: int | None = None
    total_nodes: int | None = None
    partitions: int | None = None
    unsupported_ops: tuple[str, ...] | None = None
    peak_memory_mb: float | None = None
    warnings: tuple[str, ...] | None = None
    delegates: tuple[Delegate, ...] | None = None
    unsupported: tuple[RefusedOp, ...] | None = None
    exit_code: int | None = None
    tool: str | None = None
    runtime_version: str | None = None
    model: str | None = None
    model_size_mb: float | None = None
    num_threads: int | None = None
    gpu_api: str | None = None
    adapter: str | None = None
    init_memory_mb: float | None = None
    overall_memory_mb: float | None = None
    backend_proven: bool = True
    fully_accelerated: bool | None = None
    profile: OpProfile | None = None
    intervals: dict[str, Interval] = {}
    lines: dict[str, int] = {}
    decided_by: tuple[int, ...] = ()
    first_line: int = 0
    last_line: int = 0


class LogFile(msgspec.Struct, frozen=True, kw_only=True):
    """All runs of one log, and whether it is a text at all.

    `recognised` is false when no line is one of the tools'; `binary` when it is not even text.
    """

    runs: tuple[ParsedLog, ...]
    lines: int
    recognised: bool
    binary: bool
    empty: bool
    encoding: str

    @property
    def last(self) -> ParsedLog:
        """The last run: an exit code is its own."""
        return self.runs[-1]


def parse_log(data: bytes | Iterable[bytes], *, exit_code: int | None = None) -> LogFile:
    """Read one log; never raises, whatever the bytes.

    Args:
        data: the log, at once or in chunks of any size; memory stays bounded.
        exit_code: of the process; of the last one, where the log holds several runs. None is
            unknown.
    """
    text = Text()
    chunks = (data,) if isinstance(data, bytes) else data
    runs: list[ParsedLog] = []
    room = DETAILS_KEPT
    more = 0
    waiting: OpenRun | None = None
    for run in split_runs(Tokens().read(read_lines(chunks, text))):
        if waiting is not None:
            if len(runs) < RUNS_KEPT - 1:
                for taken in take_up(waiting):
                    runs.append(_within(_parsed(taken), room))
                    room -= _size(runs[-1])
            else:
                more += 1
        waiting = run
    recognised = waiting is not None
    nothing = RawRun(first_line=min(1, text.lines), last_line=text.lines)
    last = take_up(waiting) if waiting is not None else [nothing]
    runs += [_within(_parsed(taken), room) for taken in last[:-1]]
    runs.append(_within(_parsed(last[-1], text, exit_code=exit_code), room))
    runs = _unique(runs)
    if len(runs) + more > 1:
        runs = [_one_of(run, len(runs) + more) for run in runs]
    return LogFile(
        runs=tuple(runs),
        lines=text.lines,
        recognised=recognised,
        binary=not recognised and text.odd * 20 > max(1, min(text.characters, 1 << 20)),
        empty=text.characters == 0,
        encoding=text.encoding,
    )


def _size(run: ParsedLog) -> int:
    """Entries of unbounded lists that a run holds."""
    profile = run.profile
    rows = len(profile.ops) + len(profile.types) + len(profile.init) if profile else 0
    return rows + len(run.delegates or ()) + len(run.unsupported or ())


def _within(run: ParsedLog, room: int) -> ParsedLog:
    """A run without its lists when thousands of runs have filled the memory for them."""
    if _size(run) <= room:
        return run
    said = "details were left out: too many runs in one log"
    return replace(
        run,
        delegates=None,
        unsupported=None,
        unsupported_ops=None,
        profile=None,
        warnings=(*(run.warnings or ()), said),
    )


def _one_of(run: ParsedLog, count: int) -> ParsedLog:
    said = f"one of {count} runs in this log, lines {run.first_line}-{run.last_line}"
    return replace(run, warnings=(*(run.warnings or ()), said))


def _unique(runs: list[ParsedLog]) -> list[ParsedLog]:
    """Runs without those that are another's copy (stderr first, then all of logcat)."""
    kept: list[ParsedLog] = []
    seen = set()
    for run in reversed(runs):
        said = (run.avg_us, run.init_ms, run.count, run.min_us, run.max_us)
        if run.avg_us is None or said not in seen:
            kept.append(run)
        seen.add(said)
    return kept[::-1]


def _parsed(run: RawRun, text: Text | None = None, *, exit_code: int | None = None) -> ParsedLog:
    """One run; `text` is given with the last one, which alone can be cut or have an exit code."""
    whole = text is None or text.ended
    python_tool = is_python_tool(run)
    tool = tool_of(run, python_tool=python_tool)
    numbers = read_numbers(
        run, last_line_is_whole=whole, last_line=text.lines if text else run.last_line
    )
    delegation = read_delegation(
        run,
        default_is_cpu=python_tool
        or (tool == "benchmark_model" and bool(run.of("start") or run.of("param"))),
        says_its_default=python_tool,
        prepared=numbers.has_session or tool == "run_model",
        finished=numbers.complete,
    )
    judgement = judge(
        run,
        numbers,
        delegation,
        exit_code=exit_code,
        python_tool=python_tool,
        # A shell that found no tool, an adb that found no device.
        last_words=text.last if text and not run.entries else "",
    )
    warnings = warnings_of(
        run, numbers, delegation, judgement, text=text or Text(), exit_code=exit_code, tool=tool
    )
    first = next(
        (d for d in delegation.delegates if d.nodes is not None or d.partitions is not None), None
    )
    values = {name: numbers.values.get(name) for name in _NUMBERS}
    lines = {name: numbers.lines[name] for name in numbers.lines}
    for name, line in (
        ("requested_backend", delegation.requested_line),
        ("backend", delegation.backend_line),
        ("delegates", first.line if first else None),
        ("unsupported_ops", delegation.refused[0].line if delegation.refused else None),
        ("outcome", judgement.line),
    ):
        if line is not None:
            lines[name] = line
    decided = [judgement.line, *(line for line, _ in delegation.fallback), delegation.backend_line]
    return ParsedLog(
        outcome=judgement.outcome,
        failure_kind=judgement.kind,
        failure_message=judgement.message,
        requested_backend=delegation.requested,
        backend=delegation.backend,
        count=_whole(numbers.values.get("count")),
        warmup_count=_whole(numbers.values.get("warmup_count")),
        delegated_nodes=first.nodes if first else None,
        total_nodes=first.total if first else None,
        partitions=first.partitions if first else None,
        unsupported_ops=tuple(dict.fromkeys(u.op for u in delegation.refused)) or None,
        warnings=warnings or None,
        delegates=tuple(delegation.delegates) or None,
        unsupported=tuple(delegation.refused) or None,
        exit_code=exit_code,
        tool=tool,
        runtime_version=version_of(run),
        model=model_of(run, delegation),
        num_threads=threads_of(delegation),
        gpu_api=api_of(run, delegation),
        adapter=adapter_of(run),
        backend_proven=not delegation.unproven,
        fully_accelerated=delegation.fully_accelerated,
        profile=run.profile,
        intervals=dict(numbers.intervals),
        lines=lines,
        decided_by=tuple(sorted({line for line in decided if line is not None})),
        first_line=run.first_line,
        last_line=run.last_line,
        **{name: _plain(value) for name, value in values.items()},
    )


def _plain(value: float | None) -> Any:
    """Whole numbers as such: a minimum of 5554 us is no float."""
    if value is None:
        return None
    return int(value) if value == int(value) and abs(value) < 2**53 else value


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
