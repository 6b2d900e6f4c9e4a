"""Records and their journals as rows: written, joined, and checked against their seals."""

import hashlib
from typing import Any

import msgspec

from bokehbench.errors import StoreError
from bokehbench.facts import (
    Conditions,
    Derived,
    Evidence,
    HostRun,
    ImageScore,
    RunnerFacts,
    Trial,
    canonical_json,
)
from bokehbench.store.dialects import Database

JournalEntry = Trial | ImageScore | Conditions | HostRun | RunnerFacts
"""What is appended to an open Record. A Trial's `purpose` and `mode` say where it belongs.

HostRun and RunnerFacts are of the whole Record: the last one counts.
"""

_KINDS: dict[str, tuple[type[JournalEntry], str]] = {
    "conditions": (Conditions, "conditions"),
    "time": (Trial, "trials"),
    "images": (Trial, "image_trials"),
    "reference_before": (Trial, "reference_before"),
    "reference_after": (Trial, "reference_after"),
    "sustained": (Trial, "sustained"),
    "score": (ImageScore, "images"),
}
"""Kind of a journal's row -> its type, and the field of Evidence that it is added to."""

_SINGLE_KINDS: dict[str, type[HostRun] | type[RunnerFacts]] = {
    "host_run": HostRun,
    "runner": RunnerFacts,
}
"""Kind of a journal's row, which is also the field of Evidence that it replaces -> its type."""


class Stored(msgspec.Struct, frozen=True):
    """One Record as it lies in the database. `text` is the evidence, as hashed if sealed."""

    record_id: str
    seal: str | None
    text: str
    evidence: Evidence
    derived: Derived | None


def sha256(text: str) -> str:
    """sha256 of a text's UTF-8 bytes, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def to_text(value: Any, name: str) -> str:
    """Canonical JSON that surely is UTF-8.

    Raises:
        StoreError: a number isn't finite, or a text holds half a character.
    """
    try:
        text = canonical_json(value)
        text.encode()
    except ValueError as error:
        raise StoreError(
            f"{name}: {type(value).__name__} can't be stored ({error}): leave out "
            "numbers that are not finite and text that is not UTF-8"
        ) from error
    return text


def derived_columns(derived: Derived | None, name: str) -> dict[str, Any]:
    """The columns that are made of derived values."""
    if derived is None:
        return dict.fromkeys(("derived", "status", "median_ms", "psnr", "score"))
    return {
        "derived": to_text(derived, name),
        "status": derived.status,
        "median_ms": derived.latency.median_ms,
        "psnr": derived.fidelity.psnr if derived.fidelity else None,
        "score": derived.score,
    }


def evidence_columns(evidence: Evidence, text: str) -> dict[str, Any]:
    """The columns that are made of evidence, whose text is `text`."""
    return {
        "evidence": text,
        "created": _plain(evidence.created),
        "label": None if evidence.label is None else _plain(evidence.label),
        "model_name": _plain(evidence.model.name),
        "model_sha256": evidence.model.sha256,
        "device_id": _plain(evidence.device.device_id),
        "device_address": _plain(evidence.device.address),
        "backend": evidence.backend,
        "precision_name": evidence.precision,
        "protocol": _plain(evidence.protocol.name),
        "timing_shape": "x".join(map(str, evidence.timing_shape)),
    }


def _plain(text: str) -> str:
    # PostgreSQL's text holds no NUL; the evidence, being JSON, has it escaped.
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def insert(db: Database, table: str, columns: dict[str, Any]) -> int:
    """Adds a row unless its key is taken; the count of rows added."""
    marks = ", ".join("?" * len(columns))
    return db.change(
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks}) ON CONFLICT DO NOTHING",
        tuple(columns.values()),
    )


def update_record(db: Database, record_id: str, columns: dict[str, Any], where: str = "") -> int:
    """Sets columns of one Record's row; the count of rows changed."""
    words = ", ".join(f"{name} = ?" for name in columns)
    return db.change(
        f"UPDATE bokehbench_records SET {words} WHERE record_id = ? {where}",
        (*columns.values(), record_id),
    )


def append(db: Database, record_id: str, entries: tuple[JournalEntry, ...]) -> bool:
    """Adds rows to an open Record's journal; False if there is no such open Record."""
    # The update comes first: its row lock makes appenders of one Record take turns.
    if not db.change(
        "UPDATE bokehbench_records SET entries = entries + ? WHERE record_id = ? AND state = ?",
        (len(entries), record_id, "open"),
    ):
        return False
    query = "SELECT entries FROM bokehbench_records WHERE record_id = ?"
    first = db.rows(query, (record_id,))[0][0] - len(entries)
    for sequence, entry in enumerate(entries, first):
        insert(
            db,
            "bokehbench_journal",
            {
                "record_id": record_id,
                "sequence": sequence,
                "kind": _kind(entry),
                "entry": to_text(entry, db.name),
            },
        )
    return True


def _kind(entry: JournalEntry) -> str:
    if isinstance(entry, Trial):
        return entry.mode if entry.purpose == "model" else entry.purpose
    kinds = {kind: entry_type for kind, (entry_type, _) in _KINDS.items()} | _SINGLE_KINDS
    return next(kind for kind, entry_type in kinds.items() if isinstance(entry, entry_type))


def load(db: Database, record_id: str) -> Stored | None:
    """A Record with its seal checked; an open one is joined from its start and its journal.

    Raises:
        StoreError: it was altered after it was sealed, or can't be understood.
    """
    query = "SELECT state, evidence, seal, derived FROM bokehbench_records WHERE record_id = ?"
    found = db.rows(query, (record_id,))
    if not found:
        return None
    state, text, seal, derived_text = found[0]
    if state == "sealed" and sha256(text) != seal:
        raise _altered(db, record_id)
    try:
        evidence = msgspec.json.decode(text, type=Evidence)
        if state != "sealed":
            evidence = _with_journal(db, record_id, evidence)
            text, seal = canonical_json(evidence), None
    except msgspec.DecodeError as error:
        raise StoreError(
            f"{db.name}: record {record_id} can't be read ({error}): read it with the version of "
            "bokehbench that wrote it"
        ) from error
    if evidence.record_id != record_id:
        raise _altered(db, record_id)
    try:
        derived = derived_text and msgspec.json.decode(derived_text, type=Derived)
    except msgspec.DecodeError:
        derived = None  # other rules wrote it; it can be derived again
    return Stored(record_id, seal, text, evidence, derived or None)


def _altered(db: Database, record_id: str) -> StoreError:
    return StoreError(
        f"{db.name}: record {record_id} was altered after it was sealed: don't use its numbers; "
        "import it again from an export, or measure again"
    )


def _with_journal(db: Database, record_id: str, evidence: Evidence) -> Evidence:
    fields: dict[str, list[Any]] = {}
    single: dict[str, Any] = {}
    for kind, entry in db.rows(
        "SELECT kind, entry FROM bokehbench_journal WHERE record_id = ? ORDER BY sequence",
        (record_id,),
    ):
        if kind in _SINGLE_KINDS:
            single[kind] = msgspec.json.decode(entry, type=_SINGLE_KINDS[kind])
            continue
        entry_type, field = _KINDS[kind]
        value = msgspec.json.decode(entry, type=entry_type)
        fields.setdefault(field, []).append(value)
    joined = {field: (*getattr(evidence, field), *more) for field, more in fields.items()}
    return msgspec.structs.replace(evidence, **joined, **single)


def missing_entries(stored: Evidence, given: Evidence) -> tuple[JournalEntry, ...]:
    """What `given` holds and `stored` does not, in the order of a journal."""
    missing: list[JournalEntry] = []
    for field in dict.fromkeys(field for _, field in _KINDS.values()):
        known = getattr(stored, field)
        missing += [entry for entry in getattr(given, field) if entry not in known]
    for field in _SINGLE_KINDS:
        value = getattr(given, field)
        if value is not None and value != getattr(stored, field):
            missing.append(value)
    return tuple(missing)


def insert_record(
    db: Database, evidence: Evidence, text: str, seal: str | None, derived: Derived | None
) -> bool:
    """Adds a Record, sealed if it has a seal; False if its identifier is taken."""
    columns = {
        "record_id": evidence.record_id,
        "run_id": evidence.run_id,
        "state": "sealed" if seal else "open",
        "seal": seal,
        "entries": 0,
        **evidence_columns(evidence, text),
        **derived_columns(derived, db.name),
    }
    return bool(insert(db, "bokehbench_records", columns))
