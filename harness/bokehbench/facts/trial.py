"""What is asked of a device, and what came back: specs, trials, failures, conditions."""

from typing import Literal

import msgspec

EngineBackend = Literal["gpu", "xnnpack", "cpu"]
"""What bokehbench's own runner runs models on."""

Backend = Literal["gpu", "npu", "nnapi", "hexagon", "coreml", "external", "xnnpack", "cpu"]
"""All that a Record can be of; `external` is a delegate in a library of its own."""

CPU_BACKENDS: tuple[Backend, ...] = ("xnnpack", "cpu")
"""Those that any device has, and that need no proof."""

Precision = Literal["default", "fp16", "fp32"]
Mode = Literal["time", "images"]
Order = Literal["shuffled", "abba"]
Purpose = Literal["model", "reference_before", "reference_after", "sustained"]
"""What a process is for: the model's own numbers, the reference workload, the curve of hours."""

GpuApi = Literal["auto", "opencl", "opengl", "webgpu"]
GpuPreference = Literal["fast_single_answer", "sustained_speed"]
GpuCache = Literal["none", "cold", "warm"]

FailureKind = Literal[
    "model_missing",
    "model_invalid",
    "op_unsupported",
    "delegate_failed",
    "backend_unavailable",
    "engine_missing",
    "input_mismatch",
    "invoke_failed",
    "out_of_memory",
    "crash",
    "killed",
    "timeout",
    "device_lost",
    "disturbed",
    "io_error",
    "protocol",
    "usage",
    "internal",
]
"""The closed list of ways in which a trial fails.

`disturbed` is an app that was not in front all the time: another app, a dialog or the lock screen
was. `crash` is a signal of the process's own making (SIGSEGV, SIGABRT...), `killed` one sent
from outside (SIGKILL, SIGTERM), `timeout` a deadline of ours, `protocol` an event stream that
was cut or altered.
"""

DETERMINISTIC_FAILURES: frozenset[FailureKind] = frozenset(
    {
        "model_missing",
        "model_invalid",
        "op_unsupported",
        "backend_unavailable",
        "engine_missing",
        "input_mismatch",
        "usage",
    }
)
"""Failures that the same trial would meet again, so it is not asked for again."""


class ReferenceWorkload(msgspec.Struct, frozen=True, kw_only=True):
    """A small fixed model that is timed before and after, to see a device slow down.

    `processes` fresh processes each time, of `warmups` + `runs` invocations; 0 is none.
    """

    processes: int = 0
    warmups: int = 5
    runs: int = 20


class MeasurementProtocol(msgspec.Struct, frozen=True, kw_only=True):
    """How often what is run: `processes` fresh processes of `warmups` + `runs` invocations.

    A process stops after `max_seconds` of warm-up and timed runs, but not before
    `min_runs` timed ones. `order` is that of models within a round: drawn anew each time, or A B
    B A. Before the first process the device settles, for at most `max_settle_seconds` (None: as
    long as its profile allows); between processes it rests `rest_seconds`.
    `verify_files`: what is on the device already is hashed again. `ranked` False keeps every result
    out of rankings.
    """

    name: str
    processes: int
    warmups: int
    runs: int
    min_runs: int
    max_seconds: float
    order: Order = "shuffled"
    reference: ReferenceWorkload = ReferenceWorkload()
    max_settle_seconds: float | None = None
    rest_seconds: float = 0.0
    verify_files: bool = False
    ranked: bool = True


class GpuOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a GPU delegate is told, beside the precision; no other backend reads it.

    `backend` forces an interface of the GPU, or leaves it free (`auto`). `cache`: kernels that
    an earlier process compiled are not kept at all (`none`), removed before loading (`cold`), or
    used (`warm`). The defaults are those of benchmark_model, whose precision is not ours: it allows
    16-bit floats unless told otherwise.
    """

    backend: GpuApi = "auto"
    preference: GpuPreference = "fast_single_answer"
    max_partitions: int = 1
    cache: GpuCache = "none"


class TrialSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One process on a device: everything that the runner is told, before paths exist.

    `input_shapes` are per input tensor, in the signature's order. `items` are the
    dataset's indices of the images of this batch (mode `images`), empty in mode `time`.
    """

    record_id: str
    index: int
    mode: Mode
    backend: Backend
    precision: Precision
    threads: int
    core_mask: int
    warmups: int
    runs: int
    min_runs: int
    max_seconds: float
    deadline_seconds: float
    input_shapes: tuple[tuple[int, ...], ...]
    seed: int
    items: tuple[int, ...] = ()
    gpu: GpuOptions = GpuOptions()
    purpose: Purpose = "model"


class UnsupportedOp(msgspec.Struct, frozen=True, kw_only=True):
    """An operation that a GPU delegate refused, in its own words."""

    op: str
    reason: str


class DelegateShare(msgspec.Struct, frozen=True, kw_only=True):
    """What one delegate took of the graph; None is "it does not say".

    `total_nodes` were there to be taken, `kernels` is the number of parts that the delegate
    runs, `partitions` that of all parts that the graph was cut into, those of the CPU too.
    """

    name: str
    delegated_nodes: int | None
    total_nodes: int | None = None
    partitions: int | None = None
    kernels: int | None = None


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why a trial has no result. `message` is one line; `code` is the runner's own word."""

    kind: FailureKind
    message: str
    code: str | None = None
    engine_status: int | None = None
    unsupported_ops: tuple[UnsupportedOp, ...] = ()


class BackendReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine said about what ran; None is "it does not say".

    `gpu_api` is `OpenCL`, `OpenGL` or `WebGPU`. `delegates` are in the order in which they took
    their parts of the graph; the delegate that was asked for is also told of above them. `proof`
    says where in its log a tool that counts no operators says that an accelerator ran.
    """

    name: str
    delegate: str | None = None
    cache: str = "none"
    fully_accelerated: bool | None = None
    delegated_nodes: int | None = None
    total_nodes: int | None = None
    partitions: int | None = None
    adapter: str | None = None
    gpu_api: str | None = None
    unsupported_ops: tuple[UnsupportedOp, ...] = ()
    delegates: tuple[DelegateShare, ...] = ()
    log: tuple[str, ...] = ()
    proof: str | None = None


class AggregateLatency(msgspec.Struct, frozen=True, kw_only=True):
    """What a tool tells of a process's runs instead of their times; None is "it does not say".

    Times in nanoseconds. `count` timed runs came after `warmup_count` others, the first of which
    took `first_ns` and all of which `warmup_ns` on average. `intervals_ns` holds by field, the
    trial's `load_ns` too, the least and the most that a number whose digits were cut can have
    been. `source` is what told the most exact of them.
    """

    count: int
    avg_ns: int
    min_ns: int | None = None
    max_ns: int | None = None
    std_ns: int | None = None
    p5_ns: int | None = None
    median_ns: int | None = None
    p95_ns: int | None = None
    first_ns: int | None = None
    warmup_ns: int | None = None
    warmup_count: int | None = None
    intervals_ns: dict[str, tuple[int, int]] = {}
    source: Literal["log", "result_file"] = "log"


class OutputReport(msgspec.Struct, frozen=True, kw_only=True):
    """The last output of a timed process: its hash, and whether it holds numbers at all."""

    sha256: str
    shape: tuple[int, ...]
    dtype: str
    nonfinite: int
    low: float | None = None
    high: float | None = None


class AppReport(msgspec.Struct, frozen=True, kw_only=True):
    """What an app's process said of itself beside the trial; None is "it does not say".

    `nice` is of the thread that ran it, `cgroup` and `oom_score_adj` are files of /proc.
    `in_front`: the activity was resumed and had the focus from the first event to the last;
    `changes` are what the system changed meanwhile, in order. `opencl` are the files of that name
    in its memory afterwards, where a GPU was asked for. `exit_reason` is Android's word for the end
    of a process that died.
    """

    pid: int
    uid: int
    api_level: int
    nice: int | None = None
    cgroup: str | None = None
    oom_score_adj: int | None = None
    library_folder: str | None = None
    in_front: bool | None = None
    changes: tuple[str, ...] = ()
    opencl: tuple[str, ...] = ()
    exit_reason: str | None = None


class ConditionSeries(msgspec.Struct, frozen=True, kw_only=True):
    """What sensors of the device showed while one process ran.

    `times_ns` count from the process's start; every other series has one entry for each
    of them, None where that reading failed. `cpu_khz` is by the first core of a clock domain,
    `sources` says which file a series came from, and `unreadable` which the device refused.
    `cores` are those that the sampler was pinned to (empty: any), `cpu_seconds_used` what it
    cost.
    """

    times_ns: tuple[int, ...]
    cpu_khz: dict[str, tuple[int | None, ...]] = {}
    gpu_khz: tuple[int | None, ...] = ()
    gpu_load_percent: tuple[float | None, ...] = ()
    temperatures_celsius: dict[str, tuple[float | None, ...]] = {}
    sources: dict[str, str] = {}
    unreadable: tuple[str, ...] = ()
    cores: tuple[int, ...] = ()
    cpu_seconds_used: float | None = None


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One process that ran on a device. Times in nanoseconds, as the runner counted them.

    A process of a tool that does not tell the times of its runs has an `aggregate` and no
    `invoke_ns`. `app` is there where the process was an app's.
    """

    index: int
    mode: Mode
    purpose: Purpose = "model"
    backend: Backend
    status: Literal["ok", "failed"]
    started: str
    wall_ns: int
    load_ns: int | None = None
    warmup_ns: tuple[int, ...] = ()
    invoke_ns: tuple[int, ...] = ()
    input_ns: int | None = None
    output_ns: int | None = None
    region: str | None = None
    capped: bool = False
    peak_memory_bytes: int | None = None
    report: BackendReport | None = None
    output: OutputReport | None = None
    failure: Failure | None = None
    exit_code: int | None = None
    events_sha256: str | None = None
    log_sha256: str | None = None
    series: ConditionSeries | None = None
    aggregate: AggregateLatency | None = None
    app: AppReport | None = None


class ImageScore(msgspec.Struct, frozen=True, kw_only=True):
    """One image of the dataset: what the device made of it and how near it came.

    `psnr` in dB is None for identical images, whose PSNR is infinite (`identical`), and
    for failed ones. `sha256` is of the device's output bytes. `reference_psnr` and
    `reference_max_difference` (in steps of 8 bit) compare that output with what the host's own
    CPU makes of the same input; None where the host did not run it, and `reference_psnr` also
    where both are the same (`reference_max_difference` 0).
    """

    index: int
    name: str
    status: Literal["ok", "failed"]
    sha256: str | None = None
    height: int | None = None
    width: int | None = None
    input_ns: int | None = None
    invoke_ns: int | None = None
    output_ns: int | None = None
    nonfinite: int | None = None
    psnr: float | None = None
    ssim: float | None = None
    identical: bool = False
    failure: str | None = None
    ms_ssim: float | None = None
    lpips: float | None = None
    reference_psnr: float | None = None
    reference_max_difference: float | None = None


class DatasetFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The folder of pairs that was scored. `digest` is over names and file sizes."""

    name: str
    pairs: int
    digest: str
    sizes: dict[str, int]
    unpaired: tuple[str, ...] = ()
    fit: str = "native"


class Conditions(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a device at one moment; None or a missing key is unknown, never fine.

    `thermal_status` is Android's, 0 (none) to 6 (shutdown); it means nothing where
    `thermal_override` is set, and can't rise where `thermal_thresholds` is 0. `thermal_headroom` is
    the part of the way to severe throttling that is used up (1.0 is there). `cpu_busy` is the
    busy share of all cores over a moment, `cooling_devices` are those in action with their
    state, `changes` what this program had changed on the device, `clocks_locked` whether every
    clock that was to be fixed was, and `unparsed` what the device
    said that no parser knows.
    """

    when: Literal["before", "after"]
    at: str
    load_1m: float | None = None
    memory_available_bytes: int | None = None
    temperatures_celsius: dict[str, float] = {}
    cpu_khz: tuple[int | None, ...] = ()
    battery_percent: int | None = None
    battery_celsius: float | None = None
    plugged: bool | None = None
    settled: bool | None = None
    settle_seconds: float | None = None
    unknown: tuple[str, ...] = ()
    cpu_busy: float | None = None
    thermal_status: int | None = None
    thermal_override: bool | None = None
    thermal_thresholds: int | None = None
    thermal_headroom: float | None = None
    cooling_devices: dict[str, float] = {}
    gpu_khz: int | None = None
    gpu_max_khz: int | None = None
    gpu_load_percent: float | None = None
    screen_on: bool | None = None
    low_power_mode: bool | None = None
    unsettled: str | None = None
    changes: tuple[str, ...] = ()
    clocks_locked: bool | None = None
    unparsed: tuple[str, ...] = ()
