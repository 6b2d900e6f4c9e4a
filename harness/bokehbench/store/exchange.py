"""Records as JSON lines, out of one store and into another; nothing altered gets in."""

import base64
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any, TextIO

import msgspec

from bokehbench.errors import StoreError
from bokehbench.facts import RECORD_FORMAT, Derived, Evidence, canonical_json
from bokehbench.facts.record import evidence_from_json
from bokehbench.store import blobs, rows
from bokehbench.store.dialects import Database

_DIGEST = re.compile(r'"([0-9a-f]{64})"')
_SPOOL_BYTES = 16 << 20
LINE_LIMIT = 3 * blobs.MOST_BLOB_BYTES // 2
"""No line of an export is longer: base64 makes four characters of three bytes."""


class ImportCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What an import did: Records added, Records that were there already, blobs added."""

    imported: int
    skipped: int
    blobs: int


class _Entry(msgspec.Struct):
    """A line that was believed: a Record (`text` is its evidence), or a blob."""

    line: int
    text: str = ""
    seal: str | None = None
    derived: Derived | None = None
    blob: bytes = b""


def export_lines(
    db: Database,
    out: TextIO,
    records: Iterable[rows.Stored],
    derive: Callable[[Evidence], Derived] | None,
    with_blobs: bool,
) -> int:
    """Writes one line a Record, after the lines of the blobs that it names."""
    written: set[str] = set()
    count = 0
    for stored in records:
        if with_blobs:
            for digest in sorted(set(_DIGEST.findall(stored.text)) - written):
                _export_blob(db, out, digest, written)
        derived = stored.derived
        if derived is None and derive is not None:
            derived = derive(stored.evidence)
        # From the stored text: a later version's evidence may know more fields than were
        # there when the seal was made.
        flat = {**msgspec.json.decode(stored.text, type=dict[str, Any]), "seal": stored.seal}
        if derived is not None:
            flat |= msgspec.to_builtins(derived)
        out.write(canonical_json(flat) + "\n")
        count += 1
    return count


def _export_blob(db: Database, out: TextIO, digest: str, written: set[str]) -> None:
    with db.transaction(write=False):
        packed = blobs.get_packed(db, digest)
    if packed is not None:
        text = base64.b64encode(packed).decode()
        out.write(canonical_json({"blob": digest, "zlib_base64": text}) + "\n")
        written.add(digest)


class _Refused(Exception):
    """A line that is not taken, and why; who reads it knows where it came from."""


def import_lines(
    db: Database,
    lines: Iterable[str],
    derive: Callable[[Evidence], Derived] | None,
    source: str = "import",
) -> ImportCounts:
    """Checks every line, then adds all in one transaction; `source` is what a refusal names.

    Derived values are not sealed: `derive` makes them anew, so that nobody's edit is shown.

    The lines may come slowly, from a pipe, so they are read before the database is locked.
    """
    try:
        with tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES) as spool:
            _set_aside(lines, derive, spool, source)
            with db.transaction(write=True):
                return _add_all(db, spool)
    except _Refused as refused:
        raise StoreError(f"{source}: {refused}") from refused


def _set_aside(
    lines: Iterable[str],
    derive: Callable[[Evidence], Derived] | None,
    spool: IO[bytes],
    source: str,
) -> None:
    try:
        for entry in _entries(lines, derive):
            spool.write(msgspec.json.encode(entry) + b"\n")
        spool.seek(0)
    except OSError as error:
        raise StoreError(
            f"{source}: the lines can't be read or kept aside ({error}): check the file, and "
            f"free space in {tempfile.gettempdir()}"
        ) from error


def _entries(
    lines: Iterable[str], derive: Callable[[Evidence], Derived] | None
) -> Iterator[_Entry]:
    number = 0
    try:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield _entry(number, line, derive)
    except UnicodeError as error:
        raise _Refused(
            f"line {number + 1} is not UTF-8 text: give a file that `export` wrote"
        ) from error


def _entry(number: int, line: str, derive: Callable[[Evidence], Derived] | None) -> _Entry:
    try:
        value = msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _refused(number, f"is not JSON ({error})") from error
    if not isinstance(value, dict):
        raise _refused(number, "is not a JSON object")
    if "blob" in value:
        return _Entry(number, blob=_blob(number, value))
    form = value.get("format")
    if form != RECORD_FORMAT:
        raise _refused(number, f"has the format {form!r}, not {RECORD_FORMAT!r}")
    try:
        evidence = evidence_from_json(value)
        derived = msgspec.convert(value, Derived) if "rules" in value else None
        if derive is not None:
            derived = derive(evidence)
        seal = msgspec.convert(value.get("seal"), str | None)
    except msgspec.ValidationError as error:
        raise _refused(number, f"is no whole record ({error})") from error
    if seal is None:
        evidence = msgspec.structs.replace(evidence, finished=False)
        return _Entry(number, canonical_json(evidence), None, derived)
    # First as it was written, perhaps by a version with fewer fields; then in its canonical
    # form, because other programs write 10.0 as 10.
    fields = set(Evidence.__struct_fields__)
    written = {key: item for key, item in value.items() if key in fields}
    for text in (canonical_json(written), canonical_json(evidence)):
        if rows.sha256(text) == seal:
            return _Entry(number, text, seal, derived)
    raise _refused(number, f"record {evidence.record_id} was altered after it was sealed")


def _blob(number: int, value: dict[str, Any]) -> bytes:
    digest = value["blob"]
    try:
        data = blobs.unpack(base64.b64decode(str(value.get("zlib_base64")), validate=True), digest)
    except ValueError as error:
        raise _refused(number, f"is no blob ({error})") from error
    if data is None:
        raise _refused(number, f"blob {digest} was altered")
    return data


def _refused(number: int, problem: str) -> _Refused:
    return _Refused(f"line {number} {problem}: nothing was imported; export the file again")


def _add_all(db: Database, spool: IO[bytes]) -> ImportCounts:
    imported = skipped = added = 0
    for line in spool:
        entry = msgspec.json.decode(line, type=_Entry)
        if not entry.text:
            added += blobs.put_blob(db, entry.blob)[1]
        elif _add(db, entry):
            imported += 1
        else:
            skipped += 1
    return ImportCounts(imported=imported, skipped=skipped, blobs=added)


def _add(db: Database, entry: _Entry) -> bool:
    evidence = msgspec.json.decode(entry.text, type=Evidence)
    run = {
        "run_id": evidence.run_id,
        "created": evidence.created,
        "request": "{}",
        "state": "done",
    }
    rows.insert(db, "bokehbench_runs", run)
    if rows.insert_record(db, evidence, entry.text, entry.seal, entry.derived):
        return True
    query = "SELECT seal FROM bokehbench_records WHERE record_id = ?"
    known = db.rows(query, (evidence.record_id,))[0][0]
    if entry.seal and known and entry.seal != known:
        raise _refused(
            entry.line, f"record {evidence.record_id} has another seal than the one in {db.name}"
        )
    return False
