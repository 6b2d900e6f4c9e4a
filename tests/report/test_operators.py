"""The report on operators: times over processes, where each ran, what fell back and why."""

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from bokehbench.facts import DelegateShare, Failure, Prediction, Record, UnsupportedOp
from bokehbench.report.operator_table import headline, node_table, type_table
from bokehbench.report.operators import OpReport, op_report
from bokehbench.runners.benchmark_model import ParsedLog, parse_log
from tests.support.evidence import make_evidence, make_model, make_record, make_report, make_trial
from tests.support.standin_tool import capture

Row = tuple[str, float, int, str]

_HEAD = "\t[node type]\t[first]\t[avg ms]\t[%]\t[times called]\t[Name]"


def log_of(*rows: Row, inside: Sequence[Row] = ()) -> ParsedLog:
    """A log with a profile; a row is type, milliseconds, times called, name."""
    lines = [
        "STARTING!",
        "Use gpu: [1]",
        "INFO: Created TensorFlow Lite delegate for GPU.",
        "Explicitly applied GPU delegate, and the model graph will be partially executed by the "
        "delegate w/ 1 delegate kernels.",
        "Initialized session in 5.0ms.",
        "count=50 first=9000 curr=9000 min=8000 max=9000 avg=8500 std=10",
        "Inference timings in us: Init: 5000, First inference: 9000, Warmup (avg): 9000, "
        "Inference (avg): 8500",
        "Operator-wise Profiling Info for Regular Benchmark Runs:",
        "===== Run Order =====",
        _HEAD,
        *(f"\t{kind}\t0\t{ms}\t1%\t{calls}\t{name}" for kind, ms, calls, name in rows),
    ]
    if inside:
        lines += ["Delegate internal: ", "===== Run Order =====", _HEAD]
        lines += [f"\t{kind}\t0\t{ms}\t1%\t{calls}\t{name}" for kind, ms, calls, name in inside]
    return parse_log("\n".join([*lines, ""]).encode(), exit_code=0).last


GPU: Row = ("TfLiteGpuDelegateV2", 6.0, 1, "[a]:5")
CPU: Row = ("L2_NORMALIZATION", 2.0, 1, "[b]:4")


def record_of(**changes: object) -> Record:
    """A partly delegated run of a model of four operators."""
    report = make_report(
        "gpu",
        delegated_nodes=3,
        total_nodes=4,
        partitions=2,
        fully_accelerated=False,
        unsupported_ops=(UnsupportedOp(op="L2_NORMALIZATION", reason="not supported"),),
        delegates=(DelegateShare(name="TfLiteGpuDelegateV2", delegated_nodes=3, total_nodes=4),),
    )  # fmt: skip
    evidence = make_evidence(
        "gpu",
        model=make_model(ops={"CONV_2D": 2, "ADD": 1, "L2_NORMALIZATION": 1}),
        trials=(replace(make_trial("gpu"), report=report),),
    )
    tool = replace(evidence.runner, name="benchmark_model")
    return make_record(replace(evidence, runner=tool, **changes))


def places(report: OpReport) -> dict[str, str | None]:
    return {op.type: op.where for op in report.ops}


def test_nodes_of_delegates_and_of_the_interpreter() -> None:
    report = op_report(record_of(), {0: log_of(CPU, GPU)})
    assert places(report) == {"L2_NORMALIZATION": "cpu", "TfLiteGpuDelegateV2": "gpu"}
    assert report.total_ns == 8_000_000
    assert [op.share for op in report.ops] == [0.25, 0.75]
    assert [op.node for op in report.ops] == [4, 5]


def test_what_is_inside_a_delegate_is_told_where_only_that_is_possible() -> None:
    report = op_report(record_of(), {0: log_of(CPU, GPU)})
    held = [(kind.type, kind.where, kind.count, kind.per_run_ns) for kind in report.types[2:]]
    assert held == [("CONV_2D", "gpu", 2, None), ("ADD", "gpu", 1, None)]
    # With numbers that do not add up nothing follows.
    other = op_report(record_of(model=make_model(ops={"CONV_2D": 9})), {0: log_of(CPU, GPU)})
    assert len(other.types) == 2


def test_times_are_medians_over_processes() -> None:
    logs = {
        number: log_of(CPU, ("TfLiteGpuDelegateV2", ms, 1, "[a]:5"))
        for number, ms in enumerate((6.0, 7.0, 20.0))
    }
    report = op_report(record_of(), logs)
    gpu = report.ops[1]
    assert (gpu.per_run_ns, gpu.low_ns, gpu.high_ns) == (7_000_000, 6_000_000, 20_000_000)
    assert report.processes == 3
    assert gpu.share == pytest.approx(7 / 9)
    titles = [column.title for column in node_table(report, most=None).columns]
    assert "Most, ms" in titles


def test_a_node_that_is_called_often_costs_as_often() -> None:
    report = op_report(record_of(), {0: log_of(("CONV_2D", 2.0, 3, "[a]:0"))})
    assert report.ops[0].per_run_ns == 6_000_000


def test_what_a_delegate_tells_of_its_inside_counts_once() -> None:
    inside = [("Convolution (NHWC, F32) IGEMM", 5.5, 1, "Convolution (NHWC, F32) IGEMM:0")]
    xnnpack = ("TfLiteXNNPackDelegate", 6.0, 1, "[a]:5")
    report = op_report(record_of(), {0: log_of(CPU, xnnpack, inside=inside)})
    assert report.total_ns == 8_000_000
    kernel = report.ops[-1]
    assert (kernel.graph, kernel.where) == ("delegate", "xnnpack")
    assert kernel.share == pytest.approx(5.5 / 8)
    assert not any("does not tell" in note for note in report.notes)


def test_a_delegate_without_a_name_is_what_ran() -> None:
    log = log_of(CPU, ("DELEGATE", 6.0, 1, "[a]:5"))
    assert log.backend == "gpu"
    assert places(op_report(record_of(), {0: log}))["DELEGATE"] == "gpu"


def test_inside_of_one_of_two_delegates_nobody_knows_which() -> None:
    inside = [("Softmax", 0.5, 1, "Softmax:0")]
    report = op_report(
        record_of(), {0: log_of(GPU, ("TfLiteXNNPackDelegate", 1, 1, "[c]:6"), inside=inside)}
    )
    assert report.ops[-1].where is None


def test_what_fell_back_and_why() -> None:
    prediction = Prediction(
        delegate="tflite-gpu", engine="tflite", version="2.16.1", outcome="partly",
        delegated_low=3, delegated_high=3, total_nodes=4,
        operators=("1 x L2_NORMALIZATION: refused: no parser [tflite-gpu/1]",),
    )  # fmt: skip
    report = op_report(record_of(prediction=prediction), {0: log_of(CPU, GPU)})
    told = {one.source: one.text for one in report.fell_back}
    assert told["delegate"] == "L2_NORMALIZATION: not supported"
    assert told["profile"] == "1 x L2_NORMALIZATION ran on the CPU's own kernels, 2.000 ms"
    assert told["prediction"].startswith("1 x L2_NORMALIZATION: refused")

    assert "finding" not in told


def test_a_finding_about_another_backend_is_told() -> None:
    evidence = record_of().evidence
    other = replace(evidence.trials[0], report=make_report("xnnpack"))
    report = op_report(make_record(replace(evidence, trials=(other,))), {})
    told = [one.text for one in report.fell_back if one.source == "finding"]
    assert "gpu was asked for, xnnpack ran" in told


def test_nothing_fell_back_where_the_cpu_was_asked_for() -> None:
    report = op_report(record_of(backend="cpu"), {0: log_of(("ADD", 1.0, 1, "[a]:0"))})
    assert not [one for one in report.fell_back if one.source == "profile"]


def test_our_own_runner_tells_no_times() -> None:
    record = record_of()
    own = replace(record.evidence, runner=replace(record.evidence.runner, name="bokehbench"))
    report = op_report(make_record(own), {})
    assert (report.ops, report.total_ns, report.processes) == ((), None, 0)
    # Three of four operators ran on the GPU, and nobody says which.
    assert {(kind.type, kind.where) for kind in report.types} == {
        ("CONV_2D", None), ("ADD", None), ("L2_NORMALIZATION", None)
    }  # fmt: skip
    assert any("--runner benchmark_model" in note for note in report.notes)
    assert "gpu was asked for, gpu ran 3 of 4 operators in 2 partitions" in headline(report)


@pytest.mark.parametrize(
    ("report", "where"),
    [
        (make_report("gpu", delegated_nodes=4, total_nodes=4, fully_accelerated=True), "gpu"),
        (make_report("gpu", delegated_nodes=0, total_nodes=4, fully_accelerated=False), "cpu"),
        (make_report("gpu", delegated_nodes=None, total_nodes=None, fully_accelerated=None), None),
        (make_report("cpu", delegated_nodes=None, total_nodes=None, delegates=()), "cpu"),
    ],
)
def test_without_times_all_or_nothing_is_known(report: object, where: str | None) -> None:
    evidence = record_of().evidence
    trials = (replace(evidence.trials[0], report=report),)
    told = op_report(make_record(replace(evidence, trials=trials)), {})
    assert {kind.where for kind in told.types} == {where}


def test_a_failed_delegate_says_what_it_refused() -> None:
    evidence = record_of().evidence
    failure = Failure(
        kind="op_unsupported", message="m",
        unsupported_ops=(UnsupportedOp(op="CAST", reason="bool"),),
    )  # fmt: skip
    trial = replace(evidence.trials[0], status="failed", failure=failure, report=None)
    report = op_report(make_record(replace(evidence, trials=(trial,))), {})
    assert [one.text for one in report.fell_back if one.source == "delegate"] == ["CAST: bool"]
    assert report.backend is None
    assert "nobody says what ran" in headline(report)


def test_a_log_of_a_real_tool() -> None:
    log = parse_log(capture("025"), exit_code=0).last
    report = op_report(record_of(), {0: log})
    assert len(report.ops) == 64
    assert report.total_ns is not None
    assert report.total_ns == pytest.approx(1_463_350_000, rel=1e-4)
    # The tool's own summary, as it printed it.
    conv = next(kind for kind in report.types if kind.type == "CONV_2D")
    assert conv.count == 34
    assert conv.per_run_ns == pytest.approx(1_411_574_000, rel=1e-4)
    assert conv.share == pytest.approx(0.96463, abs=1e-4)
    table = node_table(report, most=5)
    assert len(table.rows) == 5
    assert table.caption == ("59 cheaper ones are left out; --all shows them",)
    assert len(type_table(report).rows) == 6


def test_texts_of_logs_are_cleaned() -> None:
    report = op_report(record_of(), {0: log_of(("BAD\x1b[31m", 1.0, 1, "[na\x1b]0;x\x07me]:0"))})
    told = "".join(cell.text for row in node_table(report, most=None).rows for cell in row)
    assert "\x1b" not in told
