"""One Record and its logs -> what each operator cost, where it ran, and what fell back and why."""

import re
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec

from bokehbench.facts import BackendReport, Evidence, Record, Trial
from bokehbench.runners.benchmark_model import ParsedLog
from bokehbench.runners.benchmark_model.delegates import backend_of
from bokehbench.runners.benchmark_model.op_profile import OpTime

OPS_FORMAT: Final = "bokehbench-ops/1"

_DELEGATE: Final = re.compile(r"delegate|\bDISPATCH_OP\b", re.IGNORECASE)
"""A node that stands for a part of the graph that a delegate runs (TfLiteGpuDelegateV2...)."""

_ABOUT_WHERE: Final = ("trial_failed", "fallback", "no_gpu_proof", "backend_switched")
"""Codes of findings that tell of where a model ran, or did not."""

PRIMARY: Final = "primary"
_INSIDE: Final = "delegate"
"""The tools' table of what went on inside delegates, whose time is in the delegates' nodes too."""


class Operator(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the profiles, over all processes that have it.

    `per_run_ns` is the median over processes of what it took in one inference, `low_ns` and
    `high_ns` are the least and the most. `share` is of all nodes of the primary graph, from 0 to 1.
    `where` is a backend, None where the log does not say which delegate it was inside of.
    """

    graph: str
    node: int | None
    type: str
    name: str
    where: str | None
    per_run_ns: int
    low_ns: int
    high_ns: int
    share: float | None
    calls: int | None


class OperatorType(msgspec.Struct, frozen=True, kw_only=True):
    """All operators of one type in one graph and place.

    Without a profile these are the model's own, whose time nobody knows; `where` is then None
    where the graph was divided and no line says how.
    """

    graph: str
    type: str
    where: str | None
    count: int
    per_run_ns: int | None = None
    share: float | None = None


class FellBack(msgspec.Struct, frozen=True, kw_only=True):
    """What an accelerator did not run. `source` says who tells: a log, a profile, the rules."""

    source: Literal["delegate", "profile", "prediction", "finding"]
    text: str


class OpReport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a Record holds of its operators; `notes` say what it does not hold."""

    record_id: str
    model: str
    device: str
    requested_backend: str
    backend: str | None
    delegated_nodes: int | None
    total_nodes: int | None
    partitions: int | None
    processes: int
    total_ns: int | None
    ops: tuple[Operator, ...]
    types: tuple[OperatorType, ...]
    fell_back: tuple[FellBack, ...]
    notes: tuple[str, ...]


def op_report(record: Record, logs: Mapping[int, ParsedLog]) -> OpReport:
    """What is known of a Record's operators.

    Args:
        record: of any runner.
        logs: of trials of one of Google's tools, by index, the run that was the trial's.
    """
    evidence = record.evidence
    report = _report(evidence.trials)
    profiled = [log for log in logs.values() if log.profile is not None and log.profile.ops]
    ops = _operators(profiled)
    total = sum(op.per_run_ns for op in ops if op.graph == PRIMARY) or None
    return OpReport(
        record_id=record.record_id,
        model=evidence.model.name,
        device=evidence.device.model or evidence.device.device_id,
        requested_backend=evidence.backend,
        backend=report.name if report else None,
        delegated_nodes=report.delegated_nodes if report else None,
        total_nodes=report.total_nodes if report else None,
        partitions=report.partitions if report else None,
        processes=len(profiled),
        total_ns=total,
        ops=ops,
        types=(*_types(ops), *_held(evidence, report, ops))
        if ops
        else _types_of_model(evidence, report),
        fell_back=tuple(_fell_back(record, report, ops)),
        notes=tuple(_notes(evidence, report, ops)),
    )


def document(report: OpReport) -> dict[str, Any]:
    """The JSON object of `bokehbench ops`; its texts are those of the log, unchanged."""
    told: dict[str, Any] = msgspec.to_builtins(report)
    return {"format": OPS_FORMAT, **told}


@dataclass(frozen=True)
class _Key:
    graph: str
    type: str
    name: str


def _operators(logs: Sequence[ParsedLog]) -> tuple[Operator, ...]:
    found: dict[_Key, list[tuple[OpTime, ParsedLog]]] = {}
    for log in logs:
        for op in log.profile.ops if log.profile else ():
            found.setdefault(_Key(op.graph, op.type, op.name), []).append((op, log))
    made = []
    for key, members in found.items():
        times = [round(op.avg_us * 1000 * (op.calls or 1)) for op, _ in members]
        op, log = members[0]
        made.append(
            Operator(
                graph=key.graph,
                node=op.node,
                type=key.type,
                name=key.name,
                where=_where(op, log),
                per_run_ns=round(statistics.median(times)),
                low_ns=min(times),
                high_ns=max(times),
                share=None,
                calls=op.calls,
            )
        )
    total = sum(op.per_run_ns for op in made if op.graph == PRIMARY)
    if not total:
        return tuple(made)
    return tuple(msgspec.structs.replace(op, share=op.per_run_ns / total) for op in made)


def _where(op: OpTime, log: ParsedLog) -> str | None:
    """The backend that ran a row of a profile."""
    if op.graph == _INSIDE:
        rows = log.profile.ops if log.profile else ()
        delegates = {_delegate_of(row, log) for row in rows if _stands_for_many(row)}
        return delegates.pop() if len(delegates) == 1 else None
    return _delegate_of(op, log) if _stands_for_many(op) else "cpu"


def _delegate_of(op: OpTime, log: ParsedLog) -> str | None:
    """The backend of a delegate's node."""
    if op.type == "DISPATCH_OP":
        return "npu"
    # Builds of 2019 do not name the delegate here.
    return log.backend if op.type == "DELEGATE" else backend_of(op.type)


def _stands_for_many(op: OpTime | Operator) -> bool:
    """Whether it is a delegate's node, which holds operators of the model."""
    return op.graph != _INSIDE and _DELEGATE.search(op.type) is not None


def _types(ops: Sequence[Operator]) -> tuple[OperatorType, ...]:
    groups: dict[tuple[str, str, str | None], list[Operator]] = {}
    for op in ops:
        groups.setdefault((op.graph, op.type, op.where), []).append(op)
    made = [
        OperatorType(
            graph=graph,
            type=kind,
            where=where,
            count=len(members),
            per_run_ns=sum(op.per_run_ns for op in members),
            share=None
            if members[0].share is None
            else sum(op.share for op in members if op.share is not None),
        )
        for (graph, kind, where), members in groups.items()
    ]
    graphs = list(dict.fromkeys(op.graph for op in ops))
    return tuple(sorted(made, key=lambda one: (graphs.index(one.graph), -(one.per_run_ns or 0))))


def _held(
    evidence: Evidence, report: BackendReport | None, ops: Sequence[Operator]
) -> list[OperatorType]:
    """What a delegate's nodes hold, where it follows: the model's operators without the others."""
    holders = {op.where for op in ops if _stands_for_many(op)}
    if len(holders) != 1 or any(op.graph != PRIMARY for op in ops):
        return []
    others = Counter(op.type for op in ops if not _stands_for_many(op))
    held = Counter(evidence.model.ops) - others
    if report is None or held.total() != report.delegated_nodes:
        return []
    if sum(evidence.model.ops.values()) != held.total() + others.total():
        return []
    [where] = holders
    return [
        OperatorType(graph=_INSIDE, type=name, where=where, count=count)
        for name, count in held.most_common()
    ]


def _types_of_model(evidence: Evidence, report: BackendReport | None) -> tuple[OperatorType, ...]:
    """The model's operators, and where they ran if that is the same for all of them."""
    where = _everything(report)
    return tuple(
        OperatorType(graph="all", type=name, where=where, count=count)
        for name, count in sorted(evidence.model.ops.items(), key=lambda item: (-item[1], item[0]))
    )


def _everything(report: BackendReport | None) -> str | None:
    """Where all operators ran; None where the graph was divided, or nobody says."""
    if report is None:
        return None
    counted = report.delegated_nodes is not None and report.total_nodes is not None
    if report.name == "cpu" and not report.delegates:
        return "cpu"
    if counted and report.delegated_nodes == 0:
        return "cpu"
    if report.fully_accelerated or (counted and report.delegated_nodes == report.total_nodes):
        return report.name
    return None


def _report(trials: Sequence[Trial]) -> BackendReport | None:
    """What the last process that worked said of where it ran, else what the last one said."""
    told = [trial for trial in trials if trial.report is not None]
    worked = [trial for trial in told if trial.status == "ok"]
    return (worked or told)[-1].report if told else None


def _fell_back(
    record: Record, report: BackendReport | None, ops: Sequence[Operator]
) -> list[FellBack]:
    """What did not run where it should, with the reasons, each once."""
    evidence = record.evidence
    found = [
        FellBack(source="finding", text=finding.message)
        for finding in record.derived.findings
        if finding.code in _ABOUT_WHERE
    ]
    refused = [*report.unsupported_ops] if report else []
    for trial in evidence.trials:
        refused += trial.failure.unsupported_ops if trial.failure else ()
    for one in dict.fromkeys((one.op, one.reason) for one in refused):
        found.append(FellBack(source="delegate", text=": ".join(part for part in one if part)))
    # The interpreter's own kernels are a fallback for XNNPACK as well: the same cores, but slower.
    if evidence.backend != "cpu":
        left: dict[str, list[Operator]] = {}
        for op in ops:
            if op.where == "cpu" and op.graph != _INSIDE and not _stands_for_many(op):
                left.setdefault(op.type, []).append(op)
        for kind, members in left.items():
            spent = sum(op.per_run_ns for op in members) / 1e6
            text = f"{len(members)} x {kind} ran on the CPU's own kernels, {spent:.3f} ms"
            found.append(FellBack(source="profile", text=text))
    if evidence.prediction is not None:
        found += [
            FellBack(source="prediction", text=line) for line in evidence.prediction.operators
        ]
    return found


def _notes(evidence: Evidence, report: BackendReport | None, ops: Sequence[Operator]) -> list[str]:
    notes = []
    if ops:
        notes.append(
            "profiling takes time itself: the shares hold, the sum is above the true latency"
        )
        inside = {op.where for op in ops if _stands_for_many(op)}
        if inside and not any(op.graph == _INSIDE for op in ops):
            names = ", ".join(sorted(name for name in inside if name))
            notes.append(f"a delegate is one node here: {names} does not tell its operators' times")
    elif evidence.runner.name == "bokehbench":
        notes.append(
            "our runner times whole runs, no single operators; run with --runner benchmark_model "
            "--runner-flag enable_op_profiling=true for their times"
        )
    else:
        notes.append(
            "no log of this record holds a profile; run with --runner-flag enable_op_profiling=true"
        )
    if not ops and _everything(report) is None and report is not None:
        notes.append(
            "which operators ran where is not told; `bokehbench lint MODEL` says what rules expect"
        )
    if report is None:
        notes.append("no process said where it ran")
    return notes
