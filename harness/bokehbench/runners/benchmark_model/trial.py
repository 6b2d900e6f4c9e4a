"""What a benchmark tool's process left -> Trial: a result only where nothing speaks against it.

The tool keeps the times of its runs to itself, so a Trial gets its summary of them.
"""

import math
from typing import Final

from bokehbench.facts import (
    AggregateLatency,
    BackendReport,
    DelegateShare,
    Failure,
    Trial,
    TrialSpec,
    UnsupportedOp,
)
from bokehbench.facts.trial import CPU_BACKENDS, Backend, FailureKind
from bokehbench.runners.benchmark_model.argv import TOOL
from bokehbench.runners.benchmark_model.delegates import Delegate
from bokehbench.runners.benchmark_model.log import LogFile, ParsedLog
from bokehbench.runners.benchmark_model.result_file import ResultFile, float_interval

_API: Final = {"opencl": "OpenCL", "opengl": "OpenGL", "webgpu": "WebGPU", "vulkan": "Vulkan"}
_NOT_EXECUTED: Final = (126, 127)
"""What a shell says of a program that may not, or can't, be executed (POSIX)."""

_MICROSECONDS: Final = {
    "avg_us": "avg_ns",
    "min_us": "min_ns",
    "max_us": "max_ns",
    "std_us": "std_ns",
    "p5_us": "p5_ns",
    "median_us": "median_ns",
    "p95_us": "p95_ns",
    "first_us": "first_ns",
    "warmup_avg_us": "warmup_ns",
}
_FILE: Final = {
    "avg_ns": "avg_ms",
    "min_ns": "min_ms",
    "max_ns": "max_ms",
    "std_ns": "std_ms",
    "p5_ns": "p5_ms",
    "median_ns": "median_ms",
    "p95_ns": "p95_ms",
    "first_ns": "first_ms",
    "warmup_ns": "warmup_avg_ms",
    "load_ns": "init_ms",
}

Interval = tuple[int, int]


class Contradiction(ValueError):
    """Log and result file of one process say different things."""


def trial_of_log(
    spec: TrialSpec,
    log: LogFile,
    *,
    exit_code: int,
    timed_out: bool,
    started: str,
    wall_ns: int,
    log_sha256: str | None,
    result: ResultFile | None = None,
    cache: str = "none",
) -> Trial:
    """Judge one process of a tool.

    Args:
        spec: what was asked for; of its fields those that the tool is told.
        log: standard output and error in the order in which they came, parsed with `exit_code`.
        result: the file of `--result_file_path`, where the build writes one.
        cache: what the process could find of compiled kernels, `cold`, `warm` or `none`.
    """
    run = log.last
    failure = failure_of(spec, log, exit_code=exit_code, timed_out=timed_out)
    aggregate: AggregateLatency | None = None
    load_ns: int | None = None
    if failure is None:
        try:
            aggregate, load_ns = aggregate_of(run, result)
        except Contradiction as error:
            failure = Failure(kind="protocol", message=str(error))
    if failure is None and aggregate is None:
        failure = Failure(kind="protocol", message=f"{TOOL} printed no average of its runs")
    return Trial(
        index=spec.index,
        mode=spec.mode,
        purpose=spec.purpose,
        backend=spec.backend,
        status="failed" if failure else "ok",
        started=started,
        wall_ns=wall_ns,
        load_ns=load_ns if load_ns is not None else _nanoseconds(run.init_ms, 1e6),
        region=TOOL,
        capped=aggregate is not None and aggregate.count < spec.runs,
        peak_memory_bytes=_bytes(run.peak_memory_mb),
        report=report_of(run, spec.backend, cache=cache),
        failure=failure,
        exit_code=exit_code,
        log_sha256=log_sha256,
        aggregate=aggregate,
    )


def failure_of(spec: TrialSpec, log: LogFile, *, exit_code: int, timed_out: bool) -> Failure | None:
    """Why this process has no result, or None."""
    run = log.last
    if timed_out:
        return Failure(kind="timeout", message="the trial did not end within its deadline")
    if exit_code in _NOT_EXECUTED and not log.recognised:
        return Failure(
            kind="io_error",
            message=f"the device can't execute {TOOL}: {run.failure_message or exit_code}; is it "
            "built for this device, and its folder not mounted noexec?",
        )
    if len(log.runs) != 1:
        return Failure(kind="protocol", message=f"the log of one process holds {len(log.runs)}")
    if run.outcome == "failed":
        return Failure(
            kind=_kind(run),
            message=run.failure_message or f"{TOOL} ended with exit code {exit_code}",
            unsupported_ops=_refused(run),
        )
    if exit_code != 0:
        # The parser has no success for these either; this holds whatever it says.
        return Failure(kind="internal", message=f"{TOOL} ended with exit code {exit_code}")
    if run.outcome == "incomplete" or not run.avg_us or not run.count:
        return Failure(kind="protocol", message=f"{TOOL} ended without a result in its log")
    if (asked := run.requested_backend) is not None and not _same(asked, spec.backend):
        return Failure(
            kind="internal", message=f"{spec.backend} was asked for, {TOOL} says {asked}"
        )
    forced = spec.gpu.backend if spec.backend == "gpu" else "auto"
    if forced != "auto" and run.gpu_api is not None and run.gpu_api != forced:
        return Failure(
            kind="delegate_failed",
            message=f"the GPU interface {forced} was asked for, {run.gpu_api} was set up",
        )
    return None


def aggregate_of(
    run: ParsedLog, result: ResultFile | None = None
) -> tuple[AggregateLatency | None, int | None]:
    """The summary of a process's runs, and its load in nanoseconds; None where it has none.

    Of the log's six digits and the file's 32-bit floats the narrower is taken.

    Raises:
        Contradiction: the file is of other runs.
    """
    if run.avg_us is None or run.count is None:
        return None, None
    values: dict[str, int] = {}
    intervals: dict[str, Interval] = {}
    for name, field in _MICROSECONDS.items():
        _take(run, name, field, 1e3, values, intervals)
    _take(run, "init_ms", "load_ns", 1e6, values, intervals)
    finer = result is not None and _refine(result, run.count, values, intervals)
    load_ns = values.pop("load_ns", None)
    aggregate = AggregateLatency(
        count=run.count,
        warmup_count=run.warmup_count,
        intervals_ns=intervals,
        source="result_file" if finer else "log",
        **values,
    )
    return aggregate, load_ns


def _take(
    run: ParsedLog,
    name: str,
    field: str,
    scale: float,
    values: dict[str, int],
    intervals: dict[str, Interval],
) -> None:
    value = getattr(run, name)
    if value is None:
        return
    values[field] = round(value * scale)
    if name in run.intervals:
        low, high = run.intervals[name]
        intervals[field] = round(low * scale), round(high * scale)


def _refine(
    result: ResultFile, count: int, values: dict[str, int], intervals: dict[str, Interval]
) -> bool:
    """Numbers of the file where they are finer than the log's; whether any was.

    Raises:
        Contradiction: a number of the file is none that the log can have been printed from.
    """
    if result.count != count:
        raise Contradiction(f"the log tells of {count} runs, the result file of {result.count}")
    finer = False
    for field, name in _FILE.items():
        told = getattr(result, name)
        if told is None or field == "std_ns":
            # The tool cuts a deviation to whole microseconds in both.
            continue
        if told <= 0:
            # Without a warm-up the file has zeros for it.
            continue
        low, high = (bound * 1e6 for bound in float_interval(told))
        known_low, known_high = intervals.get(field, (values.get(field, 0),) * 2)
        if field in values and (high < known_low - 1 or low > known_high + 1):
            raise Contradiction(
                f"{field} is {known_low} to {known_high} in the log, {told * 1e6:.0f} in the "
                "result file"
            )
        if field in values and high - low >= known_high - known_low:
            continue
        values[field], intervals[field] = round(told * 1e6), (math.floor(low), math.ceil(high))
        finer = True
    return finer


def report_of(run: ParsedLog, asked: Backend, *, cache: str = "none") -> BackendReport | None:
    """What the log says of where the model ran; None where it says nothing at all."""
    ran = run.backend
    if ran is None and not run.delegates and not run.unsupported:
        # A process that ended before it loaded anything.
        return None
    mine = _delegate_of(run, ran or asked)
    proven = ran is not None and ran not in CPU_BACKENDS and run.backend_proven
    whole = run.fully_accelerated if proven else None
    if mine is not None and mine.execution is not None:
        whole = mine.execution == "all"
    elif mine is not None and mine.nodes is not None and mine.total is not None:
        whole = mine.nodes == mine.total
    line = run.lines.get("backend")
    counted = mine is not None and (mine.nodes or 0) > 0
    return BackendReport(
        name=ran or asked,
        delegate=mine.name if mine else None,
        cache=cache,
        fully_accelerated=whole,
        delegated_nodes=mine.nodes if mine else None,
        total_nodes=mine.total if mine else None,
        partitions=mine.partitions if mine else None,
        adapter=run.adapter,
        gpu_api=_API.get(run.gpu_api, run.gpu_api) if run.gpu_api else None,
        unsupported_ops=_refused(run),
        delegates=tuple(
            DelegateShare(
                name=delegate.name,
                delegated_nodes=delegate.nodes,
                total_nodes=delegate.total,
                partitions=delegate.partitions,
                kernels=delegate.kernels,
            )
            for delegate in run.delegates or ()
        ),
        proof=f"line {line} of the log" if proven and line and not counted else None,
    )


def _delegate_of(run: ParsedLog, backend: str) -> Delegate | None:
    """The delegate of a backend that took the most; one without a name may be it."""
    mine = [d for d in run.delegates or () if d.backend in (backend, "")]
    return max(mine, key=lambda d: (d.backend == backend, d.nodes or 0), default=None)


def _refused(run: ParsedLog) -> tuple[UnsupportedOp, ...]:
    return tuple(UnsupportedOp(op=one.op, reason=one.reason) for one in run.unsupported or ())


def _same(asked: str, wanted: str) -> bool:
    """LiteRT's tools call XNNPACK the CPU."""
    return asked == wanted or (asked in CPU_BACKENDS and wanted in CPU_BACKENDS)


def _kind(run: ParsedLog) -> FailureKind:
    kind = run.failure_kind or "unknown"
    if kind != "unknown":
        return kind
    return "internal" if run.init_ms is None else "invoke_failed"


def _nanoseconds(value: float | None, scale: float) -> int | None:
    return None if value is None else round(value * scale)


def _bytes(megabytes: float | None) -> int | None:
    """The tool divides by 1024 * 1024."""
    return None if megabytes is None else round(megabytes * 2**20)
