"""Records go in, stay whole, and come out; the same on both databases."""

import hashlib
import io
import sqlite3
import threading
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from bokehbench.errors import StoreError
from bokehbench.facts import Derived, Evidence, HostRun, canonical_json
from bokehbench.store import (
    Owner,
    RecordFilter,
    Store,
    open_store,
    this_process,
)
from tests.store.samples import (
    BEFORE,
    IMAGE_TRIAL,
    SCORE,
    make_derived,
    make_evidence,
    make_trial,
    sealed,
)


def tamper(url: str, sql: str, values: Sequence[Any] = ()) -> None:
    """Changes the database behind the store's back."""
    if url.startswith("sqlite:"):
        connection = sqlite3.connect(url.removeprefix("sqlite:"))
        with connection:
            connection.execute(sql, values)
        connection.close()
        return
    import psycopg

    with psycopg.connect(url) as session:
        session.execute(sql.replace("?", "%s"), values)


def test_round_trip(store: Store) -> None:
    start = make_evidence()
    store.begin_record(start)
    store.append("r-one", BEFORE)
    store.append("r-one", make_trial(0))
    store.append("r-one", make_trial(1), IMAGE_TRIAL, SCORE)
    store.append("r-one", make_trial(2))
    whole = store.read_open("r-one")
    assert whole == msgspec.structs.replace(
        start,
        conditions=(BEFORE,),
        trials=(make_trial(0), make_trial(1), make_trial(2)),
        image_trials=(IMAGE_TRIAL,),
        images=(SCORE,),
    )
    record = store.seal("r-one", whole, make_derived(whole), finished=True)
    assert record.evidence == msgspec.structs.replace(whole, finished=True)
    assert record.seal == record.evidence.seal()
    assert store.get("r-one") == record
    assert list(store.records()) == [record]
    with pytest.raises(StoreError, match="is sealed"):
        store.append("r-one", make_trial(3))
    with pytest.raises(StoreError, match="is sealed"):
        store.seal("r-one", whole, make_derived(), finished=True)
    with pytest.raises(StoreError, match="is sealed"):
        store.read_open("r-one")


def test_the_last_word_of_host_and_runner_counts_in_an_open_record(store: Store) -> None:
    start = make_evidence()
    store.begin_record(start)
    runs = [
        HostRun(
            engine="litert",
            engine_version="2.1",
            library_sha256="0" * 64,
            runner_sha256="1" * 64,
            platform="linux",
            abi="x86_64",
            backend="cpu",
            threads=2,
            images=images,
        )
        for images in range(3)
    ]
    told = msgspec.structs.replace(start.runner, build="b7", engine_abi="c-2")
    store.append("r-one", runs[0], told, runs[1])
    so_far = msgspec.structs.replace(start, host_run=runs[1], runner=told)
    assert store.read_open("r-one") == so_far
    never_appended = msgspec.structs.replace(so_far, host_run=runs[2])
    store.seal("r-one", never_appended, make_derived(), finished=False)
    assert store.read_open("r-one") == never_appended


def test_sealed_text_is_what_was_hashed(store: Store, url: str) -> None:
    evidence = sealed(store)
    seal = store.get("r-one").seal
    assert seal == hashlib.sha256(canonical_json(evidence).encode()).hexdigest()
    # Any single changed digit is found, also one that leaves valid evidence.
    tamper(url, "UPDATE bokehbench_records SET evidence = replace(evidence, '[1,2,3]', '[1,1,3]')")
    with pytest.raises(StoreError, match="record r-one was altered after it was sealed"):
        store.get("r-one")
    with pytest.raises(StoreError, match="r-one was altered"):
        list(store.records())
    with pytest.raises(StoreError, match="r-one was altered"):
        store.export(io.StringIO())


def test_removed_seal_and_exchanged_evidence_are_found(store: Store, url: str) -> None:
    sealed(store, "a")
    sealed(store, "b")
    tamper(url, "UPDATE bokehbench_records SET seal = NULL WHERE record_id = 'a'")
    with pytest.raises(StoreError, match="record a was altered"):
        store.get("a")
    tamper(
        url,
        "UPDATE bokehbench_records SET (evidence, seal) = "
        "(SELECT evidence, ? FROM bokehbench_records WHERE record_id = 'b') WHERE record_id = 'a'",
        (store.get("b").seal,),
    )
    with pytest.raises(StoreError, match="record a was altered"):
        store.get("a")


def test_interrupted_record_stays_open_and_is_resumed(store: Store) -> None:
    store.begin_record(make_evidence())
    store.append("r-one", make_trial(0))
    # The second trial was never appended, yet it isn't lost.
    evidence = msgspec.structs.replace(
        store.read_open("r-one"), trials=(make_trial(0), make_trial(1))
    )
    record = store.seal("r-one", evidence, make_derived(evidence), finished=False)
    assert record.seal is None
    assert not record.evidence.finished
    assert record == store.get("r-one")
    assert [row.state for row in store.list()] == ["running"]
    store.finish_run("run-1", "interrupted")
    assert [(row.state, row.median_ms) for row in store.list()] == [("incomplete", 12.5)]
    assert [run.state for run in store.runs()] == ["interrupted"]

    store.begin_run("run-1", {}, this_process())
    store.append("r-one", make_trial(2))
    whole = store.read_open("r-one")
    assert whole.trials == (make_trial(0), make_trial(1), make_trial(2))
    store.seal("r-one", whole, make_derived(whole), finished=True)
    store.finish_run("run-1", "done")
    assert [row.state for row in store.list()] == ["sealed"]
    (run,) = store.runs()
    assert (run.state, run.request, run.records) == ("done", {"models": ["m.tflite"]}, 1)


def test_a_run_has_one_living_owner(store: Store) -> None:
    store.begin_record(make_evidence())
    me = this_process()
    elsewhere = Owner(host="another-host", pid=1, started="x")
    with pytest.raises(StoreError, match=f"process {me.pid} on {me.host} works on run run-1"):
        store.begin_run("run-1", {}, elsewhere, take_over=True)
    store.finish_run("run-1", "interrupted")
    store.begin_run("run-1", {}, elsewhere)
    assert [row.state for row in store.list()] == ["open"]
    with pytest.raises(StoreError, match="process 1 on another-host"):
        store.begin_run("run-1", {}, me)
    store.begin_run("run-1", {}, me, take_over=True)
    assert [row.state for row in store.list()] == ["running"]
    # The same pid started at another time: not that process.
    store.begin_run("run-2", {}, Owner(host=me.host, pid=me.pid, started="earlier"))
    assert [run.state for run in store.runs()] == ["incomplete", "running"]
    store.begin_run("run-2", {}, me)


def test_what_is_not_there_is_named(store: Store) -> None:
    with pytest.raises(StoreError, match="no run nope: begin it"):
        store.finish_run("nope", "done")
    with pytest.raises(StoreError, match="no run nope: begin it"):
        store.begin_record(make_evidence(run_id="nope"))
    for call in (
        lambda: store.get("nope"),
        lambda: store.get(""),
        lambda: store.append("nope", make_trial()),
        lambda: store.read_open("nope"),
        lambda: store.seal("nope", make_evidence("nope"), make_derived(), finished=True),
        lambda: store.seal("nope", make_evidence("nope"), make_derived(), finished=False),
        lambda: store.update_derived("nope", make_derived()),
    ):
        with pytest.raises(StoreError, match="there is no record"):
            call()
    store.begin_record(make_evidence())
    with pytest.raises(StoreError, match="is there already"):
        store.begin_record(make_evidence())
    with pytest.raises(StoreError, match="can't seal record r-one"):
        store.seal("r-one", make_evidence("r-two"), make_derived(), finished=True)


def test_numbers_that_json_lacks_are_refused(store: Store) -> None:
    store.begin_record(make_evidence())
    bad = msgspec.structs.replace(SCORE, psnr=float("inf"))
    with pytest.raises(StoreError, match="not finite"):
        store.append("r-one", make_trial(), bad)
    assert store.read_open("r-one").trials == ()
    with pytest.raises(StoreError, match="not UTF-8"):
        store.begin_record(make_evidence("r-two", label="half \ud800"))


def test_prefix(store: Store) -> None:
    for number in range(7):
        sealed(store, f"abc{number}")
    sealed(store, "abc")
    assert store.get("abc").record_id == "abc"
    assert store.get("abc4").record_id == "abc4"
    with pytest.raises(StoreError, match=r"several records start with ab: abc, abc0, .*, abc3, …:"):
        store.get("ab")
    with pytest.raises(StoreError, match="no record 'a%'"):
        store.get("a%")


def test_list_filters_and_order(store: Store) -> None:
    store.begin_run("run-2", {}, this_process())
    sealed(store, "a", created="2025-01-01", label="Mine")
    sealed(store, "b", created="2025-01-03", run_id="run-2", model_sha256="12" * 32)
    sealed(store, "c", created="2025-01-02", device_id="other")
    sealed(store, "d", created="2025-01-02")

    def ids(**words: Any) -> str:
        which = RecordFilter(**words)
        records = "".join(record.record_id for record in store.records(which))
        assert records == "".join(row.record_id for row in store.list(which))
        return records

    assert ids() == "bdca"
    assert ids(limit=3) == "bdc"
    assert ids(limit=0) == ""
    assert ids(run_id="run-2") == "b"
    assert ids(model="Mine") == "a"
    assert ids(model="bokeh 模型", device="phone") == "bda"
    assert ids(model="121212") == "b"
    assert ids(model="12") == ""
    assert ids(device="SERIAL") == "bdca"
    assert ids(backend="cpu") == ""
    with pytest.raises(StoreError, match="limit"):
        ids(limit=-1)
    row = next(store.list(RecordFilter(model="Mine")))
    assert (row.name, row.model_name, row.timing_shape) == (
        "Mine",
        "bokeh 模型",
        (1, 1024, 1536, 3),
    )
    assert (row.status, row.median_ms, row.psnr, row.score) == ("provisional", 12.5, 23.5, 4.25)
    assert (row.protocol, row.backend, row.precision) == ("quick", "gpu", "default")


def test_list_goes_on_over_pages_while_others_write(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bokehbench.store.listing._PAGE_ROWS", 3)
    for number in range(10):
        store.begin_record(make_evidence(f"r{number}", created=f"2025-01-0{number // 4 + 1}"))
    seen = []
    for row in store.list(RecordFilter(limit=8)):
        seen.append(row.record_id)
        store.begin_record(make_evidence(f"new-{row.record_id}", created="2026"))
    assert seen == [f"r{number}" for number in (9, 8, 7, 6, 5, 4, 3, 2)]


def test_update_derived(store: Store, url: str) -> None:
    evidence = sealed(store)
    store.update_derived("r-one", make_derived(median_ms=1.5))
    record = store.get("r-one")
    assert record.derived.latency.median_ms == 1.5
    assert record.evidence == evidence
    assert next(store.list()).median_ms == 1.5
    # Values by rules that this version can't read are derived again.
    tamper(url, "UPDATE bokehbench_records SET derived = ?", ('{"rules":"99"}',))
    assert store.get("r-one").derived == make_derived(evidence)


def test_missing_derived_without_rules(store: Store, url: str) -> None:
    store.begin_record(make_evidence())
    assert store.get("r-one").derived == make_derived(make_evidence())
    with open_store(url) as plain:
        with pytest.raises(StoreError, match="never derived"):
            plain.get("r-one")
        assert plain.export(io.StringIO()) == 1


def test_blobs(store: Store, url: str) -> None:
    data = b"log line\n" * 1000
    digest = store.put_blob(data)
    assert digest == store.put_blob(data) == hashlib.sha256(data).hexdigest()
    assert store.get_blob(digest) == data
    assert store.get_blob(store.put_blob(b"")) == b""
    with pytest.raises(StoreError, match="no blob 00"):
        store.get_blob("00")
    for bad in (b"no zlib", b"x\x9c\x03\x00\x00\x00\x00\x01"):
        tamper(url, "UPDATE bokehbench_blobs SET data = ? WHERE sha256 = ?", (bad, digest))
        with pytest.raises(StoreError, match=f"blob {digest} was altered"):
            store.get_blob(digest)


def test_threads_share_one_store(store: Store) -> None:
    store.begin_record(make_evidence())

    def fill(first: int) -> None:
        for index in range(first, first + 20):
            store.append("r-one", make_trial(index))
            store.read_open("r-one")

    threads = [threading.Thread(target=fill, args=(number * 20,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(trial.index for trial in store.read_open("r-one").trials) == list(range(80))


def test_readonly(store: Store, url: str, other_url: str) -> None:
    evidence = sealed(store)
    with open_store(url, readonly=True) as reader:
        assert reader.get("r-one").evidence == evidence
        with pytest.raises(StoreError, match="for reading only"):
            reader.put_blob(b"x")
    with pytest.raises(StoreError, match=r"no store at .* yet: `bokehbench run` makes it"):
        open_store(other_url, readonly=True)


def test_newer_schema_is_refused(url: str) -> None:
    open_store(url).close()
    tamper(url, "UPDATE bokehbench_store SET value = '2' WHERE key = 'schema'")
    for readonly in (False, True):
        with pytest.raises(StoreError, match="schema is 2, this bokehbench knows 1: upgrade"):
            open_store(url, readonly=readonly)


def test_closed_store(url: str) -> None:
    store = open_store(url)
    store.close()
    store.close()
    with pytest.raises(StoreError, match="was closed"):
        store.put_blob(b"x")


def test_derive_gets_the_evidence(url: str) -> None:
    seen: list[Evidence] = []

    def derive(evidence: Evidence) -> Derived:
        seen.append(evidence)
        return make_derived(evidence)

    with open_store(url, derive=derive) as store:
        store.begin_run("run-1", {}, this_process())
        store.begin_record(make_evidence())
        store.append("r-one", make_trial())
        assert store.get("r-one").derived.latency.processes == 1
        assert seen == [store.read_open("r-one")]
