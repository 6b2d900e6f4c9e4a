"""gate: runs judged against a baseline on the command line."""

import json
import sqlite3
from pathlib import Path
from xml.etree import ElementTree

import pytest
from msgspec.structs import replace

from tests.support.command import Command
from tests.support.evidence import make_device
from tests.support.judged import evidence, processes, store


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


def test_gate_refuses_runs_of_too_few_processes(bokehbench: Command) -> None:
    path = baseline(bokehbench, 1)
    document = json.loads(path.read_text())
    document["entries"][0]["runs"][0]["process_medians_ms"] = []
    path.write_text(json.dumps(document))
    ended = bokehbench("gate", "--baseline", path)
    assert ended.code == 2
    assert "net on xnnpack, run run-net-0: 0 processes, and the gate needs 5" in ended.complaint


def test_gate_names_what_is_missing(bokehbench: Command) -> None:
    store(bokehbench, evidence("net", 20, 5))
    missing = bokehbench("gate", "--baseline", bokehbench.home / "none.json")
    assert missing.code == 2
    assert "--update makes it from a run" in missing.complaint
    path = baseline(bokehbench, 1)
    assert "no finished records" in bokehbench("gate", "--baseline", path, "--run", "x").complaint
    both = bokehbench("gate", "--baseline", path, "--json", "-", "--markdown", "-")
    assert "--json - and --markdown -: both want standard output" in both.complaint
    both = bokehbench("gate", "--baseline", path, "--junit", "-", "--markdown", "-")
    assert "both want standard output" in both.complaint
    looks = bokehbench("gate", "--baseline", path, "--no-rerun", "--confirm", "x")
    assert "a second look, or none" in looks.complaint
    key = bokehbench("gate", "--baseline", path, "--allow", "colour")
    assert "--allow colour: no such setting" in key.complaint
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
    assert "--allow 'device' judges it all the same" in result["message"]


def test_update_takes_a_device_that_is_new(bokehbench: Command) -> None:
    path = baseline(bokehbench, 2)
    for number in (7, 8):
        other = replace(evidence("net", 30, number), device=make_device(device_id="phone-2"))
        store(bokehbench, other)
        ended = bokehbench("gate", "--baseline", path, "--update", "--no-rerun")
        assert ended.code == 0, ended.err
    entries = json.loads(path.read_text())["entries"]
    counts = {entry["likeness"]["device"]: len(entry["runs"]) for entry in entries}
    assert counts == {"phone-1": 2, "phone-2": 2}


def test_a_file_that_cannot_be_extended_is_refused_before_anything_is_measured(
    bokehbench: Command,
) -> None:
    store(bokehbench, evidence("net", 20))
    folder = bokehbench.home / "none" / "baseline.json"
    ended = bokehbench("gate", "--baseline", folder, "--update")
    assert ended.code == 2
    assert "can't be written" in ended.complaint


def test_a_run_of_too_few_processes_begins_no_baseline(bokehbench: Command) -> None:
    store(bokehbench, replace(evidence("net", 20), trials=processes(20, 1)))
    path = bokehbench.home / "baseline.json"
    ended = bokehbench("gate", "--baseline", path, "--update", "--json", "-")
    assert ended.code == 2
    assert ended.json()["results"][0]["state"] == "too few"
    assert not path.exists()


def test_a_run_is_not_its_own_baseline(bokehbench: Command) -> None:
    path = baseline(bokehbench, 1)
    ended = bokehbench("gate", "--baseline", path)
    assert ended.code == 2
    assert "its baseline is this very run; measure another" in ended.out


def test_a_suspicion_that_nothing_can_confirm_is_no_regression(bokehbench: Command) -> None:
    """The store holds the record and not the request that it came from, as after an import."""
    path = baseline(bokehbench)
    store(bokehbench, evidence("net", 23, 8))
    junit = bokehbench.home / "junit.xml"
    ended = bokehbench("gate", "--baseline", path, "--junit", junit, "--json", "-")
    assert ended.code == 2
    assert "only the host that ran it" in ended.err
    [result] = ended.json()["results"]
    assert (result["state"], result["run_id"]) == ("unconfirmed", "run-net-8")
    assert "the fresh run can't say: it ended early" in result["message"]
    suite = ElementTree.parse(junit).getroot()
    assert (suite.get("failures"), suite.get("errors")) == ("0", "1")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"trials": ()}, "it is invalid: no timed trial was run"),
        ({"trials": processes(23, 4)}, "a run of 4 processes"),
        ({"threads": 1}, "its baseline has another threads (4, now 1)"),
        ({"label": "other"}, "it has no such record"),
    ],
)
def test_a_second_look_has_to_be_alike(
    bokehbench: Command, change: dict[str, object], said: str
) -> None:
    path = baseline(bokehbench)
    store(bokehbench, evidence("net", 23, 8), replace(evidence("net", 23, 9), **change))
    words = ("gate", "--baseline", path, "--run", "run-net-8", "--confirm", "run-net-9")
    ended = bokehbench(*words, "--json", "-")
    assert ended.code == 1, ended.err
    [result] = ended.json()["results"]
    assert result["state"] == "unconfirmed"
    assert said in result["message"]


def test_a_device_that_is_gone_is_told_beside_what_was_seen(
    bokehbench: Command, model: Path
) -> None:
    run = ("run", "--device", "local", "--backend", "xnnpack", "--processes", 5, "--runs", 5)
    assert bokehbench(*run, model).code == 0
    path = bokehbench.home / "baseline.json"
    assert bokehbench("gate", "--baseline", path, "--update").code == 0
    document = json.loads(path.read_text())
    [old] = document["entries"][0]["runs"]
    old["record_id"] = "earlier"
    old["process_medians_ms"] = [value / 20 for value in old["process_medians_ms"]]
    path.write_text(json.dumps(document))
    with sqlite3.connect(bokehbench.store) as database:
        [[text]] = database.execute("SELECT request FROM bokehbench_runs").fetchall()
        gone = text.replace('"device":"local"', '"device":"tcp:127.0.0.1:1"')
        assert gone != text
        database.execute("UPDATE bokehbench_runs SET request = ?", (gone,))
    ended = bokehbench("gate", "--baseline", path, "--floor-ms", 0, "--json", "-")
    assert ended.code == 3, ended.err
    assert ended.json()["results"][0]["state"] == "unconfirmed"
    assert "127.0.0.1:1" in ended.err


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
