"""Execute a prepared run on one device: trial after trial into Records."""

import secrets
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import FrameType

import msgspec

from bokehbench import __version__
from bokehbench.derive import derive
from bokehbench.engines import file_sha256
from bokehbench.errors import DeviceError
from bokehbench.facts import (
    Conditions,
    Evidence,
    ImageScore,
    Record,
    RunnerFacts,
    Trial,
    TrialSpec,
)
from bokehbench.fidelity.protocols import get_protocol
from bokehbench.phone.conditions import observe, settle
from bokehbench.phone.device import Placed
from bokehbench.phone.launcher import Bench, failed_trial, run_images, run_timed, utc_now
from bokehbench.runners.protocol import PROTOCOL
from bokehbench.schedule import PlannedRecord, Progress, next_trial, trials_left
from bokehbench.session.images import ImageBench
from bokehbench.session.journal import Journal
from bokehbench.session.observer import Observer
from bokehbench.session.request import Prepared
from bokehbench.store import Store


@dataclass(frozen=True)
class RunOutcome:
    """What a run left: its Records, whether it was cut short, and what the store refused."""

    run_id: str
    records: tuple[Record, ...]
    interrupted: bool
    journal: Journal


def new_id() -> str:
    """An identifier for a record: 10 hexadecimal digits."""
    return secrets.token_hex(5)


def execute(prepared: Prepared, store: Store, observer: Observer, run_id: str) -> RunOutcome:
    """Run what was prepared.

    Ctrl-C ends the running process and keeps what was measured, marked incomplete.

    Raises:
        StoreError: the store can't be written; nothing has been measured yet.
        DeviceError: the device can't take the model or the runner.
    """
    journal = Journal(store, run_id, observer.warn)
    journal.begin(_request_json(prepared))
    run = _Run(prepared, journal, observer, run_id)
    interrupted = True
    try:
        with _terminate_as_interrupt():
            run.place()
            run.settle()
            run.loop()
            interrupted = False
    except KeyboardInterrupt:
        pass
    finally:
        # Also on an error: whatever was measured is kept, as unfinished as it is.
        with _no_interrupts():
            records = run.finish(interrupted)
    return RunOutcome(run_id, records, interrupted, journal)


class _Run:
    """The state of one run while it goes on."""

    def __init__(
        self, prepared: Prepared, journal: Journal, observer: Observer, run_id: str
    ) -> None:
        self.prepared = prepared
        self.journal = journal
        self.observer = observer
        self.run_id = run_id
        self.done: dict[str, Progress] = {}
        self.evidence: dict[str, Evidence] = {}
        self.benches: dict[int, Bench] = {}
        self.images: dict[int, ImageBench] = {}
        self.before: Conditions | None = None

    def place(self) -> None:
        """Put the runner and the models on the device, by content."""
        prepared = self.prepared
        device, request = prepared.device, prepared.request
        verify = request.settings.protocol.name == "challenge"
        runner_sha256 = file_sha256(prepared.runner)
        runner = device.place(
            prepared.runner, name="runner", sha256=runner_sha256, executable=True, verify=verify
        )
        for number, model in enumerate(request.models):
            placed = device.place(
                model.path, name="model.tflite", sha256=model.facts.sha256, verify=verify
            )
            self.benches[number] = self._bench(number, placed, runner)

    def _bench(self, number: int, placed: Placed, runner: Placed) -> Bench:
        prepared = self.prepared
        model = prepared.request.models[number]
        engine = prepared.engine
        return Bench(
            device=prepared.device,
            model=model.facts,
            io=model.io,
            placed_model=placed,
            placed_runner=runner,
            engine=engine.name,
            # On this machine the engine is where pip put it; a phone gets its own copy.
            engine_library=str(engine.library),
            engine_folder=str(engine.library.parent),
            rounding=get_protocol(prepared.request.fidelity_protocol).rounding,
            put_blob=self.journal.put_blob,
        )

    def settle(self) -> None:
        """Wait for the profile's targets, and note the conditions."""
        self.before = settle(
            self.prepared.device,
            self.prepared.profile.settle,
            utc_now(),
            on_wait=self.observer.settling,
        )

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
            if spec.mode == "time":
                self._timed(spec, record)
            else:
                self._images(spec, record)

    def _begin(self, record: PlannedRecord) -> None:
        """Open a record when its first process is about to start."""
        if record.record_id in self.evidence:
            return
        prepared, request = self.prepared, self.prepared.request
        model = request.models[record.model_index]
        evidence = Evidence(
            record_id=record.record_id,
            run_id=self.run_id,
            label=model.label,
            created=utc_now(),
            bokehbench_version=__version__,
            model=model.facts,
            device=msgspec.structs.replace(prepared.device.facts, profile=prepared.profile.name),
            engine=prepared.engine.facts,
            runner=RunnerFacts(
                protocol=PROTOCOL,
                target=prepared.target,
                sha256=self.benches[record.model_index].placed_runner.sha256,
            ),
            launch="local" if prepared.device.facts.address == "local" else "shell",
            backend=record.backend,
            precision=request.settings.precision,
            threads=request.settings.threads,
            core_mask=request.settings.core_mask,
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

    def _timed(self, spec: TrialSpec, record: PlannedRecord) -> None:
        started = utc_now()
        try:
            trial = run_timed(self.benches[record.model_index], spec)
        except DeviceError as error:
            trial = failed_trial(spec, error, started)
        self._note(record.record_id, trial)
        progress = self.done[record.record_id]
        self.done[record.record_id] = replace(progress, trials=(*progress.trials, trial))
        self.observer.trial_ended(spec, trial)

    def _images(self, spec: TrialSpec, record: PlannedRecord) -> None:
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
                    self.benches[record.model_index],
                    spec,
                    loaded,
                    lambda event, path: scored.__setitem__(event.index, bench.score(event, path)),
                )
            except DeviceError as error:
                trial = failed_trial(spec, error, started)
            if trial.failure is not None:
                # Outputs of a process that did not end well prove nothing.
                why = trial.failure.message
                scored.update({index: bench.lost(index, why) for index in spec.items})
            for index in spec.items:
                scored.setdefault(index, bench.lost(index, "no output came back"))
            self._note(record.record_id, trial)
        for score in sorted(scored.values(), key=lambda s: s.index):
            self._note(record.record_id, score)
            self.observer.image_scored(score)
        progress = self.done[record.record_id]
        self.done[record.record_id] = replace(
            progress,
            batches_done=progress.batches_done + 1,
            image_trials=(*progress.image_trials, *((trial,) if trial else ())),
        )
        if trial is not None:
            self.observer.trial_ended(spec, trial)

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
            evidence = msgspec.structs.replace(evidence, images=(*evidence.images, entry))
        elif entry.mode == "time":
            evidence = msgspec.structs.replace(evidence, trials=(*evidence.trials, entry))
        else:
            evidence = msgspec.structs.replace(
                evidence, image_trials=(*evidence.image_trials, entry)
            )
        self.evidence[record_id] = evidence
        self.journal.append(record_id, entry)

    def finish(self, interrupted: bool) -> tuple[Record, ...]:
        """Note the conditions after, name the images that never ran, derive and seal."""
        if not self.evidence:
            self.journal.finish(interrupted=interrupted)
            return ()
        after = observe(self.prepared.device, "after", utc_now())
        records = []
        for planned in self.prepared.plan.records:
            if planned.record_id not in self.evidence:
                continue
            self._note(planned.record_id, after)
            if not interrupted:
                self._name_unrun_images(planned)
            evidence = msgspec.structs.replace(
                self.evidence[planned.record_id], finished=not interrupted
            )
            derived = derive(evidence, score_backend=self.prepared.request.score_backend)
            records.append(self.journal.seal(evidence, derived, finished=not interrupted))
        self.journal.finish(interrupted=interrupted)
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


def _request_json(prepared: Prepared) -> dict[str, object]:
    """The request as stored with the run, so that it can be read and resumed later."""
    request = prepared.request
    return {
        "device": prepared.device.facts.address,
        "models": [
            {"path": str(m.path.resolve()), "sha256": m.facts.sha256, "label": m.label}
            for m in request.models
        ],
        "backend": request.settings.backend,
        "precision": request.settings.precision,
        "threads": request.settings.threads,
        "core_mask": request.settings.core_mask,
        "protocol": msgspec.to_builtins(request.settings.protocol),
        "seed": request.settings.seed,
        "dataset": str(request.dataset.root) if request.dataset else None,
        "fit": request.fit,
    }


@contextmanager
def _terminate_as_interrupt() -> Iterator[None]:
    """SIGTERM ends a run as Ctrl-C does: a CI job that is cancelled keeps its trials."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    with _handler(signal.SIGTERM, interrupt):
        yield


@contextmanager
def _no_interrupts() -> Iterator[None]:
    """While records are sealed a second Ctrl-C must not tear them."""
    with _handler(signal.SIGINT, signal.SIG_IGN), _handler(signal.SIGTERM, signal.SIG_IGN):
        yield


@contextmanager
def _handler(
    number: signal.Signals, action: Callable[[int, FrameType | None], None] | signal.Handlers
) -> Iterator[None]:
    try:
        before = signal.signal(number, action)
    except ValueError:
        # Only the main thread may set handlers; runs in other threads go without.
        yield
        return
    try:
        yield
    finally:
        signal.signal(number, before)
