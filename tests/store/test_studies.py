"""Studies of opinion: kept whole, under one name, on both databases."""

import hashlib

import msgspec
import pytest

from bokehbench.errors import StoreError
from bokehbench.store import Store, Study, open_store
from tests.store.test_store import tamper

DATA = "rater,image,method,score\nann,1,Zürich 北京,4\n".encode()


def _study(name: str, data: bytes = DATA) -> Study:
    return Study(
        name=name,
        created="2026-01-02T03:04:05+00:00",
        source="votes.csv",
        sha256=hashlib.sha256(data).hexdigest(),
        votes=1,
        scale=(1, 5),
    )


def test_round_trip(store: Store) -> None:
    assert store.studies() == ()
    store.put_study(_study("final é"), DATA)
    store.put_study(_study("draft"), DATA)
    assert store.study("final é") == (_study("final é"), DATA)
    assert [study.name for study in store.studies()] == ["draft", "final é"]


def test_the_same_again_changes_nothing_and_other_ratings_are_refused(store: Store) -> None:
    store.put_study(_study("final"), DATA)
    store.put_study(_study("final"), DATA)
    other = DATA + b"bob,1,net,3\n"
    with pytest.raises(StoreError, match="there is a study 'final' with other ratings"):
        store.put_study(_study("final", other), other)
    assert store.study("final")[1] == DATA
    store.put_study(_study("final", other), other, replace=True)
    assert store.study("final")[1] == other


def test_an_unknown_study_names_those_there_are(store: Store) -> None:
    store.put_study(_study("final"), DATA)
    with pytest.raises(StoreError, match="no study 'fnal', and no such file; studies: final"):
        store.study("fnal")


def test_altered_studies_are_refused(store: Store, url: str) -> None:
    store.put_study(_study("final"), DATA)
    tamper(url, "UPDATE bokehbench_store SET value = '{}' WHERE key = 'study:final'")
    with pytest.raises(StoreError, match="a study was altered"):
        store.study("final")
    with pytest.raises(StoreError, match="a study was altered"):
        store.studies()


def test_a_store_with_studies_opens_again(store: Store, url: str) -> None:
    store.put_study(_study("final"), DATA)
    with open_store(url, readonly=True) as again:
        assert again.study("final")[1] == DATA
        with pytest.raises(StoreError, match="reading only"):
            again.put_study(msgspec.structs.replace(_study("x")), DATA)
