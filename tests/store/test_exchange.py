"""Records leave one store and enter another unaltered, or not at all."""

import hashlib
import io
from typing import Any

import msgspec
import pytest

from bokehbench.errors import StoreError
from bokehbench.facts import canonical_json
from bokehbench.store import ImportCounts, Store, open_store, this_process
from tests.store.samples import make_derived, make_evidence, make_trial, sealed


def exported(store: Store, blobs: bool = False) -> list[str]:
    out = io.StringIO()
    store.export(out, blobs=blobs)
    return out.getvalue().splitlines(keepends=True)


def evidence_texts(store: Store) -> dict[str, str]:
    return {record.record_id: canonical_json(record.evidence) for record in store.records()}


def test_derived_values_that_somebody_edited_are_not_believed(store: Store, other_url: str) -> None:
    sealed(store, "a")
    value = msgspec.json.decode(exported(store)[0])
    value["latency"]["median_ms"] = 0.001
    value["status"] = "ranked"
    with open_store(other_url, derive=make_derived) as other:
        other.import_([msgspec.json.encode(value).decode()])
        [record] = other.records()
        assert record.derived == make_derived(record.evidence)
        assert record.derived.latency.median_ms != 0.001


def test_export_and_import(store: Store, other_url: str) -> None:
    sealed(store, "a")
    log = store.put_blob(b"a log")
    store.put_blob(b"not named by any record")
    store.begin_record(make_evidence("b"))
    store.append("b", make_trial(5, log_sha256=log))
    lines = exported(store, blobs=True)
    kinds = [sorted(msgspec.json.decode(line))[0] for line in lines]
    assert kinds == ["blob", "backend", "backend"]
    assert lines[2] == canonical_json(store.get("a").to_json()) + "\n"
    with open_store(other_url, derive=make_derived) as other:
        assert other.import_(lines) == ImportCounts(imported=2, skipped=0, blobs=1)
        assert evidence_texts(other) == evidence_texts(store)
        both = list(zip(other.records(), store.records(), strict=True))
        assert all(a.seal == b.seal for a, b in both)
        # No seal covers what is derived: it is made anew from the evidence.
        assert all(a.derived == make_derived(a.evidence) for a, _ in both)
        assert other.get_blob(log) == b"a log"
        again = exported(other, blobs=True)
        assert again[0] == lines[0]
        assert len(again) == len(lines)
        assert [row.state for row in other.list()] == ["incomplete", "sealed"]
        assert other.import_(lines) == ImportCounts(imported=0, skipped=2, blobs=0)
        assert len(exported(other)) == 2


def test_import_accepts_other_spellings_of_the_same_values(store: Store, other_url: str) -> None:
    evidence = sealed(store)
    line = exported(store)[0]
    assert '"max_seconds":10.0' in line
    line = line.replace('"max_seconds":10.0', '"max_seconds" : 10')
    with open_store(other_url) as other:
        assert other.import_([line, "\n"]).imported == 1
        assert other.get("r-one").evidence == evidence


def test_import_keeps_fields_that_the_seal_was_made_without(store: Store) -> None:
    flat = msgspec.to_builtins(make_evidence())
    del flat["note"]  # as a version wrote it that had no notes
    flat["protocol"]["max_seconds"] = 10.0
    flat["seal"] = seal = hashlib.sha256(canonical_json(flat).encode()).hexdigest()
    assert store.import_([canonical_json(flat)]).imported == 1
    assert store.get("r-one").seal == seal
    line = msgspec.json.decode(exported(store)[0])
    assert "note" not in line
    assert line["seal"] == seal


def altered(line: str) -> str:
    assert "[1,2,3]" in line
    return line.replace("[1,2,3]", "[1,2,2]")


def cut(line: str) -> str:
    return line[: len(line) // 2]


def other_format(line: str) -> str:
    return line.replace("bokehbench-record/1", "bokehbench-record/2")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (altered, "line 2 record a was altered after it was sealed: nothing was imported"),
        (cut, "line 2 is not JSON"),
        (other_format, "line 2 has the format 'bokehbench-record/2'"),
        (lambda line: "[" * 100_000 + line, "line 2 is not JSON"),
        (lambda _: "[1]", "line 2 is not a JSON object"),
        (lambda _: '{"format":"bokehbench-record/1"}', "line 2 is no whole record"),
        (lambda line: line.replace('"seal":"', '"seal":"0'), "line 2 record a was altered"),
        (lambda _: '{"blob":"00","zlib_base64":"?"}', "line 2 is no blob"),
        (lambda _: '{"blob":"00","zlib_base64":"eJwDAAAAAAE="}', "line 2 blob 00 was altered"),
    ],
)
def test_import_refuses_all_for_one_bad_line(
    store: Store, other_url: str, change: Any, message: str
) -> None:
    sealed(store, "a")
    sealed(store, "b")
    first, second = exported(store)
    with open_store(other_url) as other:
        with pytest.raises(StoreError) as caught:
            other.import_([first, change(second)])
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)
        assert list(other.list()) == []
        assert list(other.runs()) == []


def test_import_refuses_another_record_of_the_same_name(store: Store, other_url: str) -> None:
    sealed(store, "a")
    lines = exported(store)
    with open_store(other_url) as other:
        other.begin_run("run-1", {}, this_process())
        sealed(other, "b")
        sealed(other, "a", label="not the same")
        with pytest.raises(StoreError, match="line 1 record a has another seal"):
            other.import_(lines)
