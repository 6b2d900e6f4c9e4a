"""Several devices side by side: what one's trouble leaves of the others' records."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import bokehbench.fleet as fleet
from bokehbench.cli.measure import measure_quietly
from bokehbench.errors import DeviceLost, StoreError
from bokehbench.facts import Record
from bokehbench.facts.record import canonical_json
from bokehbench.fleet import FleetOutcome, run_devices
from bokehbench.session import Observer, RunOutcome
from bokehbench.session.journal import Journal
from bokehbench.store import Store, open_store
from tests.support.evidence import make_evidence, make_record

Ends = Callable[[Journal], RunOutcome]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(str(tmp_path / "records.sqlite3")) as opened:
        yield opened


@pytest.fixture
def run(store: Store, monkeypatch: pytest.MonkeyPatch) -> Callable[..., FleetOutcome]:
    """Run devices that end as is said, by address."""

    def begin(**ends: Ends) -> FleetOutcome:
        ready = devices(monkeypatch, ends)
        return run_devices(ready, store, lambda _: Observer(), print, "r")

    return begin


def devices(monkeypatch: pytest.MonkeyPatch, ends: dict[str, Ends]) -> list[Any]:
    def execute(prepared: Any, journal: Journal, *_: Any) -> RunOutcome:
        return ends[prepared.device.facts.address](journal)

    monkeypatch.setattr(fleet, "execute", execute)
    monkeypatch.setattr(fleet, "request_json", lambda _: {})
    facts = [SimpleNamespace(facts=SimpleNamespace(address=address)) for address in ends]
    return [SimpleNamespace(device=device) for device in facts]


def measured(name: str) -> Ends:
    """A device that measures one record, as far as the store takes it."""

    def end(journal: Journal) -> RunOutcome:
        return RunOutcome((sealed(journal, name),), interrupted=False)

    return end


def sealed(journal: Journal, name: str) -> Record:
    made = make_record(make_evidence(record_id=name, run_id="r"))
    journal.begin_record(made.evidence)
    return journal.seal(made.evidence, made.derived, finished=True)


def lost(_: Journal) -> RunOutcome:
    raise DeviceLost("gone")


def mistaken(_: Journal) -> RunOutcome:
    raise ZeroDivisionError("ours")


def mistaken_on_a_broken_store(journal: Journal) -> RunOutcome:
    journal.broken = StoreError("the disk is full")
    sealed(journal, "kept")
    raise ZeroDivisionError("ours")


def test_a_lost_device_stops_no_other(run: Callable[..., FleetOutcome]) -> None:
    outcome = run(a=lost, b=measured("of-b"))
    assert [record.record_id for record in outcome.records] == ["of-b"]
    assert list(outcome.errors) == ["a"]
    assert outcome.fault is None


@pytest.mark.parametrize("first", [True, False])
def test_our_own_mistake_takes_no_other_devices_records(
    run: Callable[..., FleetOutcome], store: Store, first: bool
) -> None:
    ends = {"a": mistaken, "b": measured("of-b"), "c": lost}
    outcome = run(**(ends if first else dict(reversed(ends.items()))))
    assert [record.record_id for record in outcome.records] == ["of-b"]
    assert list(outcome.errors) == ["c"]
    assert isinstance(outcome.fault, ZeroDivisionError)
    [listed] = store.runs()
    assert listed.state == "interrupted"


def test_the_only_devices_error_is_kept_to_be_raised(run: Callable[..., FleetOutcome]) -> None:
    assert isinstance(run(a=lost).fault, DeviceLost)


@pytest.mark.parametrize("others", [{}, {"b": measured("of-b")}])
def test_records_that_the_store_did_not_take_outlive_a_mistake(
    tmp_path: Path,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    others: dict[str, Ends],
) -> None:
    monkeypatch.chdir(tmp_path)
    ready = devices(monkeypatch, {"a": mistaken_on_a_broken_store, **others})
    with pytest.raises(ZeroDivisionError):
        measure_quietly(ready, store, "r")
    path = tmp_path / "bokehbench-r.jsonl"
    assert "kept" in path.read_text(encoding="utf-8")
    assert f"`bokehbench records import {path}` stores them" in capsys.readouterr().err


def test_a_broken_store_with_nothing_left_to_save_is_no_loss(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def breaks_at_the_end(journal: Journal) -> RunOutcome:
        record = sealed(journal, "kept")
        journal.broken = StoreError("the disk is full")
        return RunOutcome((record,), interrupted=False)

    ready = devices(monkeypatch, {"a": breaks_at_the_end})
    measure_quietly(ready, store, "r")
    assert "no folder could be written" not in capsys.readouterr().err


_RACE = """
import sys, threading
import msgspec
import bokehbench.fleet as fleet
from bokehbench.facts import Evidence
from bokehbench.session import Observer, RunOutcome
from bokehbench.store import open_store

text, folder = sys.stdin.read(), sys.argv[1]
together = threading.Barrier(4)

def execute(*_):
    together.wait()
    msgspec.json.decode(text, type=Evidence)
    return RunOutcome((), interrupted=False)

class Any:
    def __getattr__(self, name):
        return self

    def __hash__(self):
        return 0

fleet.execute, fleet.request_json = execute, lambda _: {}
sys.setswitchinterval(1e-6)
with open_store(folder + "/records.sqlite3") as store:
    outcome = fleet.run_devices([Any()] * 4, store, lambda _: Observer(), print, sys.argv[2])
if outcome.fault:
    raise outcome.fault
"""


def test_devices_decode_their_first_records_at_once(tmp_path: Path) -> None:
    """Without care two of three of these processes end by SIGSEGV."""
    text = canonical_json(make_evidence())
    for number in range(5):
        command = [sys.executable, "-c", _RACE, str(tmp_path), f"r{number}"]
        ended = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        assert (ended.returncode, ended.stderr) == (0, "")
