"""The store's tables and the version that they carry.

History of the schema:
1: the first.
"""

from bokehbench.errors import NoStoreYet, StoreError
from bokehbench.store.dialects import Database

SCHEMA_VERSION = 1

_TABLES = (
    "CREATE TABLE bokehbench_store (key {text} PRIMARY KEY, value {text} NOT NULL)",
    """CREATE TABLE bokehbench_runs (
        run_id {text} PRIMARY KEY,
        created {text} NOT NULL,
        request {text} NOT NULL,
        state {text} NOT NULL,
        host {text},
        pid BIGINT,
        started {text})""",
    """CREATE TABLE bokehbench_records (
        record_id {text} PRIMARY KEY,
        run_id {text} NOT NULL REFERENCES bokehbench_runs (run_id),
        state {text} NOT NULL,
        evidence {text} NOT NULL,
        seal {text},
        derived {text},
        entries BIGINT NOT NULL,
        created {text} NOT NULL,
        label {text},
        model_name {text} NOT NULL,
        model_sha256 {text} NOT NULL,
        device_id {text} NOT NULL,
        device_address {text} NOT NULL,
        backend {text} NOT NULL,
        precision_name {text} NOT NULL,
        protocol {text} NOT NULL,
        timing_shape {text} NOT NULL,
        status {text},
        median_ms DOUBLE PRECISION,
        psnr DOUBLE PRECISION,
        score DOUBLE PRECISION)""",
    "CREATE INDEX bokehbench_records_created ON bokehbench_records (created, record_id)",
    "CREATE INDEX bokehbench_records_run ON bokehbench_records (run_id)",
    """CREATE TABLE bokehbench_journal (
        record_id {text} NOT NULL REFERENCES bokehbench_records (record_id),
        sequence BIGINT NOT NULL,
        kind {text} NOT NULL,
        entry {text} NOT NULL,
        PRIMARY KEY (record_id, sequence))""",
    """CREATE TABLE bokehbench_blobs (
        sha256 {text} PRIMARY KEY,
        size_bytes BIGINT NOT NULL,
        data {blob} NOT NULL)""",
)


def prepare(database: Database) -> None:
    """Makes the tables of a new store; checks the version of one that is there.

    Any number of processes may do this at once.

    Raises:
        StoreError: the store is of a newer schema or another program's, can't be written, or,
            for reading only, isn't there.
    """
    with database.transaction(write=False):
        there = _check(database)
    if database.readonly:
        if not there:
            raise no_store_yet(database.name)
        return
    if not there:
        database.before_tables()
    # Also for a store that is there: one that can't be written is refused now, not after the
    # first trial.
    with database.transaction(write=True):
        if there:
            return
        database.lock_tables()
        if _check(database):  # another process was faster
            return
        for statement in _TABLES:
            database.change(statement.format(text=database.text_type, blob=database.blob_type))
        database.change(
            "INSERT INTO bokehbench_store (key, value) VALUES ('schema', ?)",
            (str(SCHEMA_VERSION),),
        )


def no_store_yet(name: str) -> NoStoreYet:
    """The error of a store that was to be read before it was made."""
    return NoStoreYet(f"no store at {name} yet: `bokehbench run` makes it")


def _check(database: Database) -> bool:
    if not database.has_tables():
        return False
    found = database.rows("SELECT value FROM bokehbench_store WHERE key = 'schema'")
    version = found[0][0] if found else "unknown"
    if version != str(SCHEMA_VERSION):
        raise StoreError(
            f"{database.name}: the store's schema is {version}, this bokehbench knows "
            f"{SCHEMA_VERSION}: upgrade bokehbench, or name another store"
        )
    return True
