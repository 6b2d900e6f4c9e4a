"""Processes of tools that tell a summary of their runs and not the runs."""

import pytest
from msgspec.structs import replace

from bokehbench.analysis.latency import process_ns, summarize, timed_ok
from bokehbench.analysis.proof import ran_as_asked, ran_there
from bokehbench.derive import derive
from bokehbench.facts import AggregateLatency, BackendReport, Evidence, Trial
from bokehbench.facts.record import IMPORTED
from tests.support.evidence import make_evidence, make_trial


def told(trial: Trial, median_ms: float | None, **changes: object) -> Trial:
    """The same process, as a tool would have told of it."""
    aggregate = AggregateLatency(
        count=20,
        avg_ns=9_000_000,
        median_ns=None if median_ms is None else round(median_ms * 1e6),
        min_ns=5_000_000,
        first_ns=30_000_000,
    )
    return replace(trial, invoke_ns=(), warmup_ns=(), aggregate=replace(aggregate, **changes))


def of_tool(*medians_ms: float | None, **changes: object) -> Evidence:
    evidence = make_evidence()
    template = evidence.trials[0]
    trials = [replace(told(template, ms), index=i) for i, ms in enumerate(medians_ms)]
    return replace(evidence, trials=tuple(trials), **changes)


def test_a_process_stands_for_itself_by_its_median_else_its_average() -> None:
    first = make_trial(invoke_ns=(1_000_000, 3_000_000, 2_000_000))
    assert process_ns(first) == 2_000_000
    assert process_ns(told(first, 7.0)) == 7_000_000
    assert process_ns(told(first, None)) == 9_000_000
    assert timed_ok([told(first, None), replace(first, invoke_ns=())]) == [told(first, None)]


def test_the_latency_of_aggregates() -> None:
    latency = derive(of_tool(7.0, 7.2, 7.1, 6.9, 7.3)).latency
    assert latency.median_ms == pytest.approx(7.1)
    assert list(latency.ci95_ms or ()) == pytest.approx([6.9, 7.3])
    assert (latency.processes, latency.samples, latency.aggregated_runs) == (5, 0, 100)
    assert (latency.min_ms, latency.first_ms) == (5.0, 30.0)
    # What takes all samples is not said of none.
    assert (latency.p90_ms, latency.mad_ms, latency.outliers) == (None, None, 0)
    assert (latency.drift, latency.mode_distance, latency.mode_ratio) == (None, None, None)


def test_a_least_time_that_one_process_does_not_tell_is_not_told() -> None:
    evidence = of_tool(7.0, 7.2)
    blind = told(evidence.trials[0], 7.0, min_ns=None, first_ns=None)
    latency = summarize((blind, evidence.trials[1]))
    assert (latency.min_ms, latency.first_ms) == (None, 30.0)


def test_records_of_aggregates_are_provisional_and_say_why() -> None:
    derived = derive(of_tool(7.0, 7.2, 7.1, 6.9, 7.3))
    assert derived.status == "provisional"
    [finding] = [f for f in derived.findings if f.code == "aggregates_only"]
    assert finding.message == "raw samples are not available: medians of 100 runs"
    mixed = derive(of_tool(7.0, None, 7.1, 6.9, 7.3))
    [finding] = [f for f in mixed.findings if f.code == "aggregates_only"]
    assert "averages (1 of 5 processes) and medians" in finding.message
    assert mixed.latency.averaged_processes == 1


def test_what_digits_leave_open_is_said() -> None:
    evidence = of_tool(0.1, 0.1, 0.1, 0.1, 0.1)
    rough = [told(t, 0.1, intervals_ns={"median_ns": (95_000, 105_000)}) for t in evidence.trials]
    derived = derive(replace(evidence, trials=tuple(rough)))
    [finding] = [f for f in derived.findings if f.code == "aggregates_only"]
    assert finding.message.endswith("printed so that 5.0% is left open")


def test_processes_with_samples_say_nothing_of_aggregates() -> None:
    derived = derive(make_evidence())
    assert "aggregates_only" not in derived.reasons
    assert derived.latency.aggregated_runs == 0


def test_few_runs_are_few_whoever_counted_them() -> None:
    assert "too_few_samples" in derive(of_tool(7.0, 7.2)).reasons
    assert "too_few_samples" not in derive(of_tool(7.0, 7.2, 7.1, 6.9, 7.3)).reasons


def test_what_was_imported_is_provisional() -> None:
    derived = derive(of_tool(7.0, 7.2, 7.1, 6.9, 7.3, launch=IMPORTED))
    assert "imported" in derived.reasons
    assert derived.status == "provisional"


@pytest.mark.parametrize("backend", ["gpu", "npu", "nnapi", "hexagon", "coreml", "external"])
def test_every_accelerator_has_to_be_proven(backend: str) -> None:
    evidence = of_tool(7.0, 7.2, 7.1, 6.9, 7.3)
    report = BackendReport(name=backend)
    trials = [replace(t, backend=backend, report=report) for t in evidence.trials]
    unproven = replace(evidence, backend=backend, trials=tuple(trials))
    assert not ran_as_asked(unproven.trials[0])
    assert "no_gpu_proof" in derive(unproven).reasons
    for proof in (
        replace(report, delegated_nodes=3),
        replace(report, fully_accelerated=True),
        replace(report, proof="line 7 of the log"),
    ):
        assert ran_there(proof)
        proven = [replace(t, report=proof) for t in trials]
        assert "no_gpu_proof" not in derive(replace(unproven, trials=tuple(proven))).reasons
