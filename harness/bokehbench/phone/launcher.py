"""One TrialSpec on a Device -> Trial: the process is started, watched, read and cleaned up."""

import hashlib
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from msgspec.structs import replace

from bokehbench.errors import TransferError
from bokehbench.facts import Trial, TrialSpec
from bokehbench.phone.bench import (
    EVENT_LIMIT,
    Bench,
    OnOutput,
    failed_trial,
    image_items,
    input_name,
    kernel_cache,
    runner_words,
    timed_items,
    utc_now,
    work_id,
)
from bokehbench.phone.device import PUSH_SECONDS
from bokehbench.phone.evidence import has_engine_log, judge, take_outputs
from bokehbench.phone.process import GRACE_SECONDS, Stop, run_program
from bokehbench.phone.transport import Deadline
from bokehbench.runners.protocol import (
    ENGINE_LOG,
    EventStream,
    ManifestItem,
    RunnerPaths,
    manifest_of,
)

__all__ = [
    "GRACE_SECONDS",
    "Bench",
    "OnOutput",
    "Stop",
    "failed_trial",
    "kernel_folder",
    "push",
    "run_images",
    "run_timed",
    "utc_now",
    "verify",
    "work",
]

LOG_LIMIT = 32 << 20

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

        def pull(name: str, target: Path) -> str:
            path, deadline = posixpath.join(folder, name), Deadline.after(PUSH_SECONDS)
            bench.device.transport.pull(path, target, deadline=deadline)
            with open(target, "rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()

        return take_outputs(bench, trial, stream, pull, on_output)


def _run(
    bench: Bench, spec: TrialSpec, folder: str, items: Sequence[ManifestItem]
) -> tuple[Trial, EventStream]:
    manifest = manifest_of(items)
    manifest_path = posixpath.join(folder, manifest.name)
    push(bench, manifest.data, manifest_path)
    cache_dir, cache_token = kernel_folder(bench, spec)
    paths = RunnerPaths(
        runner=bench.placed_runner.path,
        manifest=manifest_path,
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

    def log(stream: EventStream) -> bytes:
        if not has_engine_log(stream):
            return result.stderr
        path = posixpath.join(folder, ENGINE_LOG)
        return result.stderr + (bench.device.fetch(path, LOG_LIMIT) or b"")

    trial, stream = judge(
        bench,
        spec,
        manifest,
        result.stdout,
        log,
        exit_code=result.exit_code,
        timed_out=result.timed_out,
        started=started,
        wall_ns=result.wall_ns,
    )
    if bench.sampler is not None:
        trial = replace(trial, series=bench.sampler.collect(folder))
    return trial, stream


def push(bench: Bench, data: bytes | memoryview, target: str) -> None:
    """Write a trial's own file.

    Raises:
        DeviceError: it did not arrive.
    """
    bench.device.transport.push(data, target, mode=0o600, deadline=Deadline.after(PUSH_SECONDS))


def kernel_folder(bench: Bench, spec: TrialSpec) -> tuple[str, str]:
    """bench.kernel_cache in the folder that all runs on the device share.

    Raises:
        DeviceError: it can't be made.
    """

    def make(name: str) -> str:
        folder = posixpath.join(bench.device.transport.root, name)
        bench.device.check_shell("can't make a folder for kernels", 'mkdir -p "$1"', folder)
        return folder

    return kernel_cache(bench, spec, make)


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
