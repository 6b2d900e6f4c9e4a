"""history, replay and records show: what became of stored records on the command line."""

import errno
import os
from pathlib import Path
from typing import get_args
from xml.etree import ElementTree

import click
import pytest
from msgspec.structs import replace

from bokehbench.cli.history import command as history
from bokehbench.errors import UsageError
from bokehbench.facts import ConditionSeries, Trial
from bokehbench.facts.trial import Backend
from bokehbench.store import open_store, this_process
from tests.support.command import Command
from tests.support.evidence import (
    make_device,
    make_evidence,
    make_report,
    make_trial,
)
from tests.support.judged import evidence, store
from tests.support.records import connected


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


def test_a_status_and_a_change_are_both_shown(bokehbench: Command) -> None:
    protocol = replace(make_evidence().protocol, runs=5, ranked=False)
    fewer = replace(evidence("net", 20, 1), protocol=protocol)
    store(bokehbench, evidence("net", 20, 0), fewer)
    picture = bokehbench.home / "a.svg"
    ended = bokehbench("history", "net", "--plot", picture)
    assert ended.code == 0, ended.err
    rows = bokehbench("history", "net", "--json", "-").json()["rows"]
    assert rows[1]["status"] == "provisional"
    [change] = rows[1]["changed"]
    assert ended.out.splitlines()[2].endswith(f"  provisional; {change}")
    # Its markers are named as soon as there is more than one kind of them.
    drawn = picture.read_text(encoding="utf-8")
    assert [f"<!-- {status} -->" in drawn for status in ("ranked", "provisional")] == [True, True]


def test_filters_know_every_backend() -> None:
    [option] = [option for option in history.params if option.name == "backend"]
    assert isinstance(option.type, click.Choice)
    assert list(option.type.choices) == list(get_args(Backend))


def test_history_of_one_record_and_of_none(bokehbench: Command) -> None:
    store(bokehbench, evidence("net", 20))
    assert bokehbench("history", "net").code == 0
    assert "no finished record" in bokehbench("history", "other").complaint
    for command in (("history", "net"), ("compare", "net", "net")):
        for filters in (("--device", "nope"), ("--device", "phone-1", "--backend", "gpu")):
            complaint = bokehbench(*command, *filters).complaint
            assert "no finished record of net; there are xnnpack on phone-1" in complaint
            assert complaint.startswith(f"bokehbench: {' '.join(filters)}: ")
        assert "'npo' is not one of 'gpu', " in bokehbench(*command, "--backend", "npo").complaint
    ended = bokehbench("history", "net", "--plot", bokehbench.home / "a.jpg")
    assert ".png or .svg" in ended.complaint
    folder = bokehbench("history", "net", "--plot", bokehbench.home / "no" / "a.png")
    assert "can't be drawn" in folder.complaint


def test_a_long_run_is_shown_with_its_sensors(bokehbench: Command) -> None:
    series = ConditionSeries(
        times_ns=tuple(range(0, 10 * 10**9, 5 * 10**8)),
        cpu_khz={"4": tuple(2_400_000 - 50_000 * n for n in range(20))},
        temperatures_celsius={"soc": tuple(40.0 + n for n in range(20))},
    )
    slower = tuple(round(2e7 * (1 + n / 500)) for n in range(400))
    long = make_trial(invoke_ns=slower, series=series, purpose="sustained", capped=True)
    cold, warm = (make_report("gpu", cache=cache) for cache in ("cold", "warm"))
    trials = tuple(
        make_trial("gpu", index=i, report=warm if i else cold, load_ns=10**8 if i else 10**9)
        for i in range(5)
    )
    store(
        bokehbench,
        replace(
            evidence("net", 20),
            backend="gpu",
            trials=trials,
            sustained=(long,),
            reference_before=references(10),
            reference_after=references(10.5),
        ),
        evidence("short", 20),
    )
    picture = bokehbench.home / "long.svg"
    shown = bokehbench("records", "show", "net-0", "--plot", picture)
    assert shown.code == 0, shown.err
    for said in (
        "[20.00, 20.00] (93.75 %)",
        "load with kernels to compile 1000.00 ms, with compiled ones at hand 100.00 ms",
        "reference workload after the run: 1.050x its time before (throttled beyond 1.100x)",
        "sustained over 11 s: first 21.06 ms, last 35.34 ms, score 0.596 (400 runs)",
        "soc 40.5 to 58.5 °C; cpu4 2375 to 1475 MHz",
    ):
        assert said in shown.out
    assert ElementTree.parse(picture).getroot().tag.endswith("svg")
    again = bokehbench.home / "again.svg"
    assert bokehbench("records", "show", "net-0", "--plot", again).code == 0
    assert again.read_bytes() == picture.read_bytes()
    none = bokehbench("records", "show", "short-0", "--plot", picture)
    assert none.code == 2
    assert "has no long run; measure with --sustained" in none.complaint
    kind = bokehbench("records", "show", "net-0", "--plot", "a.jpg")
    assert ".png or .svg" in kind.complaint


def test_a_limit_counts_finished_records(bokehbench: Command) -> None:
    store(bokehbench, *[evidence("net", 20 + n, n) for n in range(3)])
    cut = evidence("net", 40, 9)
    with open_store(str(bokehbench.store)) as opened:
        opened.begin_run(cut.run_id, {}, this_process())
        opened.begin_record(cut)
        opened.finish_run(cut.run_id, "interrupted")
    for limit, names in ((1, ["net-2"]), (2, ["net-1", "net-2"]), (9, ["net-0", "net-1", "net-2"])):
        ended = bokehbench("history", "net", "--limit", limit, "--json", "-")
        assert ended.code == 0, ended.err
        assert [row["record_id"] for row in ended.json()["rows"]] == names


def test_a_document_that_cannot_be_written_leaves_no_file_behind(
    bokehbench: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(bokehbench, evidence("net", 20))
    written: list[Path] = []

    def full_disk(path: Path, _data: bytes) -> int:
        path.touch()
        written.append(path)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    goal = bokehbench.home / "history.json"
    assert history.callback is not None
    with pytest.raises(UsageError, match="No space"):
        history.callback(
            model="net",
            store=str(bokehbench.store),
            device=None,
            backend=None,
            limit=None,
            plots=(),
            json_target=str(goal),
        )
    assert len(written) == 1
    assert not list(bokehbench.home.glob("*history.json*"))


def test_a_reference_that_took_no_time_is_found_and_divides_nothing(bokehbench: Command) -> None:
    """No run of ours ends so; an import may."""
    none = tuple(replace(trial, invoke_ns=(0,) * 20) for trial in references(10))
    store(
        bokehbench,
        replace(evidence("net", 20, 0), reference_before=references(10)),
        replace(evidence("net", 24, 1), reference_before=none),
        replace(evidence("net", 22, 2), reference_after=none),
    )
    ended = bokehbench("history", "net", "--json", "-")
    assert ended.code == 0, ended.err
    rows = ended.json()["rows"]
    assert [row["normalised_ms"] is not None for row in rows] == [True, False, False]
    assert rows[0]["normalised_ms"] == pytest.approx(rows[0]["median_ms"])
    assert [row["reasons"] for row in rows] == [
        [],
        ["implausible_latency"],
        ["implausible_latency"],
    ]


def test_units_of_one_model_are_told_apart(bokehbench: Command) -> None:
    store(
        bokehbench,
        evidence("net", 20, 0),
        replace(evidence("net", 24, 1), device=make_device(device_id="phone-2")),
    )
    rows = bokehbench("history", "net", "--json", "-").json()["rows"]
    assert [row["device"] for row in rows] == ["Mate 40 Pro (phone-1)", "Mate 40 Pro (phone-2)"]


def test_replay_refuses_a_record_that_was_edited(bokehbench: Command) -> None:
    store(bokehbench, evidence("net", 20))
    with connected(bokehbench.store) as database:
        [[text]] = database.execute("SELECT evidence FROM bokehbench_records").fetchall()
        assert "20000000" in text or "threads" in text
        edited = text.replace('"threads":4', '"threads":1')
        assert edited != text
        database.execute("UPDATE bokehbench_records SET evidence = ?", (edited,))
    for words in (("replay", "net-0"), ("compare", "net-0", "net"), ("history", "net")):
        ended = bokehbench(*words)
        assert ended.code == 2
        assert "net-0 was altered after it was sealed" in ended.complaint
