"""Captures -> Trials: a result only where the process ended well and its log holds one."""

import pytest
from msgspec.structs import replace

from bokehbench.analysis.proof import ran_as_asked
from bokehbench.facts import GpuOptions, Trial, TrialSpec
from bokehbench.facts.trial import Backend
from bokehbench.runners.benchmark_model import ResultFile, parse_log, read_result, trial_of_log
from tests.runners.benchmark_model.corpus import NAMES, expected
from tests.runners.test_protocol import SPEC as PROTOCOL_SPEC
from tests.support.standin_tool import capture, encode_result

SPEC = replace(PROTOCOL_SPEC, runs=20, gpu=GpuOptions())


def trial(
    log: bytes,
    backend: Backend = "xnnpack",
    *,
    exit_code: int = 0,
    timed_out: bool = False,
    result: ResultFile | None = None,
    spec: TrialSpec = SPEC,
) -> Trial:
    return trial_of_log(
        replace(spec, backend=backend),
        parse_log(log, exit_code=exit_code),
        exit_code=exit_code,
        timed_out=timed_out,
        started="2026-01-01T00:00:00.000Z",
        wall_ns=5,
        log_sha256="0" * 64,
        result=result,
    )


def test_a_log_with_a_result() -> None:
    told = trial(capture("021"))
    assert (told.status, told.invoke_ns, told.load_ns) == ("ok", (), 852_000)
    assert told.aggregate is not None
    assert told.report is not None
    aggregate = told.aggregate
    assert (aggregate.count, aggregate.min_ns, aggregate.max_ns) == (162, 5_554_000, 25_902_000)
    assert (aggregate.avg_ns, aggregate.intervals_ns["avg_ns"]) == (
        6_128_430,
        (6_128_425, 6_128_435),
    )
    assert (aggregate.first_ns, aggregate.warmup_ns, aggregate.warmup_count) == (
        9_958_000,
        6_140_010,
        81,
    )
    assert (aggregate.median_ns, aggregate.source, told.capped) == (None, "log", False)
    assert told.report.name == "xnnpack"
    assert ran_as_asked(told)


@pytest.mark.parametrize("name", NAMES)
def test_no_capture_of_a_failure_gives_a_result(name: str) -> None:
    known = expected()[name]
    asked: Backend = known["requested_backend"] or "cpu"
    exit_code = known["exit_code"]
    told = trial(capture(name[:-4]), asked, exit_code=exit_code)
    good = known["outcome"] in ("ok", "ok_with_fallback") and exit_code == 0
    assert told.status == ("ok" if good else "failed")
    if good:
        assert told.aggregate is not None
        assert told.aggregate.avg_ns == round(known["avg_us"] * 1e3)
    else:
        assert told.aggregate is None
        assert told.failure is not None
        if known["outcome"] == "failed" and known["failure_kind"] != "unknown":
            assert told.failure.kind == known["failure_kind"]
    # What only fell back is no run on what was asked for.
    if known["backend"] != asked and not {known["backend"], asked} <= {"cpu", "xnnpack"}:
        assert not ran_as_asked(told)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("exit_code", [1, 134, 137, 139, 255])
def test_an_exit_code_undoes_any_result(name: str, exit_code: int) -> None:
    told = trial(capture(name[:-4]), exit_code=exit_code)
    assert told.status == "failed"
    assert told.aggregate is None


def test_a_deadline_undoes_any_result() -> None:
    told = trial(capture("021"), timed_out=True)
    assert told.failure is not None
    assert told.failure.kind == "timeout"


def test_a_log_of_two_runs_is_of_no_process() -> None:
    told = trial(capture("021") + capture("023"))
    assert told.failure is not None
    assert told.failure.kind == "protocol"


@pytest.mark.parametrize("log", [b"", b"hello\n", b"\0\1\2" * 100])
def test_other_text_is_no_result(log: bytes) -> None:
    told = trial(log)
    assert told.failure is not None
    assert told.failure.kind == "protocol"


@pytest.mark.parametrize("exit_code", [126, 127])
def test_a_tool_that_was_not_executed(exit_code: int) -> None:
    told = trial(b"sh: /data/x: not executable: 64-bit ELF file\n", exit_code=exit_code)
    assert told.failure is not None
    assert told.failure.kind == "io_error"


def test_another_backend_than_the_one_asked_for() -> None:
    told = trial(capture("054"), "cpu")
    assert told.failure is not None
    assert "gpu" in told.failure.message
    fallback = trial(capture("054"), "gpu")
    assert fallback.report is not None
    assert (fallback.status, fallback.report.name) == ("ok", "cpu")
    assert not ran_as_asked(fallback)


GPU = b"""\
Initialized session in 100ms.
INFO: Replacing 5 out of 8 node(s) with delegate (TfLiteGpuDelegateV2) node, yielding 2 partitions.
INFO: Initialized OpenGL-based API.
Explicitly applied GPU delegate, and the model graph will be partially executed by the delegate \
w/ 1 delegate kernels.
count=1 curr=900
count=20 first=800 curr=801 min=799 max=810 avg=801.5 std=3
Inference timings in us: Init: 100000, First inference: 900, Warmup (avg): 900, \
Inference (avg): 801.5
"""


def test_a_part_on_the_gpu_is_told_with_its_nodes() -> None:
    told = trial(GPU, "gpu")
    assert told.status == "ok"
    assert told.report is not None
    report = told.report
    assert (report.name, report.delegate) == ("gpu", "TfLiteGpuDelegateV2")
    assert (report.delegated_nodes, report.total_nodes, report.fully_accelerated) == (5, 8, False)
    assert report.gpu_api == "OpenGL"
    assert report.delegates[0].kernels == 1
    assert ran_as_asked(told)


def test_a_forced_interface_that_was_not_set_up() -> None:
    forced = replace(SPEC, gpu=GpuOptions(backend="opencl"))
    told = trial(GPU, "gpu", spec=forced)
    assert told.failure is not None
    assert told.failure.kind == "delegate_failed"
    assert trial(GPU, "gpu", spec=replace(SPEC, gpu=GpuOptions(backend="opengl"))).status == "ok"


def test_an_accelerator_that_no_line_speaks_of_did_not_run() -> None:
    log = b"\n".join(
        line for line in GPU.splitlines() if b"elegate" not in line and b"GL" not in line
    )
    told = trial(b"Use gpu: [1]\n" + log + b"\n", "gpu")
    assert told.status == "ok"
    assert not ran_as_asked(told)


def test_fewer_runs_than_asked_for_are_capped() -> None:
    assert trial(GPU, "gpu", spec=replace(SPEC, runs=21)).capped
    assert not trial(GPU, "gpu").capped


def of_file(**changes: float) -> ResultFile:
    told = {1: 6.12843, 2: 5.554, 3: 25.902, 4: 1.602, 5: 5.87, 8: 0.852, 9: 9.958, 10: 6.14001}
    names = {"avg": 1, "min": 2, "max": 3, "median": 5, "init": 8}
    told |= {names[name]: value for name, value in changes.items() if name != "count"}
    return read_result(encode_result({2: told, 4: {2: int(changes.get("count", 162))}}))


def test_the_result_file_adds_what_the_log_does_not_tell() -> None:
    told = trial(capture("021"), result=of_file())
    assert told.aggregate is not None
    assert (told.aggregate.source, told.aggregate.median_ns) == ("result_file", 5_870_000)
    low, high = told.aggregate.intervals_ns["avg_ns"]
    assert 0 < high - low < 10
    # What the log prints whole stays.
    assert told.aggregate.min_ns == 5_554_000
    assert "min_ns" not in told.aggregate.intervals_ns
    assert told.load_ns == 852_000


@pytest.mark.parametrize(
    "changes", [{"avg": 6.2}, {"min": 5.0}, {"max": 30.0}, {"init": 0.9}, {"count": 161}]
)
def test_a_file_of_other_runs_is_no_result(changes: dict[str, float]) -> None:
    told = trial(capture("021"), result=of_file(**changes))
    assert told.failure is not None
    assert told.failure.kind == "protocol"
    assert told.aggregate is None
