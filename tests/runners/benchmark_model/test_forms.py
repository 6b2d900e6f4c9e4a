"""What builds of 2018-2026 print, written from their sources: one text a form."""

from pathlib import Path
from textwrap import dedent

import pytest

from bokehbench.runners.benchmark_model import ParsedLog, parse_log

FORMS = Path(__file__).parent / "forms"
RESULT = (FORMS / "result.txt").read_text()
FAILED = "Benchmarking failed.\n"


def run(text: str, exit_code: int | None = 0) -> ParsedLog:
    file = parse_log(dedent(text).encode(), exit_code=exit_code)
    assert len(file.runs) == 1
    return file.last


def where(log: ParsedLog) -> tuple[object, ...]:
    """Outcome, what was asked for, what ran, and the first delegate's counts."""
    counts = (log.delegated_nodes, log.total_nodes, log.partitions)
    return log.outcome, log.requested_backend, log.backend, *counts


# Timing lines


def test_the_first_generation_of_2018() -> None:
    log = run(
        """\
        STARTING!
        Num runs: [50]
        Graph: [m.tflite]
        Use nnapi : [0]
        Loaded model m.tflite
        resolved reporter
        Initialized session in 4.452ms
        Running benchmark for 1 iterations
        count=1 curr=146161

        Running benchmark for 50 iterations
        count=50 first=137789 curr=137254 min=137079 max=143416 avg=137722 std=896

        Average inference timings in us: Warmup: 146161, Init: 4452, no stats: 137722
        """
    )
    assert where(log)[:3] == ("ok", "cpu", "cpu")
    assert (log.avg_us, log.count, log.init_ms, log.warmup_avg_us) == (137722, 50, 4.452, 146161)
    assert log.first_us == 146161


def test_a_line_that_begins_with_the_average() -> None:
    log = run("Average inference timings in us: 80660 , Warmup: 91471, \n")
    assert (log.outcome, log.avg_us, log.warmup_avg_us) == ("ok", 80660, 91471)
    assert (log.requested_backend, log.backend) == (None, None)


def test_the_app_of_2019_runs_two_lines_together() -> None:
    log = run(
        "11-04 10:00:00.100 I/tflite  ( 1234): Average inference timings in us: Warmup: 91471, "
        "Init: 4108, Inference: 80660.1Overall max resident set size = 15 MB\n"
    )
    assert (log.avg_us, log.init_ms) == (80660.1, 4.108)


def test_percentiles_of_2024() -> None:
    log = run(
        """\
        INFO: STARTING!
        INFO: Log parameter values verbosely: [0]
        INFO: Graph: [m.tflite]
        INFO: Initialized session in 0.7ms.
        INFO: Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate
        INFO: count=9 first=20 curr=12 min=11 max=20 avg=13.1 std=2 p5=11 median=12 p95=20

        INFO: Running benchmark for at least 50 iterations and at least 1 seconds but terminate
        INFO: count=80 first=12 curr=12 min=10 max=19 avg=12.0425 std=1 p5=11 median=12 p95=15

        INFO: Inference timings in us: Init: 700, First inference: 20, Warmup (avg): 13.1, \
Inference (avg): 12.0425
        INFO: Overall peak memory footprint (MB) via periodic monitoring: 93.2383
        """
    )
    assert (log.p5_us, log.median_us, log.p95_us, log.count) == (11, 12, 15, 80)
    assert log.peak_memory_mb == 93.2383
    assert log.intervals["avg_us"] == pytest.approx((12.04245, 12.04255))


@pytest.mark.parametrize(
    ("line", "average", "count"),
    [
        ("count=1 curr=1043172", 1043172, 1),
        ("count=1 curr=1043172 p5=1043172 median=1043172 p95=1043172", 1043172, 1),
        ("count=9 curr=1043172(all same)", 1043172, 9),
        ("count=9 curr=1043172(all same) p5=1043172 median=1043172 p95=1043172", 1043172, 9),
    ],
)
def test_runs_that_all_took_the_same(line: str, average: int, count: int) -> None:
    log = run(
        "STARTING!\nInitialized session in 0.7ms.\nRunning benchmark for at least 1 iterations\n"
        f"count=1 curr=1043999\n\nRunning benchmark for at least {count} iterations\n{line}\n\n"
        "Inference timings in us: Init: 700, First inference: 1043999, "
        "Warmup (avg): 1.044e+06, Inference (avg): 1.04317e+06\n"
    )
    # The one line that has all digits is believed, not the rounded average.
    assert (log.avg_us, log.count, log.warmup_avg_us) == (average, count, 1043999)
    assert "avg_us" not in log.intervals


@pytest.mark.parametrize("nothing", ["0", "nan", "-nan"])
def test_a_dry_run_measures_nothing(nothing: str) -> None:
    log = run(
        "STARTING!\nRun w/o invoking kernels: [1]\nInitialized session in 0.7ms.\n"
        "Running benchmark for at least 0 iterations and at least -1 seconds but\ncount=0\n\n"
        "Running benchmark for at least 0 iterations and at least -1 seconds but\ncount=0\n\n"
        "Inference timings in us: Init: 700, First inference: 0, "
        f"Warmup (avg): {nothing}, Inference (avg): {nothing}\n"
    )
    assert (log.outcome, log.count, log.avg_us, log.init_ms) == ("incomplete", 0, None, 0.7)


def test_the_warm_up_alone_is_no_result() -> None:
    log = run("STARTING!\n" + RESULT[: RESULT.index("count=50")], None)
    assert (log.outcome, log.avg_us, log.count) == ("incomplete", None, None)
    assert log.warmup_count == 4


def test_fewer_runs_than_asked_for_are_told_of() -> None:
    log = run("STARTING!\nMin num runs: [1000]\n" + RESULT)
    assert any("50 runs of 1000" in text for text in log.warnings or ())


# LiteRT's tools

LITERT_CPP = (FORMS / "litert_cpp.txt").read_text()


def test_litert_in_cpp_prints_whole_microseconds_first() -> None:
    log = run(LITERT_CPP)
    assert where(log) == ("ok", "gpu", "gpu", 366, 366, 1)
    assert (log.avg_us, log.min_us, log.count, log.peak_memory_mb) == (18004.7, 17001, 60, 400.25)
    assert (log.tool, log.gpu_api) == ("benchmark_litert_model", "opencl")


def test_litert_in_cpp_does_not_say_what_was_asked_for() -> None:
    text = LITERT_CPP.replace(
        LITERT_CPP.splitlines()[3], "INFO: Created TensorFlow Lite XNNPACK delegate for CPU."
    )
    log = run(text)
    assert where(log)[:3] == ("ok", None, "xnnpack")
    assert any("does not tell" in text for text in log.warnings or ())


def test_litert_block_without_its_end_is_no_result() -> None:
    assert run(LITERT_CPP[: LITERT_CPP.index("INFO: [benchmark_litert_model.h:107]")]).outcome == (
        "incomplete"
    )


def test_run_model_cuts_its_average() -> None:
    head = "I0000 00:00:1795354682.299844   17372 run_model.cc:372] "
    log = run(
        f"{head}Model: /d/m.tflite\nINFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n"
        f"{head}Run model for 20 times\n{head}First run took 6739 microseconds\n"
        f"{head}Slowest run took 6740 microseconds\n{head}Fastest run took 3611 microseconds\n"
        f"{head}All runs took average 3780 microseconds\n{head}Model run completed\n"
    )
    assert (log.outcome, log.tool, log.backend) == ("ok", "run_model", "xnnpack")
    assert (log.avg_us, log.min_us, log.max_us, log.first_us, log.count) == (
        *(3780, 3611, 6740, 6739),
        20,
    )
    assert log.intervals["avg_us"] == (3780.0, 3781.0)


RESULT_JSON = """\
{
  "model": "m.tflite",
  "accelerators": [
    "GPU",
    "CPU"
  ],
  "fully_accelerated": true,
  "latency": {
    "init_ms": 1.33,
    "warmup_first_ms": 0.08,
    "warmup_avg_ms": 0.02,
    "num_warmup_runs": 5,
    "avg_ms": 12.5,
    "min_ms": 12.01,
    "max_ms": 13,
    "median_ms": 12.4,
    "std_ms": 0.0,
    "p5_ms": 12.01,
    "p95_ms": 12.9,
    "num_runs": 20
  },
  "throughput_mb_s": 1.77
}
"""


def test_the_result_file_of_litert_in_python() -> None:
    log = run(RESULT_JSON)
    assert (log.avg_us, log.count, log.median_us, log.init_ms) == (12500, 20, 12400, 1.33)
    assert (log.requested_backend, log.backend) == ("gpu", None)
    assert not log.backend_proven
    assert log.intervals["max_us"] == (12995.0, 13005.0)
    cut = RESULT_JSON[: RESULT_JSON.index('  "throughput')]
    assert run(cut).outcome == "incomplete"


# Where it ran


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (
            "Use gpu: [1]\nINFO: Initialized OpenCL-based API.\n"
            "INFO: Created 1 GPU delegate kernels.\nExplicitly applied GPU delegate, and the model "
            "graph will be completely executed by the delegate.\n",
            ("ok", "gpu", "gpu", None, None, None),
        ),
        (
            "Use gpu : [1]\nINFO: Replacing 31 node(s) with delegate (TfLiteGpuDelegateV2) node, "
            "yielding 1 partitions.\nApplied GPU delegate.\n",
            ("ok", "gpu", "gpu", 31, None, 1),
        ),
        (
            "Use gpu : [1]\nReplacing 31 node(s) with delegate\n",
            ("ok", "gpu", "gpu", 31, None, None),
        ),
        (
            "Use gpu: [1]\nReplacing 30 node(s) with delegate (TfLiteGpuDelegateV2) node, "
            "yielding 3 partitions.\n",
            ("ok_with_fallback", "gpu", "gpu", 30, None, 3),
        ),
        (
            "Use NNAPI: [1]\nVERBOSE: Replacing 60 out of 65 node(s) with delegate "
            "(TfLiteNnapiDelegate) node, yielding 9 partitions for the whole graph.\n"
            "Explicitly applied NNAPI delegate, and the model graph will be partially executed by "
            "the delegate w/ 4 delegate kernels.\n",
            ("ok_with_fallback", "nnapi", "nnapi", 60, 65, 9),
        ),
        (
            "Use NNAPI: [1]\nINFO: NNAPI delegate created.\nThough NNAPI delegate is explicitly "
            "applied, the model graph will not be executed by the delegate.\n"
            "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n",
            ("ok_with_fallback", "nnapi", "xnnpack", None, None, None),
        ),
        (
            "Use Hexagon: [1]\nINFO: Hexagon delegate: 29 nodes delegated out of 31 nodes with 2 "
            "partitions.\n",
            ("ok_with_fallback", "hexagon", "hexagon", 29, 31, 2),
        ),
        (
            "Use CoreML: [1]\nINFO: CoreML delegate: 31 nodes delegated out of 31 nodes, with 1 "
            "partitions.\n",
            ("ok", "coreml", "coreml", 31, 31, 1),
        ),
        (
            "External delegate path: [libQnnTFLiteDelegate.so]\nINFO: EXTERNAL delegate created.\n"
            "VERBOSE: Replacing 142 out of 142 node(s) with delegate (TfLiteQnnDelegate) node, "
            "yielding 1 partitions for subgraph 0.\n",
            ("ok", "external", "external", 142, 142, 1),
        ),
        (
            "External delegate path: [libethosu_delegate.so]\nINFO: EthosuDelegate: 1 nodes "
            "delegated out of 3 nodes with 1 partitions.\n",
            ("ok_with_fallback", "external", "external", 1, 3, 1),
        ),
        (
            "Delegate path: [libx.so]\nINFO: Explicitly applied STABLE_DELEGATE delegate, and the "
            "model graph will be completely executed by the delegate.\n",
            ("ok", "external", "external", None, None, None),
        ),
        (
            "Use gpu: [1]\nINFO: Replacing 347 out of 347 node(s) with delegate "
            "(TfLiteGpuDelegateV2), yielding 1 partition\nINFO: Created 0 GPU delegate kernels.\n"
            "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n",
            ("ok_with_fallback", "gpu", "xnnpack", 347, 347, 1),
        ),
        (
            "Use gpu: [1]\nWARN: GPU acceleration is unsupported on this platform.\n",
            ("ok_with_fallback", "gpu", "cpu", None, None, None),
        ),
        (
            "Use gpu: [1]\nINFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n",
            ("ok_with_fallback", "gpu", "xnnpack", None, None, None),
        ),
        (
            "VERBOSE: Replacing 30 out of 33 node(s) with delegate (TfLiteXNNPackDelegate) node, "
            "yielding 3 partitions for the whole graph.\n",
            ("ok", "cpu", "xnnpack", 30, 33, 3),
        ),
        ("Use gpu: [1]\n", ("ok", "gpu", None, None, None, None)),
    ],
)
def test_where_a_model_ran(head: str, found: tuple[object, ...]) -> None:
    log = run("STARTING!\n" + head + RESULT)
    assert where(log) == found
    assert log.backend_proven == (log.backend is not None)


def test_the_first_delegate_counts_and_all_are_kept() -> None:
    log = run(
        """\
        INFO: STARTING!
        INFO: Use gpu: [1]
        ERROR: Following operations are not supported by GPU delegate:
        UNPACK: Operation is not supported.
        CUSTOM TFLite_Detection_PostProcess: TFLite custom op.
        RESHAPE: Tensor dimensions must be less than 5. reshape_10
        RESHAPE: Tensor dimensions must be less than 5. reshape_11
        294 operations will run on the GPU, and the remaining 6 operations will run on the CPU.
        VERBOSE: Replacing 294 out of 300 node(s) with delegate (TfLiteGpuDelegateV2) node, \
yielding 3 partitions for the whole graph.
        INFO: Created TensorFlow Lite XNNPACK delegate for CPU.
        VERBOSE: Replacing 3 out of 7 node(s) with delegate (TfLiteXNNPackDelegate) node, \
yielding 5 partitions for the whole graph.
        INFO: Explicitly applied GPU delegate, and the model graph will be partially executed by \
the delegate w/ 1 delegate kernels.
        """
        + RESULT.replace("\n", "\n        ")
    )
    assert where(log) == ("ok_with_fallback", "gpu", "gpu", 294, 300, 3)
    assert log.unsupported_ops == ("UNPACK", "CUSTOM TFLite_Detection_PostProcess", "RESHAPE")
    assert [d.backend for d in log.delegates or ()] == ["gpu", "xnnpack"]
    assert [d.kernels for d in log.delegates or ()] == [1, None]
    assert len(log.unsupported or ()) == 4


def test_no_operation_on_the_gpu() -> None:
    log = run(
        "STARTING!\nUse gpu: [1]\nERROR: Following operations are not supported by GPU delegate:\n"
        "SUM: Operation is not supported.\nNo operations will run on the GPU, and all 9 operations "
        "will run on the CPU.\nINFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n" + RESULT
    )
    assert where(log) == ("ok_with_fallback", "gpu", "xnnpack", 0, 9, None)


def test_operators_that_nnapi_refuses() -> None:
    log = run(
        "STARTING!\nUse NNAPI: [1]\n"
        "WARNING: Operator QUANTIZE (v2) refused by NNAPI delegate: OP Version different from 1\n"
        "Replacing 6 out of 9 node(s) with delegate (TfLiteNnapiDelegate) node\n" + RESULT
    )
    assert [(u.op, u.reason) for u in log.unsupported or ()] == [
        ("QUANTIZE", "OP Version different from 1")
    ]


def test_opengl_instead_of_opencl_is_told_of() -> None:
    log = run(
        "STARTING!\nUse gpu: [1]\nERROR: Falling back to OpenGL\nINFO: Initialized OpenGL-based "
        "API.\nINFO: Created 1 GPU delegate kernels.\nExplicitly applied GPU delegate, and the "
        "model graph will be completely executed by the delegate.\n" + RESULT
    )
    assert (log.outcome, log.gpu_api) == ("ok", "opengl")
    assert any("OpenGL" in text for text in log.warnings or ())


def test_a_command_in_the_log_tells_what_was_asked_for() -> None:
    log = run(
        "+ adb shell /data/local/tmp/benchmark_model --graph=/d/m.tflite --use_gpu=true\n" + RESULT
    )
    assert log.requested_backend == "gpu"


def test_a_version_that_vendors_print() -> None:
    assert run("INFO: Tensorflow Version : 2.15.0\n" + RESULT).runtime_version == "2.15.0"


# Failures


@pytest.mark.parametrize(
    ("words", "code", "kind"),
    [
        ("Please specify the name of your TF Lite input file with --graph\n", 1, "usage"),
        ("usage: ./bm\nFlags:\n\t--use_gpu=false\tbool\toptional\tuse gpu\n", 1, "usage"),
        ("ERROR: Could not open 'nope.tflite'.\nFailed to mmap model nope.tflite\n", 1,
         "model_missing"),
        ("2026-11-22 13:38:02 ERROR benchmark_litert_model: Model file not found: n.tflite\n", 1,
         "model_missing"),
        ("ERROR: Mmap of '3' at offset '0' failed with error '22'.\nFailed to mmap model e\n", 1,
         "model_invalid"),
        ("ERROR: Mmap of '3' at offset '0' failed with error '12'.\nFailed to mmap model e\n", 1,
         "out_of_memory"),
        ("Loaded model e\nERROR: Didn't find op for builtin opcode 'CONV_2D' version '6'. An older "
         "version\nERROR: Registration failed.\nFailed to construct interpreter\n", 1,
         "op_unsupported"),
        ("Loaded model e\nERROR: Encountered unresolved custom op: Foo.\nERROR: Node number 3 (Foo)"
         " failed to prepare.\nFailed to allocate tensors!\n", 1, "op_unsupported"),
        ("Loaded model e\nInput layers: [a]\nInput shapes: [1,9,9,3]\nERROR: conv.cc:340 "
         "input->dims->data[3] != 4\nERROR: Node number 0 (CONV_2D) failed to prepare.\n"
         "Failed to allocate tensors!\n", 1, "input_mismatch"),
        ("Use gpu: [1]\nFailed to apply GPU delegate.\n", 1, "delegate_failed"),
        ("Use gpu: [1]\nDisallowed CPU fallback detected.\n", 1, "delegate_failed"),
        ("Use gpu: [1]\nInitialized session in 3ms.\nERROR: Node number 347 (TfLiteGpuDelegateV2) "
         "failed to invoke.\n", 1, "delegate_failed"),
        ("FATAL: The size of in.raw is 12 bytes. It should be 48 bytes.\n", 134, "input_mismatch"),
        ("External delegate path: [/x.so]\nINFO: Unable to load external delegate from : /x.so\n"
         "Segmentation fault\n", 139, "crash"),
        ("Loaded model m\n", 139, "crash"),
        ("Loaded model m\n", -11, "crash"),
        ("Loaded model m\n", 0xC0000005, "crash"),
        ("Loaded model m\n", 137, "killed"),
        ("Loaded model m\n", 143, "killed"),
        ("Loaded model m\n", 124, "timeout"),
        ("terminate called after throwing an instance of 'std::bad_alloc'\n", 134, "out_of_memory"),
        ("Loaded model m\n", 1, "unknown"),
    ],
)  # fmt: skip
def test_kinds_of_failure(words: str, code: int, kind: str) -> None:
    ended = FAILED if code == 1 else ""
    log = run("STARTING!\nGraph: [m.tflite]\n" + words + ended, code)
    assert (log.outcome, log.failure_kind) == ("failed", kind)
    assert log.avg_us is None


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("Segmentation fault (core dumped)\n", "crash"),
        ("./run.sh: line 3:  1234 Killed                  ./benchmark_model\n", "killed"),
        ("ERROR: Node number 5 (GATHER) failed to invoke.\n", "unknown"),
        (FAILED, "unknown"),
    ],
)
def test_an_end_that_is_told_of_needs_no_exit_code(words: str, kind: str) -> None:
    log = run("STARTING!\n" + RESULT + words, None)
    assert (log.outcome, log.failure_kind) == ("failed", kind)


def test_errors_that_end_nothing_are_noise() -> None:
    log = run(
        "STARTING!\nLoaded model m\nERROR: Could not open '/cache/x.bin'.\n"
        "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n" + RESULT
    )
    assert (log.outcome, log.backend) == ("ok", "xnnpack")


# Several runs


def test_two_runs_in_one_log_are_both_found() -> None:
    other = RESULT.replace("119375", "220000").replace("870557", "870000").replace("870.557", "870")
    file = parse_log(("STARTING!\nUse gpu: [1]\n" + RESULT + "STARTING!\n" + other).encode())
    assert [r.avg_us for r in file.runs] == [119375, 220000]
    assert [(r.first_line, r.last_line) for r in file.runs] == [(1, 10), (11, 19)]
    assert [r.requested_backend for r in file.runs] == ["gpu", "cpu"]


def test_an_exit_code_belongs_to_the_last_run() -> None:
    other = RESULT.replace("119375", "220000").replace("870.557", "871.557").replace("870557", "1")
    file = parse_log(("STARTING!\n" + RESULT + "STARTING!\n" + other).encode(), exit_code=1)
    assert [r.outcome for r in file.runs] == ["ok", "failed"]


def test_a_second_run_that_was_killed_hides_behind_no_first() -> None:
    file = parse_log(("STARTING!\n" + RESULT + "STARTING!\nLoaded model m\n").encode())
    assert [r.outcome for r in file.runs] == ["ok", "incomplete"]


def test_two_processes_side_by_side_in_logcat() -> None:
    other = RESULT.replace("119375", "220000").replace("870.557", "871.557").replace("870557", "1")
    lines = []
    for one, two in zip(RESULT.splitlines(), other.splitlines(), strict=True):
        lines += [f"I/tflite  ( 100): {one}", f"I/tflite  ( 200): {two}"]
    file = parse_log("\n".join(lines).encode() + b"\n")
    assert [r.avg_us for r in file.runs] == [119375, 220000]


def test_a_whole_log_that_is_there_twice_is_one_run() -> None:
    text = "STARTING!\n" + RESULT
    again = "".join(f"I/tflite  ( 100): {line}\n" for line in text.splitlines())
    for doubled in (text + text, text + again, again + text):
        assert len(parse_log(doubled.encode()).runs) == 1


@pytest.mark.parametrize("average", ["nan", "-nan", "0"])
def test_without_a_warm_up_the_first_run_is_a_timed_one(average: str) -> None:
    text = (
        "Initialized session in 0.852ms.\n"
        "Running benchmark for at least 0 iterations and at least 0 seconds but terminate if "
        "exceeding 150 seconds.\ncount=0\n"
        "Running benchmark for at least 20 iterations and at least 0 seconds but terminate if "
        "exceeding 150 seconds.\n"
        "count=20 first=5943 curr=5661 min=5554 max=25902 avg=6128.43 std=1602\n"
        f"Inference timings in us: Init: 852, First inference: 0, Warmup (avg): {average}, "
        "Inference (avg): 6128.43\n"
    )
    run = parse_log(text.encode(), exit_code=0).last
    assert (run.outcome, run.count, run.avg_us) == ("ok", 20, 6128.43)
    assert (run.first_us, run.warmup_avg_us, run.warmup_count) == (5943, None, 0)
