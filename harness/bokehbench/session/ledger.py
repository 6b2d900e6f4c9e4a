"""The records of one device's run while it goes on: evidence and progress, step by step."""

from collections.abc import Mapping
from dataclasses import replace

import msgspec

from bokehbench import __version__
from bokehbench.facts import (
    Conditions,
    Evidence,
    HostRun,
    ImageScore,
    Prediction,
    RunnerFacts,
    Trial,
)
from bokehbench.phone.launcher import Bench, utc_now
from bokehbench.runners.benchmark_model import TOOL
from bokehbench.runners.protocol import PROTOCOL
from bokehbench.schedule import PlannedRecord, Progress, reference_group
from bokehbench.session.forecasting import foresee
from bokehbench.session.journal import Journal
from bokehbench.session.request import Prepared
from bokehbench.session.resume import progress_of


class Ledger:
    """Every step goes into a record's evidence, its progress and the journal at once.

    `evidence` and `done` are by record id, of the records that were begun; `evidence` only of
    those that are open.
    """

    def __init__(
        self, prepared: Prepared, journal: Journal, earlier: Mapping[str, Evidence]
    ) -> None:
        self.prepared = prepared
        self.journal = journal
        # A run of several devices left the records of all; only this device's are ours.
        ours = [record for record in prepared.plan.records if record.record_id in earlier]
        # What was sealed is done, and stays as it is.
        self.evidence: dict[str, Evidence] = {
            record.record_id: earlier[record.record_id]
            for record in ours
            if not earlier[record.record_id].finished
        }
        self.done: dict[str, Progress] = {
            record.record_id: progress_of(earlier[record.record_id], prepared.plan, record)
            for record in ours
        }
        for record in ours:
            if record.record_id in self.evidence:
                self._catch_up(record)

    def begin(self, record: PlannedRecord, bench: Bench, before: Conditions | None) -> None:
        """Open a record when its first process is about to start; once."""
        if record.record_id in self.evidence:
            return
        prepared, request = self.prepared, self.prepared.request
        model, settings = request.models[record.model_index], request.settings
        evidence = Evidence(
            record_id=record.record_id,
            run_id=self.journal.run_id,
            label=model.label,
            created=utc_now(),
            bokehbench_version=__version__,
            model=model.facts,
            device=msgspec.structs.replace(prepared.device.facts, profile=prepared.profile.name),
            engine=prepared.engines[record.engine].facts,
            runner=_runner_facts(prepared, bench),
            launch="local" if prepared.device.is_this_machine else record.launch,
            backend=record.backend,
            precision=record.precision,
            threads=settings.threads,
            core_mask=settings.core_mask,
            gpu=settings.gpu.options(0),
            protocol=settings.protocol,
            io=model.io,
            timing_shape=record.input_shapes[0],
            fidelity_protocol=request.fidelity_rules.name,
            fidelity_rules=request.fidelity_rules if request.dataset else None,
            dataset=prepared.dataset_facts(),
            factsheet=model.factsheet,
            prediction=None if request.tool else _prediction(prepared, record),
            conditions=(before,) if before else (),
        )
        shared = self._sharing(record)
        self.evidence[record.record_id] = evidence
        self.done[record.record_id] = Progress()
        self.journal.begin_record(evidence)
        for trial in self.evidence[shared[0]].reference_before if shared else ():
            self._enter(record.record_id, trial)

    def enter_trial(self, record: PlannedRecord, trial: Trial) -> None:
        """A process that ended; one of the reference workload speaks for all alike."""
        shared = trial.purpose in ("reference_before", "reference_after")
        for record_id in self._sharing(record) if shared else [record.record_id]:
            self._enter(record_id, trial)

    def end_batch(self, record: PlannedRecord) -> None:
        """A batch of images was dealt with, whatever came of it."""
        progress = self.done[record.record_id]
        self.done[record.record_id] = replace(progress, batches_done=progress.batches_done + 1)

    def enter_score(self, record: PlannedRecord, score: ImageScore) -> None:
        """One image; a resumed batch scores it again, and the newer score counts, once."""
        evidence = self.evidence[record.record_id]
        others = tuple(image for image in evidence.images if image.index != score.index)
        self._replace(record.record_id, images=(*others, score))
        self.journal.append(record.record_id, score)

    def enter_conditions(self, record_id: str, conditions: Conditions) -> None:
        """What the device was like."""
        self._replace(record_id, conditions=(*self.evidence[record_id].conditions, conditions))
        self.journal.append(record_id, conditions)

    def name_build(self, record: PlannedRecord, bench: Bench) -> None:
        """What the runner said of itself goes into the record, once."""
        runner = self.evidence[record.record_id].runner
        if bench.versions and runner.build is None:
            told = msgspec.structs.replace(runner, build=bench.versions[-1])
        elif bench.greeting and runner.build is None:
            hello = bench.greeting[-1]
            told = msgspec.structs.replace(runner, build=hello.build, engine_abi=hello.engine_abi)
        else:
            return
        self._replace(record.record_id, runner=told)
        self.journal.append(record.record_id, told)

    def note_host_run(self, record: PlannedRecord, host_run: HostRun) -> None:
        """What the host ran beside the device."""
        self._replace(record.record_id, host_run=host_run)
        self.journal.append(record.record_id, host_run)

    def sealed_form(self, record_id: str, *, finished: bool) -> Evidence:
        """The evidence as it is stored: images in the dataset's order."""
        evidence = self.evidence[record_id]
        images = tuple(sorted(evidence.images, key=lambda image: image.index))
        return msgspec.structs.replace(evidence, finished=finished, images=images)

    def _sharing(self, record: PlannedRecord) -> list[str]:
        """The open records that one run of the reference workload speaks for."""
        group = reference_group(record)
        return [
            other.record_id
            for other in self.prepared.plan.records
            if other.record_id in self.evidence and reference_group(other) == group
        ]

    def _catch_up(self, record: PlannedRecord) -> None:
        """Enter reference trials that a killed host had entered into other records alone."""
        for name in ("reference_before", "reference_after"):
            known = [getattr(self.evidence[other], name) for other in self._sharing(record)]
            mine = getattr(self.evidence[record.record_id], name)
            for trial in max(known, key=len)[len(mine) :]:
                self._enter(record.record_id, trial)

    def _enter(self, record_id: str, trial: Trial) -> None:
        field = _field(trial)
        evidence, progress = self.evidence[record_id], self.done[record_id]
        self._replace(record_id, **{field: (*getattr(evidence, field), trial)})
        changed: dict[str, object] = {field: (*getattr(progress, field), trial)}
        self.done[record_id] = replace(progress, **changed)  # type: ignore[arg-type]
        self.journal.append(record_id, trial)

    def _replace(self, record_id: str, **changes: object) -> None:
        self.evidence[record_id] = msgspec.structs.replace(self.evidence[record_id], **changes)


def _runner_facts(prepared: Prepared, bench: Bench) -> RunnerFacts:
    """The program that runs the model, and what the user tells it."""
    sha256, tool = bench.placed_runner.sha256, prepared.request.tool
    if tool is None:
        return RunnerFacts(protocol=PROTOCOL, target=prepared.target, sha256=sha256)
    options = tool.options
    given = {
        "external_delegate_path": options.delegate,
        "external_delegate_options": options.delegate_options,
    }
    flags = (*(f"{name}={value}" for name, value in given.items() if value), *options.flags)
    return RunnerFacts(name=TOOL, protocol=0, target=prepared.target, sha256=sha256, flags=flags)


def _prediction(prepared: Prepared, record: PlannedRecord) -> Prediction | None:
    return foresee(
        prepared.request.models[record.model_index].path,
        record.input_shapes,
        record.engine,
        prepared.engines[record.engine].facts.version,
        record.backend,
        prepared.request.settings.gpu.options(0),
        prepared.profile,
        record.precision,
    )


def _field(trial: Trial) -> str:
    """Where a trial belongs, in Evidence as in Progress."""
    if trial.mode == "images":
        return "image_trials"
    return "trials" if trial.purpose == "model" else trial.purpose
