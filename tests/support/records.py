"""Records put into a store as a run would have."""

from collections.abc import Iterable
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
