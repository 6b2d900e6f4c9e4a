"""A SQLite file as a store's database."""

import sqlite3
import stat
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from bokehbench.errors import StoreError
from bokehbench.store.dialects import ELSEWHERE, Database, Row
from bokehbench.store.urls import SqliteLocation


class SqliteDatabase(Database):
    """A SQLite file: many readers and one writer at a time, from any number of processes."""

    errors = (sqlite3.Error,)
    text_type = "TEXT"
    blob_type = "BLOB"

    def __init__(self, location: SqliteLocation, *, busy_seconds: float, readonly: bool) -> None:
        super().__init__(location.name, busy_seconds=busy_seconds, readonly=readonly)
        self._path = location.path
        try:
            self._connection = self._connect("ro" if readonly else "rwc")
        except sqlite3.Error as error:
            raise self.fault(error) from error

    def _connect(self, mode: str) -> sqlite3.Connection:
        if mode == "rwc":
            # FULL: a trial that was appended survives a power cut, not only a crash.
            return self._open("mode=rwc", "PRAGMA synchronous=FULL", "PRAGMA foreign_keys=ON")
        try:
            return self._open("mode=ro", "SELECT count(*) FROM sqlite_master")
        except sqlite3.OperationalError:
            if self._path.with_name(self._path.name + "-wal").exists():
                raise
            # A file with a write-ahead log needs a writable folder even to be read, unless
            # SQLite is told that nobody writes; without a log beside it nobody does.
            return self._open("mode=ro&immutable=1")

    def _open(self, parameters: str, *statements: str) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{self._path.as_uri()}?{parameters}",
            uri=True,
            timeout=self.busy_seconds,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            for statement in statements:
                connection.execute(statement).fetchall()
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        return self._connection.execute(sql, values).fetchall()

    def change(self, sql: str, values: Sequence[Any] = ()) -> int:
        return self._connection.execute(sql, values).rowcount

    def has_tables(self) -> bool:
        names = {row[0] for row in self.rows("SELECT name FROM sqlite_master WHERE type='table'")}
        if names and "bokehbench_store" not in names:
            raise StoreError(
                f"{self.name}: is a database of another program: name another file for the store"
            )
        return bool(names)

    def before_tables(self) -> None:
        # SQLite does not wait for the change to a write-ahead log as it waits for locks.
        deadline = time.monotonic() + self.busy_seconds
        with self._lock:
            while True:
                try:
                    self._connection.execute("PRAGMA journal_mode=WAL").fetchall()
                    return
                except sqlite3.Error as error:
                    if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                        raise self.fault(error) from error
                time.sleep(0.02)

    def lock_tables(self) -> None:
        pass  # BEGIN IMMEDIATE has done it

    def _begin(self, write: bool) -> None:
        self._command("BEGIN IMMEDIATE" if write else "BEGIN")

    def _command(self, sql: str) -> None:
        self._connection.execute(sql)

    def _abandon(self) -> None:
        with suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.rollback()

    def _disconnect(self) -> None:
        self._connection.close()

    def _explain(self, error: BaseException) -> str:
        folder = self._path.parent
        code = _code(error)
        if _kind(self._path) == "folder":
            return "is a folder: name a file in it"
        if _kind(folder) == "missing":
            return f"its folder is missing: make it with `mkdir -p {folder}`, {ELSEWHERE}"
        known = {
            sqlite3.SQLITE_FULL: f"the disk is full: free space in {folder}, {ELSEWHERE}",
            sqlite3.SQLITE_BUSY: f"another process held it locked for {self.busy_seconds:g} s: "
            f"wait until that ends, {ELSEWHERE}",
            sqlite3.SQLITE_READONLY: "can't be written: give yourself the right to write the file "
            f"and its folder, {ELSEWHERE}",
            sqlite3.SQLITE_PERM: f"access was refused: check the file's rights, {ELSEWHERE}",
            sqlite3.SQLITE_CANTOPEN: "can't be opened: give yourself the right to read and write "
            f"the file and its folder, {ELSEWHERE}",
            sqlite3.SQLITE_NOTADB: "is not a SQLite database: name another file for the store",
            sqlite3.SQLITE_CORRUPT: "is damaged: restore a copy, or save what can be read with "
            f"`sqlite3 {self._path} .recover`",
            sqlite3.SQLITE_IOERR: "the disk refused to read or write: check free space, quota and "
            f"file size limit of {folder}, {ELSEWHERE}",
        }
        advice = f"check the file, {ELSEWHERE}"
        return known.get(code, f"{' '.join(str(error).split())}: {advice}")


def _kind(path: Path) -> Literal["missing", "folder", "other"]:
    try:
        return "folder" if stat.S_ISDIR(path.stat().st_mode) else "other"
    except (FileNotFoundError, NotADirectoryError):
        return "missing"
    except OSError:
        return "other"


def _code(error: BaseException) -> int:
    """SQLite's primary result code: the low byte of what it reports."""
    return int(getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF
