"""A PostgreSQL database as a store's database."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bokehbench.errors import StoreError
from bokehbench.store.dialects import ELSEWHERE, Database, Row
from bokehbench.store.urls import PostgresLocation

if TYPE_CHECKING:
    import psycopg

# Any number will do that all copies of bokehbench agree on.
_TABLES_LOCK = 0x626F6B6568


class PostgresDatabase(Database):
    """A PostgreSQL database; an idle connection that was lost is made anew."""

    # COLLATE "C": identifiers and times compare byte by byte, as they do in SQLite.
    text_type = 'TEXT COLLATE "C"'
    blob_type = "BYTEA"

    def __init__(self, location: PostgresLocation, *, busy_seconds: float, readonly: bool) -> None:
        super().__init__(location.name, busy_seconds=busy_seconds, readonly=readonly)
        try:
            import psycopg
        except ImportError as error:
            raise StoreError(
                f"{self.name}: PostgreSQL's driver is missing: "
                "pip install '.[postgresql]' in the checkout"
            ) from error
        self.errors = (psycopg.Error,)
        self._location = location
        self._connection = self._connect()

    def _connect(self) -> "psycopg.Connection[Row]":
        import psycopg
        from psycopg.conninfo import conninfo_to_dict, make_conninfo

        try:
            given = conninfo_to_dict(self._location.url)
        except psycopg.Error:
            # libpq quotes the part that it can't read, which may be the password.
            raise StoreError(
                f"{self.name}: the URL can't be read: check its form, "
                "postgresql://USER:PASSWORD@HOST:PORT/DATABASE, special characters as %XX"
            ) from None
        defaults = {
            "application_name": "bokehbench",
            "connect_timeout": "10",
            "keepalives_idle": "30",
            "tcp_user_timeout": str(int(self.busy_seconds * 1000)),
        }
        info = make_conninfo("", **{**defaults, **given, "client_encoding": "UTF8"})
        try:
            # Prepared statements don't survive a pooler that shares connections.
            connection = psycopg.connect(info, autocommit=True, prepare_threshold=None)
        except psycopg.Error as error:
            raise StoreError(
                f"{self.name}: no connection: {self._location.scrub(str(error))}; check host, "
                "port, database, user and password, and that the server runs"
            ) from None
        encoding = connection.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            connection.close()
            raise StoreError(
                f"{self.name}: the database's encoding is {encoding}: make one with "
                "`createdb -T template0 -E UTF8 NAME`"
            )
        return connection

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        return self._connection.execute(sql.replace("?", "%s"), values).fetchall()

    def change(self, sql: str, values: Sequence[Any] = ()) -> int:
        return self._connection.execute(sql.replace("?", "%s"), values).rowcount

    def has_tables(self) -> bool:
        # Not to_regclass(): it answers from a cache which waiting for lock_tables() does not
        # refresh, so that the second of two processes would make the tables again.
        query = (
            "SELECT count(*) FROM pg_catalog.pg_tables "
            "WHERE tablename = 'bokehbench_store' AND schemaname = ANY (current_schemas(false))"
        )
        return bool(self.rows(query)[0][0])

    def before_tables(self) -> None:
        pass

    def lock_tables(self) -> None:
        self.rows("SELECT pg_advisory_xact_lock(?)", (_TABLES_LOCK,))

    def _begin(self, write: bool) -> None:
        # Readers see one moment in all statements, as in SQLite.
        words = "READ WRITE" if write else "ISOLATION LEVEL REPEATABLE READ READ ONLY"
        start = (
            f"BEGIN {words}; SET LOCAL lock_timeout = {int(self.busy_seconds * 1000)}; "
            "SET LOCAL synchronous_commit = on"
        )
        if self._connection.closed:
            self._connection = self._connect()
        try:
            self._command(start)
        except self.errors:
            if not self._connection.closed:
                raise
            # Nothing was asked of the lost connection yet, so nothing is done twice.
            self._connection = self._connect()
            self._command(start)

    def _command(self, sql: str) -> None:
        self._connection.execute(sql)

    def _abandon(self) -> None:
        try:
            if not self._connection.closed:
                self._connection.rollback()
        except self.errors:
            self._connection.close()

    def _disconnect(self) -> None:
        self._connection.close()

    def _explain(self, error: BaseException) -> str:
        state = getattr(error, "sqlstate", None) or ""
        said = self._location.scrub(str(error))
        cures = {
            "53100": "the server's disk is full: free space there",
            "55P03": f"another session held a lock for {self.busy_seconds:g} s: end it",
            "42501": "the role may not do this: grant it CREATE on the schema, or own the tables",
            "25006": "the server takes no writes: connect to the primary",
        }
        if state in cures:
            return f"{said}: {cures[state]}, {ELSEWHERE}"
        if self._connection.closed or state.startswith(("08", "57P")):
            return f"the connection was lost ({said}): check that the server runs, then go on"
        return f"{said}: check the database, {ELSEWHERE}"
