"""The Store: runs, Records with their journals, and blobs, in one database."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal, Self, TextIO

import msgspec

from bokehbench.errors import StoreError
from bokehbench.facts import Derived, Evidence, Record
from bokehbench.store import blobs, exchange, listing, rows, schema
from bokehbench.store import studies as study_rows
from bokehbench.store.dialects import Database
from bokehbench.store.listing import RecordFilter, RecordRow, RunRow
from bokehbench.store.owner import Owner
from bokehbench.store.rows import JournalEntry
from bokehbench.store.studies import Study

Derive = Callable[[Evidence], Derived]

_ALL = RecordFilter()


class Store:
    """Records in one database, for any number of threads and processes.

    What a method wrote is durable when it returns; when it raises, nothing of it was kept.
    Every method raises StoreError when the database can't be read or written: one line
    with the store, the problem and the cure, never a password.
    """

    def __init__(self, database: Database, derive: Derive | None = None) -> None:
        """`derive` makes derived values for Records that were stored without them."""
        self._db = database
        self._derive = derive
        schema.prepare(database)

    @property
    def name(self) -> str:
        """What messages call this store: a path, or a URL without its password."""
        return self._db.name

    def close(self) -> None:
        """Ends the connection; a second call does nothing."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # Runs

    def begin_run(
        self, run_id: str, request: Mapping[str, Any], owner: Owner, *, take_over: bool = False
    ) -> None:
        """Adds a run that `owner` works on, or gives it a run that ended or was killed.

        A run that is resumed keeps its time and its first request. `take_over` takes it even
        from an owner of which this host can't know whether it lives.

        Raises:
            StoreError: another live process, or one on another host, works on the run.
        """
        holder = {"host": owner.host, "pid": owner.pid, "started": owner.started}
        columns = {
            "run_id": run_id,
            "created": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "request": rows.to_text(dict(request), self.name),
            "state": "running",
            **holder,
        }
        with self._db.transaction(write=True):
            if rows.insert(self._db, "bokehbench_runs", columns):
                return
            # The update's row lock lets only one of two that resume at once read the old owner.
            self._db.change("UPDATE bokehbench_runs SET run_id = run_id WHERE run_id = ?", [run_id])
            found = self._db.rows(
                "SELECT state, host, pid, started FROM bokehbench_runs WHERE run_id = ?", (run_id,)
            )
            held_by = listing.owner_of(*found[0][1:])
            state = listing.Lives().run_state(found[0][0], held_by)
            if held_by not in (None, owner) and state in (
                ("running",) if take_over else ("running", "open")
            ):
                assert held_by is not None
                raise StoreError(
                    f"{self.name}: process {held_by.pid} on {held_by.host} works on run {run_id}: "
                    "wait until it ends, or resume it there"
                )
            self._db.change(
                "UPDATE bokehbench_runs SET state = 'running', host = ?, pid = ?, started = ? "
                "WHERE run_id = ?",
                (*holder.values(), run_id),
            )

    def finish_run(self, run_id: str, state: Literal["done", "interrupted"]) -> None:
        """Says how a run ended.

        Raises:
            StoreError: there is no such run.
        """
        with self._db.transaction(write=True):
            if not self._db.change(
                "UPDATE bokehbench_runs SET state = ? WHERE run_id = ?", (state, run_id)
            ):
                raise StoreError(f"{self.name}: there is no run {run_id}: begin it first")

    def runs(self) -> Iterator[RunRow]:
        """All runs, newest first; a run whose process was killed is `incomplete`."""
        return listing.list_runs(self._db)

    # Records that are being made

    def begin_record(self, evidence: Evidence) -> None:
        """Adds an open Record. Trials and whatever else is in `evidence` are its start.

        Raises:
            StoreError: its run wasn't begun, or there is a Record of that identifier.
        """
        evidence = msgspec.structs.replace(evidence, finished=False)
        text, evidence = self._normal(evidence)
        with self._db.transaction(write=True):
            run_id = evidence.run_id
            query = "SELECT 1 FROM bokehbench_runs WHERE run_id = ?"
            if not self._db.rows(query, (run_id,)):
                raise StoreError(f"{self.name}: there is no run {run_id}: begin it first")
            if not rows.insert_record(self._db, evidence, text, None, None):
                raise StoreError(
                    f"{self.name}: record {evidence.record_id} is there already: resume its run, "
                    "or give the record another identifier"
                )

    def append(self, record_id: str, *entries: JournalEntry) -> None:
        """Adds entries to an open Record's journal, durably; several at once are one write.

        Raises:
            StoreError: the Record isn't there or is sealed, or a number isn't finite.
        """
        with self._db.transaction(write=True):
            if entries and not rows.append(self._db, record_id, entries):
                raise self._not_open(record_id)

    def read_open(self, record_id: str) -> Evidence:
        """The evidence of an open Record so far: its start and all of its journal.

        Raises:
            StoreError: the Record isn't there or is sealed.
        """
        with self._db.transaction(write=False):
            stored = rows.load(self._db, record_id)
            if stored is None or stored.seal is not None:
                raise self._not_open(record_id)
        return stored.evidence

    def seal(
        self, record_id: str, evidence: Evidence, derived: Derived, *, finished: bool
    ) -> Record:
        """Ends an open Record with `evidence`, in its canonical form, and the seal over it.

        The journal, whose entries `evidence` holds, goes in the same transaction. With
        `finished` False the Record stays open with its journal, to be resumed: `derived` is
        stored, and so is what `evidence` holds but was never appended.

        Returns the Record as `get` returns it. Its evidence differs from the argument in
        `finished`, and where a whole number was given for a float.

        Raises:
            StoreError: the Record isn't there or is sealed, or a number isn't finite.
        """
        if evidence.record_id != record_id:
            raise StoreError(f"evidence of {evidence.record_id} can't seal record {record_id}")
        text, evidence = self._normal(msgspec.structs.replace(evidence, finished=finished))
        columns = rows.derived_columns(derived, self.name)
        with self._db.transaction(write=True):
            if not finished:
                # Locks the row before the journal is read.
                if not rows.append(self._db, record_id, ()):
                    raise self._not_open(record_id)
                stored = self._load(record_id)
                rows.append(self._db, record_id, rows.missing_entries(stored.evidence, evidence))
                rows.update_record(self._db, record_id, columns)
                return Record(evidence=self._load(record_id).evidence, seal=None, derived=derived)
            columns |= rows.evidence_columns(evidence, text)
            columns |= {"state": "sealed", "seal": rows.sha256(text)}
            if not rows.update_record(self._db, record_id, columns, "AND state = 'open'"):
                raise self._not_open(record_id)
            self._db.change("DELETE FROM bokehbench_journal WHERE record_id = ?", (record_id,))
        return Record(evidence=evidence, seal=columns["seal"], derived=derived)

    def update_derived(self, record_id: str, derived: Derived) -> None:
        """Puts other derived values beside a Record's evidence.

        Raises:
            StoreError: the Record isn't there.
        """
        columns = rows.derived_columns(derived, self.name)
        with self._db.transaction(write=True):
            if not rows.update_record(self._db, record_id, columns):
                raise self._unknown(record_id)

    # Records that are there

    def get(self, record_id: str) -> Record:
        """A Record by its identifier or the unambiguous start of it, its seal checked.

        Raises:
            StoreError: none or several Records are meant, or its evidence was altered.
        """
        with self._db.transaction(write=False):
            found = rows.load(self._db, record_id) or self._load(self._resolve(record_id))
        return self._record(found)

    def list(self, which: RecordFilter = _ALL) -> Iterator[RecordRow]:
        """Rows of Records, newest first, read page by page and without their evidence."""
        return listing.list_records(self._db, which)

    def records(self, which: RecordFilter = _ALL) -> Iterator[Record]:
        """Whole Records, newest first, one in memory at a time, their seals checked."""
        return (self._record(stored) for stored in self._all(which))

    # Exchange

    def export(self, out: TextIO, which: RecordFilter = _ALL, *, blobs: bool = False) -> int:
        """Writes Records as JSON lines, newest first; the count of Records.

        Each line is `Record.to_json()`. With `blobs`, what the evidence names by its sha256
        and the store holds comes as lines of its own, before the Record's.
        """
        return exchange.export_lines(self._db, out, self._all(which), self._derive, blobs)

    def import_(self, lines: Iterable[str], source: str = "import") -> exchange.ImportCounts:
        """Adds the Records and blobs of an export, named `source`; all of them, or none.

        A Record that is there stays as it is. One without a seal becomes `incomplete`.
        Seals cover evidence alone, so derived values are made anew from it where this store
        was opened with `derive`; else they are taken as the lines give them.

        Raises:
            StoreError: a line is no Record of this format, was altered after it was sealed,
                or contradicts a sealed Record of this store. The message has its number.
        """
        return exchange.import_lines(self._db, lines, self._derive, source)

    # Blobs

    def put_blob(self, data: bytes) -> str:
        """Keeps bytes, once however often they are put; their sha256 in hexadecimal."""
        with self._db.transaction(write=True):
            return blobs.put_blob(self._db, data)[0]

    def get_blob(self, sha256: str) -> bytes:
        """The bytes of that sha256.

        Raises:
            StoreError: they aren't there, or what is there has another sha256.
        """
        data = self.find_blob(sha256)
        if data is None:
            raise StoreError(f"{self.name}: there is no blob {sha256}: import it with its record")
        return data

    def find_blob(self, sha256: str) -> bytes | None:
        """The bytes of that sha256, or None where this store has none.

        Raises:
            StoreError: what is there has another sha256.
        """
        with self._db.transaction(write=False):
            packed = blobs.get_packed(self._db, sha256)
        if packed is None:
            return None
        data = blobs.unpack(packed, sha256)
        if data is None:
            raise StoreError(
                f"{self.name}: blob {sha256} was altered or damaged: restore a copy of the store"
            )
        return data

    # Studies

    def put_study(self, study: Study, data: bytes, *, replace: bool = False) -> None:
        """Keeps a file of ratings under the study's name."""
        study_rows.put_study(self._db, study, data, replace=replace)

    def study(self, name: str) -> tuple[Study, bytes]:
        """A study by its name, with the ratings file's bytes."""
        found = study_rows.get_study(self._db, name)
        return found, self.get_blob(found.sha256)

    def studies(self) -> tuple[Study, ...]:
        """All studies by name."""
        return tuple(study_rows.list_studies(self._db))

    def _normal(self, evidence: Evidence) -> tuple[str, Evidence]:
        # A whole number that stands for a float is written without a point but read as a
        # float; the text is made of what is read, so that reading and writing again keeps it.
        first = rows.to_text(evidence, self.name)
        evidence = msgspec.json.decode(first, type=Evidence)
        return rows.to_text(evidence, self.name), evidence

    def _load(self, record_id: str) -> rows.Stored:
        stored = rows.load(self._db, record_id)
        if stored is None:
            raise self._unknown(record_id)
        return stored

    def _all(self, which: RecordFilter) -> Iterator[rows.Stored]:
        for row in self.list(which):
            with self._db.transaction(write=False):
                stored = self._load(row.record_id)
            yield stored

    def _record(self, stored: rows.Stored) -> Record:
        derived = stored.derived
        if derived is None:
            if self._derive is None:
                raise StoreError(
                    f"{self.name}: record {stored.record_id} was never derived, its run was "
                    "killed: resume the run, or open the store with rules to derive it"
                )
            derived = self._derive(stored.evidence)
        return Record(evidence=stored.evidence, seal=stored.seal, derived=derived)

    def _resolve(self, prefix: str) -> str:
        found = self._db.rows(
            "SELECT record_id FROM bokehbench_records WHERE substr(record_id, 1, ?) = ? "
            "ORDER BY record_id LIMIT 6",
            (len(prefix), prefix),
        )
        if not found or not prefix:
            raise self._unknown(prefix)
        if len(found) > 1:
            names = ", ".join(row[0] for row in found[:5]) + (", …" if len(found) > 5 else "")
            raise StoreError(
                f"{self.name}: several records start with {prefix}: {names}: give more of it"
            )
        return str(found[0][0])

    def _unknown(self, record_id: str) -> StoreError:
        return StoreError(
            f"{self.name}: there is no record {record_id!r}: list the records to see which are"
        )

    def _not_open(self, record_id: str) -> StoreError:
        query = "SELECT 1 FROM bokehbench_records WHERE record_id = ?"
        if self._db.rows(query, (record_id,)):
            return StoreError(
                f"{self.name}: record {record_id} is sealed and takes nothing more: "
                "begin a new record"
            )
        return self._unknown(record_id)
