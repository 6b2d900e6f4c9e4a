"""Records in a database: SQLite file by default, PostgreSQL by URL; evidence blobs by sha256."""

from bokehbench.errors import StoreError
from bokehbench.store.database import Derive, Store
from bokehbench.store.dialects import Database
from bokehbench.store.exchange import LINE_LIMIT, ImportCounts
from bokehbench.store.listing import RecordFilter, RecordRow, RecordState, RunRow, RunState
from bokehbench.store.owner import Owner, this_process
from bokehbench.store.rows import JournalEntry
from bokehbench.store.schema import no_store_yet
from bokehbench.store.studies import Study
from bokehbench.store.urls import SqliteLocation, default_path, locate

__all__ = [
    "LINE_LIMIT",
    "Derive",
    "ImportCounts",
    "JournalEntry",
    "Owner",
    "RecordFilter",
    "RecordRow",
    "RecordState",
    "RunRow",
    "RunState",
    "SqliteLocation",
    "Store",
    "Study",
    "default_path",
    "locate",
    "open_store",
    "this_process",
]


def open_store(
    url: str | None = None,
    *,
    readonly: bool = False,
    derive: Derive | None = None,
    busy_seconds: float = 30.0,
) -> Store:
    """Opens a store, and makes it if it isn't there and may be written.

    `url` is None (the user's own SQLite file), a file's path, `sqlite:PATH`,
    `sqlite:///ABSOLUTE/PATH`, or `postgresql://USER:PASSWORD@HOST/DATABASE`. `derive` makes
    derived values for Records that were stored without them, as a killed run leaves them.
    `busy_seconds` is how long to wait for other processes' writes.

    Raises:
        StoreError: the store can't be opened, made or written, is another program's or of a
            newer version, or, for reading only, isn't there. One line, never with a password.
    """
    location = locate(url if url is not None else str(default_path()))
    database: Database
    if isinstance(location, SqliteLocation):
        # Each driver is imported when it is needed.
        from bokehbench.store.sqlite import SqliteDatabase

        path = location.path
        try:
            if url is None and not readonly:
                path.parent.mkdir(parents=True, exist_ok=True)
            there = path.exists()
            usable = path.is_file() or path.is_dir()
        except OSError as error:
            raise StoreError(
                f"{path}: its folder can't be made or read ({error.strerror}): give yourself the "
                "right to, or name another store"
            ) from error
        if there and not usable:
            raise StoreError(f"{path}: is a pipe or a device: name a file for the store")
        if readonly and not there:
            raise no_store_yet(location.name)
        database = SqliteDatabase(location, busy_seconds=busy_seconds, readonly=readonly)
    else:
        from bokehbench.store.postgres import PostgresDatabase

        database = PostgresDatabase(location, busy_seconds=busy_seconds, readonly=readonly)
    try:
        return Store(database, derive)
    except BaseException:
        database.close()
        raise
