"""What a runner's process left -> its Trial, its outputs handed on: alike in shell and app."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from bokehbench.errors import DeviceError, TransferError
from bokehbench.facts import Trial, TrialSpec
from bokehbench.phone.bench import Bench, OnOutput, device_failure
from bokehbench.runners.outcome import trial_of
from bokehbench.runners.protocol import EventStream, Manifest, parse_events


def judge(
    bench: Bench,
    spec: TrialSpec,
    manifest: Manifest,
    events: bytes,
    log: Callable[[EventStream], bytes],
    *,
    exit_code: int,
    timed_out: bool,
    started: str,
    wall_ns: int,
) -> tuple[Trial, EventStream]:
    """The Trial of a process that ended, its words kept as blobs; `bench.greeting` gets its hello.

    Args:
        events: what it wrote on standard output.
        log: brings what it printed; asked once the events are read, as where to look depends
            on how far it came (`has_engine_log`).
    """
    stream = _stream_of(events, manifest.sha256)
    if stream.hello is not None and stream.problem is None:
        bench.greeting[:] = [stream.hello]
    printed = log(stream)
    trial = trial_of(
        spec,
        stream,
        exit_code=exit_code,
        timed_out=timed_out,
        log=printed,
        started=started,
        wall_ns=wall_ns,
        events_sha256=bench.put_blob(events) if events else None,
        log_sha256=bench.put_blob(printed) if printed else None,
    )
    return trial, stream


def has_engine_log(stream: EventStream) -> bool:
    """Whether the process ended while the engine was loading: its words are in a file then."""
    return stream.backend is None


def _stream_of(stdout: bytes, manifest_sha256: str) -> EventStream:
    """What a runner said of the manifest that it was given, and of no other."""
    stream = parse_events(stdout)
    hello = stream.hello
    if stream.problem is None and hello and hello.manifest_sha256 != manifest_sha256:
        return EventStream(
            hello, stream.backend, None, (), None, stream.error, "the manifest arrived altered"
        )
    return stream


def take_outputs(
    bench: Bench,
    trial: Trial,
    stream: EventStream,
    pull: Callable[[str, Path], str],
    on_output: OnOutput,
) -> Trial:
    """Bring each output, compare its hash with the runner's, hand it on, remove it.

    Args:
        pull: brings an output by its name in the work folder into a file; gives its sha256.

    Returns:
        The Trial, failed where an output did not come: what the runner said stays as evidence.
        Of a process that failed nothing is taken: its images are no results.
    """
    if trial.failure is not None:
        return trial
    try:
        with tempfile.TemporaryDirectory(prefix="bokehbench-") as folder:
            for event in stream.outputs:
                if event.path is None:
                    continue
                target = Path(folder) / f"{event.index}.out"
                digest = pull(event.path, target)
                if digest != event.sha256 or target.stat().st_size != event.size_bytes:
                    raise TransferError(
                        f"{bench.device.facts.address}: output {event.index} arrived altered "
                        f"(sha256 {digest[:12]} instead of {event.sha256[:12]})"
                    )
                try:
                    on_output(event, target)
                finally:
                    target.unlink(missing_ok=True)
    except DeviceError as error:
        return replace(trial, status="failed", failure=device_failure(error))
    return trial
