"""What stays the same for all trials of a model on a device, and a trial in words; no I/O."""

import posixpath
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from bokehbench.errors import AppTrouble, DeviceError, TransferError
from bokehbench.facts import EngineFacts, Failure, IoSpec, ModelFacts, Trial, TrialSpec
from bokehbench.facts.trial import FailureKind
from bokehbench.phone.app_control import App, NotInFront
from bokehbench.phone.device import Device, Placed
from bokehbench.phone.process import Stop
from bokehbench.phone.sampler import Sampler
from bokehbench.runners.benchmark_model import ToolSetup
from bokehbench.runners.kernel_cache import NO_CACHE, TOKEN_LENGTH, cache_key
from bokehbench.runners.protocol import (
    Hello,
    ManifestItem,
    OutputEvent,
    RunnerPaths,
    output_name,
    runner_argv,
)

EVENT_LIMIT = 32 * 1024 * 1024

OnOutput = Callable[[OutputEvent, Path], None]


@dataclass(frozen=True)
class Bench:
    """What stays the same for all trials of one model on one device.

    `tool` is there where the placed runner is not ours but one of Google's; `versions` gets what
    such a tool says of the library inside it, as `greeting` gets what ours says. `app` is there
    where processes are the app's; then the placed runner is the installed APK.
    """

    device: Device
    model: ModelFacts
    io: IoSpec
    placed_model: Placed
    placed_runner: Placed
    engine: str
    engine_facts: EngineFacts
    engine_library: str
    engine_folder: str
    rounding: str
    put_blob: Callable[[bytes], str | None]
    stop: Stop
    greeting: list[Hello] = field(default_factory=list)
    image_format: Literal["u8", "f32"] = "u8"
    sampler: Sampler | None = None
    tool: ToolSetup | None = None
    versions: list[str] = field(default_factory=list)
    app: App | None = None


def utc_now() -> str:
    """The time of day as stored in Records: ISO 8601 in UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def runner_words(bench: Bench, spec: TrialSpec, paths: RunnerPaths) -> list[str]:
    """All that a runner is told, in the shell and in an app alike."""
    return runner_argv(
        spec,
        bench.model,
        bench.io,
        paths,
        engine=bench.engine,
        deadline_ms=round(spec.deadline_seconds * 1000),
        rounding=bench.rounding,
        # A timed output is only hashed and searched for NaN, so it stays as it is.
        output_format=bench.image_format if spec.mode == "images" else "f32",
    )


def timed_items(bench: Bench, spec: TrialSpec) -> list[ManifestItem]:
    """A timed process's manifest: every input from the seed."""
    inputs = tuple(f"seed:{spec.seed}" for _ in bench.model.inputs)
    return [ManifestItem(index=0, inputs=inputs)]


def image_items(indices: Sequence[int], tensors: int) -> list[ManifestItem]:
    """A batch's manifest: files named by image and tensor, one output an image."""
    return [
        ManifestItem(
            index=index,
            inputs=tuple(f"file:{input_name(index, tensor)}" for tensor in range(tensors)),
            output=output_name(index),
        )
        for index in indices
    ]


def input_name(index: int, tensor: int) -> str:
    """What a batch calls one image's input."""
    return f"{index}.{tensor}.in"


def kernel_cache(bench: Bench, spec: TrialSpec, make: Callable[[str], str]) -> tuple[str, str]:
    """The folder of the trial's compiled kernels and their token; what runs empties it.

    It stays on the device when the run is over, as the placed files do.

    Args:
        make: makes a folder, named from where such files lie, and gives its path.
    """
    if spec.backend != "gpu" or spec.gpu.cache == "none":
        return NO_CACHE, NO_CACHE
    key = cache_key(spec, bench.model, bench.device.facts, bench.engine_facts)
    return make(posixpath.join("cache", key)), key[:TOKEN_LENGTH]


def work_id(spec: TrialSpec) -> str:
    """A trial's name among the work folders."""
    return f"{spec.record_id}-{spec.purpose}-{spec.mode}-{spec.index}"


def failed_trial(spec: TrialSpec, error: DeviceError, started: str) -> Trial:
    """The Trial for a process that the device never let start."""
    return not_started(spec, device_failure(error), started)


def not_started(spec: TrialSpec, failure: Failure, started: str) -> Trial:
    """The Trial for a process that there never was, for this reason."""
    return Trial(
        index=spec.index,
        mode=spec.mode,
        purpose=spec.purpose,
        backend=spec.backend,
        status="failed",
        started=started,
        wall_ns=0,
        failure=failure,
    )


def device_failure(error: DeviceError) -> Failure:
    """What an error of a device means for a trial."""
    kind: FailureKind = "device_lost"
    if isinstance(error, NotInFront):
        kind = "disturbed"
    elif isinstance(error, AppTrouble):
        kind = "internal"
    elif isinstance(error, TransferError):
        kind = "io_error"
    return Failure(kind=kind, message=str(error))
