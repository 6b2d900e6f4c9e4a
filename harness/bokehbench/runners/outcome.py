"""How a runner's process ended -> Trial: what counts as a result and what as which failure."""

import math
import signal
from typing import Final

from bokehbench.facts import BackendReport, Failure, OutputReport, Trial, TrialSpec
from bokehbench.facts.trial import FailureKind
from bokehbench.runners.protocol import OUTPUT_BYTES, EventStream, output_name

OWN_DEADLINE_EXIT: Final = 124
_SIGNAL_BASE: Final = 128
_NOT_EXECUTED: Final = (126, 127)
"""What a shell says of a program that may not, or can't, be executed (POSIX)."""

_KIND_OF_CODE: Final[dict[str, FailureKind]] = {
    "usage": "usage",
    "protocol_mismatch": "usage",
    "manifest_invalid": "internal",
    "input_missing": "io_error",
    "input_mismatch": "input_mismatch",
    "model_missing": "model_missing",
    "model_invalid": "model_invalid",
    "engine_missing": "engine_missing",
    "engine_unsupported": "engine_missing",
    "backend_unavailable": "backend_unavailable",
    "op_unsupported": "op_unsupported",
    "delegate_failed": "delegate_failed",
    "invoke_failed": "invoke_failed",
    "internal": "internal",
    "out_of_memory": "out_of_memory",
    "io_error": "io_error",
}

_OWN_SIGNALS: Final = frozenset(
    {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP}
)
_OUT_OF_MEMORY_WORDS: Final = (b"bad_alloc", b"Out of memory", b"Cannot allocate memory")


def trial_of(
    spec: TrialSpec,
    stream: EventStream,
    *,
    exit_code: int,
    timed_out: bool,
    log: bytes,
    started: str,
    wall_ns: int,
    events_sha256: str | None,
    log_sha256: str | None,
) -> Trial:
    """Judge one process: a result only with a whole event stream AND exit code 0."""
    failure = failure_of(spec, stream, exit_code=exit_code, timed_out=timed_out, log=log)
    backend, samples = stream.backend, stream.samples
    timed = spec.mode == "time"
    return Trial(
        index=spec.index,
        mode=spec.mode,
        purpose=spec.purpose,
        backend=spec.backend,
        status="failed" if failure else "ok",
        started=started,
        wall_ns=wall_ns,
        load_ns=backend.load_ns if backend else None,
        # Samples of a process that did not end well are in the stored events, not here.
        warmup_ns=samples.warmup_ns if samples and not failure else (),
        invoke_ns=samples.invoke_ns if samples and not failure else (),
        input_ns=samples.input_ns if samples else None,
        output_ns=samples.output_ns if samples else None,
        region=samples.region if samples else None,
        capped=samples.capped if samples else False,
        peak_memory_bytes=stream.memory.peak_bytes if stream.memory else None,
        report=_report(stream),
        output=_output(stream) if timed else None,
        failure=failure,
        exit_code=exit_code,
        events_sha256=events_sha256,
        log_sha256=log_sha256,
    )


def failure_of(
    spec: TrialSpec, stream: EventStream, *, exit_code: int, timed_out: bool, log: bytes
) -> Failure | None:
    """Why this process has no result, or None."""
    if timed_out or exit_code == OWN_DEADLINE_EXIT:
        return Failure(kind="timeout", message="the trial did not end within its deadline")
    if stream.error is not None and exit_code != 0:
        error = stream.error
        return Failure(
            kind=_KIND_OF_CODE.get(error.code, "internal"),
            message=error.message,
            code=error.code,
            engine_status=error.status,
            unsupported_ops=error.unsupported,
        )
    if exit_code >= _SIGNAL_BASE:
        return _signal_failure(exit_code - _SIGNAL_BASE, log)
    if exit_code in _NOT_EXECUTED and stream.hello is None:
        return Failure(
            kind="io_error",
            message="the device can't execute the runner; is its folder mounted noexec? "
            "`bokehbench doctor --device` tells",
        )
    if exit_code != 0:
        tail = log.decode("utf-8", "replace").strip().splitlines()[-1:]
        last = f": {tail[0][:200]}" if tail else ""
        return Failure(
            kind="internal", message=f"the runner ended with exit code {exit_code}{last}"
        )
    if stream.problem is not None:
        return Failure(kind="protocol", message=f"the runner's events: {stream.problem}")
    problem = _unanswered(spec, stream)
    return Failure(kind="protocol", message=problem) if problem else None


def _unanswered(spec: TrialSpec, stream: EventStream) -> str | None:
    """Why a whole stream is no answer to what was asked; its digest proves only that it came whole.

    A runner that was damaged or replaced must give no number, no file's name and no place in a
    dataset that was not asked for.
    """
    if stream.hello is None or stream.backend is None:
        return "the runner's events do not say what ran"
    if spec.mode == "images":
        return _unanswered_images(spec, stream)
    samples = stream.samples
    if samples is None or not samples.invoke_ns:
        return "the runner's events hold no samples"
    if min((*samples.warmup_ns, *samples.invoke_ns)) <= 0:
        return "the device's clock jumped: a sample is not positive"
    count = len(samples.invoke_ns)
    if count > spec.runs or (count < spec.runs and not samples.capped):
        return f"the runner's events hold {count} samples of {spec.runs} runs"
    return None


def _unanswered_images(spec: TrialSpec, stream: EventStream) -> str | None:
    if sorted(event.index for event in stream.outputs) != sorted(spec.items):
        return "the runner's outputs are not those of the images that it was given"
    for event in stream.outputs:
        width = OUTPUT_BYTES.get(event.dtype)
        whole = width is not None and event.size_bytes == width * math.prod(event.shape)
        if event.path != output_name(event.index) or not whole or min(event.shape, default=1) < 1:
            return f"the runner's output {event.index} is not the file that was asked for"
        if min(event.input_ns or 0, event.invoke_ns, event.output_ns or 0) < 0:
            return f"the device's clock jumped: a time of output {event.index} is negative"
    return None


def _signal_failure(number: int, log: bytes) -> Failure:
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    if number in _OWN_SIGNALS:
        if any(word in log for word in _OUT_OF_MEMORY_WORDS):
            return Failure(kind="out_of_memory", message=f"the runner ran out of memory ({name})")
        return Failure(kind="crash", message=f"the runner crashed ({name})")
    hint = "; the system may have run out of memory" if number == signal.SIGKILL else ""
    return Failure(kind="killed", message=f"the runner was killed ({name}){hint}")


def _report(stream: EventStream) -> BackendReport | None:
    event = stream.backend
    if event is None:
        return None
    return BackendReport(
        name=event.name,
        delegate=event.delegate,
        cache=event.cache,
        fully_accelerated=event.fully_accelerated,
        delegated_nodes=event.delegated_nodes,
        total_nodes=event.total_nodes,
        partitions=event.partitions,
        adapter=event.adapter,
        gpu_api=event.gpu_api,
        unsupported_ops=event.unsupported,
        delegates=event.delegates,
        log=event.log,
    )


def _output(stream: EventStream) -> OutputReport | None:
    if not stream.outputs:
        return None
    event = stream.outputs[-1]
    return OutputReport(
        sha256=event.sha256,
        shape=event.shape,
        dtype=event.dtype,
        nonfinite=event.nonfinite,
        low=event.low,
        high=event.high,
    )
