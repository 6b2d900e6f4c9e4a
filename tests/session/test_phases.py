"""What stands around the timed processes: reference workload, A B B A, the long run, images."""

from collections.abc import Callable
from dataclasses import replace

import msgspec

from bokehbench.facts import (
    BackendReport,
    Failure,
    MeasurementProtocol,
    ReferenceWorkload,
    Trial,
    TrialSpec,
)
from bokehbench.facts.trial import FailureKind, Order
from bokehbench.schedule import (
    BackendRequest,
    GpuSettings,
    Plan,
    Progress,
    Settings,
    is_called_for,
    make_plan,
    next_trial,
    reference_group,
    split_batches,
    trials_left,
)
from tests.session.test_schedule import PROFILE, PROVEN, SHAPE


def plan_of(
    backend: BackendRequest = "xnnpack",
    *,
    models: int = 1,
    processes: int = 2,
    reference: int = 3,
    order: Order = "shuffled",
    sustained: float = 0.0,
    images: int = 0,
) -> Plan:
    protocol = MeasurementProtocol(
        name="t",
        processes=processes,
        warmups=1,
        runs=2,
        min_runs=1,
        max_seconds=10,
        order=order,
        reference=ReferenceWorkload(processes=reference, runs=7),
    )
    settings = Settings(backend, "default", 1, 0, protocol, 0, sustained_seconds=sustained)
    batches = split_batches([(index, SHAPE, 100) for index in range(images)]) if images else ()
    names = iter("abcdefgh")
    shapes = [SHAPE] * models
    return make_plan(settings, PROFILE, "GPU", shapes, {0: batches}, {}, lambda: next(names))


def play(
    plan: Plan, outcome: Callable[[TrialSpec], FailureKind | None] = lambda _: None
) -> list[TrialSpec]:
    """Run a plan as a session does: a reference trial counts for all records of its group."""
    done: dict[str, Progress] = {}
    specs: list[TrialSpec] = []
    while (spec := next_trial(plan, done)) is not None:
        assert len(specs) < 200, "the schedule does not end"
        specs.append(spec)
        record = next(r for r in plan.records if r.record_id == spec.record_id)
        assert is_called_for(plan, record, done)
        kind = outcome(spec)
        report = PROVEN if spec.backend == "gpu" else BackendReport(name=spec.backend)
        trial = Trial(
            index=spec.index,
            mode=spec.mode,
            purpose=spec.purpose,
            backend=spec.backend,
            status="failed" if kind else "ok",
            started="",
            wall_ns=1,
            invoke_ns=() if kind else (1_000_000,),
            report=report,
            failure=Failure(kind=kind, message="") if kind else None,
        )
        shared = spec.purpose.startswith("reference")
        if spec.record_id not in done:
            known = [
                done[r.record_id]
                for r in plan.records
                if r.record_id in done and reference_group(r) == reference_group(record)
            ]
            before = known[0].reference_before if known else ()
            done[spec.record_id] = Progress(reference_before=before)
        for other in plan.records:
            alike = shared and reference_group(other) == reference_group(record)
            if other.record_id in done and (other.record_id == spec.record_id or alike):
                done[other.record_id] = counted(done[other.record_id], trial)
    assert trials_left(plan, done) == (0, 0)
    return specs


def counted(progress: Progress, trial: Trial) -> Progress:
    if trial.mode == "images":
        images = (*progress.image_trials, trial)
        return replace(progress, image_trials=images, batches_done=progress.batches_done + 1)
    if trial.purpose == "reference_before":
        return replace(progress, reference_before=(*progress.reference_before, trial))
    if trial.purpose == "reference_after":
        return replace(progress, reference_after=(*progress.reference_after, trial))
    if trial.purpose == "sustained":
        return replace(progress, sustained=(*progress.sustained, trial))
    return replace(progress, trials=(*progress.trials, trial))


def test_reference_stands_around_all_timed_processes() -> None:
    purposes = [spec.purpose for spec in play(plan_of(images=3))]
    assert purposes == [
        *["reference_before"] * 3,
        *["model"] * 2,
        *["reference_after"] * 3,
        "model",
    ]


def test_reference_has_its_own_runs_and_input() -> None:
    first, *_ = play(plan_of())
    assert (first.runs, first.input_shapes) == (7, ((1, 256, 256, 3),))
    assert first.gpu.cache == "none"


def test_models_of_one_backend_share_the_reference() -> None:
    specs = play(plan_of(models=3, processes=4))
    assert [spec.purpose for spec in specs].count("reference_before") == 3
    assert [spec.purpose for spec in specs].count("reference_after") == 3
    assert [spec.purpose for spec in specs].count("model") == 12


def test_every_backend_has_a_reference_of_its_own() -> None:
    specs = play(plan_of("all"))
    for backend in ("gpu", "xnnpack", "cpu"):
        mine = [spec.purpose for spec in specs if spec.backend == backend]
        assert mine.count("reference_before") == mine.count("reference_after") == 3


def test_a_fallback_has_its_reference_when_it_is_called_for() -> None:
    failing = play(plan_of("auto"), lambda s: "delegate_failed" if s.backend == "gpu" else None)
    order = [(spec.backend, spec.purpose) for spec in failing]
    fallback = order.index(("xnnpack", "reference_before"))
    assert all(backend == "gpu" for backend, _ in order[:fallback])
    # A reference that fails is not tried for ever, and what failed has none after it.
    assert order.count(("gpu", "reference_before")) == 2
    assert ("gpu", "reference_after") not in order
    assert order.count(("xnnpack", "reference_after")) == 3


def test_abba() -> None:
    specs = play(plan_of(models=2, processes=4, order="abba", reference=0))
    assert [spec.record_id for spec in specs] == ["a", "b", "b", "a", "a", "b", "b", "a"]


def test_one_long_run_after_the_reference() -> None:
    specs = play(plan_of(sustained=60, images=1))
    purposes = [spec.purpose for spec in specs]
    assert purposes[-3:] == ["reference_after", "sustained", "model"]
    [long] = [spec for spec in specs if spec.purpose == "sustained"]
    assert (long.warmups, long.max_seconds, long.runs) == (0, 60, 90_001)
    assert long.deadline_seconds > 60


def test_a_long_run_that_fails_is_tried_twice() -> None:
    specs = play(plan_of(sustained=5), lambda s: "crash" if s.purpose == "sustained" else None)
    assert [spec.purpose for spec in specs].count("sustained") == 2


def test_no_reference_and_no_long_run_unless_asked_for() -> None:
    assert {spec.purpose for spec in play(plan_of(reference=0))} == {"model"}


def test_a_spec_travels_as_json() -> None:
    [spec, *_] = play(plan_of())
    assert msgspec.json.decode(msgspec.json.encode(spec), type=TrialSpec) == spec


def test_the_load_stays_cold_until_a_process_came_to_its_end() -> None:
    plan = plan_of("gpu", processes=4, reference=0)
    plan = replace(plan, settings=replace(plan.settings, gpu=GpuSettings(cache="both")))
    failing = {0}

    def first_is_lost(spec: TrialSpec) -> FailureKind | None:
        return "device_lost" if spec.index in failing else None

    caches = [spec.gpu.cache for spec in play(plan, first_is_lost)]
    assert caches == ["cold", "cold", "warm", "warm", "warm"]
