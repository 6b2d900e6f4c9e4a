"""Execute a prepared run on one device: trial after trial into Records."""

import contextlib
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from bokehbench.derive import derive
from bokehbench.errors import DeadlineExceeded, DeviceError, DeviceLost
from bokehbench.facts import (
    Conditions,
    Evidence,
    ImageScore,
    Record,
    Trial,
    TrialSpec,
)
from bokehbench.phone.conditions import observe, settle
from bokehbench.phone.launcher import Bench, Stop, failed_trial, utc_now
from bokehbench.phone.restore import Changes, watch
from bokehbench.phone.transport import Deadline
from bokehbench.schedule import PlannedRecord, is_lost, is_void, next_trial, trials_left
from bokehbench.session.hostrun import HostSide
from bokehbench.session.images import ImageBench, output_folder
from bokehbench.session.journal import Journal
from bokehbench.session.ledger import Ledger
from bokehbench.session.observer import Observer
from bokehbench.session.place import REFERENCE, Benches, place_all
from bokehbench.session.request import ModelInput, Prepared
from bokehbench.session.signals import no_interrupts, terminate_as_interrupt
from bokehbench.session.starting import images_by, timed_by

ANSWER_SECONDS = 5.0


@dataclass(frozen=True)
class RunOutcome:
    """What one device's run left: its Records, whether it was cut short, and by what."""

    records: tuple[Record, ...]
    interrupted: bool
    lost: DeviceLost | None = None


def new_id() -> str:
    """An identifier for a record: 10 hexadecimal digits."""
    return secrets.token_hex(5)


def execute(
    prepared: Prepared,
    journal: Journal,
    observer: Observer,
    stop: Stop,
    earlier: Mapping[str, Evidence],
) -> RunOutcome:
    """Run what was prepared, on one device.

    Ctrl-C, or `stop` from another thread, ends the running process; what was measured is
    kept, marked incomplete.

    Args:
        earlier: evidence of records that an interrupted run of this id left open.

    Raises:
        DeviceError: the device can't take the model or the runner.
    """
    run = _Run(prepared, journal, observer, stop, earlier)
    finished = interrupted = False
    lost: DeviceLost | None = None
    try:
        with terminate_as_interrupt(), watch(prepared.device, run.locks) as run.changes:
            for name in run.changes.refused:
                observer.warn(f"the device would not change {name}")
            try:
                run.place()
                run.settle()
                run.loop()
                finished = True
            finally:
                # Before anything is put back: what it was like is part of what was measured.
                run.look_after()
    except KeyboardInterrupt:
        interrupted = True
    except (DeviceLost, DeadlineExceeded) as error:
        if not run.ledger.evidence:
            raise DeviceLost(
                f"{error}; nothing was measured: see that the device is on and connected, "
                "and run again"
            ) from error
        lost = DeviceLost(f"{error}; `bokehbench run --resume {journal.run_id}` goes on from there")
    finally:
        # Also on an error: whatever was measured is kept, as unfinished as it is.
        with no_interrupts():
            records = run.finish(finished=finished)
    return RunOutcome(records, interrupted, lost)


def _label(spec: TrialSpec, model: ModelInput) -> str:
    """What a process is about, in a few words."""
    name = model.label or model.facts.name
    if spec.purpose == "model":
        return name
    return f"{name} for {spec.max_seconds:.0f} s" if spec.purpose == "sustained" else "reference"


class _Run:
    """The state of one run while it goes on."""

    def __init__(
        self,
        prepared: Prepared,
        journal: Journal,
        observer: Observer,
        stop: Stop,
        earlier: Mapping[str, Evidence],
    ) -> None:
        self.prepared = prepared
        self.journal = journal
        self.observer = observer
        self.stop = stop
        self.ledger = Ledger(prepared, journal, earlier)
        self.benches: Benches = {}
        self.images: dict[int, ImageBench] = {}
        self.host_side = HostSide(prepared, stop, observer.warn, self.ledger.evidence)
        self.before: Conditions | None = None
        self.after: Conditions | None = None
        self.changes = Changes()
        self.locks = prepared.profile.lock if prepared.request.lock_clocks else []

    def place(self) -> None:
        """Put the runner, the engines and the models on the device, by content."""
        self.benches = place_all(
            self.prepared, self.journal.put_blob, self.stop, self.observer.tell
        )

    def settle(self) -> None:
        """Wait for the profile's targets, and note the conditions."""
        self.before = self._settle()
        # Records that an earlier part of this run left open were begun under other conditions.
        for record_id in self.ledger.evidence:
            self.ledger.enter_conditions(record_id, self.before)

    def _settle(self) -> Conditions:
        targets = self.prepared.profile.settle
        longest = self.prepared.request.settings.protocol.max_settle_seconds
        if longest is not None:
            seconds = min(longest, targets.max_seconds)
            targets = msgspec.structs.replace(targets, max_seconds=seconds)
        conditions = settle(
            self.prepared.device,
            targets,
            utc_now(),
            sensors=self.prepared.profile.sensors,
            on_wait=self.observer.settling,
            changes=self.changes.names,
        )
        return self._with_clocks(conditions)

    def _with_clocks(self, conditions: Conditions) -> Conditions:
        """Whether clocks are fixed is known to who fixed them, not to a device."""
        locked = self.changes.clocks_locked if self.locks else None
        return msgspec.structs.replace(conditions, clocks_locked=locked)

    def look_after(self) -> None:
        """Note the conditions after timing, once, unless nothing was measured."""
        if self.ledger.evidence and self.after is None:
            conditions = observe(
                self.prepared.device,
                "after",
                utc_now(),
                sensors=self.prepared.profile.sensors,
                changes=self.changes.names,
            )
            self.after = self._with_clocks(conditions)

    def loop(self) -> None:
        """Do what the schedule says until it has nothing left."""
        plan = self.prepared.plan
        while True:
            self.observer.planned(*trials_left(plan, self.ledger.done))
            spec = next_trial(plan, self.ledger.done)
            if spec is None:
                return
            record = next(r for r in plan.records if r.record_id == spec.record_id)
            self.ledger.begin(record, self._bench(record), self.before)
            model = self.prepared.request.models[record.model_index]
            self.observer.trial_started(spec, _label(spec, model))
            trial = self._timed(spec, record) if spec.mode == "time" else self._images(spec, record)
            if trial is not None and is_lost(trial):
                self._recover()
            self._rest()

    def _bench(self, record: PlannedRecord) -> Bench:
        return self.benches[record.model_index, record.engine, record.launch]

    def _rest(self) -> None:
        """Leave the device alone for as long as the protocol says."""
        until = Deadline.after(self.prepared.request.settings.protocol.rest_seconds)
        while until.remaining() > 0:
            self.stop.check()
            time.sleep(min(0.5, until.remaining()))

    def _recover(self) -> None:
        """Wait for a lost device, and see that what it needs is still there.

        Raises:
            DeviceLost: it did not come back in time; the run can be resumed.
        """
        device, seconds = self.prepared.device, self.prepared.request.recovery_seconds
        self.observer.warn(f"device lost; waiting up to {seconds:.0f} s for it to come back")
        deadline = Deadline.after(seconds)
        while deadline.remaining() > 0:
            self.stop.check()
            if device.answers(min(ANSWER_SECONDS, deadline.remaining())):
                with contextlib.suppress(DeviceError):
                    self.place()
                    self.changes.again()
                    return
            time.sleep(min(1.0, deadline.remaining()))
        raise DeviceLost(f"{device.facts.address}: lost, and not back within {seconds:.0f} s")

    def _timed(self, spec: TrialSpec, record: PlannedRecord) -> Trial:
        reference = spec.purpose in ("reference_before", "reference_after")
        number = REFERENCE if reference else record.model_index
        bench = self.benches[number, record.engine, record.launch]
        if spec.purpose == "sustained":
            # What a long run does to the device says nothing of the timing before it.
            self.look_after()
            self._settle()
        started = utc_now()
        try:
            trial = timed_by(bench)(bench, spec)
        except DeviceError as error:
            trial = failed_trial(spec, error, started)
        self.ledger.enter_trial(record, trial)
        self.ledger.name_build(record, bench)
        self.observer.trial_ended(spec, trial)
        return trial

    def _images(self, spec: TrialSpec, record: PlannedRecord) -> Trial | None:
        """One batch: load, run, score each output as it is pulled, note what is missing."""
        bench = self._image_bench(record.model_index)
        loaded = bench.load(spec.items)
        spec = msgspec.structs.replace(spec, items=tuple(loaded))
        self._host_too(bench, spec, record, loaded)
        scored: dict[int, ImageScore] = {s.index: s for s in bench.failures}
        bench.failures.clear()
        started = utc_now()
        trial: Trial | None = None
        if loaded:
            runs = self._bench(record)
            try:
                trial = images_by(runs)(
                    runs,
                    spec,
                    loaded,
                    lambda event, path: scored.__setitem__(event.index, bench.score(event, path)),
                )
            except DeviceError as error:
                trial = failed_trial(spec, error, started)
            if trial.failure is not None and not is_void(trial):
                # Outputs of a process that did not end well prove nothing.
                why = trial.failure.message
                scored.update({index: bench.lost(index, why) for index in spec.items})
            if is_void(trial):
                # The batch is run again; nothing is said of its images yet.
                scored.clear()
            else:
                for index in spec.items:
                    scored.setdefault(index, bench.lost(index, "no output came back"))
            self.ledger.enter_trial(record, trial)
        if bench.trouble is not None:
            self.observer.warn(bench.trouble)
        for score in sorted(scored.values(), key=lambda s: s.index):
            self.ledger.enter_score(record, score)
            self.observer.image_scored(score)
        if trial is None or not is_void(trial):
            self.ledger.end_batch(record)
        if trial is not None:
            self.observer.trial_ended(spec, trial)
        return trial

    def _image_bench(self, model_index: int) -> ImageBench:
        if model_index not in self.images:
            request = self.prepared.request
            assert request.dataset is not None
            self.images[model_index] = ImageBench(
                request.dataset,
                request.models[model_index],
                request.fit,
                request.fidelity_rules,
            )
        return self.images[model_index]

    def _host_too(
        self,
        bench: ImageBench,
        spec: TrialSpec,
        record: PlannedRecord,
        loaded: Mapping[int, list[memoryview]],
    ) -> None:
        """Ready the bench for a record's batch: the host's outputs, and where outputs are kept."""
        folder = self.prepared.request.images.keep_outputs
        bench.keep = folder / output_folder(record, bench.model) if folder else None
        bench.trouble = None
        host_run = self.host_side.run(self._bench(record), spec, record, loaded, bench.host_outputs)
        if host_run is not None:
            self.ledger.note_host_run(record, host_run)

    def finish(self, *, finished: bool) -> tuple[Record, ...]:
        """Enter the conditions after, name the images that never ran, derive and seal."""
        if not self.ledger.evidence:
            return ()
        records = []
        for planned in self.prepared.plan.records:
            if planned.record_id not in self.ledger.evidence:
                continue
            if self.after is not None:
                self.ledger.enter_conditions(planned.record_id, self.after)
            if finished:
                self._name_unrun_images(planned)
            evidence = self.ledger.sealed_form(planned.record_id, finished=finished)
            derived = derive(evidence, score_backend=self.prepared.request.score_backend)
            records.append(self.journal.seal(evidence, derived, finished=finished))
        return tuple(records)

    def _name_unrun_images(self, planned: PlannedRecord) -> None:
        """A failed score for every image without one: an absence would look like a success."""
        progress = self.ledger.done[planned.record_id]
        if self.prepared.request.dataset is None or not progress.has_result:
            return
        bench = self._image_bench(planned.model_index)
        unread = bench.unread()
        known = {image.index for image in self.ledger.evidence[planned.record_id].images}
        known.update(score.index for score in unread)
        never_ran = [
            bench.lost(pair.index, "not run: earlier image batches failed")
            for pair in self.prepared.request.dataset.pairs
            if pair.index not in known
        ]
        for score in (*unread, *never_ran):
            self.ledger.enter_score(planned, score)
            self.observer.image_scored(score)
