"""The gate at work: each record against its baseline, and a suspicion measured once more."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec.structs import replace

from bokehbench.analysis.baseline import Baseline, unlike
from bokehbench.analysis.gate import GateLook, TooLittle, look
from bokehbench.cli.output import note
from bokehbench.errors import UsageError
from bokehbench.facts import Record
from bokehbench.report.gate import GateResult, GateState

if TYPE_CHECKING:
    from bokehbench.store import Store


@dataclass(frozen=True)
class Gate:
    """A baseline, its limits, and where records are."""

    store: "Store"
    baseline: Baseline
    max_regression: float
    floor_ms: float
    allowed: tuple[str, ...]
    adb_server: str | None

    def records_of(self, run_id: str) -> list[Record]:
        """The finished records of a run.

        Raises:
            UsageError: there are none.
        """
        from bokehbench.store import RecordFilter

        rows = [
            row for row in self.store.list(RecordFilter(run_id=run_id)) if row.state == "sealed"
        ]
        if not rows:
            raise UsageError(f"--run {run_id}: no finished records in {self.store.name}")
        return [self.store.get(row.record_id) for row in reversed(rows)]

    def judge(
        self, records: Sequence[Record], confirm_run: str | None, *, rerun: bool
    ) -> list[GateResult]:
        """Judge all records; those suspected once more with the records of a fresh run.

        Raises:
            BokehbenchError: the fresh run could not be made.
        """
        first = [self._judge(record) for record in records]
        suspected = {r.record_id for r in first if r.state == "suspected"}
        if not suspected or not (confirm_run or rerun):
            return first
        if confirm_run is not None:
            if confirm_run == records[0].evidence.run_id:
                raise UsageError(
                    f"--confirm {confirm_run}: is the run that is judged; name another"
                )
            fresh = self.records_of(confirm_run)
        else:
            fresh = self._measure_again(records[0].evidence.run_id)
        return [
            self._confirmed(record, result, fresh) if record.record_id in suspected else result
            for record, result in zip(records, first, strict=True)
        ]

    def _judge(self, record: Record) -> GateResult:
        """The first look at one record."""
        if record.derived.status == "invalid":
            why = "; ".join(f.message for f in record.derived.findings if f.effect == "invalid")
            return self._result(record, "invalid", why)
        entry = self.baseline.find(record)
        if entry is None:
            return self._result(record, "new", "no baseline yet")
        if keys := unlike(entry, record, self.allowed):
            parts = [f"{key} ({was}, now {now})" for key, (was, now) in keys.items()]
            return self._result(record, "unlike", f"its baseline has another {', '.join(parts)}")
        history = [
            run.process_medians_ms for run in entry.runs if run.record_id != record.record_id
        ]
        try:
            seen = self._look(history, record)
        except TooLittle as error:
            return self._result(record, "too few", str(error))
        return replace(
            self._result(record, "suspected" if seen.suspected else "passed", _words(seen)),
            look=seen,
        )

    def _confirmed(self, record: Record, result: GateResult, fresh: Sequence[Record]) -> GateResult:
        """The second look: a regression only if the fresh run shows it too."""
        again = [other for other in fresh if _same(other, record)]
        entry = self.baseline.find(record)
        if not again or entry is None or again[0].derived.status == "invalid":
            return replace(result, message=f"{result.message}; the fresh run has no such record")
        history = [
            run.process_medians_ms
            for run in entry.runs
            if run.record_id not in (record.record_id, again[0].record_id)
        ]
        try:
            seen = self._look(history, again[0])
        except TooLittle as error:
            return replace(result, message=f"{result.message}; the fresh run: {error}")
        state: GateState = "regressed" if seen.suspected else "passed"
        word = "confirmed" if seen.suspected else "not confirmed"
        return replace(
            result,
            state=state,
            message=f"{result.message}; {word} by {again[0].evidence.run_id}: {_words(seen)}",
            confirmation=seen,
        )

    def _look(self, history: Sequence[Sequence[float]], record: Record) -> GateLook:
        return look(
            history,
            record.derived.latency.process_medians_ms,
            max_regression=self.max_regression,
            floor_ms=self.floor_ms,
        )

    def _result(self, record: Record, state: GateState, message: str) -> GateResult:
        evidence = record.evidence
        warnings = [
            f"{finding.code}: {finding.message}"
            for finding in record.derived.findings
            if finding.effect == "provisional"
        ]
        return GateResult(
            name=evidence.label or evidence.model.name,
            backend=evidence.backend,
            precision=evidence.precision,
            device=evidence.device.model or evidence.device.device_id,
            record_id=record.record_id,
            state=state,
            message=message,
            warnings=tuple(warnings),
        )

    def _measure_again(self, run_id: str) -> list[Record]:
        """The same request once more, without its images.

        Raises:
            UsageError: the store does not hold the request, or what it names has changed.
            DeviceError: the device is gone.
        """
        from dataclasses import replace as changed

        from bokehbench.cli.connect import connect
        from bokehbench.cli.measure import measure_quietly, new_run_id
        from bokehbench.cli.run import closing_all, equipped
        from bokehbench.session import resume

        prepared = []
        for stored in resume.stored_requests(self.store, run_id):
            connection = connect(stored["device"], stored["profile"], self.adb_server)
            request = changed(resume.rebuild(stored, run_id, "--run"), dataset=None)
            prepared.append(equipped(connection, request))
        fresh = new_run_id()
        note(f"suspected: measuring again as run {fresh}")
        with closing_all(prepared):
            return list(measure_quietly(prepared, self.store, fresh))


def _same(first: Record, second: Record) -> bool:
    a, b = first.evidence, second.evidence
    keys = ("backend", "precision", "label")
    alike = all(getattr(a, key) == getattr(b, key) for key in keys)
    return alike and a.model.sha256 == b.model.sha256 and a.device.device_id == b.device.device_id


def _words(seen: GateLook) -> str:
    if seen.below_floor:
        return f"{seen.run_ms - seen.baseline_ms:+.3f} ms is below the floor"
    return (
        f"{seen.ratio - 1:+.2%} against a limit of {seen.bound - 1:+.2%} "
        f"({seen.baseline_runs} runs of history, spread {seen.between_deviation:.2%})"
    )
