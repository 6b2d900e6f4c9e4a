"""compare and run --against: two models against each other on the command line."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.support import models
from tests.support.command import Command
from tests.support.evidence import (
    make_device,
    make_trial,
)
from tests.support.judged import evidence, processes, store
from tests.support.records import connected


def test_compare_finds_what_is_slower(bokehbench: Command) -> None:
    store(bokehbench, evidence("old", 20), evidence("new", 22))
    ended = bokehbench("compare", "old", "new", "--json", "-")
    assert ended.code == 0, ended.err
    document = ended.json()
    assert document["format"] == "bokehbench-comparison/1"
    assert document["outcome"] == "slower"
    assert document["ratio"] == pytest.approx(1.1, abs=0.01)
    low, high = document["interval"]
    assert low < 1.1 < high
    assert document["p_slower"] < 0.001
    assert document["bootstrap_share_slower"] == 1.0
    assert 1.005 < document["minimum_detectable"] < 1.03
    assert "run --against" in document["warnings"][0]
    text = bokehbench("compare", "old-0", "new-0")
    assert "share of bootstrap ratios above 1" in text.out
    assert "slower: p" in text.out


def test_compare_finds_nothing_in_the_same(bokehbench: Command) -> None:
    store(bokehbench, evidence("old", 20), evidence("new", 20))
    ended = bokehbench("compare", "old", "new", "--json", "-")
    assert ended.json()["outcome"] == "no difference found"


def test_compare_refuses_the_unlike_by_name(bokehbench: Command) -> None:
    other = replace(evidence("new", 22), device=make_device(device_id="phone-2"), threads=2)
    store(bokehbench, evidence("old", 20), other)
    ended = bokehbench("compare", "old", "new")
    assert ended.code == 2
    assert "unlike in device (phone-1 and phone-2), threads (4 and 2)" in ended.complaint
    allowed = bokehbench("compare", "old", "new", "--allow", "device", "--allow", "threads")
    assert allowed.code == 0, allowed.err
    wrong = bokehbench("compare", "old", "new", "--allow", "colour")
    assert wrong.code == 2
    assert "--allow colour: no such setting; there are device" in wrong.complaint


def test_compare_needs_processes_and_two_records(bokehbench: Command) -> None:
    few = replace(evidence("new", 22), trials=processes(22, 4))
    store(bokehbench, evidence("old", 20), few)
    assert "4 processes; a comparison needs 5" in bokehbench("compare", "old", "new").complaint
    assert "both words mean this one" in bokehbench("compare", "old", "old-0").complaint
    assert "nothing" in bokehbench("compare", "old", "nothing").complaint


def test_compare_of_a_record_that_is_invalid_or_was_rederived(bokehbench: Command) -> None:
    fell_back = tuple(
        replace(trial, report=replace(trial.report, name="cpu"))
        for trial in processes(20)
        if trial.report
    )
    store(bokehbench, evidence("old", 20), replace(evidence("new", 20), trials=fell_back))
    ended = bokehbench("compare", "old", "new")
    assert ended.code == 1
    assert "warning: new (new-0) is invalid: fallback" in ended.out
    # Derived values are not sealed, so nobody's edit of them is believed.
    with connected(bokehbench.store) as database:
        rows = database.execute("SELECT record_id, derived FROM bokehbench_records").fetchall()
        for record_id, text in rows:
            derived = json.loads(text)
            derived["latency"]["process_medians_ms"] = [1.0] * 10
            database.execute(
                "UPDATE bokehbench_records SET derived = ? WHERE record_id = ?",
                (json.dumps(derived), record_id),
            )
    document = bokehbench("compare", "old", "new", "--json", "-").json()
    assert document["first_median_ms"] == pytest.approx(20, abs=0.5)


def test_times_that_are_none_are_refused_or_invalid_everywhere(bokehbench: Command) -> None:
    none = tuple(make_trial(index=i, invoke_ns=(0,) * 20) for i in range(10))
    store(bokehbench, evidence("old", 20), replace(evidence("new", 20), trials=none))
    ended = bokehbench("compare", "old", "new")
    assert ended.code == 2
    assert "new (new-0): a time that is not above zero" in ended.complaint
    assert "implausible_latency" in bokehbench("records", "show", "new-0").out
    assert bokehbench("replay", "new-0").code == 0
    path = bokehbench.home / "baseline.json"
    assert bokehbench("gate", "--run", "run-new-0", "--baseline", path, "--update").code == 1
    exported = bokehbench("records", "export", "-o", bokehbench.home / "all.jsonl")
    assert exported.code == 0
    other = ("--store", bokehbench.home / "other.sqlite3")
    assert bokehbench("records", "import", bokehbench.home / "all.jsonl", *other).code == 0


def test_compare_asks_which_of_several(bokehbench: Command) -> None:
    gpu = replace(evidence("old", 20), record_id="old-gpu", backend="cpu")
    store(bokehbench, evidence("old", 20), gpu, evidence("new", 20))
    ended = bokehbench("compare", "old", "new")
    assert ended.code == 2
    assert "has 2 records" in ended.complaint
    assert bokehbench("compare", "old", "new", "--backend", "xnnpack").code == 0


def test_against_measures_both_and_compares(
    bokehbench: Command, model: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.tflite"
    other.write_bytes(model.read_bytes() + b"\0" * 16)
    run = ("run", "--device", "local", "--backend", "xnnpack", "--processes", 5, "--runs", 3)
    ended = bokehbench(*run, other, "--against", model, "--json", "-")
    assert ended.code == 0, ended.err
    document = ended.json()
    assert [r["protocol"]["order"] for r in document["records"]] == ["abba", "abba"]
    [comparison] = document["comparisons"]
    assert comparison["paired"] is True
    assert comparison["first_processes"] == comparison["second_processes"] == 5
    starts: list[tuple[str, str]] = sorted(
        (trial["started"], record["model"]["file_name"])
        for record in document["records"]
        for trial in record["trials"]
    )
    order: Sequence[str] = [name for _, name in starts]
    assert order[:4] == ["net.tflite", "other.tflite", "other.tflite", "net.tflite"]
    two = bokehbench(*run, model, other, "--against", model)
    assert "name one MODEL" in two.complaint
    few = bokehbench(*run, other, "--against", model, "--processes", 4)
    assert "--against: a comparison needs 5 processes" in few.complaint
    quick = bokehbench("run", "--device", "local", "--quick", other, "--against", model)
    assert "the protocol quick has 1" in quick.complaint


def test_against_a_model_that_is_the_very_same(bokehbench: Command, model: Path) -> None:
    run = ("run", "--device", "local", "--backend", "xnnpack", "--processes", 5, "--runs", 3)
    ended = bokehbench(*run, model, "--against", model, "--json", "-")
    assert ended.code == 0, ended.err
    [comparison] = ended.json()["comparisons"]
    assert comparison["first"] != comparison["second"]


def test_against_a_model_that_fails(bokehbench: Command, model: Path, tmp_path: Path) -> None:
    """The baseline runs, the other one's operator is too new: said, and an exit code for it."""
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(models.too_new(48, 64))
    run = ("run", "--device", "local", "--backend", "xnnpack", "--processes", 5, "--runs", 3)
    ended = bokehbench(*run, broken, "--against", model, "--json", "-")
    assert ended.code == 4, ended.err
    document = ended.json()
    assert document["comparisons"] == []
    [why] = document["not_compared"]
    assert why.startswith("xnnpack of litert on local")
    assert "0 processes; a comparison needs 5" in why
