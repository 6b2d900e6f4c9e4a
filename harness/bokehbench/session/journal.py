"""Where a run writes what it learns, step by step; a store that fails loses nothing.

One Journal serves all devices of a run: Store has a lock of its own, and the little state here
only ever grows.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bokehbench.errors import StoreError
from bokehbench.facts import Derived, Evidence, Record
from bokehbench.store import JournalEntry, Store, this_process


@dataclass
class Journal:
    """Writes through to a store; after the store's first error it keeps records in memory.

    `broken` is the store's error, or None. `unsaved` are records that it did not take, which
    `spill` writes as JSON lines that `bokehbench records import` reads.
    """

    store: Store
    run_id: str
    warn: Callable[[str], None]
    broken: StoreError | None = None
    unsaved: list[Record] = field(default_factory=list, init=False)

    def begin(self, request: dict[str, object]) -> None:
        """Enter the run. A store that can't take even this is the user's to cure first.

        Raises:
            StoreError: nothing has been measured yet, so nothing is lost.
        """
        self.store.begin_run(self.run_id, request, this_process())

    def begin_record(self, evidence: Evidence) -> None:
        """Enter a record without trials."""
        self._try(lambda: self.store.begin_record(evidence))

    def append(self, record_id: str, entry: JournalEntry) -> None:
        """Save one step of a record; durable when it returns, unless the store is broken."""
        self._try(lambda: self.store.append(record_id, entry))

    def put_blob(self, data: bytes) -> str | None:
        """Save raw evidence; its sha256, or None when the store is broken."""
        found: list[str] = []
        self._try(lambda: found.append(self.store.put_blob(data)))
        return found[0] if found else None

    def seal(self, evidence: Evidence, derived: Derived, *, finished: bool) -> Record:
        """Save a record whole, as the store sealed it; an unfinished one stays open."""
        stored: list[Record] = []
        self._try(
            lambda: stored.append(
                self.store.seal(evidence.record_id, evidence, derived, finished=finished)
            )
        )
        if stored:
            return stored[0]
        seal = evidence.seal() if finished else None
        record = Record(evidence=evidence, seal=seal, derived=derived)
        self.unsaved.append(record)
        return record

    def finish(self, *, interrupted: bool) -> None:
        """Enter how the run ended."""
        self._try(
            lambda: self.store.finish_run(self.run_id, "interrupted" if interrupted else "done")
        )

    def spill(self, folders: tuple[Path, ...]) -> Path | None:
        """Write what the store did not take to the first folder that takes it.

        Returns:
            The file, or None when all is saved or no folder could be written.
        """
        lines = [json.dumps(record.to_json(), ensure_ascii=False) for record in self.unsaved]
        for folder in folders if lines else ():
            path = folder / f"bokehbench-{self.run_id}.jsonl"
            try:
                path.write_text("\n".join(lines) + "\n", encoding="utf-8")
            except OSError:
                continue
            return path
        return None

    def _try(self, write: Callable[[], object]) -> None:
        if self.broken:
            return
        try:
            write()
        except StoreError as error:
            self.broken = error
            self.warn(f"{error}; the run goes on and its records are kept")
