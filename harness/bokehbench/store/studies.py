"""Studies of opinion: files of ratings kept whole under a name, read again by today's rules."""

import msgspec

from bokehbench.errors import StoreError
from bokehbench.store import blobs
from bokehbench.store.dialects import Database
from bokehbench.store.rows import insert, to_text

_PREFIX = "study:"


class Study(msgspec.Struct, frozen=True, kw_only=True):
    """How a file of ratings was read: `sha256` is of its bytes, which the store keeps."""

    name: str
    created: str
    source: str
    sha256: str
    votes: int
    scale: tuple[float, float]
    average_repeats: bool = False


def put_study(db: Database, study: Study, data: bytes, *, replace: bool) -> None:
    """Keeps a study and its bytes.

    Raises:
        StoreError: there is a study of that name with other content, and not `replace`.
    """
    key, value = _PREFIX + study.name, to_text(study, db.name)
    with db.transaction(write=True):
        blobs.put_blob(db, data)
        if insert(db, "bokehbench_store", {"key": key, "value": value}):
            return
        found = db.rows("SELECT value FROM bokehbench_store WHERE key = ?", (key,))
        if not replace and _read(found[0][0], db.name).sha256 != study.sha256:
            raise StoreError(
                f"{db.name}: there is a study {study.name!r} with other ratings: give another "
                "name, or --replace it"
            )
        db.change("UPDATE bokehbench_store SET value = ? WHERE key = ?", (value, key))


def list_studies(db: Database) -> list[Study]:
    """All studies by name."""
    with db.transaction(write=False):
        found = db.rows(
            "SELECT value FROM bokehbench_store WHERE substr(key, 1, ?) = ? ORDER BY key",
            (len(_PREFIX), _PREFIX),
        )
    return [_read(row[0], db.name) for row in found]


def get_study(db: Database, name: str) -> Study:
    """The study of that name.

    Raises:
        StoreError: there is none.
    """
    with db.transaction(write=False):
        found = db.rows("SELECT value FROM bokehbench_store WHERE key = ?", (_PREFIX + name,))
    if not found:
        known = ", ".join(study.name for study in list_studies(db)) or "none"
        raise StoreError(
            f"{db.name}: there is no study {name!r}, and no such file; studies: {known}; "
            "`bokehbench mos import` makes one"
        )
    return _read(found[0][0], db.name)


def _read(text: str, name: str) -> Study:
    try:
        return msgspec.json.decode(text, type=Study)
    except msgspec.MsgspecError as error:
        raise StoreError(f"{name}: a study was altered ({error}): import it again") from error
