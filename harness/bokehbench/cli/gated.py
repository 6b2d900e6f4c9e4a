"""What a gate judges: a run's records, those that were never finished, and what it lacks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

from bokehbench.cli.select import by_todays_rules
from bokehbench.errors import UsageError
from bokehbench.facts import Record
from bokehbench.report.gate import GateResult, GateState

if TYPE_CHECKING:
    from bokehbench.analysis.baseline import Baseline
    from bokehbench.store import RunRow, Store


@dataclass(frozen=True)
class GatedRun:
    """A run as the store holds it.

    `records` are its finished ones, oldest first, by today's rules. `open_records` were begun and
    not finished; `unbegun` are results of devices whose turn never came.
    """

    run_id: str
    records: tuple[Record, ...]
    open_records: tuple[Record, ...] = ()
    unbegun: tuple[GateResult, ...] = ()
    running: bool = False

    @property
    def incomplete(self) -> list[GateResult]:
        """A result for each record that there should be and that was not finished."""
        why = _unfinished(self.run_id, self.running)
        found = [result_of(record, "incomplete", why, ()) for record in self.open_records]
        return [*found, *self.unbegun]


def newest_run(store: "Store") -> str:
    """The run of the newest record, finished or not, or a newer one that has none yet.

    Raises:
        UsageError: the store is empty.
    """
    from bokehbench.store import RecordFilter

    newest = [(row.created, row.run_id) for row in store.list(RecordFilter(limit=1))]
    newest += [
        (run.created, run.run_id)
        for run in store.runs()
        if not run.records and run.state != "done" and "devices" in run.request
    ]
    if not newest:
        raise UsageError(f"{store.name}: holds no record; measure with `bokehbench run` first")
    return max(newest)[1]


def read_run(store: "Store", run_id: str, option: str = "--run") -> GatedRun:
    """All of a run.

    Raises:
        UsageError: there is no such run, or nothing in it; the message names `option`.
    """
    from bokehbench.store import RecordFilter

    rows = list(store.list(RecordFilter(run_id=run_id)))[::-1]
    run = next((run for run in store.runs() if run.run_id == run_id), None)
    running = run is not None and run.state == "running"
    began = {row.record_id for row in rows}
    unbegun = tuple(_unbegun(run, began)) if run is not None and run.state != "done" else ()
    if not rows and not unbegun:
        raise UsageError(f"{option} {run_id}: no records of it in {store.name}")
    records = {row.record_id: by_todays_rules(store.get(row.record_id)) for row in rows}
    return GatedRun(
        run_id=run_id,
        records=tuple(records[row.record_id] for row in rows if row.state == "sealed"),
        open_records=tuple(records[row.record_id] for row in rows if row.state != "sealed"),
        unbegun=unbegun,
        running=running,
    )


def _unbegun(run: "RunRow", began: set[str]) -> Iterator[GateResult]:
    """Devices of which no record was begun: lost, or never reached, before their first process.

    Where one was begun, the open ones tell; a fallback that nobody needed never begins.
    """
    for stored in run.request.get("devices", ()):
        planned = stored["records"]
        if any(record_id in began for record_id, *_ in planned):
            continue
        models = stored["models"]
        for record_id, model_index, backend, _engine, precision, *_ in planned:
            model = models[model_index]
            yield GateResult(
                name=model["label"] or PurePath(model["path"]).stem,
                backend=backend,
                precision=precision,
                device=stored["device"],
                record_id=record_id,
                run_id=run.run_id,
                state="incomplete",
                message=f"not begun, {_unfinished(run.run_id, run.state == 'running')}",
            )


def _unfinished(run_id: str, running: bool) -> str:
    if running:
        return "its run is still going on; judge it when it has ended"
    return f"its run was not finished: `bokehbench run --resume {run_id}` goes on, or measure anew"


def unmeasured(
    baseline: "Baseline", records: Sequence[Record], run_id: str, *, required: bool
) -> list[GateResult]:
    """The baseline's entries of the judged devices of which the run has no record.

    Args:
        records: all of the run, finished or not.
        required: such an entry fails.
    """
    names = {r.evidence.device.device_id: _device(r) for r in records}
    state: GateState = "missing" if required else "unmeasured"
    app = " in the app"
    return [
        GateResult(
            name=entry.name,
            backend=entry.backend,
            precision=entry.precision,
            device=names[entry.likeness["device"]],
            record_id=None,
            run_id=run_id,
            state=state,
            message="the baseline has it"
            + (app if entry.likeness.get("launch") == "app" else "")
            + ", the run does not",
        )
        for entry in baseline.lacking(records)
    ]


def result_of(
    record: Record, state: GateState, message: str, warnings: tuple[str, ...]
) -> GateResult:
    """A result under a record's own names."""
    evidence = record.evidence
    return GateResult(
        name=evidence.label or evidence.model.name,
        backend=evidence.backend,
        precision=evidence.precision,
        device=_device(record),
        record_id=record.record_id,
        run_id=evidence.run_id,
        state=state,
        message=message,
        warnings=warnings,
    )


def _device(record: Record) -> str:
    device = record.evidence.device
    return device.model or device.device_id
