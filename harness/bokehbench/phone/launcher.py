"""One TrialSpec on a Device -> Trial: the process is started, watched, read and cleaned up."""

import hashlib
import posixpath
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from msgspec.structs import replace

from bokehbench.errors import DeviceError, TransferError
from bokehbench.facts import Trial, TrialSpec
from bokehbench.phone.bench import (
    EVENT_LIMIT,
    Bench,
    OnOutput,
    device_failure,
    failed_trial,
    image_items,
    input_name,
    runner_words,
    stream_of,
    timed_items,
    utc_now,
    work_id,
)
from bokehbench.phone.device import PUSH_SECONDS
from bokehbench.phone.process import GRACE_SECONDS, Stop, run_program
from bokehbench.phone.transport import Deadline
from bokehbench.runners.kernel_cache import NO_CACHE, TOKEN_LENGTH, cache_key
from bokehbench.runners.outcome import trial_of
from bokehbench.runners.protocol import (
    ENGINE_LOG,
    EventStream,
    ManifestItem,
    OutputEvent,
    RunnerPaths,
    manifest_text,
)

__all__ = [
    "GRACE_SECONDS",
    "Bench",
    "OnOutput",
    "Stop",
    "failed_trial",
    "kernel_cache",
    "push",
    "run_images",
    "run_timed",
    "utc_now",
    "verify",
    "work",
]

VERIFY_AT_ONCE = 1000
"""Names in one command, of at most 20 bytes each: adb takes 60,000 bytes."""


def run_timed(bench: Bench, spec: TrialSpec) -> Trial:
    """Run one timed process on the seeded input.

    A failure of the model, the engine or the device is a Trial with a Failure; only
    trouble before anything was started raises.

    Raises:
        DeviceError: the work folder or the manifest could not be made.
    """
    with work(bench, spec) as folder:
        trial, _ = _run(bench, spec, folder, timed_items(bench, spec))
        return trial


def run_images(
    bench: Bench,
    spec: TrialSpec,
    images: Mapping[int, Sequence[bytes | memoryview]],
    on_output: OnOutput,
) -> Trial:
    """Run one process over a batch of images.

    Args:
        images: raw uint8 elements of every input tensor, by the image's index.
        on_output: called for every output with its event and a host file that holds its
            verified bytes; the file is gone when the call returns.

    Raises:
        DeviceError: the inputs could not be put on the device.
    """
    with work(bench, spec) as folder:
        digests: dict[str, str] = {}
        for index in spec.items:
            for tensor, data in enumerate(images[index]):
                name = input_name(index, tensor)
                push(bench, data, posixpath.join(folder, name))
                digests[name] = bench.device.digest.of(data)
        verify(bench, folder, digests)
        items = image_items(spec.items, len(bench.model.inputs))
        trial, stream = _run(bench, spec, folder, items)
        try:
            with tempfile.TemporaryDirectory(prefix="bokehbench-") as host_folder:
                for event in stream.outputs:
                    _take_output(bench, folder, event, Path(host_folder), on_output)
        except DeviceError as error:
            # What the runner said stays as evidence; its outputs did not come, so it failed.
            return replace(trial, status="failed", failure=trial.failure or device_failure(error))
        return trial


def _run(
    bench: Bench, spec: TrialSpec, folder: str, items: Sequence[ManifestItem]
) -> tuple[Trial, EventStream]:
    text = manifest_text(items).encode()
    manifest_sha256 = hashlib.sha256(text).hexdigest()
    manifest = posixpath.join(folder, f"{manifest_sha256}.manifest")
    push(bench, text, manifest)
    cache_dir, cache_token = kernel_cache(bench, spec)
    paths = RunnerPaths(
        runner=bench.placed_runner.path,
        manifest=manifest,
        model=bench.placed_model.path,
        engine_library=bench.engine_library,
        engine_folder=bench.engine_folder,
        cache_dir=cache_dir,
        cache_token=cache_token,
    )
    argv = runner_words(bench, spec, paths)
    started = utc_now()
    result = run_program(
        bench.device,
        argv,
        folder,
        seconds=spec.deadline_seconds,
        library_path=_library_path(bench),
        stop=bench.stop,
        sampler=bench.sampler,
        limit_bytes=EVENT_LIMIT,
    )
    stream = stream_of(result.stdout, manifest_sha256)
    if stream.hello is not None and stream.problem is None:
        bench.greeting[:] = [stream.hello]
    log = result.stderr
    if stream.backend is None:
        # The process ended while the engine was loading: its words are still in the file.
        log += bench.device.read_small(posixpath.join(folder, ENGINE_LOG)) or b""
    trial = trial_of(
        spec,
        stream,
        exit_code=result.exit_code,
        timed_out=result.timed_out,
        log=log,
        started=started,
        wall_ns=result.wall_ns,
        events_sha256=bench.put_blob(result.stdout) if result.stdout else None,
        log_sha256=bench.put_blob(log) if log else None,
    )
    if bench.sampler is not None:
        trial = replace(trial, series=bench.sampler.collect(folder))
    return trial, stream


def _take_output(
    bench: Bench, folder: str, event: OutputEvent, host_folder: Path, on_output: OnOutput
) -> None:
    """Pull one output, compare its hash with the runner's, hand it on, remove it."""
    if event.path is None:
        return
    target = host_folder / f"{event.index}.out"
    bench.device.transport.pull(
        posixpath.join(folder, event.path), target, deadline=Deadline.after(PUSH_SECONDS)
    )
    with open(target, "rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != event.sha256:
        raise TransferError(
            f"{bench.device.facts.address}: output {event.index} arrived altered "
            f"(sha256 {digest[:12]} instead of {event.sha256[:12]})"
        )
    try:
        on_output(event, target)
    finally:
        target.unlink(missing_ok=True)


def push(bench: Bench, data: bytes | memoryview, target: str) -> None:
    """Write a trial's own file.

    Raises:
        DeviceError: it did not arrive.
    """
    bench.device.transport.push(data, target, mode=0o600, deadline=Deadline.after(PUSH_SECONDS))


def kernel_cache(bench: Bench, spec: TrialSpec) -> tuple[str, str]:
    """The folder of the trial's compiled kernels and their token; what runs empties it.

    It stays on the device when the run is over, as the placed files do.

    Raises:
        DeviceError: it can't be made.
    """
    if spec.backend != "gpu" or spec.gpu.cache == "none":
        return NO_CACHE, NO_CACHE
    key = cache_key(spec, bench.model, bench.device.facts, bench.engine_facts)
    folder = posixpath.join(bench.device.transport.root, "cache", key)
    bench.device.check_shell("can't make a folder for kernels", 'mkdir -p "$1"', folder)
    return folder, key[:TOKEN_LENGTH]


def _library_path(bench: Bench) -> str:
    """Where the engine's libraries find each other: Android's linker does not look beside them.

    On Linux each library names its own folder ($ORIGIN), and nothing is set.
    """
    if bench.device.facts.platform != "android":
        return ""
    return ":".join(dict.fromkeys((posixpath.dirname(bench.engine_library), bench.engine_folder)))


def verify(bench: Bench, folder: str, digests: Mapping[str, str]) -> None:
    """Hash inputs on the device: an image with a flipped bit would give a wrong number.

    Raises:
        TransferError: one did not arrive as it was sent.
    """
    found: set[tuple[str, ...]] = set()
    names = list(digests)
    for start in range(0, len(names), VERIFY_AT_ONCE):
        result = bench.device.shell(
            f'cd "$1" && shift && {bench.device.digest.program} "$@"',
            folder,
            *names[start : start + VERIFY_AT_ONCE],
            seconds=PUSH_SECONDS,
        )
        lines = result.stdout.decode("utf-8", "replace").splitlines()
        found.update(tuple(line.split()) for line in lines)
    wrong = [name for name, digest in digests.items() if (digest, name) not in found]
    if wrong:
        raise TransferError(f"{bench.device.facts.address}: input {wrong[0]} arrived altered")


@contextmanager
def work(bench: Bench, spec: TrialSpec) -> Iterator[str]:
    """A trial's own folder on the device, while it goes on.

    Raises:
        DeviceError: it can't be made.
    """
    with bench.device.work_folder(work_id(spec)) as folder:
        yield folder
