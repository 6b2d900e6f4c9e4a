"""Records put into a store as a run would have."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from bokehbench.derive import derive
from bokehbench.facts import Record
from bokehbench.store import open_store, this_process


def keep(path: Path, records: Iterable[Record]) -> None:
    """Seal the Records' evidence into the store at `path`, derived by today's rules."""
    with open_store(str(path)) as store:
        for record in records:
            evidence = record.evidence
            store.begin_run(evidence.run_id, {}, this_process())
            store.begin_record(evidence)
            store.seal(evidence.record_id, evidence, derive(evidence), finished=True)
            store.finish_run(evidence.run_id, "done")


@contextmanager
def connected(store: Path) -> Iterator[sqlite3.Connection]:
    """A store's file for a look inside or a change behind its back, which is kept at the end.

    A connection is a context manager itself, but one that stays open.
    """
    with closing(sqlite3.connect(store)) as connection, connection:
        yield connection
