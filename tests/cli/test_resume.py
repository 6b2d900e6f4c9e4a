"""`run --resume` of a run whose host was killed, at its very end and before."""

import contextlib
import json
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import Command
from tests.support.records import connected


def test_a_run_that_lacks_only_its_last_word_gets_it(bokehbench: Command, model: Path) -> None:
    words = ("--device", "local", "--quick", "--runs", 5, "--warmups", 1)
    run_id = bokehbench("run", *words, model, "--json", "-").json()["run_id"]
    with connected(bokehbench.store) as store:
        store.execute("UPDATE bokehbench_runs SET state = 'running'")
    ended = bokehbench("run", "--resume", run_id)
    assert ended.code == 2
    assert "came to its end" in ended.complaint
    with connected(bokehbench.store) as store:
        assert store.execute("SELECT state FROM bokehbench_runs").fetchall() == [("done",)]
        assert store.execute("SELECT count(*) FROM bokehbench_records").fetchall() == [(1,)]


@pytest.mark.parametrize("steps", [3, 8, 12])
def test_a_run_killed_anywhere_is_whole_in_the_end(
    bokehbench: Command, model: Path, steps: int
) -> None:
    """References, timed processes and the long run: each as often as was asked, none twice."""
    words = ("run", "--device", "local", "--backend", "xnnpack", "--runs", 5, "--warmups", 1)
    run_id = None
    for _attempt in range(10):
        # After the last entry a run is soon done, sooner than a busy machine lets this one look.
        bokehbench.store.unlink(missing_ok=True)
        with bokehbench.start(*words, "--sustained", 1, model) as process:
            run_id = killed_in_time(process, bokehbench.store, steps)
        if run_id:
            break
    assert run_id, "no run was killed in time"
    ended = bokehbench("run", "--resume", run_id, "--json", "-")
    assert ended.code == 0, ended.err
    [record] = ended.json()["records"]
    counts = {
        name: [trial["index"] for trial in record[name]]
        for name in ("reference_before", "trials", "reference_after", "sustained")
    }
    assert counts == {
        "reference_before": [0, 1, 2],
        "trials": [0, 1, 2, 3, 4],
        "reference_after": [0, 1, 2],
        "sustained": [0],
    }
    assert record["latency"]["sustained"]["runs"] > 1
    # What the long run did to the device says nothing of the timing before it.
    after = [c["at"] for c in record["conditions"] if c["when"] == "after"]
    if steps < 12:
        assert len(after) == 1
        assert after[0] <= record["sustained"][0]["started"]
    else:
        # Each part of the run notes its own, where it came so far.
        assert 1 <= len(after) <= 2


def killed_after(process: "subprocess.Popen[str]", store: Path, steps: int) -> str:
    """Kill a run as soon as its journal has so many entries; its id."""
    run_id = killed_in_time(process, store, steps)
    assert run_id, process.communicate()
    return run_id


def killed_in_time(process: "subprocess.Popen[str]", store: Path, steps: int) -> str | None:
    """The same; None where the run had come to its end before it could be killed."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if process.poll() is not None:
            return None
        count = 0
        if store.exists():
            with contextlib.suppress(sqlite3.OperationalError), connected(store) as database:
                [[count]] = database.execute("SELECT count(*) FROM bokehbench_journal")
                if count >= steps:
                    process.kill()
                    process.wait()
                    [[run_id, state]] = database.execute(
                        "SELECT run_id, state FROM bokehbench_runs"
                    )
                    return None if state == "done" else str(run_id)
        time.sleep(0.001 if count == steps - 1 else 0.02)
    raise AssertionError("the run did not get that far")


@pytest.mark.parametrize(
    "words", [("--processes", "3"), ("--dry-run",), ("--backend", "xnnpack"), ("net.tflite",)]
)
def test_words_of_no_effect_are_refused(bokehbench: Command, words: tuple[str, ...]) -> None:
    ended = bokehbench("run", "--resume", "0123", *words)
    assert ended.code == 2
    assert f"leave out {words[0] if words[0][0] == '-' else 'MODELS'}" in ended.err


def test_resuming_makes_no_store(bokehbench: Command) -> None:
    ended = bokehbench("run", "--resume", "0123", "--store", "typo.db")
    assert ended.code == 2
    assert "no store at " in ended.complaint
    assert not (bokehbench.home / "typo.db").exists()


def test_a_plan_that_is_another_is_refused(bokehbench: Command, model: Path) -> None:
    words = ("run", "--device", "local", "--backend", "xnnpack", "--runs", 5, "--warmups", 1)
    with bokehbench.start(*words, model) as process:
        run_id = killed_after(process, bokehbench.store, 2)

    def stored(change: Callable[[dict[str, Any]], None]) -> None:
        with connected(bokehbench.store) as database:
            [[text]] = database.execute("SELECT request FROM bokehbench_runs")
            request = json.loads(text)
            change(request["devices"][0])
            database.execute("UPDATE bokehbench_runs SET request = ?", [json.dumps(request)])

    stored(lambda device: device.update(backend="all"))
    ended = bokehbench("run", "--resume", run_id)
    assert ended.code == 2
    assert "what would be measured changed since; start a new run" in ended.complaint
    stored(lambda device: device.pop("seed"))
    ended = bokehbench("run", "--resume", run_id)
    assert ended.code == 2
    assert "another version of bokehbench stored it" in ended.complaint


def test_a_resumed_comparison_is_still_one(
    bokehbench: Command, model: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.tflite"
    other.write_bytes(model.read_bytes() + b"\0" * 16)
    words = ("run", "--device", "local", "--backend", "xnnpack", "--processes", 5, "--runs", 3)
    with bokehbench.start(*words, other, "--against", model) as process:
        run_id = killed_after(process, bokehbench.store, 9)
    ended = bokehbench("run", "--resume", run_id, "--json", "-")
    assert ended.code == 0, ended.err
    [comparison] = ended.json()["comparisons"]
    assert comparison["paired"] is True
    assert ended.json()["not_compared"] == []
    assert [len(record["reference_before"]) for record in ended.json()["records"]] == [3, 3]
