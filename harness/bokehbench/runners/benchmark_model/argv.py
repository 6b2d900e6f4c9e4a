"""One TrialSpec -> the command line of Google's benchmark tools; nothing here does I/O.

Flags are those of TensorFlow Lite's tools/benchmark and tools/delegates, of LiteRT's
tools/benchmark_litert_model (C++) and of the script of that name in its wheel. A build is asked for
its own flags first (`--help`): one that it does not know ends tools of 2020 and is passed over by
later ones, so that another thing than the one asked for would be measured.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from bokehbench.errors import EngineError, UsageError
from bokehbench.facts import ModelFacts, TrialSpec
from bokehbench.facts.trial import FailureKind

TOOL: Final = "benchmark_model"

Kind = Literal["tflite", "litert", "litert_python"]

_FLAG: Final = re.compile(r"^[ \t]+(?:-\w, )?--([A-Za-z]\w*)", re.MULTILINE)

RESERVED: Final = frozenset(
    (
        *("graph", "model", "num_runs", "warmup_runs", "num_threads", "run_delay", "dry_run"),
        *("min_secs", "max_secs", "warmup_min_secs", "help", "list_signatures"),
        *("use_xnnpack", "use_gpu", "use_nnapi", "use_hexagon", "use_coreml", "use_npu"),
        *("use_legacy_nnapi", "gpu_backend", "gpu_precision_loss_allowed", "nnapi_allow_fp16"),
        *("gpu_inference_for_sustained_speed", "max_delegated_partitions"),
        *("delegate_serialize_dir", "delegate_serialize_token", "stable_delegate_settings_file"),
        *("external_delegate_path", "external_delegate_options", "signature_to_run_for"),
        *("signature", "input_layer", "input_layer_shape", "input_layer_value_files"),
        *("output_filepath", "result_file_path"),
    )
)
"""Flags that say what is run, how often and where: a Record tells of them by its own fields."""

_USE: Final = {"nnapi": "use_nnapi", "hexagon": "use_hexagon", "coreml": "use_coreml"}


@dataclass(frozen=True)
class Build:
    """One build of a benchmark tool: which of them it is, and the flags that it has."""

    kind: Kind
    flags: frozenset[str]


@dataclass(frozen=True)
class ToolOptions:
    """What the user tells the tool beside the settings of every run.

    `delegate` is the library of an external delegate, a path on the device; `flags` are given
    as they are, NAME=VALUE each.
    """

    delegate: str | None = None
    delegate_options: str | None = None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class ToolPaths:
    """Where things are on the device; `inputs` a file for each tensor, or none for noise."""

    tool: str = ""
    model: str = ""
    inputs: tuple[str, ...] = ()
    output: str | None = None
    result: str | None = None
    cache_dir: str | None = None
    cache_token: str = ""


@dataclass(frozen=True)
class ToolSetup:
    """A tool that was asked for its flags, and what it is told for the user."""

    build: Build
    options: ToolOptions = ToolOptions()


class CantRun(Exception):
    """This build can't do what was asked; `kind` is that of the failure."""

    def __init__(self, kind: FailureKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def read_usage(text: str) -> Build:
    """The tool that printed this help.

    Raises:
        EngineError: it is none of them.
    """
    flags = frozenset(_FLAG.findall(text))
    if {"graph", "num_runs"} <= flags:
        kind: Kind = "litert" if "use_npu" in flags and "input_layer" not in flags else "tflite"
        return Build(kind, flags)
    if {"model", "num_runs", "use_npu"} <= flags:
        return Build("litert_python", flags)
    raise EngineError(
        "its --help shows no flags of a benchmark tool; give benchmark_model of TensorFlow Lite, "
        "or benchmark_litert_model"
    )


def check_request(build: Build, options: ToolOptions, *, images: bool) -> None:
    """Refuse before anything runs what no run of this build can do.

    Raises:
        UsageError: a flag of the user's is unknown or bokehbench's own; images can't be given.
    """
    for flag in options.flags:
        name = flag.partition("=")[0]
        if name in RESERVED:
            raise UsageError(f"--runner-flag {flag}: bokehbench says that itself; use its options")
        if name not in build.flags:
            raise UsageError(f"--runner-flag {flag}: this build of {TOOL} has no --{name}")
        # LiteRT's script has switches without a value, the programs have none.
        if "=" not in flag and build.kind != "litert_python":
            raise UsageError(
                f"--runner-flag {flag}: this build of {TOOL} needs a value; give {name}=VALUE"
            )
    missing = {"input_layer_value_files", "output_filepath"} - build.flags
    if images and missing:
        raise UsageError(
            f"--dataset: this build of {TOOL} has no --{min(missing)}; give one of TensorFlow "
            "Lite 2.8 or newer, or leave the images to our own runner"
        )


def tool_argv(
    spec: TrialSpec,
    model: ModelFacts,
    build: Build,
    paths: ToolPaths,
    options: ToolOptions,
) -> list[str]:
    """The whole command line.

    Nothing that decides what runs is left to a default, save the precision `default`, which is
    the tool's. Runs are bounded by count and by `max_seconds`; the tool has no least number.

    Raises:
        CantRun: this build has no flag for something that was asked for.
    """
    flags: dict[str, str] = {}
    if build.kind == "litert_python":
        _python(spec, paths, flags)
    else:
        flags["graph"] = paths.model
        flags["num_runs"] = str(spec.runs)
        _if_known(build, flags, {"warmup_runs": str(spec.warmups)}, unless=spec.warmups == 1)
        _if_known(build, flags, {"num_threads": str(spec.threads)}, unless=spec.threads == 1)
        # Older builds run neither for a second, nor for half a second of warm-up, unasked.
        for name, value in (
            ("min_secs", "0"),
            ("warmup_min_secs", "0"),
            ("max_secs", _number(spec.max_seconds)),
            ("signature_to_run_for", model.signature or ""),
            ("result_file_path", paths.result or ""),
        ):
            if name in build.flags and value:
                flags[name] = value
        if build.kind == "litert":
            _litert(spec, build, flags)
        else:
            _tflite(spec, build, paths, options, flags)
    _tensors(spec, model, build, paths, flags)
    for flag in options.flags:
        name, _, value = flag.partition("=")
        _need(build, name, f"--runner-flag {flag}", "usage")
        if name in flags:
            raise CantRun("usage", f"--runner-flag {flag}: it is given already; use its own option")
        flags[name] = value
    words = [paths.tool]
    for name, value in flags.items():
        if build.kind == "litert_python":
            words += [f"--{name}", value] if value else [f"--{name}"]
        else:
            words.append(f"--{name}={value}")
    return [*(("taskset", f"{spec.core_mask:x}") if spec.core_mask else ()), *words]


def _need(build: Build, flag: str, what: str, kind: FailureKind = "backend_unavailable") -> None:
    if flag not in build.flags:
        raise CantRun(kind, f"{what}: this build of {TOOL} has no --{flag}")


def _if_known(build: Build, flags: dict[str, str], given: Mapping[str, str], unless: bool) -> None:
    """Flags that may be missing only where they say what holds without them."""
    for name, value in given.items():
        if name in build.flags:
            flags[name] = value
        elif not unless:
            _need(build, name, f"{name} {value}", "usage")


def _tflite(
    spec: TrialSpec, build: Build, paths: ToolPaths, options: ToolOptions, flags: dict[str, str]
) -> None:
    backend = spec.backend
    if backend == "cpu":
        # Builds without the flag have no XNNPACK.
        if "use_xnnpack" in build.flags:
            flags["use_xnnpack"] = "false"
    elif backend == "xnnpack":
        _need(build, "use_xnnpack", "backend xnnpack")
        flags["use_xnnpack"] = "true"
    elif backend == "gpu":
        _tflite_gpu(spec, build, paths, flags)
    elif backend == "external":
        if not options.delegate:
            raise CantRun("usage", "backend external: give the delegate's library with --delegate")
        _need(build, "external_delegate_path", "backend external")
        flags["external_delegate_path"] = options.delegate
        if options.delegate_options:
            _need(build, "external_delegate_options", "--delegate-options", "usage")
            flags["external_delegate_options"] = options.delegate_options
    elif backend in _USE:
        _need(build, _USE[backend], f"backend {backend}")
        flags[_USE[backend]] = "true"
        if backend == "nnapi" and spec.precision != "default":
            _need(build, "nnapi_allow_fp16", f"precision {spec.precision}", "usage")
            flags["nnapi_allow_fp16"] = _bool(spec.precision == "fp16")
    else:
        raise CantRun("backend_unavailable", f"backend {backend}: TensorFlow Lite's tool has none")


def _tflite_gpu(spec: TrialSpec, build: Build, paths: ToolPaths, flags: dict[str, str]) -> None:
    _need(build, "use_gpu", "backend gpu")
    flags["use_gpu"] = "true"
    if spec.precision != "default":
        _need(build, "gpu_precision_loss_allowed", f"precision {spec.precision}", "usage")
        flags["gpu_precision_loss_allowed"] = _bool(spec.precision == "fp16")
    gpu = spec.gpu
    if gpu.backend == "webgpu":
        raise CantRun("backend_unavailable", "GPU interface webgpu: TensorFlow Lite has none")
    if gpu.backend != "auto":
        _need(build, "gpu_backend", f"GPU interface {gpu.backend}")
        flags["gpu_backend"] = {"opencl": "cl", "opengl": "gl"}[gpu.backend]
    if gpu.preference == "sustained_speed":
        _need(build, "gpu_inference_for_sustained_speed", "--gpu-preference", "usage")
        flags["gpu_inference_for_sustained_speed"] = "true"
    _if_known(
        build,
        flags,
        {"max_delegated_partitions": str(gpu.max_partitions)},
        unless=gpu.max_partitions == 1,
    )
    if paths.cache_dir is not None:
        _need(build, "delegate_serialize_dir", "--gpu-cache", "usage")
        flags["delegate_serialize_dir"] = paths.cache_dir
        flags["delegate_serialize_token"] = paths.cache_token


def _litert_refusals(spec: TrialSpec) -> None:
    """What both of LiteRT's tools can't do."""
    if spec.backend not in ("gpu", "npu", "xnnpack"):
        raise CantRun(
            "backend_unavailable",
            f"backend {spec.backend}: LiteRT's tool runs on gpu, npu and xnnpack",
        )
    if spec.backend == "gpu" and spec.gpu.preference != "fast_single_answer":
        raise CantRun("usage", "--gpu-preference: LiteRT's tool has one only")
    if spec.backend == "gpu" and spec.gpu.max_partitions != 1:
        raise CantRun("usage", "--max-partitions: LiteRT's tool has no such option")
    if spec.backend == "gpu" and spec.gpu.cache != "none":
        raise CantRun("usage", "--gpu-cache: LiteRT's tool keeps no kernels")


def _litert(spec: TrialSpec, build: Build, flags: dict[str, str]) -> None:
    _litert_refusals(spec)
    if spec.backend == "npu":
        flags["use_npu"] = "true"
    elif spec.backend == "gpu":
        flags["use_gpu"] = "true"
        if spec.precision != "default":
            _need(build, "allow_fp16", f"precision {spec.precision}", "usage")
            flags["allow_fp16"] = _bool(spec.precision == "fp16")
        if spec.gpu.backend == "opencl":
            raise CantRun("backend_unavailable", "GPU interface opencl: LiteRT's tool can't ask")
        if spec.gpu.backend != "auto":
            _need(build, "gpu_backend", f"GPU interface {spec.gpu.backend}")
            flags["gpu_backend"] = spec.gpu.backend


def _python(spec: TrialSpec, paths: ToolPaths, flags: dict[str, str]) -> None:
    _litert_refusals(spec)
    if spec.precision != "default":
        raise CantRun("usage", f"precision {spec.precision}: LiteRT's script has no such option")
    if spec.backend == "gpu" and spec.gpu.backend != "auto":
        raise CantRun("backend_unavailable", "--gpu-api: LiteRT's script has no such option")
    flags |= {
        "model": paths.model,
        "num_runs": str(spec.runs),
        "warmup_runs": str(spec.warmups),
        "num_threads": str(spec.threads),
    }
    if spec.backend != "xnnpack":
        flags[f"use_{spec.backend}"] = ""


def _tensors(
    spec: TrialSpec,
    model: ModelFacts,
    build: Build,
    paths: ToolPaths,
    flags: dict[str, str],
) -> None:
    """Shapes where they are not the model's own, files of inputs, and where outputs go."""
    shapes = spec.input_shapes
    own = tuple(tensor.shape for tensor in model.inputs)
    if shapes != own or paths.inputs:
        if "input_layer_shape" not in build.flags:
            text = ", ".join("x".join(map(str, shape)) for shape in shapes)
            raise CantRun(
                "input_mismatch",
                f"{TOOL} of LiteRT takes no inputs of its own size or content, and the model is "
                f"to run at {text}",
            )
        names = layer_names(model)
        flags["input_layer"] = ",".join(names)
        flags["input_layer_shape"] = ":".join(",".join(map(str, shape)) for shape in shapes)
        if paths.inputs:
            _need(build, "input_layer_value_files", "images", "usage")
            if any(set(path) & set(",:") for path in paths.inputs):
                raise CantRun("usage", f"{paths.inputs[0]}: {TOOL} takes no path with ',' or ':'")
            flags["input_layer_value_files"] = ",".join(
                f"{name}:{path}" for name, path in zip(names, paths.inputs, strict=True)
            )
    if paths.output is not None:
        _need(build, "output_filepath", "images", "usage")
        flags["output_filepath"] = paths.output


def layer_names(model: ModelFacts) -> Sequence[str]:
    """Names of the inputs for the tool.

    It goes by their order and only warns of other names; all versions but the newest split
    names at ',' and ':', which no version shall have to.
    """
    names = [tensor.name for tensor in model.inputs]
    plain = all(re.fullmatch(r"[A-Za-z0-9_./-]+", name) for name in names)
    if plain and len(set(names)) == len(names):
        return names
    return [f"input{number}" for number in range(len(names))]


def _bool(value: bool) -> str:
    return "true" if value else "false"


def _number(value: float) -> str:
    return repr(round(value, 3)) if value != int(value) else str(int(value))
