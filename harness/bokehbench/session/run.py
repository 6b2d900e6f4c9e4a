"""Execute a prepared run on one device: trial after trial into Records."""

import contextlib
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import msgspec

from bokehbench import __version__
from bokehbench.derive import derive
from bokehbench.errors import DeviceError, DeviceLost
from bokehbench.facts import (
    Conditions,
    Evidence,
    ImageScore,
    Record,
    RunnerFacts,
    Trial,
    TrialSpec,
)
from bokehbench.phone.conditions import observe, settle
from bokehbench.phone.launcher import Bench, Stop, failed_trial, run_images, run_timed, utc_now
from bokehbench.phone.transport import Deadline
from bokehbench.runners.protocol import PROTOCOL
from bokehbench.schedule import (
    PlannedRecord,
    Progress,
    is_lost,
    next_trial,
    trials_left,
)
from bokehbench.session.images import ImageBench
from bokehbench.session.journal import Journal
from bokehbench.session.observer import Observer
from bokehbench.session.place import place_all
from bokehbench.session.request import Prepared
from bokehbench.session.resume import progress_of
from bokehbench.session.signals import no_interrupts, terminate_as_interrupt

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
        with terminate_as_interrupt():
            run.place()
            run.settle()
            run.loop()
            finished = True
    except KeyboardInterrupt:
        interrupted = True
    except DeviceLost as error:
        if not run.evidence:
            raise
        lost = error
    finally:
        # Also on an error: whatever was measured is kept, as unfinished as it is.
        with no_interrupts():
            records = run.finish(finished=finished)
    return RunOutcome(records, interrupted, lost)


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
        # A run of several devices left the records of all; only this device's are ours.
        ours = [record for record in prepared.plan.records if record.record_id in earlier]
        self.evidence: dict[str, Evidence] = {
            record.record_id: earlier[record.record_id] for record in ours
        }
        self.done: dict[str, Progress] = {
            record.record_id: progress_of(earlier[record.record_id], prepared.plan, record)
            for record in ours
        }
        self.benches: dict[tuple[int, str], Bench] = {}
        self.images: dict[int, ImageBench] = {}
        self.before: Conditions | None = None

    def place(self) -> None:
        """Put the runner, the engine and the models on the device, by content."""
        self.benches = place_all(self.prepared, self.journal.put_blob, self.stop)

    def settle(self) -> None:
        """Wait for the profile's targets, and note the conditions."""
        self.before = settle(
            self.prepared.device,
            self.prepared.profile.settle,
            utc_now(),
            on_wait=self.observer.settling,
        )
        # Records that an earlier part of this run left open were begun under other conditions.
        for record_id in self.evidence:
            self._note(record_id, self.before)

    def loop(self) -> None:
        """Do what the schedule says until it has nothing left."""
        plan = self.prepared.plan
        while True:
            self.observer.planned(*trials_left(plan, self.done))
            spec = next_trial(plan, self.done)
            if spec is None:
                return
            record = next(r for r in plan.records if r.record_id == spec.record_id)
            self._begin(record)
            model = self.prepared.request.models[record.model_index]
            self.observer.trial_started(spec, model.label or model.facts.name)
            trial = self._timed(spec, record) if spec.mode == "time" else self._images(spec, record)
            if trial is not None and is_lost(trial):
                self._recover()

    def _begin(self, record: PlannedRecord) -> None:
        """Open a record when its first process is about to start."""
        if record.record_id in self.evidence:
            return
        prepared, request = self.prepared, self.prepared.request
        model = request.models[record.model_index]
        evidence = Evidence(
            record_id=record.record_id,
            run_id=self.journal.run_id,
            label=model.label,
            created=utc_now(),
            bokehbench_version=__version__,
            model=model.facts,
            device=msgspec.structs.replace(prepared.device.facts, profile=prepared.profile.name),
            engine=prepared.engines[record.engine].facts,
            runner=RunnerFacts(
                protocol=PROTOCOL,
                target=prepared.target,
                sha256=self._bench(record).placed_runner.sha256,
            ),
            launch="local" if prepared.device.is_this_machine else "shell",
            backend=record.backend,
            precision=record.precision,
            threads=request.settings.threads,
            core_mask=request.settings.core_mask,
            gpu=request.settings.gpu.options(0),
            protocol=request.settings.protocol,
            io=model.io,
            timing_shape=record.input_shapes[0],
            fidelity_protocol=request.fidelity_protocol,
            dataset=prepared.dataset_facts(),
            conditions=(self.before,) if self.before else (),
        )
        self.evidence[record.record_id] = evidence
        self.done[record.record_id] = Progress()
        self.journal.begin_record(evidence)

    def _bench(self, record: PlannedRecord) -> Bench:
        return self.benches[record.model_index, record.engine]

    def _name_build(self, record: PlannedRecord) -> None:
        """What the runner said of itself goes into the record, once."""
        evidence = self.evidence[record.record_id]
        hello = self._bench(record).greeting
        if hello and evidence.runner.build is None:
            runner = msgspec.structs.replace(
                evidence.runner, build=hello[-1].build, engine_abi=hello[-1].engine_abi
            )
            self.evidence[record.record_id] = msgspec.structs.replace(evidence, runner=runner)

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
                    return
            time.sleep(min(1.0, deadline.remaining()))
        raise DeviceLost(
            f"{device.facts.address}: lost, and not back within {seconds:.0f} s; "
            f"`bokehbench run --resume {self.journal.run_id}` goes on where it stopped"
        )

    def _timed(self, spec: TrialSpec, record: PlannedRecord) -> Trial:
        started = utc_now()
        try:
            trial = run_timed(self._bench(record), spec)
        except DeviceError as error:
            trial = failed_trial(spec, error, started)
        self._note(record.record_id, trial)
        self._name_build(record)
        progress = self.done[record.record_id]
        self.done[record.record_id] = replace(progress, trials=(*progress.trials, trial))
        self.observer.trial_ended(spec, trial)
        return trial

    def _images(self, spec: TrialSpec, record: PlannedRecord) -> Trial | None:
        """One batch: load, run, score each output as it is pulled, note what is missing."""
        bench = self._image_bench(record.model_index)
        loaded = bench.load(spec.items)
        spec = msgspec.structs.replace(spec, items=tuple(loaded))
        scored: dict[int, ImageScore] = {s.index: s for s in bench.failures}
        bench.failures.clear()
        started = utc_now()
        trial: Trial | None = None
        if loaded:
            try:
                trial = run_images(
                    self._bench(record),
                    spec,
                    loaded,
                    lambda event, path: scored.__setitem__(event.index, bench.score(event, path)),
                )
            except DeviceError as error:
                trial = failed_trial(spec, error, started)
            if trial.failure is not None and not is_lost(trial):
                # Outputs of a process that did not end well prove nothing.
                why = trial.failure.message
                scored.update({index: bench.lost(index, why) for index in spec.items})
            if is_lost(trial):
                # The batch is run again; nothing is said of its images yet.
                scored.clear()
            else:
                for index in spec.items:
                    scored.setdefault(index, bench.lost(index, "no output came back"))
            self._note(record.record_id, trial)
        for score in sorted(scored.values(), key=lambda s: s.index):
            self._note(record.record_id, score)
            self.observer.image_scored(score)
        progress = self.done[record.record_id]
        self.done[record.record_id] = replace(
            progress,
            batches_done=progress.batches_done + (trial is None or not is_lost(trial)),
            image_trials=(*progress.image_trials, *((trial,) if trial else ())),
        )
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
                request.fidelity_protocol,
            )
        return self.images[model_index]

    def _note(self, record_id: str, entry: Trial | ImageScore | Conditions) -> None:
        """Add one step to a record's evidence, here and in the journal."""
        evidence = self.evidence[record_id]
        if isinstance(entry, Conditions):
            evidence = msgspec.structs.replace(evidence, conditions=(*evidence.conditions, entry))
        elif isinstance(entry, ImageScore):
            # A resumed batch scores an image again: the newer score counts, once.
            others = tuple(image for image in evidence.images if image.index != entry.index)
            evidence = msgspec.structs.replace(evidence, images=(*others, entry))
        elif entry.mode == "time":
            evidence = msgspec.structs.replace(evidence, trials=(*evidence.trials, entry))
        else:
            evidence = msgspec.structs.replace(
                evidence, image_trials=(*evidence.image_trials, entry)
            )
        self.evidence[record_id] = evidence
        self.journal.append(record_id, entry)

    def finish(self, *, finished: bool) -> tuple[Record, ...]:
        """Note the conditions after, name the images that never ran, derive and seal."""
        if not self.evidence:
            return ()
        after = observe(self.prepared.device, "after", utc_now())
        records = []
        for planned in self.prepared.plan.records:
            if planned.record_id not in self.evidence:
                continue
            self._note(planned.record_id, after)
            if finished:
                self._name_unrun_images(planned)
            evidence = msgspec.structs.replace(
                self.evidence[planned.record_id],
                finished=finished,
                images=tuple(
                    sorted(self.evidence[planned.record_id].images, key=lambda i: i.index)
                ),
            )
            derived = derive(evidence, score_backend=self.prepared.request.score_backend)
            records.append(self.journal.seal(evidence, derived, finished=finished))
        return tuple(records)

    def _name_unrun_images(self, planned: PlannedRecord) -> None:
        """A failed score for every image without one: an absence would look like a success."""
        progress = self.done[planned.record_id]
        if self.prepared.request.dataset is None or not progress.has_result:
            return
        bench = self._image_bench(planned.model_index)
        unread = bench.unread()
        known = {image.index for image in self.evidence[planned.record_id].images}
        known.update(score.index for score in unread)
        never_ran = [
            bench.lost(pair.index, "not run: earlier image batches failed")
            for pair in self.prepared.request.dataset.pairs
            if pair.index not in known
        ]
        for score in (*unread, *never_ran):
            self._note(planned.record_id, score)
            self.observer.image_scored(score)
