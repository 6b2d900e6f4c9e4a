"""gate: runs judged against a baseline on the command line."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from msgspec.structs import replace

from bokehbench.derive import derive
from bokehbench.facts import Evidence
from bokehbench.store import open_store, this_process
from tests.support.command import Command
from tests.support.evidence import make_device
from tests.support.judged import evidence, processes, store
from tests.support.records import connected


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
        ("{}", "holds no record"),
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
    typo = bokehbench("gate", "--baseline", path, "--store", "typo.db")
    assert (typo.code, "no store at " in typo.complaint) == (2, True)
    assert not (bokehbench.home / "typo.db").exists()
    unknown = bokehbench("gate", "--baseline", path, "--run", "x")
    assert "--run x: no records of it" in unknown.complaint
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
    hundreds = bokehbench("gate", "--baseline", path, "--max-regression", "5")
    assert (hundreds.code, "5: write 5% or 0.05" in hundreds.complaint) == (2, True)
    assert bokehbench("gate", "--baseline", path, "--max-regression", "100%").code == 0


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
    with connected(bokehbench.store) as database:
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


def interrupted(bokehbench: Command, done: list[Evidence], cut: list[Evidence]) -> None:
    """One run as Ctrl-C leaves it: some records sealed, some open."""
    [run_id] = {record.run_id for record in (*done, *cut)}
    with open_store(str(bokehbench.store), derive=derive) as opened:
        opened.begin_run(run_id, {}, this_process())
        for record in (*done, *cut):
            opened.begin_record(record)
        for record in done:
            opened.seal(record.record_id, record, derive(record), finished=True)
        opened.finish_run(run_id, "interrupted")


def test_the_newest_run_is_judged_though_it_was_cut_short(bokehbench: Command) -> None:
    """Not the one before it, which was fine."""
    path = baseline(bokehbench, 2)
    store(bokehbench, evidence("net", 20, 8))
    interrupted(bokehbench, [], [evidence("net", 40, 9)])
    junit = bokehbench.home / "junit.xml"
    ended = bokehbench("gate", "--baseline", path, "--junit", junit, "--json", "-", "--update")
    assert ended.code == 1, ended.err
    [result] = ended.json()["results"]
    assert (result["state"], result["record_id"]) == ("incomplete", "net-9")
    assert "`bokehbench run --resume run-net-9` goes on" in result["message"]
    assert "net (xnnpack, Mate 40 Pro): its run was not finished" in ended.err
    assert ElementTree.parse(junit).getroot().get("errors") == "1"
    [entry] = json.loads(path.read_text())["entries"]
    assert len(entry["runs"]) == 2


def test_a_record_that_was_cut_short_is_no_pass(bokehbench: Command) -> None:
    path = baseline(bokehbench, 2)
    whole = evidence("net", 20, 9)
    interrupted(bokehbench, [whole], [replace(evidence("other", 20, 9), run_id=whole.run_id)])
    ended = bokehbench("gate", "--baseline", path, "--json", "-")
    assert ended.code == 1, ended.err
    states = {result["name"]: result["state"] for result in ended.json()["results"]}
    assert states == {"net": "passed", "other": "incomplete"}
    # Nor does it confirm or clear a suspicion.
    store(bokehbench, replace(evidence("other", 20, 10)), evidence("net", 23, 11))
    interrupted(bokehbench, [], [evidence("net", 20, 12)])
    words = ("--run", "run-net-11", "--confirm", "run-net-12", "--json", "-")
    ended = bokehbench("gate", "--baseline", path, *words)
    assert ended.code == 1, ended.err
    assert ended.json()["results"][0]["state"] == "unconfirmed"
    assert "its run was not finished" in ended.json()["results"][0]["message"]


@pytest.mark.parametrize("one_began", [False, True])
def test_a_device_that_never_began_is_no_pass(bokehbench: Command, one_began: bool) -> None:
    path = baseline(bokehbench, 2)
    whole = evidence("net", 20, 9)
    models = [{"label": None, "path": "/models/net.tflite"}]
    devices = [
        {"device": "usb:1", "models": models, "records": [["net-9", 0, "gpu", "litert", "fp16"]]},
        {"device": "usb:2", "models": models, "records": [["lost", 0, "gpu", "litert", "fp16"]]},
    ]
    with open_store(str(bokehbench.store), derive=derive) as opened:
        opened.begin_run(whole.run_id, {"devices": devices}, this_process())
        if one_began:
            opened.begin_record(whole)
            opened.seal(whole.record_id, whole, derive(whole), finished=True)
        opened.finish_run(whole.run_id, "interrupted")
    ended = bokehbench("gate", "--baseline", path, "--json", "-")
    assert ended.code == 1, ended.err
    results = ended.json()["results"]
    assert [(result["state"], result["device"]) for result in results] == [
        ("passed", "Mate 40 Pro") if one_began else ("incomplete", "usb:1"),
        ("incomplete", "usb:2"),
    ]
    assert (results[1]["name"], results[1]["backend"]) == ("net", "gpu")
    assert results[1]["message"].startswith("not begun, its run was not finished")


def test_what_the_baseline_has_and_the_run_lacks_is_named(bokehbench: Command) -> None:
    """A model that was renamed is new, and would never be judged again."""
    path = baseline(bokehbench, 2)
    store(bokehbench, evidence("renamed", 90, 9))
    words = ("gate", "--baseline", path, "--run", "run-renamed-9")
    summary, junit = bokehbench.home / "summary.md", bokehbench.home / "junit.xml"
    ended = bokehbench(*words, "--json", "-", "--markdown", summary, "--junit", junit)
    assert ended.code == 0, ended.err
    new, lacking = ended.json()["results"]
    assert new["state"] == "new"
    assert (lacking["state"], lacking["name"], lacking["record_id"]) == ("unmeasured", "net", None)
    assert "run-renamed-9 and so not judged: net (xnnpack default, Mate 40 Pro)" in ended.err
    assert "nothing to judge (1 new, 1 of the baseline not measured)" in summary.read_text()
    assert ElementTree.parse(junit).getroot().get("skipped") == "2"
    strict = bokehbench(*words, "--require-all", "--json", "-", "--junit", junit)
    assert strict.code == 1, strict.err
    assert [result["state"] for result in strict.json()["results"]] == ["new", "missing"]
    assert ElementTree.parse(junit).getroot().get("errors") == "1"
    # What another device's entries say is not this run's to answer.
    other = replace(evidence("net", 20, 10), device=make_device(device_id="phone-2"))
    store(bokehbench, other)
    ended = bokehbench("gate", "--baseline", path, "--allow", "device", "--require-all")
    assert ended.code == 0, ended.err


def test_gate_with_one_run_of_history_and_with_too_few_processes(bokehbench: Command) -> None:
    path = baseline(bokehbench, 1)
    few = replace(evidence("net", 20, 9), trials=processes(20, 4))
    store(bokehbench, few)
    ended = bokehbench("gate", "--baseline", path, "--json", "-")
    assert ended.code == 2
    assert ended.json()["results"][0]["state"] == "too few"
    store(bokehbench, evidence("net", 20.1, 10))
    assert bokehbench("gate", "--baseline", path).code == 0
