"""compare, gate, history, replay: stored records judged on the command line."""

import json
import math
import random
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import pytest
from msgspec.structs import replace

from bokehbench.facts import Evidence, Trial
from tests.support.command import Command
from tests.support.evidence import make_device, make_evidence, make_record, make_trial
from tests.support.records import keep


def processes(median_ms: float, count: int = 10, seed: object = 0) -> tuple[Trial, ...]:
    """Processes that differ by 1 %, of 20 runs each."""
    draw = random.Random(str(seed))
    medians = [median_ms * math.exp(draw.gauss(0, 0.01)) for _ in range(count)]
    return tuple(make_trial(index=i, ms=ms) for i, ms in enumerate(medians))


def evidence(name: str, ms: float, number: int = 0, **changes: object) -> Evidence:
    start = make_evidence(
        record_id=f"{name}-{number}",
        run_id=f"run-{name}-{number}",
        label=name,
        created=f"2026-01-{number + 1:02d}T00:00:00Z",
        trials=processes(ms, seed=f"{name} {number}"),
    )
    return replace(start, **changes)


def store(bokehbench: Command, *records: Evidence) -> None:
    keep(bokehbench.store, map(make_record, records))


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


def test_compare_asks_which_of_several(bokehbench: Command) -> None:
    gpu = replace(evidence("old", 20), record_id="old-gpu", backend="cpu")
    store(bokehbench, evidence("old", 20), gpu, evidence("new", 20))
    ended = bokehbench("compare", "old", "new")
    assert ended.code == 2
    assert "has 2 records" in ended.complaint
    assert bokehbench("compare", "old", "new", "--backend", "xnnpack").code == 0


def baseline(bokehbench: Command, runs: int = 4) -> Path:
    path = bokehbench.home / "baseline.json"
    for number in range(runs):
        store(bokehbench, evidence("net", 20, number))
        words = ("--run", f"run-net-{number}", "--baseline", path, "--update", "--no-rerun")
        ended = bokehbench("gate", *words)
        assert ended.code == 0, ended.err
    return path


def test_gate_passes_what_is_as_fast_and_keeps_a_history(bokehbench: Command) -> None:
    path = baseline(bokehbench)
    [entry] = json.loads(path.read_text())["entries"]
    assert [run["run_id"] for run in entry["runs"]] == [f"run-net-{n}" for n in range(4)]
    store(bokehbench, evidence("net", 20.2, 9))
    ended = bokehbench("gate", "--baseline", path, "--json", "-")
    assert ended.code == 0, ended.err
    [result] = ended.json()["results"]
    assert (result["state"], result["record_id"]) == ("passed", "net-9")
    assert result["look"]["baseline_runs"] == 4


def test_gate_fails_what_a_second_run_confirms(bokehbench: Command) -> None:
    path = baseline(bokehbench)
    store(bokehbench, evidence("net", 23, 8), evidence("net", 23, 9), evidence("net", 20, 10))
    words = ("gate", "--baseline", path, "--run", "run-net-8")
    junit, summary = bokehbench.home / "junit.xml", bokehbench.home / "summary.md"
    files = ("--junit", junit, "--markdown", summary)
    ended = bokehbench(*words, "--confirm", "run-net-9", *files, "--json", "-")
    assert ended.code == 5, ended.err
    [result] = ended.json()["results"]
    assert result["state"] == "regressed"
    assert result["confirmation"]["suspected"] is True
    suite = ElementTree.parse(junit).getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("1", "1", "0")
    [failure] = suite.iter("failure")
    assert "confirmed by run-net-9" in (failure.get("message") or "")
    assert "### bokehbench gate: 1 of 1 became slower" in summary.read_text()
    # A fresh run that is as fast as ever clears the suspicion.
    cleared = bokehbench(*words, "--confirm", "run-net-10", "--json", "-")
    assert cleared.code == 0, cleared.err
    assert cleared.json()["results"][0]["state"] == "passed"
    # What failed never becomes its own baseline.
    before = path.read_text()
    assert bokehbench(*words, "--confirm", "run-net-9", "--update").code == 5
    assert path.read_text() == before


def test_gate_without_a_rerun_fails_on_suspicion(bokehbench: Command) -> None:
    path = baseline(bokehbench)
    store(bokehbench, evidence("net", 23, 8))
    ended = bokehbench("gate", "--baseline", path, "--no-rerun")
    assert ended.code == 5
    assert "suspected" in ended.out


def test_gate_tolerates_what_it_was_told_to(bokehbench: Command) -> None:
    path = baseline(bokehbench)
    store(bokehbench, evidence("net", 23, 8))
    assert bokehbench("gate", "--baseline", path, "--max-regression", "20%").code == 0
    assert bokehbench("gate", "--baseline", path, "--floor-ms", "4").code == 0


def test_gate_measures_again_by_itself(bokehbench: Command, model: Path) -> None:
    """A baseline that says far too little time makes a suspicion, which a real run confirms."""
    run = ("run", "--device", "local", "--backend", "xnnpack", "--processes", 5, "--runs", 5)
    first = bokehbench(*run, model, "--json", "-")
    assert first.code == 0, first.err
    path = bokehbench.home / "baseline.json"
    assert bokehbench("gate", "--baseline", path, "--update").code == 0
    document = json.loads(path.read_text())
    [entry] = document["entries"]
    entry["runs"][0]["record_id"] = "earlier"
    entry["runs"][0]["process_medians_ms"] = [
        value / 20 for value in entry["runs"][0]["process_medians_ms"]
    ]
    path.write_text(json.dumps(document))
    ended = bokehbench("gate", "--baseline", path, "--floor-ms", 0, "--json", "-")
    assert ended.code == 5, ended.err
    assert "measuring again" in ended.err
    assert ended.json()["results"][0]["state"] == "regressed"
    assert (
        len({row["run_id"] for row in bokehbench("records", "list", "--json").json()["records"]})
        == 2
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "no finished record"),
        ('{"format": "x"}', "has the format 'x', not 'bokehbench-baseline/1'"),
        ("[]", "not a baseline"),
        ("\0", "not a baseline"),
        ('{"colour": 1}', "not a baseline"),
    ],
)
def test_gate_refuses_a_file_that_is_no_baseline(bokehbench: Command, text: str, said: str) -> None:
    store(bokehbench)
    path = bokehbench.home / "baseline.json"
    path.write_text(text)
    ended = bokehbench("gate", "--baseline", path)
    assert ended.code == 2
    assert said in ended.complaint


def test_gate_refuses_times_that_are_none(bokehbench: Command) -> None:
    path = baseline(bokehbench, 1)
    path.write_text(path.read_text().replace("20.", "-20."))
    ended = bokehbench("gate", "--baseline", path)
    assert ended.code == 2
    assert "a time that is not above zero" in ended.complaint


def test_gate_names_what_is_missing(bokehbench: Command) -> None:
    store(bokehbench, evidence("net", 20, 5))
    missing = bokehbench("gate", "--baseline", bokehbench.home / "none.json")
    assert missing.code == 2
    assert "--update makes it from a run" in missing.complaint
    path = baseline(bokehbench, 1)
    assert "no finished records" in bokehbench("gate", "--baseline", path, "--run", "x").complaint
    both = bokehbench("gate", "--baseline", path, "--json", "-", "--markdown", "-")
    assert "both want standard output" in both.complaint
    share = bokehbench("gate", "--baseline", path, "--max-regression", "a lot")
    assert "3% or 0.03" in share.complaint


def test_gate_refuses_a_baseline_of_another_device(bokehbench: Command) -> None:
    path = baseline(bokehbench)
    other = replace(evidence("net", 20, 9), device=make_device(device_id="phone-2"))
    store(bokehbench, other)
    ended = bokehbench("gate", "--baseline", path, "--json", "-")
    assert ended.code == 2, ended.err
    [result] = ended.json()["results"]
    assert result["state"] == "unlike"
    assert "another device (phone-1, now phone-2)" in result["message"]


def test_gate_is_invalid_where_the_record_is(bokehbench: Command) -> None:
    path = baseline(bokehbench)
    store(bokehbench, replace(evidence("net", 20, 9), trials=()))
    ended = bokehbench("gate", "--baseline", path, "--json", "-")
    assert ended.code == 1, ended.err
    assert ended.json()["results"][0]["state"] == "invalid"


def test_gate_with_one_run_of_history_and_with_too_few_processes(bokehbench: Command) -> None:
    path = baseline(bokehbench, 1)
    few = replace(evidence("net", 20, 9), trials=processes(20, 4))
    store(bokehbench, few)
    ended = bokehbench("gate", "--baseline", path, "--json", "-")
    assert ended.code == 2
    assert ended.json()["results"][0]["state"] == "too few"
    store(bokehbench, evidence("net", 20.1, 10))
    assert bokehbench("gate", "--baseline", path).code == 0


def references(ms: float) -> tuple[Trial, ...]:
    return tuple(make_trial(index=i, ms=ms) for i in range(3))


def test_history_normalises_units_and_names_changes(bokehbench: Command) -> None:
    slow = make_device(device_id="phone-2")
    engine = replace(make_evidence().engine, version="2.2.0")
    store(
        bokehbench,
        replace(evidence("net", 20, 0), reference_before=references(10)),
        replace(evidence("net", 24, 1), reference_before=references(12), device=slow),
        replace(evidence("net", 20, 2), reference_before=references(10), engine=engine),
    )
    document = bokehbench("history", "net", "--json", "-").json()
    rows = document["rows"]
    assert [row["record_id"] for row in rows] == ["net-0", "net-1", "net-2"]
    first, second, third = (row["normalised_ms"] for row in rows)
    assert second == pytest.approx(first, rel=0.02)
    # Another engine is another kind: its reference is its own.
    assert third == pytest.approx(20, rel=0.02)
    assert rows[1]["changed"] == []
    assert rows[2]["changed"] == ["engine: litert 2.1.3 -> litert 2.2.0"]
    text = bokehbench("history", "net", "--device", "phone-2").out
    assert text.count("net-") == 1


def test_history_is_drawn_the_same_each_time(bokehbench: Command) -> None:
    store(bokehbench, *[evidence("net", 20 + n, n) for n in range(3)])
    png, svg = bokehbench.home / "a.png", bokehbench.home / "a.svg"
    assert bokehbench("history", "net", "--plot", png, "--plot", svg).code == 0
    assert png.read_bytes().startswith(b"\x89PNG")
    assert ElementTree.parse(svg).getroot().tag.endswith("svg")
    again = bokehbench.home / "b.svg"
    assert bokehbench("history", "net", "--plot", again).code == 0
    assert again.read_bytes() == svg.read_bytes()


def test_history_of_one_record_and_of_none(bokehbench: Command) -> None:
    store(bokehbench, evidence("net", 20))
    assert bokehbench("history", "net").code == 0
    assert "no finished record" in bokehbench("history", "other").complaint
    ended = bokehbench("history", "net", "--plot", bokehbench.home / "a.jpg")
    assert ".png or .svg" in ended.complaint
    folder = bokehbench("history", "net", "--plot", bokehbench.home / "no" / "a.png")
    assert "can't be drawn" in folder.complaint


def test_replay_says_what_todays_rules_change(bokehbench: Command) -> None:
    store(bokehbench, evidence("net", 20))
    same = bokehbench("replay", "net-0", "--json", "-").json()
    assert same["changes"] == {}
    with sqlite3.connect(bokehbench.store) as database:
        [[text]] = database.execute("SELECT derived FROM bokehbench_records").fetchall()
        derived = json.loads(text)
        derived["latency"]["median_ms"], derived["rules"] = 5.0, "0"
        database.execute("UPDATE bokehbench_records SET derived = ?", (json.dumps(derived),))
    changed = bokehbench("replay", "net-0", "--json", "-").json()
    assert changed["rules"]["stored"] == "0"
    assert set(changed["changes"]) == {"latency.median_ms"}
    assert changed["changes"]["latency.median_ms"]["stored"] == 5.0
    assert bokehbench("replay", "net-0", "--update").code == 0
    assert bokehbench("replay", "net-0", "--json", "-").json()["changes"] == {}


def test_replay_parses_the_raw_streams_again(bokehbench: Command, model: Path) -> None:
    run = ("run", "--device", "local", "--backend", "xnnpack", "--quick", "--runs", 5)
    [record] = bokehbench(*run, model, "--json", "-").json()["records"]
    document = bokehbench("replay", record["record_id"], "--json", "-").json()
    assert (document["event_streams"], document["event_streams_unlike"]) == (1, [])


def test_replay_refuses_a_record_that_was_edited(bokehbench: Command) -> None:
    store(bokehbench, evidence("net", 20))
    with sqlite3.connect(bokehbench.store) as database:
        [[text]] = database.execute("SELECT evidence FROM bokehbench_records").fetchall()
        assert "20000000" in text or "threads" in text
        edited = text.replace('"threads":4', '"threads":1')
        assert edited != text
        database.execute("UPDATE bokehbench_records SET evidence = ?", (edited,))
    for words in (("replay", "net-0"), ("compare", "net-0", "net"), ("history", "net")):
        ended = bokehbench(*words)
        assert ended.code == 2
        assert "net-0 was altered after it was sealed" in ended.complaint


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
