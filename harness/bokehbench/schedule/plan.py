"""What a run is to make: settings, backends with engines, records, image batches; pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from msgspec import structs

from bokehbench.facts import GpuOptions, MeasurementProtocol
from bokehbench.facts.trial import Backend, GpuApi, GpuCache, GpuPreference, Precision
from bokehbench.profile import DeviceProfile

BackendRequest = Literal[
    "auto", "all", "gpu", "npu", "nnapi", "hexagon", "external", "xnnpack", "cpu"
]
PrecisionRequest = Literal["default", "fp16", "fp32", "both"]
CacheRequest = Literal["none", "cold", "warm", "both"]
LaunchRequest = Literal["shell", "app", "both"]
StartedAs = Literal["shell", "app"]
"""A process of the device's shell (or of this machine), or one of an app on it."""

BATCH_IMAGES = 16
BATCH_BYTES = 192 << 20
"""Bounds of one image batch: images, and bytes of their inputs and outputs together."""


@dataclass(frozen=True)
class PlannedRecord:
    """One Record to be made. `only_after` names the record whose failure calls for it."""

    record_id: str
    model_index: int
    backend: Backend
    engine: str
    precision: Precision
    input_shapes: tuple[tuple[int, ...], ...]
    only_after: str | None
    reason: str
    launch: StartedAs = "shell"


@dataclass(frozen=True)
class Batch:
    """Images of one shape that go through one process; `input_shapes` per tensor."""

    items: tuple[int, ...]
    input_shapes: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class GpuSettings:
    """What the user asked of the GPU delegate.

    `cache` `both` makes the load of each record's first process that succeeds a cold one and lets
    the others use what it left, so that one Record has both numbers.
    """

    backend: GpuApi = "auto"
    preference: GpuPreference = "fast_single_answer"
    max_partitions: int = 1
    cache: CacheRequest = "none"

    def options(self, process: int) -> GpuOptions:
        """What one process is told, after so many of the record that succeeded."""
        if self.cache == "both":
            cache: GpuCache = "cold" if process == 0 else "warm"
        else:
            cache = self.cache
        return GpuOptions(
            backend=self.backend,
            preference=self.preference,
            max_partitions=self.max_partitions,
            cache=cache,
        )

    def without_cache(self) -> GpuOptions:
        """The same for a process that shall neither use nor leave compiled kernels."""
        return structs.replace(self.options(0), cache="none")


@dataclass(frozen=True)
class Settings:
    """What the user asked for, the same for all records of a run.

    `engine` overrides the profile's choice for every backend. `sustained_seconds` asks for one
    long process a record; 0 for none. `process_timeout_seconds` ends a process earlier than the
    time that the slowest model may take. `launch` `both` makes two records of each, in turns.
    """

    backend: BackendRequest
    precision: PrecisionRequest
    threads: int
    core_mask: int
    protocol: MeasurementProtocol
    seed: int
    gpu: GpuSettings = GpuSettings()
    engine: str | None = None
    sustained_seconds: float = 0.0
    process_timeout_seconds: float | None = None
    launch: LaunchRequest = "shell"


@dataclass(frozen=True)
class Plan:
    """All records that may be made, and what was left out and why."""

    settings: Settings
    records: tuple[PlannedRecord, ...]
    skipped: tuple[str, ...]
    batches: Mapping[int, tuple[Batch, ...]]


@dataclass(frozen=True)
class Choice:
    """A backend to be tried, on which engine, and why."""

    backend: Backend
    engine: str
    reason: str


def choose_backends(
    settings: Settings, profile: DeviceProfile, gpu: str | None
) -> tuple[list[Choice], list[str]]:
    """Backends in order with engines and reasons, and what was left out and why.

    `auto` follows the profile; a GPU that has no device node is not tried, so a
    machine without one gets no Error cell for it. Any other request takes the profile's first
    engine for that backend.
    """
    request, engine = settings.backend, settings.engine
    if request != "auto":
        names: tuple[Backend, ...] = ("gpu", "xnnpack", "cpu") if request == "all" else (request,)
        return [
            Choice(b, engine or engine_for(profile, b), f"asked for: {request}") for b in names
        ], []
    chosen: list[Choice] = []
    skipped: list[str] = []
    for choice in profile.backends:
        name = engine or choice.engine
        if choice.needs_gpu_node and gpu is None:
            skipped.append(f"{choice.name}: not tried, the device shows no GPU")
        elif all((choice.name, name) != (c.backend, c.engine) for c in chosen):
            chosen.append(Choice(choice.name, name, choice.reason))
    return chosen, skipped


def engine_for(profile: DeviceProfile, backend: Backend) -> str:
    """The engine that a profile names first for a backend, else the first that it names."""
    named = [choice.engine for choice in profile.backends if choice.name == backend]
    return (named or [choice.engine for choice in profile.backends])[0]


def make_plan(
    settings: Settings,
    profile: DeviceProfile,
    gpu: str | None,
    timing_shapes: Sequence[tuple[tuple[int, ...], ...]],
    batches: Mapping[int, tuple[Batch, ...]],
    missing: Mapping[str, str],
    new_id: Callable[[], str],
) -> Plan:
    """One record per model, backend and precision; none on engines that are `missing`.

    Under `auto` a later backend waits for a failure. Precision `both` makes two records of
    the GPU; the CPU backends have a precision of their own. Launch `both` makes two of all, side by
    side, and each falls back by itself.
    """
    choices, skipped = choose_backends(settings, profile, gpu)
    skipped += [
        f"{c.backend}: not tried, {missing[c.engine]}" for c in choices if c.engine in missing
    ]
    choices = [choice for choice in choices if choice.engine not in missing]
    records: list[PlannedRecord] = []
    for model_index, shapes in enumerate(timing_shapes):
        before: dict[StartedAs, str] = {}
        for choice in choices:
            made = [
                PlannedRecord(
                    new_id(),
                    model_index,
                    choice.backend,
                    choice.engine,
                    precision,
                    shapes,
                    before.get(launch),
                    choice.reason,
                    launch,
                )
                for precision in _precisions(settings.precision, choice.backend)
                for launch in _launches(settings.launch)
            ]
            records += made
            if settings.backend == "auto":
                before = {record.launch: record.record_id for record in made}
    return Plan(settings, tuple(records), tuple(skipped), batches)


def _precisions(request: PrecisionRequest, backend: Backend) -> tuple[Precision, ...]:
    if backend in ("xnnpack", "cpu"):
        # They heed no such wish: a record that named it would claim what was not done.
        return ("default",)
    if request != "both":
        return (request,)
    return ("fp16", "fp32") if backend == "gpu" else ("default",)


def _launches(request: LaunchRequest) -> tuple[StartedAs, ...]:
    return ("shell", "app") if request == "both" else (request,)


def split_batches(
    sizes: Sequence[tuple[int, tuple[tuple[int, ...], ...], int]],
) -> tuple[Batch, ...]:
    """Group images by shape into bounded batches.

    Args:
        sizes: per image its index, the shapes of its input tensors, and the bytes of its
            inputs and output together.
    """
    groups: dict[tuple[tuple[int, ...], ...], list[tuple[int, int]]] = {}
    for index, shapes, size in sizes:
        groups.setdefault(shapes, []).append((index, size))
    batches: list[Batch] = []
    for shapes, members in groups.items():
        items: list[int] = []
        total = 0
        for index, size in members:
            if items and (len(items) >= BATCH_IMAGES or total + size > BATCH_BYTES):
                batches.append(Batch(tuple(items), shapes))
                items, total = [], 0
            items.append(index)
            total += size
        batches.append(Batch(tuple(items), shapes))
    return tuple(batches)
