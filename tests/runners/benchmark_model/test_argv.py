"""Command lines for every backend, and what a build is refused for."""

import subprocess
import sys

import pytest
from msgspec.structs import replace

from bokehbench.errors import EngineError, UsageError
from bokehbench.facts import GpuOptions, ModelFacts, TensorFacts, TrialSpec
from bokehbench.runners.benchmark_model import (
    Build,
    CantRun,
    ToolOptions,
    ToolPaths,
    check_request,
    read_usage,
    tool_argv,
)
from tests.runners.test_protocol import SPEC as PROTOCOL_SPEC
from tests.support.evidence import make_model
from tests.support.standin_tool import LITERT_FLAGS, TFLITE_FLAGS, usage

TFLITE = Build("tflite", frozenset(TFLITE_FLAGS))
LITERT = Build("litert", frozenset(LITERT_FLAGS))
PATHS = ToolPaths(tool="/d/tool", model="/d/net.tflite")
MODEL = replace(
    make_model(),
    signature=None,
    inputs=(
        TensorFacts(name="image", shape=(1, 8, 8, 3), dtype="float32"),
        TensorFacts(name="depth/0", shape=(1, 8, 8, 1), dtype="float32"),
    ),
)
SHAPES = tuple(tensor.shape for tensor in MODEL.inputs)
SPEC = replace(
    PROTOCOL_SPEC,
    backend="xnnpack",
    precision="default",
    threads=4,
    core_mask=0,
    warmups=3,
    runs=20,
    max_seconds=30.0,
    input_shapes=SHAPES,
    gpu=GpuOptions(),
)


def argv(
    spec: TrialSpec = SPEC,
    build: Build = TFLITE,
    *,
    model: ModelFacts = MODEL,
    paths: ToolPaths = PATHS,
    options: ToolOptions = ToolOptions(),  # noqa: B008
) -> list[str]:
    return tool_argv(spec, model, build, paths, options)


def on(backend: str, **changes: object) -> TrialSpec:
    return replace(SPEC, backend=backend, **changes)


def test_the_whole_command_line() -> None:
    assert argv() == [
        "/d/tool",
        "--graph=/d/net.tflite",
        "--num_runs=20",
        "--warmup_runs=3",
        "--num_threads=4",
        "--min_secs=0",
        "--warmup_min_secs=0",
        "--max_secs=30",
        "--use_xnnpack=true",
    ]


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (on("cpu"), {"--use_xnnpack=false"}),
        (on("xnnpack"), {"--use_xnnpack=true"}),
        (on("gpu"), {"--use_gpu=true", "--max_delegated_partitions=1"}),
        (on("gpu", precision="fp16"), {"--use_gpu=true", "--gpu_precision_loss_allowed=true"}),
        (on("gpu", precision="fp32"), {"--use_gpu=true", "--gpu_precision_loss_allowed=false"}),
        (on("gpu", gpu=GpuOptions(backend="opencl")), {"--use_gpu=true", "--gpu_backend=cl"}),
        (on("gpu", gpu=GpuOptions(backend="opengl")), {"--use_gpu=true", "--gpu_backend=gl"}),
        (on("gpu", gpu=GpuOptions(max_partitions=7)), {"--max_delegated_partitions=7"}),
        (
            on("gpu", gpu=GpuOptions(preference="sustained_speed")),
            {"--gpu_inference_for_sustained_speed=true"},
        ),
        (on("nnapi"), {"--use_nnapi=true"}),
        (on("nnapi", precision="fp16"), {"--use_nnapi=true", "--nnapi_allow_fp16=true"}),
        (on("nnapi", precision="fp32"), {"--use_nnapi=true", "--nnapi_allow_fp16=false"}),
        (on("hexagon"), {"--use_hexagon=true"}),
    ],
)
def test_each_backend_of_tensorflow_lite(spec: TrialSpec, said: set[str]) -> None:
    words = argv(spec)
    assert said <= set(words)
    used = [word for word in words if word.startswith("--use_")]
    assert len(used) == 1


def test_an_external_delegate() -> None:
    options = ToolOptions("/vendor/lib64/libx.so", "a:1;b:2")
    words = argv(on("external"), options=options)
    assert "--external_delegate_path=/vendor/lib64/libx.so" in words
    assert "--external_delegate_options=a:1;b:2" in words
    with pytest.raises(CantRun, match="--delegate"):
        argv(on("external"))


def test_kernels_are_kept_under_a_token() -> None:
    paths = ToolPaths(tool="t", model="m", cache_dir="/d/cache/1", cache_token="abc")
    words = argv(on("gpu"), paths=paths)
    assert {"--delegate_serialize_dir=/d/cache/1", "--delegate_serialize_token=abc"} <= set(words)


def test_cores_are_taken_with_taskset() -> None:
    assert argv(replace(SPEC, core_mask=0xF0))[:3] == ["taskset", "f0", "/d/tool"]


def test_shapes_other_than_the_models_are_said_for_every_input() -> None:
    names = [tensor.name for tensor in MODEL.inputs]
    words = argv(replace(SPEC, input_shapes=tuple((1, 5, 7, *shape[3:]) for shape in SHAPES)))
    assert f"--input_layer={','.join(names)}" in words
    text = ":".join(f"1,5,7,{shape[3]}" for shape in SHAPES)
    assert f"--input_layer_shape={text}" in words


def test_files_are_named_by_input_in_order() -> None:
    files = tuple(f"/w/0.{number}.in" for number in range(len(SHAPES)))
    words = argv(paths=ToolPaths("t", "m", inputs=files, output="/w/0.out", result="/w/r.pb"))
    names = [tensor.name for tensor in MODEL.inputs]
    joined = ",".join(f"{name}:{path}" for name, path in zip(names, files, strict=True))
    assert f"--input_layer_value_files={joined}" in words
    assert {"--output_filepath=/w/0.out", "--result_file_path=/w/r.pb"} <= set(words)


@pytest.mark.parametrize("name", ["serving:0", "a,b", "with space", "", "é"])
def test_names_that_the_tool_would_split_are_replaced(name: str) -> None:
    one = replace(MODEL.inputs[0], name=name)
    model = replace(MODEL, inputs=(one,))
    paths = ToolPaths("t", "m", inputs=("/w/0.in",), output="/w/0.out")
    words = argv(replace(SPEC, input_shapes=(one.shape,)), model=model, paths=paths)
    assert "--input_layer=input0" in words
    assert "--input_layer_value_files=input0:/w/0.in" in words


def test_paths_that_the_tool_would_split_are_refused() -> None:
    paths = ToolPaths("t", "m", inputs=tuple("/w:x/0.in" for _ in SHAPES), output="/w/0.out")
    with pytest.raises(CantRun, match="takes no path"):
        argv(paths=paths)


@pytest.mark.parametrize(
    ("spec", "missing", "kind"),
    [
        (on("xnnpack"), "use_xnnpack", "backend_unavailable"),
        (on("gpu"), "use_gpu", "backend_unavailable"),
        (on("nnapi"), "use_nnapi", "backend_unavailable"),
        (on("hexagon"), "use_hexagon", "backend_unavailable"),
        (on("gpu", precision="fp32"), "gpu_precision_loss_allowed", "usage"),
        (on("gpu", gpu=GpuOptions(backend="opengl")), "gpu_backend", "backend_unavailable"),
        (on("gpu", gpu=GpuOptions(max_partitions=2)), "max_delegated_partitions", "usage"),
        (on("xnnpack"), "num_threads", "usage"),
        (on("xnnpack"), "warmup_runs", "usage"),
    ],
)
def test_what_a_build_has_no_flag_for_is_refused(spec: TrialSpec, missing: str, kind: str) -> None:
    build = Build("tflite", TFLITE.flags - {missing})
    with pytest.raises(CantRun, match=missing) as caught:
        argv(spec, build)
    assert caught.value.kind == kind


def test_flags_that_say_what_holds_anyway_are_left_out_of_old_builds() -> None:
    old = Build("tflite", frozenset({"graph", "num_runs", "use_gpu", "num_threads"}))
    spec = on("cpu", threads=1, warmups=1)
    assert argv(spec, old) == [
        "/d/tool",
        "--graph=/d/net.tflite",
        "--num_runs=20",
        "--num_threads=1",
    ]


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (on("xnnpack"), set()),
        (on("gpu"), {"--use_gpu=true"}),
        (on("gpu", precision="fp32"), {"--use_gpu=true", "--allow_fp16=false"}),
        (on("gpu", gpu=GpuOptions(backend="webgpu")), {"--use_gpu=true", "--gpu_backend=webgpu"}),
        (on("npu"), {"--use_npu=true"}),
    ],
)
def test_each_backend_of_litert(spec: TrialSpec, said: set[str]) -> None:
    words = argv(spec, LITERT)
    assert {word for word in words if "use_" in word or "gpu" in word or "fp16" in word} == said


@pytest.mark.parametrize(
    "spec",
    [
        on("cpu"),
        on("nnapi"),
        on("gpu", gpu=GpuOptions(backend="opencl")),
        on("gpu", gpu=GpuOptions(cache="warm")),
        on("gpu", gpu=GpuOptions(max_partitions=3)),
        on("xnnpack", input_shapes=tuple((1, 5, 7, shape[3]) for shape in SHAPES)),
    ],
)
def test_what_litert_can_not_do(spec: TrialSpec) -> None:
    with pytest.raises(CantRun):
        argv(spec, LITERT)


def test_flags_of_the_user() -> None:
    options = ToolOptions(flags=("nnapi_accelerator_name=x=y", "enable_op_profiling=true"))
    words = argv(on("nnapi"), options=options)
    assert words[-2:] == ["--nnapi_accelerator_name=x=y", "--enable_op_profiling=true"]
    check_request(TFLITE, options, images=True)


@pytest.mark.parametrize(
    "flag", ["unheard_of=1", "num_runs=3", "use_gpu=true", "graph=x", "dry_run=1"]
)
def test_flags_that_are_none_or_not_the_users(flag: str) -> None:
    with pytest.raises(UsageError, match=flag.partition("=")[0]):
        check_request(TFLITE, ToolOptions(flags=(flag,)), images=False)


def test_a_flag_without_a_value_is_the_scripts_alone() -> None:
    options = ToolOptions(flags=("enable_op_profiling",))
    with pytest.raises(UsageError, match="give enable_op_profiling=VALUE"):
        check_request(TFLITE, options, images=False)
    script = Build("litert_python", frozenset(("model", "enable_op_profiling")))
    check_request(script, options, images=False)


@pytest.mark.parametrize("missing", ["input_layer_value_files", "output_filepath"])
def test_images_need_flags_for_files(missing: str) -> None:
    with pytest.raises(UsageError, match=missing):
        check_request(Build("tflite", TFLITE.flags - {missing}), ToolOptions(), images=True)


def test_help_tells_tools_and_flags() -> None:
    assert read_usage(f"ERROR: {usage(TFLITE_FLAGS)}") == TFLITE
    assert read_usage(usage(LITERT_FLAGS)) == LITERT
    assert read_usage(usage(TFLITE_FLAGS).replace("\n", "\r\n")) == TFLITE


@pytest.mark.parametrize("text", ["", "true\n", "Usage: ls --graph=1 --num_runs=2\n"])
def test_other_programs_are_told_apart(text: str) -> None:
    with pytest.raises(EngineError, match="no flags of a benchmark tool"):
        read_usage(text)


def test_the_script_of_litert_takes_the_words_that_it_is_given() -> None:
    command = [sys.executable, "-m", "ai_edge_litert.tools.benchmark_litert_model"]
    told = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True)
    build = read_usage(told.stdout)
    assert build.kind == "litert_python"
    words = argv(on("npu"), build)
    assert words[1:3] == ["--model", "/d/net.tflite"]
    assert words[-1] == "--use_npu"
    # A model that is missing is refused by the tool itself, after it took all flags.
    ended = subprocess.run([*command, *words[1:]], capture_output=True, text=True, check=False)
    assert "Model file not found" in ended.stderr
    for spec in (on("xnnpack", precision="fp16"), on("gpu", gpu=GpuOptions(backend="webgpu"))):
        with pytest.raises(CantRun):
            argv(spec, build)
