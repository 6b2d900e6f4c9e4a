"""The gate at work: each record against its baseline, and a suspicion measured once more."""

from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from bokehbench.analysis.baseline import Baseline, unlike
from bokehbench.analysis.gate import GateLook, TooLittle, look
from bokehbench.analysis.latency import MIN_PROCESSES
from bokehbench.cli.gated import GatedRun, read_run, result_of, unmeasured
from bokehbench.cli.output import note
from bokehbench.cli.select import by_todays_rules
from bokehbench.errors import BokehbenchError, UsageError
from bokehbench.facts import Record
from bokehbench.report.gate import GateResult, GateState
from bokehbench.text import counted

if TYPE_CHECKING:
    from bokehbench.store import Store


@dataclass(frozen=True)
class Gate:
    """A baseline, its limits, and where records are.

    `update`: the baseline will be extended, so a device that it does not know is a new one.
    """

    store: "Store"
    baseline: Baseline
    max_regression: float
    floor_ms: float
    allowed: tuple[str, ...]
    adb_server: str | None
    profile_dir: Path | None = None
    update: bool = False

    def judge(
        self, run: GatedRun, confirm_run: str | None, *, rerun: bool, require_all: bool = False
    ) -> tuple[list[GateResult], BokehbenchError | None]:
        """Judge all of a run; what is suspected once more with the records of a fresh run.

        Args:
            require_all: an entry of the baseline that the run has no record of fails.

        Returns:
            The results, and why the fresh run could not be made or was not whole.

        Raises:
            UsageError: `confirm_run` is the run that is judged, or has no records.
            KeyboardInterrupt: the fresh run was cut short; how to go on was said.
        """
        records = run.records
        first = [self._judge(record) for record in records]
        begun = (*records, *run.open_records)
        others = run.incomplete
        others += unmeasured(self.baseline, begun, run.run_id, required=require_all)
        suspected = {
            record.record_id
            for record, result in zip(records, first, strict=True)
            if result.state == "suspected"
        }
        if not suspected or not (confirm_run or rerun):
            return [*first, *others], None
        error: BokehbenchError | None = None
        fresh: Sequence[Record] = []
        cut: Sequence[GateResult] = []
        if confirm_run is not None:
            if confirm_run == run.run_id:
                raise UsageError(
                    f"--confirm {confirm_run}: is the run that is judged; name another"
                )
            second = read_run(self.store, confirm_run, "--confirm")
            fresh, cut = second.records, second.incomplete
        else:
            try:
                fresh, error = self._measure_again(run.run_id, suspected)
            except BokehbenchError as problem:
                error = problem
        why = "it has no such record"
        if error or cut:
            why = f"it ended early: {error or cut[0].message}"
        looked = [
            self._confirmed(record, result, fresh, why) if record.record_id in suspected else result
            for record, result in zip(records, first, strict=True)
        ]
        return [*looked, *others], error

    def _judge(self, record: Record) -> GateResult:
        """The first look at one record."""
        if record.derived.status == "invalid":
            return self._result(record, "invalid", _invalid(record))
        count = record.derived.latency.processes
        if count < MIN_PROCESSES:
            said = (
                f"a run of {counted(count, 'process', 'processes')}; the gate needs {MIN_PROCESSES}"
            )
            return self._result(record, "too few", said)
        entry = self.baseline.find(record)
        if entry is None:
            return self._result(record, "new", "no baseline yet")
        if keys := unlike(entry, record, self.allowed):
            if self.update and "device" in keys:
                # Which devices a baseline is of is for whoever extends it to say.
                return self._result(record, "new", "no baseline of this device yet")
            allow = " ".join(f"--allow '{key}'" for key in keys)
            return self._result(
                record,
                "unlike",
                f"its baseline has another {_differing(keys)}; {allow} judges it all the same",
            )
        history = [
            run.process_medians_ms for run in entry.runs if run.record_id != record.record_id
        ]
        if not history:
            return self._result(record, "too few", "its baseline is this very run; measure another")
        try:
            seen = self._look(history, record)
        except TooLittle as error:
            return self._result(record, "too few", str(error))
        return replace(
            self._result(record, "suspected" if seen.suspected else "passed", _words(seen)),
            look=seen,
        )

    def _confirmed(
        self, record: Record, result: GateResult, fresh: Sequence[Record], why: str
    ) -> GateResult:
        """The second look: a regression only if the fresh run shows it too."""
        again = next((other for other in fresh if _same(other, record)), None)
        entry = self.baseline.find(record)
        if again is None or entry is None:
            return _unconfirmed(result, why)
        if again.derived.status == "invalid":
            return _unconfirmed(result, f"it is invalid: {_invalid(again)}")
        if keys := unlike(entry, again, self.allowed):
            return _unconfirmed(result, f"its baseline has another {_differing(keys)}")
        history = [
            run.process_medians_ms
            for run in entry.runs
            if run.record_id not in (record.record_id, again.record_id)
        ]
        try:
            seen = self._look(history, again)
        except TooLittle as error:
            return _unconfirmed(result, str(error))
        state: GateState = "regressed" if seen.suspected else "passed"
        word = "confirmed" if seen.suspected else "not confirmed"
        return replace(
            result,
            state=state,
            message=f"{result.message}; {word} by {again.evidence.run_id}: {_words(seen)}",
            confirmation=seen,
            warnings=tuple(dict.fromkeys((*result.warnings, *_provisional(again)))),
        )

    def _look(self, history: Sequence[Sequence[float]], record: Record) -> GateLook:
        return look(
            history,
            record.derived.latency.process_medians_ms,
            max_regression=self.max_regression,
            floor_ms=self.floor_ms,
        )

    def _result(self, record: Record, state: GateState, message: str) -> GateResult:
        return result_of(record, state, message, _provisional(record))

    def _measure_again(
        self, run_id: str, suspected: Set[str]
    ) -> tuple[Sequence[Record], BokehbenchError | None]:
        """The same request once more, without its images and its long run.

        Only on devices with a record that is suspected.

        Raises:
            UsageError: the store does not hold the request, or what it names has changed.
            DeviceError: the device is gone.
        """
        from bokehbench.cli.connect import connect
        from bokehbench.cli.equip import closing_all, equipped
        from bokehbench.cli.measure import measure_quietly, new_run_id
        from bokehbench.session import resume

        prepared = []
        for stored in resume.stored_requests(self.store, run_id):
            if suspected.isdisjoint(record_id for record_id, *_ in stored["records"]):
                continue
            connection = connect(
                stored["device"], stored["profile"], self.adb_server, self.profile_dir
            )
            request = resume.rebuild(stored, run_id, "--run", timing_only=True)
            prepared.append(equipped(connection, request))
        fresh = new_run_id()
        note(f"suspected: measuring again as run {fresh}")
        try:
            with closing_all(prepared):
                records, error = measure_quietly(prepared, self.store, fresh)
        except KeyboardInterrupt:
            note(
                f"run {run_id} is suspected and not confirmed; `bokehbench run --resume {fresh}` "
                f"and then `bokehbench gate --run {run_id} --confirm {fresh}` go on"
            )
            raise
        return [by_todays_rules(record) for record in records], error


def _unconfirmed(result: GateResult, why: str) -> GateResult:
    message = f"{result.message}; not confirmed, because the fresh run can't say: {why}"
    return replace(result, state="unconfirmed", message=message)


def _invalid(record: Record) -> str:
    return "; ".join(f.message for f in record.derived.findings if f.effect == "invalid")


def _provisional(record: Record) -> tuple[str, ...]:
    return tuple(
        f"{finding.code}: {finding.message}"
        for finding in record.derived.findings
        if finding.effect == "provisional"
    )


def _differing(keys: dict[str, tuple[str, str]]) -> str:
    return ", ".join(f"{key} ({was}, now {now})" for key, (was, now) in keys.items())


def _same(first: Record, second: Record) -> bool:
    a, b = first.evidence, second.evidence
    keys = ("backend", "precision", "label", "launch")
    alike = all(getattr(a, key) == getattr(b, key) for key in keys)
    return alike and a.model.sha256 == b.model.sha256 and a.device.device_id == b.device.device_id


def _words(seen: GateLook) -> str:
    if seen.below_floor:
        return f"{seen.run_ms - seen.baseline_ms:+.3f} ms is below the floor"
    runs = "run" if seen.baseline_runs == 1 else "runs"
    return (
        f"{seen.ratio - 1:+.2%} against a limit of {seen.bound - 1:+.2%} "
        f"({seen.baseline_runs} {runs} of history, spread {seen.between_deviation:.2%})"
    )
