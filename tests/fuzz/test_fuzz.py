"""A short campaign, a crash that stays in its child, and findings that have to be found."""

import signal
from pathlib import Path
from typing import Any

import pytest

from bokehbench.errors import ModelError
from bokehbench.model import read_model
from bokehbench.model.describe import read_structure
from tests.fuzz import deadly, worker
from tests.fuzz.anatomy import dissect
from tests.fuzz.campaign import run_campaign
from tests.fuzz.corpus import corpus
from tests.fuzz.engine import EngineBench, run_accepted, verdict
from tests.fuzz.mutate import mutant
from tests.support import drafts

COUNT = 20_000
SEED = 8


@pytest.mark.parametrize("name", corpus())
def test_the_corpus_is_sound(name: str, tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(corpus()[name])
    assert read_model(path).ops
    assert read_structure(path).subgraphs
    anatomy = dissect(corpus()[name])
    assert len(anatomy.offsets) > 5
    assert len(anatomy.numbers) > 5
    assert min(len(anatomy.slots), len(anatomy.lengths)) > 5


def test_a_number_names_a_mutant() -> None:
    first = [mutant(3, number) for number in range(200)]
    assert first == [mutant(3, number) for number in range(200)]
    assert len(set(first)) > 190


def test_twenty_thousand_mutants() -> None:
    """No crash, nothing over 1 s of processor time or 200 MB, nothing but facts or one line."""
    outcome = run_campaign(COUNT, SEED, workers=2)
    assert outcome.findings == []
    assert outcome.read == COUNT
    # Mutants that are all refused at the door would say nothing about what comes after.
    assert len(outcome.accepted) > COUNT // 20
    assert len(outcome.reasons) > 100
    # And some of those that were accepted, through the engine.
    said: list[str] = []
    assert run_accepted(SEED, outcome.accepted, 30, said.append, workers=2) == []
    assert said[0] == "engine: 30 accepted mutants run, each in a child"


def test_a_crash_in_the_engine_is_a_failure(tmp_path: Path) -> None:
    """A file that LiteRT dies of, given to it past the reader; then the next model."""
    made = drafts.conv_model(signature=True)
    sound = made.data()
    made.model.signatureDefs[0].inputs[0].name = None
    nameless = made.data()
    bench = EngineBench(tmp_path)
    bench.path.write_bytes(sound)
    facts = read_model(bench.path)
    with pytest.raises(ModelError):
        bench.run(nameless, "cpu")
    trial = bench.run_as(facts, nameless, "cpu")
    assert trial.status == "failed"
    assert verdict(trial) == "crash"
    assert trial.failure is not None
    assert "SIGABRT" in trial.failure.message
    # Nothing is left of it: no work folder, no core, and the next process starts afresh.
    assert list(bench.work.iterdir()) == []
    assert not list(tmp_path.rglob("core*"))
    assert verdict(bench.run(sound, "cpu")) == "ok"


def _examined(tmp_path: Path) -> worker.Tally:
    tally = worker.Tally()
    worker.examine(tmp_path / "net.tflite", corpus()["conv"], 5, tally)
    return tally


def test_what_a_worker_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors, messages of two lines and slow files are found when they are there."""
    assert _examined(tmp_path).findings == []

    error: BaseException = IndexError("no such index")

    def broken(_path: Path) -> Any:
        raise error

    monkeypatch.setattr(worker, "read_model", broken)
    assert _examined(tmp_path).findings == [(5, "error", "IndexError: no such index")]
    error = ModelError("two\nlines")
    assert _examined(tmp_path).findings == [(5, "message", "two\nlines")]
    error = worker.Endless()
    assert _examined(tmp_path).findings[0][1] == "error"
    monkeypatch.undo()
    monkeypatch.setattr(worker, "CPU_SECONDS", 0.0)
    assert [kind for _, kind, _ in _examined(tmp_path).findings] == ["time"]


def test_a_worker_that_dies_or_grows_is_found_and_the_others_are_read() -> None:
    outcome = run_campaign(60, SEED, module="tests.fuzz.deadly")
    assert outcome.read == 60
    assert [(number, kind) for number, kind, _ in outcome.findings] == [
        (deadly.DIES[0], "crash"),
        (deadly.DIES[1], "crash"),
        (deadly.GROWS, "memory"),
    ]
    assert str(-signal.SIGKILL) in outcome.findings[0][2]
    sound = run_campaign(60, SEED)
    assert outcome.accepted == [n for n in sound.accepted if n not in deadly.DIES]
