"""Parsed logs of Google's benchmark tools -> a table, a description, a JSON document."""

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from bokehbench.report.cells import ERROR, NOT_MEASURED, Cell, Column, Footnotes, Table
from bokehbench.runners.benchmark_model import ParsedLog
from bokehbench.text import clean

LOG_FORMAT = "bokehbench-log/1"
LOGS_FORMAT = "bokehbench-logs/1"

_COLUMNS = (
    Column("log", "Log", numeric=False),
    Column("outcome", "Outcome", numeric=False),
    Column("requested_backend", "Asked for", numeric=False),
    Column("backend", "Ran", numeric=False),
    Column("avg_us", "Average, ms"),
    Column("median_us", "Median, ms"),
    Column("min_us", "Min, ms"),
    Column("count", "Runs"),
    Column("init_ms", "Init, ms"),
    Column("delegated_nodes", "Delegated"),
    Column("peak_memory_mb", "Peak, MB"),
)


@dataclass(frozen=True)
class NamedLog:
    """One run of one log, with the name of the file that it is in."""

    name: str
    log: ParsedLog


def document(logs: Sequence[NamedLog], *, as_list: bool) -> dict[str, Any]:
    """The object of the one run, or a list of such objects."""
    if not as_list and len(logs) == 1:
        return {"format": LOG_FORMAT, **_entry(logs[0])}
    return {"format": LOGS_FORMAT, "logs": [_entry(one) for one in logs]}


def _entry(one: NamedLog) -> dict[str, Any]:
    return {"log": clean(one.name), **msgspec.to_builtins(one.log)}


def table(logs: Sequence[NamedLog]) -> Table:
    """A row for every run; failures and warnings as footnotes."""
    notes = Footnotes()
    folder = _shared_folder([one.name for one in logs])
    rows = []
    for one in logs:
        log = one.log
        cells = [_text(one.name.removeprefix(folder)), _outcome(log, notes)]
        cells += [_text(log.requested_backend), _text(log.backend)]
        cells += [_milliseconds(value) for value in (log.avg_us, log.median_us, log.min_us)]
        cells += [_whole(log.count), _number(log.init_ms), _delegated(log)]
        cells.append(_number(log.peak_memory_mb))
        rows.append(tuple(cells))
    title = f"Logs in {clean(folder)}" if folder else "Logs"
    return Table(title, _COLUMNS, tuple(rows), tuple(notes.texts))


def _shared_folder(names: list[str]) -> str:
    """The folder above all the names, with its slash; empty if they share none."""
    start = posixpath.commonprefix(names)
    return start[: start.rfind("/") + 1]


def describe(log: ParsedLog) -> str:
    """One run in a few lines."""
    rows: list[tuple[str, str | None]] = [
        ("outcome", _outcome_text(log)),
        ("tool", log.tool),
        ("model", log.model),
        ("asked for", log.requested_backend),
        ("ran", log.backend),
        ("average", _spread(log, "avg_us", log.avg_us)),
        ("min to max", _range(log)),
        ("median", _spread(log, "median_us", log.median_us)),
        ("deviation", _spread(log, "std_us", log.std_us)),
        ("runs", None if log.count is None else str(log.count)),
        ("first", _spread(log, "first_us", log.first_us)),
        ("warm-up", _spread(log, "warmup_avg_us", log.warmup_avg_us)),
        ("init", None if log.init_ms is None else f"{log.init_ms:g} ms"),
        ("peak", None if log.peak_memory_mb is None else f"{log.peak_memory_mb:g} MB"),
        ("lines", f"{log.first_line}-{log.last_line}"),
    ]
    lines = [f"{name:<11} {clean(text)}" for name, text in rows if text is not None]
    lines += [f"delegate    {clean(_delegate(log, place))}" for place in _places(log)]
    lines += [f"refused     {clean(one.op)}: {clean(one.reason)}" for one in log.unsupported or ()]
    lines += [f"warning     {clean(text)}" for text in log.warnings or ()]
    return "\n".join(lines)


def _outcome_text(log: ParsedLog) -> str:
    if log.failure_kind is None:
        return log.outcome
    said = f": {log.failure_message}" if log.failure_message else ""
    return f"{log.outcome}, {log.failure_kind}{said}"


def _outcome(log: ParsedLog, notes: Footnotes) -> Cell:
    said = [_outcome_text(log)] if log.failure_kind is not None else []
    numbers = notes.numbers([*said, *(log.warnings or ())])
    return Cell(log.outcome, ERROR if log.outcome == "failed" else log.outcome, numbers)


def _text(value: str | None) -> Cell:
    return Cell(value, NOT_MEASURED if value is None else clean(value))


def _milliseconds(value: float | None) -> Cell:
    return Cell(value, NOT_MEASURED if value is None else f"{value / 1000:.3f}")


def _number(value: float | None) -> Cell:
    return Cell(value, NOT_MEASURED if value is None else f"{value:.1f}")


def _whole(value: int | None) -> Cell:
    return Cell(value, NOT_MEASURED if value is None else str(value))


def _delegated(log: ParsedLog) -> Cell:
    if log.delegated_nodes is None:
        return Cell(None, NOT_MEASURED)
    total = "?" if log.total_nodes is None else str(log.total_nodes)
    return Cell(log.delegated_nodes, f"{log.delegated_nodes} of {total}")


def _spread(log: ParsedLog, name: str, value: float | None) -> str | None:
    """A time, and what it may have been before its digits were cut."""
    if value is None:
        return None
    interval = log.intervals.get(name)
    cut = f" ({interval[0]:.10g} to {interval[1]:.10g})" if interval else ""
    return f"{value:.10g} us{cut}"


def _range(log: ParsedLog) -> str | None:
    if log.min_us is None or log.max_us is None:
        return None
    return f"{log.min_us:.10g} to {log.max_us:.10g} us"


def _places(log: ParsedLog) -> range:
    return range(len(log.delegates or ()))


def _delegate(log: ParsedLog, place: int) -> str:
    one = (log.delegates or ())[place]
    parts = [f"{one.name}:"]
    if one.nodes is not None:
        parts.append(f"{one.nodes} of {'?' if one.total is None else one.total} operators")
    if one.partitions is not None:
        parts.append(f"{one.partitions} partitions")
    if one.execution is not None:
        parts.append({"all": "the whole graph", "part": "a part", "none": "nothing"}[one.execution])
    return f"{parts[0]} {', '.join(parts[1:]) or 'no counts'} (line {one.line})"
