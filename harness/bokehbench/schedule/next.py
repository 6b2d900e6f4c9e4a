"""Which trial next, from the request and the results so far; pure.

The reference workload comes before the first timed process of a backend and after the last one.
Timed processes go round by round: one process of every record a round, in an order drawn anew
each round (or A B B A), so that drift of the device falls on all alike. A record is given
up at a failure that would come again, or at its second failure. Then the long run, if one was asked
for, and the images, batch by batch, with identical engine, backend, precision and options.
"""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from msgspec.structs import replace

from bokehbench.analysis.proof import is_worth_keeping
from bokehbench.facts import Trial, TrialSpec
from bokehbench.facts.trial import DETERMINISTIC_FAILURES
from bokehbench.schedule.plan import Batch, Plan, PlannedRecord

MAX_FAILURES = 2
MAX_LOST = 3
"""How often a record survives the loss of its device; such trials are run again."""

MAX_DISTURBED = 3
"""How often a record survives that its app was not in front; such trials are run again."""

LOAD_ALLOWANCE_SECONDS = 120.0
"""Time for loading a model (a GPU compiles its kernels then) beyond the runs themselves."""

SLOWEST_RUN_SECONDS = 90.0
"""One run of the slowest model that can still be measured."""

IMAGE_SECONDS = 60.0

REFERENCE_SHAPE = (1, 256, 256, 3)
"""Input of the reference model that the package holds."""

REFERENCE_MIN_RUNS = 5
REFERENCE_SECONDS = 20.0
"""Cap on a reference process: a device that needs longer is told by fewer runs."""

SUSTAINED_RUNS = 1_000_000
"""What one process of the runner takes at most."""


@dataclass(frozen=True)
class Progress:
    """What is known of one record so far.

    `batches_done` counts image batches dealt with, those too of which no image could be read.
    Records of one engine, backend and precision share the reference workload's trials.
    """

    trials: tuple[Trial, ...] = ()
    image_trials: tuple[Trial, ...] = ()
    batches_done: int = 0
    reference_before: tuple[Trial, ...] = ()
    reference_after: tuple[Trial, ...] = ()
    sustained: tuple[Trial, ...] = ()

    @property
    def has_result(self) -> bool:
        """Whether any timed process succeeded."""
        return any(trial.status == "ok" for trial in self.trials)


def is_lost(trial: Trial) -> bool:
    """Whether the device, not the model, ended a trial: it stays as evidence and is run again."""
    return trial.failure is not None and trial.failure.kind == "device_lost"


def is_void(trial: Trial) -> bool:
    """Whether what ended or spoiled a trial says nothing of the model: it is run again."""
    return is_lost(trial) or _is_disturbed(trial)


def _is_disturbed(trial: Trial) -> bool:
    return trial.failure is not None and trial.failure.kind == "disturbed"


def given_up(trials: Sequence[Trial]) -> bool:
    """Whether failures so far say that more of the same would be wasted."""
    kinds = [t.failure.kind for t in trials if t.failure is not None and not is_void(t)]
    return (
        len(kinds) >= MAX_FAILURES
        or any(kind in DETERMINISTIC_FAILURES for kind in kinds)
        or sum(map(is_lost, trials)) > MAX_LOST
        or sum(map(_is_disturbed, trials)) > MAX_DISTURBED
    )


def images_given_up(trials: Sequence[Trial]) -> bool:
    """As `given_up`, but one shape that the model can't take says nothing of other shapes."""
    return given_up([t for t in trials if t.failure is None or t.failure.kind != "input_mismatch"])


def _counted(trials: Sequence[Trial]) -> int:
    return sum(not is_void(trial) for trial in trials)


def is_called_for(plan: Plan, record: PlannedRecord, done: Mapping[str, Progress]) -> bool:
    """Whether a record is to be made: always, or once the one before it has failed."""
    if record.only_after is None:
        return True
    before = next(r for r in plan.records if r.record_id == record.only_after)
    progress = done.get(before.record_id, Progress())
    failed = given_up(progress.trials) and not progress.has_result
    unproven = progress.has_result and not any(map(is_worth_keeping, progress.trials))
    return (failed or unproven) and is_called_for(plan, before, done)


def reference_group(record: PlannedRecord) -> tuple[str, str, str, str]:
    """Records that agree in this share one run of the reference workload."""
    return record.engine, record.backend, record.precision, record.launch


def next_trial(plan: Plan, done: Mapping[str, Progress]) -> TrialSpec | None:
    """The next process to run, or None when nothing is left to do."""
    spec = (
        _next_reference(plan, done, "reference_before")
        or _next_timed(plan, done)
        or _next_reference(plan, done, "reference_after")
        or _next_sustained(plan, done)
        or _next_images(plan, done)
    )
    longest = plan.settings.process_timeout_seconds
    if spec is None or longest is None:
        return spec
    if spec.purpose == "sustained":
        # What was asked to take long may, beyond what everything else may take.
        longest += plan.settings.sustained_seconds
    return replace(spec, deadline_seconds=min(spec.deadline_seconds, longest))


def _next_reference(
    plan: Plan,
    done: Mapping[str, Progress],
    purpose: Literal["reference_before", "reference_after"],
) -> TrialSpec | None:
    for record in plan.records:
        if _references_left(plan, done, record, purpose):
            return _reference(plan, record, len(_shared(plan, done, record, purpose)), purpose)
    return None


def _references_left(
    plan: Plan,
    done: Mapping[str, Progress],
    record: PlannedRecord,
    purpose: Literal["reference_before", "reference_after"],
) -> int:
    """Processes of the reference workload that this record still waits for."""
    if not is_called_for(plan, record, done):
        return 0
    trials = _shared(plan, done, record, purpose)
    if purpose == "reference_after":
        measured = done.get(record.record_id, Progress()).has_result
        before = _shared(plan, done, record, "reference_before")
        if not measured or all(trial.status == "failed" for trial in before):
            return 0
    left = plan.settings.protocol.reference.processes - _counted(trials)
    return 0 if given_up(trials) else max(0, left)


def _shared(
    plan: Plan,
    done: Mapping[str, Progress],
    record: PlannedRecord,
    purpose: Literal["reference_before", "reference_after"],
) -> tuple[Trial, ...]:
    """The reference trials of a record's group so far; any begun record of it knows them."""
    for other in plan.records:
        if other.record_id in done and reference_group(other) == reference_group(record):
            progress = done[other.record_id]
            before = purpose == "reference_before"
            return progress.reference_before if before else progress.reference_after
    return ()


def _next_timed(plan: Plan, done: Mapping[str, Progress]) -> TrialSpec | None:
    settings = plan.settings
    for number in range(settings.protocol.processes):
        for record in _in_order(plan, number):
            trials = done.get(record.record_id, Progress()).trials
            ready = _counted(trials) <= number and not given_up(trials)
            if ready and is_called_for(plan, record, done):
                # The load counts as cold until it came to its end once.
                loads = sum(trial.status == "ok" for trial in trials)
                spec = _timed(plan, record, len(trials))
                return replace(spec, gpu=settings.gpu.options(loads))
    return None


def _in_order(plan: Plan, number: int) -> list[PlannedRecord]:
    """The records of one round: A B, B A, A B... or in an order of the round's own."""
    order = list(plan.records)
    if plan.settings.protocol.order == "abba":
        return order[::-1] if number % 2 else order
    random.Random(f"{plan.settings.seed}:{number}").shuffle(order)
    return order


def _next_sustained(plan: Plan, done: Mapping[str, Progress]) -> TrialSpec | None:
    for record in plan.records:
        if _sustained_left(plan, done.get(record.record_id, Progress())):
            return _sustained(plan, record, done[record.record_id])
    return None


def _sustained_left(plan: Plan, progress: Progress) -> int:
    if plan.settings.sustained_seconds <= 0 or not progress.has_result:
        return 0
    finished = any(trial.status == "ok" for trial in progress.sustained)
    return int(not finished and not given_up(progress.sustained))


def _next_images(plan: Plan, done: Mapping[str, Progress]) -> TrialSpec | None:
    for record in plan.records:
        progress = done.get(record.record_id, Progress())
        batches = plan.batches.get(record.model_index, ())
        number = progress.batches_done
        done_with = number >= len(batches) or images_given_up(progress.image_trials)
        if progress.has_result and not done_with:
            return _images(plan, record, batches[number], progress)
    return None


def _timed(plan: Plan, record: PlannedRecord, number: int) -> TrialSpec:
    settings, protocol = plan.settings, plan.settings.protocol
    return TrialSpec(
        record_id=record.record_id,
        index=number,
        mode="time",
        backend=record.backend,
        precision=record.precision,
        threads=settings.threads,
        core_mask=settings.core_mask,
        warmups=protocol.warmups,
        runs=protocol.runs,
        min_runs=protocol.min_runs,
        max_seconds=protocol.max_seconds,
        # The floor of runs may go beyond the cap with a slow model; a hang must not.
        deadline_seconds=LOAD_ALLOWANCE_SECONDS
        + protocol.max_seconds
        + protocol.min_runs * SLOWEST_RUN_SECONDS,
        input_shapes=record.input_shapes,
        seed=settings.seed,
        gpu=settings.gpu.options(number),
    )


def _reference(
    plan: Plan,
    record: PlannedRecord,
    number: int,
    purpose: Literal["reference_before", "reference_after"],
) -> TrialSpec:
    """One process of the reference workload on what the record runs on."""
    workload = plan.settings.protocol.reference
    return replace(
        _timed(plan, record, number),
        purpose=purpose,
        warmups=workload.warmups,
        runs=workload.runs,
        min_runs=min(REFERENCE_MIN_RUNS, workload.runs),
        max_seconds=REFERENCE_SECONDS,
        deadline_seconds=LOAD_ALLOWANCE_SECONDS + 2 * REFERENCE_SECONDS,
        input_shapes=(REFERENCE_SHAPE,),
        # What the model's own processes left in the cache stays theirs.
        gpu=plan.settings.gpu.without_cache(),
    )


def _sustained(plan: Plan, record: PlannedRecord, progress: Progress) -> TrialSpec:
    """One process for as long as was asked; its runs are bounded by time, not by count."""
    seconds = plan.settings.sustained_seconds
    fastest = min((ns for trial in progress.trials for ns in trial.invoke_ns), default=1)
    runs = min(SUSTAINED_RUNS, math.ceil(1.5 * seconds * 1e9 / max(fastest, 1)) + 1)
    return replace(
        _timed(plan, record, len(progress.sustained)),
        purpose="sustained",
        warmups=0,
        runs=runs,
        min_runs=1,
        max_seconds=seconds,
        deadline_seconds=LOAD_ALLOWANCE_SECONDS + seconds + SLOWEST_RUN_SECONDS,
        gpu=plan.settings.gpu.options(1),
    )


def _slowest_ns(trial: Trial) -> int:
    """The longest run of a process, as far as it tells."""
    if trial.aggregate is not None:
        return trial.aggregate.max_ns or trial.aggregate.avg_ns
    return max(trial.invoke_ns, default=0)


def _images(plan: Plan, record: PlannedRecord, batch: Batch, progress: Progress) -> TrialSpec:
    """The timed trial's own settings over a batch of images, one run each."""
    slowest = max(map(_slowest_ns, progress.trials), default=0)
    each = max(IMAGE_SECONDS, 20 * slowest / 1e9)
    return replace(
        _timed(plan, record, len(progress.image_trials)),
        mode="images",
        # An image trial's load is nobody's number; what the timed ones left may be used.
        gpu=plan.settings.gpu.options(1),
        warmups=0,
        runs=1,
        min_runs=1,
        deadline_seconds=LOAD_ALLOWANCE_SECONDS + each * len(batch.items),
        input_shapes=batch.input_shapes,
        items=batch.items,
    )


def trials_left(plan: Plan, done: Mapping[str, Progress]) -> tuple[int, int]:
    """Timed processes and images still to come if nothing fails, for the progress bar."""
    timed = images = 0
    groups: set[tuple[str, str, str, str]] = set()
    for record in plan.records:
        progress = done.get(record.record_id, Progress())
        if not is_called_for(plan, record, done):
            continue
        group = reference_group(record)
        if group not in groups:
            timed += _references_left(plan, done, record, "reference_before")
            timed += _references_left(plan, done, record, "reference_after")
        groups.add(group)
        if not given_up(progress.trials):
            timed += max(0, plan.settings.protocol.processes - _counted(progress.trials))
        elif not progress.has_result:
            continue
        timed += _sustained_left(plan, progress)
        if not images_given_up(progress.image_trials):
            batches = plan.batches.get(record.model_index, ())
            images += sum(len(batch.items) for batch in batches[progress.batches_done :])
    return timed, images
