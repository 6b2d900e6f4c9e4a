"""Logs of real tools, field by field; and cut short anywhere, never a success that was none."""

import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from bokehbench.runners.benchmark_model import parse_log
from tests.runners.benchmark_model.corpus import GOOD, NAMES, exit_code, expected, log

NUMBERS = ("avg_us", "min_us", "max_us", "std_us", "init_ms", "peak_memory_mb", "count")


def told(name: str) -> dict[str, Any]:
    """What the parser says of one capture."""
    file = parse_log(log(name), exit_code=exit_code(name))
    assert len(file.runs) == 1
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(file.last))
    return found


@pytest.mark.parametrize("name", NAMES)
def test_every_field_of_a_real_log(
    name: str, record_property: Callable[[str, object], None]
) -> None:
    found = told(name)
    wanted = {key: value for key, value in expected()[name].items() if key != "note"}
    different = {
        key: (value, found[key])
        for key, value in wanted.items()
        if found[key] != (pytest.approx(value, rel=1e-9) if isinstance(value, float) else value)
    }
    assert different == {}
    record_property("fields_as_expected", len(wanted))


def test_all_captures_are_read() -> None:
    fields = sum(len(entry) - ("note" in entry) for entry in expected().values())
    assert set(NAMES) == set(expected())
    assert fields == 416


@pytest.mark.parametrize("name", NAMES)
def test_a_number_comes_from_the_line_that_is_named(name: str) -> None:
    found = told(name)
    lines = log(name).decode("utf-8", "replace").split("\n")
    for field in NUMBERS:
        if found[field] is None:
            continue
        text = lines[found["lines"][field] - 1]
        printed = [float(n) for n in re.findall(r"\d+(?:\.\d+)?(?:e[+-]\d+)?", text)]
        value = found[field]
        assert any(value == pytest.approx(n * scale) for n in printed for scale in (1, 1000, 1e-3))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("ending", [b"\n", b""])
@pytest.mark.parametrize("known_code", [True, False])
def test_a_log_cut_at_any_line_is_no_success_before_its_result(
    name: str, ending: bytes, known_code: bool
) -> None:
    wanted = expected()[name]
    lines = log(name).split(b"\n")
    code = exit_code(name) if known_code else None
    for kept in range(len(lines) + 1):
        part = b"\n".join(lines[:kept]) + ending
        for run in parse_log(part, exit_code=code).runs:
            if run.outcome not in GOOD:
                continue
            assert wanted["outcome"] in GOOD
            assert b"timings in us" in part or b"Inference (avg)" in part
            assert run.outcome == wanted["outcome"]
            assert run.avg_us == pytest.approx(wanted["avg_us"], rel=1e-9)


@pytest.mark.parametrize("name", [n for n in NAMES if len(log(n)) < 1500])
def test_a_log_cut_at_any_byte_loses_no_digit_unseen(name: str) -> None:
    wanted = expected()[name]
    data = log(name)
    for kept in range(len(data) + 1):
        for run in parse_log(data[:kept]).runs:
            if run.outcome in GOOD:
                assert run.outcome == wanted["outcome"]
                assert run.avg_us == pytest.approx(wanted["avg_us"], rel=1e-9)


def test_an_exit_code_overrules_a_printed_result() -> None:
    name = "021_x86_xnnpack_default.txt"
    run = parse_log(log(name), exit_code=1).last
    assert (run.outcome, run.failure_kind) == ("failed", "unknown")
    assert any("worth nothing" in text for text in run.warnings or ())


def test_digits_that_were_not_printed_are_said_to_be_missing() -> None:
    run = parse_log(log("023_x86_ssd_noxnn.txt"), exit_code=0).last
    assert (run.avg_us, run.intervals["avg_us"]) == (1043170, (1043165.0, 1043175.0))
    litert = parse_log(log("071_litert23_cpu.txt"), exit_code=0).last
    assert litert.intervals["avg_us"] == (1015.0, 1025.0)
    assert "min_us" not in run.intervals


def test_the_profile_of_operators_is_a_table_and_no_result() -> None:
    run = parse_log(log("025_x86_ssd_profiled.txt"), exit_code=0).last
    assert run.profile is not None
    assert (len(run.profile.ops), len(run.profile.types)) == (64, 6)
    first = run.profile.ops[0]
    assert (first.type, first.node, first.avg_us, first.share) == ("CONV_2D", 0, 31972, 2.185)
    assert run.profile.types[0].count == 34
    assert [op.type for op in run.profile.init] == ["AllocateTensors"]
    assert run.count == 3
