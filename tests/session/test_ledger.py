"""What a run goes on with: evidence of records that are open, and what a killed host left out."""

from types import SimpleNamespace
from typing import Any

from msgspec.structs import replace

from bokehbench.facts import Evidence, Trial
from bokehbench.schedule import next_trial
from bokehbench.session.ledger import Ledger
from tests.session.test_phases import plan_of
from tests.support.evidence import make_evidence, make_trial


class Notes:
    """A journal that keeps what it is given."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, Any]] = []

    def append(self, record_id: str, entry: Any) -> None:
        self.entries.append((record_id, entry))


def ledger_of(plan: Any, *earlier: Evidence) -> tuple[Ledger, Notes]:
    notes = Notes()
    prepared: Any = SimpleNamespace(plan=plan)
    journal: Any = notes
    return Ledger(prepared, journal, {e.record_id: e for e in earlier}), notes


def references(count: int) -> tuple[Trial, ...]:
    return tuple(make_trial(index=i, purpose="reference_before") for i in range(count))


def left(record_id: str, **changes: Any) -> Evidence:
    return make_evidence(record_id=record_id, finished=False, trials=(), **changes)


def test_reference_trials_are_shared_again() -> None:
    """The host was killed between two records of one reference trial."""
    plan = plan_of(models=2)
    ledger, notes = ledger_of(
        plan,
        left("a", reference_before=references(3)),
        left("b", reference_before=references(2)),
    )
    assert [len(ledger.evidence[name].reference_before) for name in "ab"] == [3, 3]
    assert [len(ledger.done[name].reference_before) for name in "ab"] == [3, 3]
    assert [(name, trial.index) for name, trial in notes.entries] == [("b", 2)]
    spec = next_trial(plan, ledger.done)
    assert spec is not None
    assert spec.purpose == "model"


def test_what_was_sealed_stays_as_it_is() -> None:
    plan = plan_of(models=2)
    sealed = make_evidence(record_id="a", reference_before=references(3))
    ledger, notes = ledger_of(plan, sealed, left("b", reference_before=references(2)))
    assert list(ledger.evidence) == ["b"]
    assert notes.entries == []


def test_what_the_host_ran_and_the_runner_said_is_journalled() -> None:
    plan = plan_of()
    ledger, notes = ledger_of(plan, left("a", host_run=None))
    evidence = ledger.evidence["a"]
    ledger.evidence["a"] = replace(evidence, runner=replace(evidence.runner, build=None))
    hello: Any = SimpleNamespace(build="b7", engine_abi="c-2")
    bench: Any = SimpleNamespace(versions=[], greeting=[hello])
    host_run: Any = SimpleNamespace(images=3)
    ledger.name_build(plan.records[0], bench)
    ledger.name_build(plan.records[0], bench)
    ledger.note_host_run(plan.records[0], host_run)
    told = replace(evidence.runner, build="b7", engine_abi="c-2")
    assert notes.entries == [("a", told), ("a", host_run)]
    assert (ledger.evidence["a"].runner, ledger.evidence["a"].host_run) == (told, host_run)


def test_a_long_run_and_the_reference_after_it_are_not_made_again() -> None:
    plan = plan_of(processes=2, sustained=5, images=1)
    timed = tuple(make_trial(index=i) for i in range(2))
    after = tuple(make_trial(index=i, purpose="reference_after") for i in range(3))
    whole = make_evidence(
        record_id="a",
        finished=False,
        trials=timed,
        reference_before=references(3),
        reference_after=after,
        sustained=(make_trial(purpose="sustained"),),
    )
    ledger, _ = ledger_of(plan, whole)
    spec = next_trial(plan, ledger.done)
    assert spec is not None
    assert (spec.mode, spec.index) == ("images", 0)
