"""Protocol 2 of our runner, the host's side: argv and manifest out, JSON events in.

docs/protocol.md is the contract. Nothing here does I/O.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from bokehbench.facts import (
    DelegateShare,
    IoSpec,
    ModelFacts,
    TensorFacts,
    TrialSpec,
    UnsupportedOp,
)
from bokehbench.runners.kernel_cache import NO_CACHE

PROTOCOL = 2
MANIFEST_FORMAT = 1
ENGINE_LOG = "engine.log"
OUTPUT_BYTES = {"u8": 1, "f32": 4}
"""The forms of an output, and how many bytes an element has."""

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class ManifestItem:
    """One image, or the one input of a timed run, by names inside the work folder.

    `inputs` are `file:NAME` or `seed:N`, one per input tensor; `output` is a NAME or
    None for an output that is hashed and not written.
    """

    index: int
    inputs: tuple[str, ...]
    output: str | None = None


@dataclass(frozen=True)
class RunnerPaths:
    """Where things are on the device; compiled GPU kernels under a token of their own."""

    runner: str
    manifest: str
    model: str
    engine_library: str
    engine_folder: str
    cache_dir: str = NO_CACHE
    cache_token: str = NO_CACHE


class TensorReport(msgspec.Struct, frozen=True):
    """A tensor as the engine reports it after the model is compiled."""

    name: str
    shape: tuple[int, ...]
    dtype: str


class Hello(msgspec.Struct, frozen=True, tag_field="event", tag="hello"):
    """The runner's greeting."""

    protocol: int
    build: str
    engine: str
    engine_abi: str
    abi: str
    pid: int
    manifest_sha256: str


class BackendEvent(msgspec.Struct, frozen=True, tag_field="event", tag="backend"):
    """The engine has loaded the model; what it says about what will run."""

    name: str
    delegate: str | None
    load_ns: int
    cache: str
    fully_accelerated: bool | None
    delegated_nodes: int | None
    total_nodes: int | None
    partitions: int | None
    gpu_api: str | None
    adapter: str | None
    delegates: tuple[DelegateShare, ...]
    unsupported: tuple[UnsupportedOp, ...]
    log: tuple[str, ...]
    threads: int
    inputs: tuple[TensorReport, ...]
    outputs: tuple[TensorReport, ...]


class Samples(msgspec.Struct, frozen=True, tag_field="event", tag="samples"):
    """Raw nanosecond samples of a timed process."""

    region: str
    warmup_ns: tuple[int, ...]
    invoke_ns: tuple[int, ...]
    input_ns: int
    output_ns: int
    capped: bool


class OutputEvent(msgspec.Struct, frozen=True, tag_field="event", tag="output"):
    """One output image; a tool that is not ours does not tell the times beside the run's."""

    index: int
    path: str | None
    sha256: str
    size_bytes: int
    shape: tuple[int, ...]
    dtype: str
    input_ns: int | None
    invoke_ns: int
    output_ns: int | None
    nonfinite: int
    low: float | None
    high: float | None


class Memory(msgspec.Struct, frozen=True, tag_field="event", tag="memory"):
    """Peak resident memory of the process."""

    peak_bytes: int
    source: str


class ErrorEvent(msgspec.Struct, frozen=True, tag_field="event", tag="error"):
    """Why the runner stopped."""

    code: str
    message: str
    status: int | None = None
    unsupported: tuple[UnsupportedOp, ...] = ()


class Done(msgspec.Struct, frozen=True, tag_field="event", tag="done"):
    """The closing line: how many events came before and the hash of their bytes."""

    events: int
    sha256: str


Event = Hello | BackendEvent | Samples | OutputEvent | Memory | ErrorEvent | Done
_E = TypeVar("_E", bound=Event)


@dataclass(frozen=True)
class EventStream:
    """Everything a runner said. `problem` is None only for a whole, unaltered stream."""

    hello: Hello | None
    backend: BackendEvent | None
    samples: Samples | None
    outputs: tuple[OutputEvent, ...]
    memory: Memory | None
    error: ErrorEvent | None
    problem: str | None


def output_name(index: int) -> str:
    """What the output of an item is called."""
    return f"{index}.out"


@dataclass(frozen=True)
class Manifest:
    """A batch's manifest as it is sent: its file is named by its hash, which the runner repeats."""

    data: bytes
    sha256: str

    @property
    def name(self) -> str:
        """The name of its file."""
        return f"{self.sha256}.manifest"


def manifest_of(items: Sequence[ManifestItem]) -> Manifest:
    """The manifest of a batch.

    Raises:
        ValueError: a name that the protocol does not allow.
    """
    lines = [f"bokehbench-manifest\t{MANIFEST_FORMAT}"]
    for item in items:
        for field in (*item.inputs, *([f"file:{item.output}"] if item.output else [])):
            kind, _, name = field.partition(":")
            if kind == "file" and not _NAME.fullmatch(name):
                raise ValueError(f"not a name for a manifest: {name!r}")
        output = f"file:{item.output}" if item.output else "none"
        lines.append("\t".join(("item", str(item.index), output, *item.inputs)))
    data = ("\n".join(lines) + "\n").encode()
    return Manifest(data, hashlib.sha256(data).hexdigest())


def runner_argv(
    spec: TrialSpec,
    model: ModelFacts,
    io: IoSpec,
    paths: RunnerPaths,
    *,
    engine: str,
    deadline_ms: int,
    rounding: str,
    output_format: str,
) -> list[str]:
    """The whole command line: every value is sent, the runner has no defaults."""
    image = model.outputs[io.output.tensor]
    ranges = {entry.tensor: entry.range for entry in io.inputs}
    values: dict[str, object] = {
        "manifest": paths.manifest,
        "deadline_ms": deadline_ms,
        "engine": engine,
        "engine_library": paths.engine_library,
        "engine_folder": paths.engine_folder,
        "model": paths.model,
        "signature": model.signature_index,
        "backend": spec.backend,
        "threads": spec.threads,
        "precision": spec.precision,
        "core_mask": f"{spec.core_mask:x}",
        "mode": spec.mode,
        "warmups": spec.warmups,
        "runs": spec.runs,
        "min_runs": spec.min_runs,
        "max_ms": round(spec.max_seconds * 1000),
        "inputs": len(model.inputs),
        "outputs": len(model.outputs),
        "image_output": io.output.tensor,
        "out": _tensor(None, image, io.output.range),
        "rounding": rounding,
        "output_format": output_format,
        "gpu_backend": spec.gpu.backend,
        "gpu_preference": spec.gpu.preference,
        "max_partitions": spec.gpu.max_partitions,
        "cache": spec.gpu.cache if spec.backend == "gpu" else "none",
        "cache_dir": paths.cache_dir,
        "cache_token": paths.cache_token,
    }
    for number, tensor in enumerate(model.inputs):
        shape = spec.input_shapes[number]
        values[f"in{number}"] = _tensor(shape, tensor, ranges[number])
    return [paths.runner, str(PROTOCOL), *(f"{key}={value}" for key, value in values.items())]


def _tensor(
    shape: tuple[int, ...] | None, tensor: TensorFacts, value_range: tuple[float, float]
) -> str:
    """`SHAPE:TYPE:LOW:HIGH:SCALE:ZERO`; repr keeps every digit of a float."""
    dims = "x".join(map(str, shape)) if shape else "-"
    low, high = (repr(float(value)) for value in value_range)
    return f"{dims}:{tensor.dtype}:{low}:{high}:{float(tensor.scale)!r}:{tensor.zero_point}"


def parse_events(stdout: bytes) -> EventStream:
    """Read a runner's standard output; never raises, says in `problem` what is wrong.

    Events before the problem are kept: a crash in the middle of a batch leaves the
    outputs that were announced before it, as evidence and not as results.
    """
    decoder = msgspec.json.Decoder(Event)
    digest = hashlib.sha256()
    events: list[Event] = []
    problem: str | None = None
    done: Done | None = None
    for line in stdout.splitlines(keepends=True):
        if done is not None:
            problem = "text after the closing line"
            break
        if not line.endswith(b"\n"):
            problem = "cut in the middle of an event"
            break
        try:
            event = decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            problem = f"not an event: {error}: {line[:80]!r}"
            break
        if isinstance(event, Done):
            done = event
            if event.events != len(events) or event.sha256 != digest.hexdigest():
                problem = "altered on the way: the digest of the events does not match"
                break
        else:
            digest.update(line)
            events.append(event)
    if problem is None and done is None:
        problem = "the closing line is missing"
    hello = _last(events, Hello)
    if problem is None and hello and hello.protocol != PROTOCOL:
        problem = f"the runner speaks protocol {hello.protocol}, not {PROTOCOL}"
    return EventStream(
        hello=hello,
        backend=_last(events, BackendEvent),
        samples=_last(events, Samples),
        outputs=tuple(event for event in events if isinstance(event, OutputEvent)),
        memory=_last(events, Memory),
        error=_last(events, ErrorEvent),
        problem=problem,
    )


def _last(events: Sequence[Event], kind: type[_E]) -> _E | None:
    return next((event for event in reversed(events) if isinstance(event, kind)), None)
