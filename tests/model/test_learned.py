"""Predictions held against what devices said, and what records teach."""

from typing import Any

import msgspec
import pytest

from bokehbench.analysis.roofline import roofline_ms
from bokehbench.facts import BackendReport, Evidence, Failure, Prediction, Trial, UnsupportedOp
from bokehbench.model.learned import difference, learn
from tests.support.evidence import make_evidence, make_trial

PREDICTION = Prediction(
    delegate="litert-gpu",
    engine="litert",
    version="2.3.0",
    outcome="partly",
    delegated_low=8,
    delegated_high=10,
    total_nodes=12,
)


def record(prediction: Prediction | None = PREDICTION, **report: Any) -> Evidence:
    told = BackendReport(name="gpu", **report)
    trial: Trial = msgspec.structs.replace(make_trial(), report=told)
    return msgspec.structs.replace(make_evidence(), trials=(trial,), prediction=prediction)


@pytest.mark.parametrize(
    ("report", "said"),
    [
        ({"delegated_nodes": 9, "total_nodes": 12}, None),
        ({"delegated_nodes": 8, "total_nodes": 12}, None),
        ({"delegated_nodes": 7, "total_nodes": 12}, "7 of 12 operators"),
        ({"delegated_nodes": 9, "total_nodes": 13}, "9 of 13 operators"),
        ({"fully_accelerated": True}, "all operators"),
        ({"fully_accelerated": False}, None),
        ({}, None),
    ],
)
def test_a_device_that_says_otherwise_is_a_difference(
    report: dict[str, Any], said: str | None
) -> None:
    found = difference(record(**report))
    assert (found.reported if found else None) == said
    if found:
        assert found.predicted == "8 to 10 of 12 operators"


def test_a_delegate_that_failed_is_a_difference() -> None:
    failure = Failure(
        kind="op_unsupported",
        message="no",
        unsupported_ops=(UnsupportedOp(op="GELU", reason="not supported"),),
    )
    trial = msgspec.structs.replace(make_trial(), status="failed", report=None, failure=failure)
    told = msgspec.structs.replace(make_evidence(), trials=(trial,), prediction=PREDICTION)
    found = difference(told)
    assert found is not None
    assert found.reported == "the delegate failed"
    assert found.operators == ("GELU: not supported",)
    (learned,) = learn([told])
    assert (learned.op, learned.verdict, learned.rule) == ("GELU", "refused", "*")


def test_without_a_prediction_there_is_nothing_to_compare() -> None:
    assert difference(record(prediction=None, delegated_nodes=1, total_nodes=2)) is None
    assert learn([record(prediction=None, fully_accelerated=True)]) == ()


def test_a_model_taken_as_a_whole_teaches_all_its_operators() -> None:
    one = record(delegated_nodes=12, total_nodes=12)
    learned = {entry.op: entry for entry in learn([one, one])}
    assert set(learned) == set(one.model.ops)
    assert all(entry.delegated == 2 and entry.refused == 0 for entry in learned.values())
    assert all(entry.version == "2.3.0" for entry in learned.values())
    assert learn([one], device="another") == ()


def test_the_roofline_is_what_takes_longer() -> None:
    # 10^9 MACs are 2 x 10^9 operations: 2 ms at 1000 GFLOPS; 10^7 bytes at 10 GB/s take 1 ms.
    assert roofline_ms(10**9, 0, 10**7, 1000, 10) == pytest.approx(2.0)
    assert roofline_ms(10**9, 10**9, 10**7, 1000, 10) == pytest.approx(1.0)
    assert roofline_ms(10**9, 10**9, 0, 1000, None) == pytest.approx(0.5)
    assert roofline_ms(10**9, 0, 10**7, None, 10) == pytest.approx(1.0)
    assert roofline_ms(10**9, 0, 10**7, None, None) is None
