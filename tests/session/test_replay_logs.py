"""Logs of a tool's processes, read again and compared with what the Record says."""

import pytest
from msgspec.structs import replace

from bokehbench.facts import AggregateLatency, Evidence
from bokehbench.runners.benchmark_model import ResultFile, parse_log, trial_of_log
from bokehbench.session.replay import reparse
from tests.runners.test_protocol import SPEC
from tests.support.evidence import make_evidence
from tests.support.standin_tool import capture

LOG = capture("021")


def evidence(log: bytes = LOG, result: ResultFile | None = None) -> Evidence:
    trial = trial_of_log(
        SPEC,
        parse_log(log, exit_code=0),
        exit_code=0,
        timed_out=False,
        started="2026-01-01T00:00:00.000Z",
        wall_ns=1,
        log_sha256="a" * 64,
        result=result,
    )
    assert trial.status == "ok", trial.failure
    return make_evidence(trials=(trial,))


def altered(**changes: object) -> Evidence:
    made = evidence()
    [trial] = made.trials
    assert trial.aggregate is not None
    aggregate: AggregateLatency = replace(trial.aggregate, **changes)
    return replace(made, trials=(replace(trial, aggregate=aggregate),))


def test_a_log_says_what_the_record_says() -> None:
    assert reparse(evidence(), lambda _: LOG) == (1, [])


def test_a_result_file_was_finer_than_the_log() -> None:
    told = ResultFile(avg_ms=6.128432, median_ms=5.9, count=162)
    assert reparse(evidence(result=told), lambda _: LOG) == (1, [])


@pytest.mark.parametrize(
    "changes",
    [
        {"avg_ns": 6_100_000},
        {"count": 50},
        {"min_ns": 5_553_999},
        {"max_ns": None},
        {"first_ns": 1},
    ],
)
def test_numbers_that_the_log_does_not_hold(changes: dict[str, object]) -> None:
    parsed, unlike = reparse(altered(**changes), lambda _: LOG)
    assert parsed == 1
    [text] = unlike
    assert next(iter(changes)) in text


def test_load_time_and_backend_are_the_logs_too() -> None:
    made = evidence()
    [trial] = made.trials
    assert trial.report is not None
    slower = replace(trial, load_ns=1)
    _, [text] = reparse(replace(made, trials=(slower,)), lambda _: LOG)
    assert text.endswith("something else of load_ns")
    elsewhere = replace(trial, report=replace(trial.report, name="gpu", partitions=7))
    _, [text] = reparse(replace(made, trials=(elsewhere,)), lambda _: LOG)
    assert text.endswith("something else of report")


def test_only_a_result_file_may_add_to_a_log() -> None:
    made = altered(p95_ns=7_000_000)
    _, [text] = reparse(made, lambda _: LOG)
    assert "p95_ns" in text
    assert reparse(altered(p95_ns=7_000_000, source="result_file"), lambda _: LOG) == (1, [])


def test_a_log_without_a_result() -> None:
    _, [text] = reparse(evidence(), lambda _: LOG[:300])
    assert "no result" in text


def test_a_log_that_is_not_here_is_not_counted() -> None:
    assert reparse(evidence(), lambda _: None) == (0, [])
