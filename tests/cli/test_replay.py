"""`bokehbench replay`: a stored record derived anew, and its raw streams read again."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from bokehbench.derive import derive
from bokehbench.facts import Evidence, Failure
from bokehbench.session.replay import reparse
from bokehbench.store import open_store, this_process
from tests.support.command import Command
from tests.support.evidence import make_dataset, make_evidence, make_images
from tests.support.judged import evidence, store
from tests.support.records import connected


def test_replay_says_what_todays_rules_change(bokehbench: Command) -> None:
    store(bokehbench, evidence("net", 20))
    same = bokehbench("replay", "net-0", "--json", "-").json()
    assert same["changes"] == {}
    with connected(bokehbench.store) as database:
        [[text]] = database.execute("SELECT derived FROM bokehbench_records").fetchall()
        derived = json.loads(text)
        derived["latency"]["median_ms"], derived["rules"] = 5.0, "0"
        database.execute("UPDATE bokehbench_records SET derived = ?", (json.dumps(derived),))
    changed = bokehbench("replay", "net-0", "--json", "-").json()
    assert changed["rules"]["stored"] == "0"
    assert set(changed["changes"]) == {"latency.median_ms"}
    assert changed["changes"]["latency.median_ms"]["stored"] == 5.0
    typo = bokehbench("replay", "net-0", "--update", "--store", "typo.db")
    assert (typo.code, "no store at " in typo.complaint) == (2, True)
    assert not (bokehbench.home / "typo.db").exists()
    assert bokehbench("replay", "net-0", "--update").code == 0
    assert bokehbench("replay", "net-0", "--json", "-").json()["changes"] == {}


def test_replay_parses_the_raw_streams_again(bokehbench: Command, model: Path) -> None:
    run = ("run", "--device", "local", "--backend", "xnnpack", "--quick", "--runs", 5)
    [record] = bokehbench(*run, model, "--json", "-").json()["records"]
    document = bokehbench("replay", record["record_id"], "--json", "-").json()
    assert (document["event_streams"], document["event_streams_unlike"]) == (1, [])


def test_replay_names_a_stream_that_was_altered(bokehbench: Command, model: Path) -> None:
    run = ("run", "--device", "local", "--backend", "xnnpack", "--quick", "--runs", 5)
    [record] = bokehbench(*run, model, "--json", "-").json()["records"]
    sha256 = record["trials"][0]["events_sha256"]
    with connected(bokehbench.store) as database:
        database.execute(
            "UPDATE bokehbench_blobs SET data = ? WHERE sha256 = ?", (b"not it", sha256)
        )
    ended = bokehbench("replay", record["record_id"], "--json", "-")
    assert ended.code == 1
    [unlike] = ended.json()["event_streams_unlike"]
    assert unlike.startswith("model time 0: ")
    assert "altered or damaged" in unlike


def test_replay_keeps_whose_runtime_the_score_takes(bokehbench: Command) -> None:
    """A GPU's record of a run with --score-backend xnnpack has no score, then as today."""
    record = make_evidence("gpu", record_id="g", images=make_images(), dataset=make_dataset())
    with open_store(str(bokehbench.store)) as opened:
        opened.begin_run(record.run_id, {}, this_process())
        opened.begin_record(record)
        derived = derive(record, score_backend="xnnpack")
        opened.seal("g", record, derived, finished=True)
        opened.finish_run(record.run_id, "done")
    assert bokehbench("replay", "g", "--json", "-").json()["changes"] == {}


@pytest.fixture
def scored(bokehbench: Command, model: Path, pairs: Path) -> Evidence:
    """A record whose four images one process made."""
    run = ("run", "--device", "local", "--backend", "xnnpack", "--quick", "--runs", 5)
    ended = bokehbench(*run, model, "--dataset", pairs, "--json", "-")
    [record] = ended.json()["records"]
    with open_store(str(bokehbench.store), readonly=True) as opened:
        return opened.get(record["record_id"]).evidence


def replayed(bokehbench: Command, made: Evidence) -> tuple[int, list[str]]:
    with open_store(str(bokehbench.store), readonly=True) as opened:
        return reparse(made, opened.find_blob)


def test_replay_reads_what_became_of_images(bokehbench: Command, scored: Evidence) -> None:
    document = bokehbench("replay", scored.record_id, "--json", "-").json()
    assert (document["event_streams"], document["event_streams_unlike"]) == (2, [])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sha256", "0" * 64),
        ("invoke_ns", 1),
        ("input_ns", 1),
        ("output_ns", None),
        ("nonfinite", 3),
    ],
)
def test_an_image_of_which_the_stream_says_something_else(
    bokehbench: Command, scored: Evidence, field: str, value: Any
) -> None:
    images = [replace(i, **{field: value}) if i.index == 2 else i for i in scored.images]
    parsed, unlike = replayed(bokehbench, replace(scored, images=tuple(images)))
    assert (parsed, unlike) == (2, [f"image 2: the stream says something else: {field}"])


def test_an_image_that_no_stream_names(bokehbench: Command, scored: Evidence) -> None:
    images = (*scored.images, replace(scored.images[0], index=7, name="seven"))
    made = replace(scored, images=images)
    assert replayed(bokehbench, made) == (2, ["image 7: no stream speaks of it"])
    failed = replace(images[-1], status="failed", sha256=None)
    assert replayed(bokehbench, replace(made, images=(*scored.images, failed))) == (2, [])
    # A store that has not all streams can't tell.
    [trial] = scored.image_trials
    elsewhere = replace(trial, events_sha256="f" * 64)
    assert replayed(bokehbench, replace(made, image_trials=(trial, elsewhere))) == (2, [])


def test_an_image_made_twice_counts_as_either(bokehbench: Command, scored: Evidence) -> None:
    """An interrupted batch is run again, and its images take other times then."""
    [trial] = scored.image_trials
    assert trial.events_sha256 is not None
    with open_store(str(bokehbench.store)) as opened:
        data = opened.find_blob(trial.events_sha256)
    assert data is not None
    other = replace(trial, events_sha256="f" * 64)
    slower = data.replace(b'"invoke_ns":', b'"invoke_ns":1')
    assert slower != data
    blobs = {trial.events_sha256: data, "f" * 64: restamped(slower)}
    twice = replace(scored, trials=(), image_trials=(other, trial))
    assert reparse(twice, blobs.get) == (2, [])
    alone = replace(twice, image_trials=(other,))
    parsed, unlike = reparse(alone, blobs.get)
    assert parsed == 1
    assert [text.split(":")[0] for text in unlike] == [f"image {n}" for n in range(4)]


def restamped(stream: bytes) -> bytes:
    """A stream that was edited, whole again by its digest."""
    *body, done = stream.splitlines(keepends=True)
    event = json.loads(done)
    event["sha256"] = hashlib.sha256(b"".join(body)).hexdigest()
    return b"".join(body) + json.dumps(event).encode() + b"\n"


def test_a_failed_process_answers_for_nothing(bokehbench: Command, scored: Evidence) -> None:
    [trial] = scored.trials
    failure = Failure(kind="device_lost", message="lost")
    failed = replace(trial, status="failed", failure=failure, events_sha256="f" * 64)
    made = replace(scored, trials=(trial, failed))
    with open_store(str(bokehbench.store), readonly=True) as opened:

        def find(sha256: str) -> bytes | None:
            return b"half a line" if sha256 == "f" * 64 else opened.find_blob(sha256)

        assert reparse(made, find) == (2, [])
