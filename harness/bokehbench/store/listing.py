"""Which Records and runs there are, a page at a time, without reading their evidence."""

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from bokehbench.errors import StoreError
from bokehbench.facts.derived import Status
from bokehbench.store.dialects import Database, Row
from bokehbench.store.owner import Owner

RecordState = Literal["sealed", "open", "running", "incomplete"]
"""`running`: its process lives on this host. `incomplete`: nobody works on it any more.
`open`: not sealed, and its run belongs to another host, which alone knows more."""

RunState = Literal["running", "open", "incomplete", "interrupted", "done"]
"""As RecordState; `interrupted` and `done` are how the run itself said that it ended."""


class RecordFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which Records; what is None does not matter.

    `model` is a model's name, a label, or the first 6 or more digits of the model's sha256.
    `device` is a device_id or an address. `limit` takes the newest so many.
    """

    run_id: str | None = None
    model: str | None = None
    device: str | None = None
    backend: str | None = None
    limit: int | None = None


class RecordRow(msgspec.Struct, frozen=True, kw_only=True):
    """One Record in a listing. What is derived is None until someone has derived it.

    `median_ms` in milliseconds, `psnr` in dB.
    """

    record_id: str
    run_id: str
    created: str
    label: str | None
    model_name: str
    model_sha256: str
    device_id: str
    device_address: str
    backend: str
    precision: str
    protocol: str
    timing_shape: tuple[int, ...]
    state: RecordState
    status: Status | None
    median_ms: float | None
    psnr: float | None
    score: float | None

    @property
    def name(self) -> str:
        """The label, or else the model's name."""
        return self.label or self.model_name


class RunRow(msgspec.Struct, frozen=True, kw_only=True):
    """One run in a listing. `owner` is None for a run that was imported."""

    run_id: str
    created: str
    state: RunState
    request: dict[str, Any]
    owner: Owner | None
    records: int


_PAGE_ROWS = 200

_COLUMNS = (
    "record_id, r.run_id, r.created, label, model_name, model_sha256, device_id, device_address, "
    "backend, precision_name, protocol, timing_shape, r.state, status, median_ms, psnr, score, "
    "u.state, host, pid, started"
)

# Equal times come in the order of identifiers, so that a page can start after a row.
_PAGE = (
    f"SELECT {_COLUMNS} FROM bokehbench_records r JOIN bokehbench_runs u ON u.run_id = r.run_id "
    "WHERE {where} ORDER BY r.created DESC, record_id DESC LIMIT ?"
)


class Lives:
    """Whose process lives, asked once an owner."""

    def __init__(self) -> None:
        self._known: dict[Owner, bool | None] = {}

    def run_state(self, state: str, owner: Owner | None) -> RunState:
        """What a stored state means now."""
        if state == "done":
            return "done"
        if state == "interrupted" or owner is None:
            return "interrupted"
        if owner not in self._known:
            self._known[owner] = owner.alive()
        alive = self._known[owner]
        if alive is None:
            return "open"
        return "running" if alive else "incomplete"


def owner_of(host: str | None, pid: int | None, started: str | None) -> Owner | None:
    """The owner in a run's columns."""
    if host is None or pid is None or started is None:
        return None
    return Owner(host=host, pid=pid, started=started)


def list_records(db: Database, which: RecordFilter) -> Iterator[RecordRow]:
    """The Records that `which` names, newest first, one page in memory at a time.

    No lock and no transaction is held between pages.

    Raises:
        StoreError: the database can't be read, or the filter says nothing that can be.
    """
    conditions, values = _conditions(which)
    left = which.limit
    after: tuple[str, ...] = ()
    lives = Lives()
    while left is None or left > 0:
        where = list(conditions)
        if after:
            where.append("(r.created < ? OR (r.created = ? AND record_id < ?))")
        count = _PAGE_ROWS if left is None else min(left, _PAGE_ROWS)
        query = _PAGE.format(where=" AND ".join(where) or "1 = 1")
        with db.transaction(write=False):
            page = db.rows(query, (*values, *after, count))
        for row in page:
            yield _record_row(row, lives)
        if len(page) < count:
            return
        record_id, _, created = page[-1][:3]
        after = (created, created, record_id)
        left = None if left is None else left - len(page)


def _conditions(which: RecordFilter) -> tuple[list[str], list[Any]]:
    if which.limit is not None and which.limit < 0:
        raise StoreError(f"a limit of {which.limit} records: give 0 or more")
    conditions: list[str] = []
    values: list[Any] = []
    for column, value in (("r.run_id", which.run_id), ("backend", which.backend)):
        if value is not None:
            conditions.append(f"{column} = ?")
            values.append(value)
    if which.device is not None:
        conditions.append("(device_id = ? OR device_address = ?)")
        values += [which.device, which.device]
    if which.model is not None:
        words = "model_name = ? OR label = ?"
        values += [which.model, which.model]
        if len(which.model) >= 6:
            words += " OR substr(model_sha256, 1, ?) = ?"
            values += [len(which.model), which.model.lower()]
        conditions.append(f"({words})")
    return conditions, values


def _record_row(row: Row, lives: Lives) -> RecordRow:
    state: RecordState = "sealed"
    if row[12] != "sealed":
        run = lives.run_state(row[17], owner_of(*row[18:21]))
        state = run if run in ("running", "open") else "incomplete"
    return RecordRow(
        record_id=row[0],
        run_id=row[1],
        created=row[2],
        label=row[3],
        model_name=row[4],
        model_sha256=row[5],
        device_id=row[6],
        device_address=row[7],
        backend=row[8],
        precision=row[9],
        protocol=row[10],
        timing_shape=tuple(int(size) for size in row[11].split("x") if size),
        state=state,
        status=row[13],
        median_ms=row[14],
        psnr=row[15],
        score=row[16],
    )


def list_runs(db: Database) -> Iterator[RunRow]:
    """All runs, newest first."""
    with db.transaction(write=False):
        rows = db.rows(
            "SELECT run_id, created, state, request, host, pid, started, (SELECT count(*) FROM "
            "bokehbench_records r WHERE r.run_id = u.run_id) FROM bokehbench_runs u "
            "ORDER BY created DESC, run_id DESC"
        )
    lives = Lives()
    for run_id, created, state, request, host, pid, started, records in rows:
        owner = owner_of(host, pid, started)
        yield RunRow(
            run_id=run_id,
            created=created,
            state=lives.run_state(state, owner),
            request=msgspec.json.decode(request, type=dict[str, Any]),
            owner=owner,
            records=records,
        )
