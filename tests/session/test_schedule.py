"""Which trial comes next: rounds, interleaving, fallback, giving up, images."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from bokehbench.facts import BackendReport, Failure, MeasurementProtocol, Trial, TrialSpec
from bokehbench.facts.trial import FailureKind
from bokehbench.profile import BackendChoice, DeviceProfile, Match
from bokehbench.schedule import (
    BackendRequest,
    CacheRequest,
    GpuSettings,
    Plan,
    Progress,
    Settings,
    choose_backends,
    make_plan,
    next_trial,
    split_batches,
    trials_left,
)
from bokehbench.schedule.next import MAX_LOST
from bokehbench.schedule.plan import BATCH_IMAGES

PROFILE = DeviceProfile(
    name="p",
    title="P",
    match=Match(),
    backends=[
        BackendChoice(name="gpu", engine="litert", reason="fast", needs_gpu_node=True),
        BackendChoice(name="xnnpack", engine="litert", reason="sure"),
    ],
)
PROVEN = BackendReport(name="gpu", delegated_nodes=5, total_nodes=5, adapter="Mali-G78")
SHAPE = ((1, 8, 8, 3),)


def settings_of(backend: BackendRequest, protocol: MeasurementProtocol) -> Settings:
    return Settings(backend, "default", 1, 0, protocol, 0)


def plan_of(
    backend: BackendRequest = "xnnpack",
    models: int = 1,
    processes: int = 3,
    gpu: str | None = "GPU",
    images: int = 0,
) -> Plan:
    protocol = MeasurementProtocol(
        name="t", processes=processes, warmups=1, runs=2, min_runs=1, max_seconds=10
    )
    settings = settings_of(backend, protocol)
    batches = split_batches([(index, SHAPE, 100) for index in range(images)]) if images else ()
    names = iter("abcdefgh")
    return make_plan(
        settings, PROFILE, gpu, [SHAPE] * models, {0: batches}, {}, lambda: next(names)
    )


def play(
    plan: Plan,
    outcome: Callable[[TrialSpec], FailureKind | None],
    limit: int = 100,
    report: BackendReport | None = None,
) -> list[TrialSpec]:
    done: dict[str, Progress] = {}
    specs: list[TrialSpec] = []
    while (spec := next_trial(plan, done)) is not None:
        assert len(specs) < limit, "the schedule does not end"
        specs.append(spec)
        kind = outcome(spec)
        trial = Trial(
            index=spec.index,
            mode=spec.mode,
            backend=spec.backend,
            status="failed" if kind else "ok",
            started="",
            wall_ns=1,
            invoke_ns=() if kind else (1_000,),
            report=report,
            failure=Failure(kind=kind, message="") if kind else None,
        )
        before = done.get(spec.record_id, Progress())
        if spec.mode == "time":
            done[spec.record_id] = Progress((*before.trials, trial))
        else:
            done[spec.record_id] = Progress(
                before.trials, (*before.image_trials, trial), before.batches_done + 1
            )
    assert trials_left(plan, done) == (0, 0)
    return specs


def test_models_take_turns_and_the_order_changes() -> None:
    specs = play(plan_of(models=3, processes=20), lambda _: None)
    rounds = [[s.record_id for s in specs[i : i + 3]] for i in range(0, 60, 3)]
    assert all(sorted(order) == ["a", "b", "c"] for order in rounds)
    assert len({tuple(order) for order in rounds}) > 1


def test_the_same_seed_gives_the_same_order() -> None:
    first, second = (play(plan_of(models=3), lambda _: None) for _ in range(2))
    assert first == second


def test_auto_takes_the_next_backend_only_where_one_fails() -> None:
    ok = play(plan_of("auto"), lambda _: None, report=PROVEN)
    assert {spec.backend for spec in ok} == {"gpu"}
    fell = play(plan_of("auto"), lambda s: "op_unsupported" if s.backend == "gpu" else None)
    assert [spec.backend for spec in fell] == ["gpu", "xnnpack", "xnnpack", "xnnpack"]


def test_auto_does_not_try_a_gpu_that_is_not_there() -> None:
    chosen, skipped = choose_backends(plan_of("auto").settings, PROFILE, None)
    assert [choice.backend for choice in chosen] == ["xnnpack"]
    assert skipped == ["gpu: not tried, the device shows no GPU"]


def test_all_makes_every_backend() -> None:
    specs = play(plan_of("all", processes=2), lambda s: "crash" if s.backend == "gpu" else None)
    assert sorted(s.backend for s in specs) == sorted(["gpu", "xnnpack", "cpu"] * 2)


@pytest.mark.parametrize(("kind", "tries"), [("op_unsupported", 1), ("crash", 2), ("timeout", 2)])
def test_a_record_is_given_up(kind: FailureKind, tries: int) -> None:
    assert len(play(plan_of(processes=10), lambda _: kind)) == tries


def test_one_crash_does_not_end_a_record() -> None:
    specs = play(plan_of(processes=5), lambda s: "crash" if s.index == 1 else None)
    assert [spec.index for spec in specs] == [0, 1, 2, 3, 4]


def test_a_trial_lost_with_its_device_is_run_again() -> None:
    specs = play(plan_of(processes=3), lambda s: "device_lost" if s.index == 1 else None)
    assert [spec.index for spec in specs] == [0, 1, 2, 3]
    for_ever = play(plan_of(processes=3), lambda _: "device_lost")
    assert len(for_ever) == MAX_LOST + 1


def test_a_shape_that_the_model_refuses_ends_no_other_batch() -> None:
    specs = play(
        plan_of(images=100, processes=1),
        lambda s: "input_mismatch" if s.mode == "images" and s.index < 3 else None,
    )
    assert [spec.mode for spec in specs].count("images") == 7


def test_images_come_after_timing_with_identical_settings() -> None:
    specs = play(plan_of(images=20, processes=2), lambda _: None)
    assert [spec.mode for spec in specs] == ["time", "time", "images", "images"]
    assert [len(spec.items) for spec in specs[2:]] == [BATCH_IMAGES, 20 - BATCH_IMAGES]
    for name in ("backend", "precision", "threads", "core_mask"):
        assert len({getattr(spec, name) for spec in specs}) == 1


def test_no_images_without_a_timed_result() -> None:
    specs = play(plan_of(images=4), lambda _: "model_invalid")
    assert [spec.mode for spec in specs] == ["time"]


def test_images_are_given_up_after_two_failed_batches() -> None:
    specs = play(
        plan_of(images=100, processes=1), lambda s: "crash" if s.mode == "images" else None
    )
    assert [spec.mode for spec in specs] == ["time", "images", "images"]


def test_batches_are_bounded_and_of_one_shape() -> None:
    other = ((1, 4, 4, 3),)
    sizes = [(i, SHAPE if i % 2 else other, 60 << 20) for i in range(10)]
    batches = split_batches(sizes)
    assert sorted(index for batch in batches for index in batch.items) == list(range(10))
    assert all(len(batch.items) <= 3 for batch in batches)
    assert all(len({i % 2 for i in batch.items}) == 1 for batch in batches)


def test_auto_goes_on_where_the_gpu_is_not_proven_or_is_only_software() -> None:
    for report in (
        None,
        BackendReport(name="gpu"),
        BackendReport(name="gpu", delegated_nodes=5, adapter="llvmpipe (LLVM 19)"),
    ):
        tried = {spec.backend for spec in play(plan_of("auto"), lambda _: None, report=report)}
        assert tried == {"gpu", "xnnpack"}


def test_every_backend_has_the_engine_that_the_profile_names_first() -> None:
    profile = DeviceProfile(
        name="p",
        title="P",
        match=Match(),
        backends=[
            BackendChoice(name="gpu", engine="tflite", reason="as the challenge"),
            BackendChoice(name="gpu", engine="litert", reason="newer"),
            BackendChoice(name="xnnpack", engine="litert", reason="sure"),
        ],
    )

    def chosen(settings: Settings) -> list[tuple[str, str]]:
        return [(c.backend, c.engine) for c in choose_backends(settings, profile, "GPU")[0]]

    auto, every = plan_of("auto").settings, plan_of("all").settings
    assert chosen(auto) == [("gpu", "tflite"), ("gpu", "litert"), ("xnnpack", "litert")]
    assert chosen(every) == [("gpu", "tflite"), ("xnnpack", "litert"), ("cpu", "tflite")]
    forced = replace(auto, engine="litert")
    assert chosen(forced) == [("gpu", "litert"), ("xnnpack", "litert")]


def test_an_engine_that_is_missing_is_named_and_left_out() -> None:
    settings = plan_of("auto").settings
    plan = make_plan(settings, PROFILE, "GPU", [SHAPE], {}, {"litert": "none here"}, lambda: "a")
    assert plan.records == ()
    assert plan.skipped == (
        "gpu: not tried, none here",
        "xnnpack: not tried, none here",
    )


def test_both_precisions_are_two_records_of_the_gpu_alone() -> None:
    names = iter("abcdefgh")
    settings = replace(plan_of("all").settings, precision="both")
    plan = make_plan(settings, PROFILE, "GPU", [SHAPE], {}, {}, lambda: next(names))
    found = [(record.backend, record.precision) for record in plan.records]
    assert found == [("gpu", "fp16"), ("gpu", "fp32"), ("xnnpack", "default"), ("cpu", "default")]
    specs = play(plan, lambda _: None, report=PROVEN)
    assert {(s.backend, s.precision) for s in specs} == set(found)


def test_a_precision_is_not_said_of_backends_that_do_not_heed_it() -> None:
    names = iter("abcdefgh")
    settings = replace(plan_of("all").settings, precision="fp16")
    plan = make_plan(settings, PROFILE, "GPU", [SHAPE], {}, {}, lambda: next(names))
    found = [(record.backend, record.precision) for record in plan.records]
    assert found == [("gpu", "fp16"), ("xnnpack", "default"), ("cpu", "default")]


@pytest.mark.parametrize(
    ("cache", "told"),
    [
        ("none", ["none"] * 3),
        ("cold", ["cold"] * 3),
        ("warm", ["warm"] * 3),
        ("both", ["cold", "warm", "warm"]),
    ],
)
def test_cold_and_warm_loads(cache: CacheRequest, told: list[str]) -> None:
    settings = replace(plan_of("gpu", images=1).settings, gpu=GpuSettings(cache=cache))
    batches = split_batches([(0, SHAPE, 100)])
    plan = make_plan(settings, PROFILE, "GPU", [SHAPE], {0: batches}, {}, lambda: "a")
    specs = play(plan, lambda _: None, report=PROVEN)
    assert [spec.gpu.cache for spec in specs if spec.mode == "time"] == told
    # Images are scored, not timed: what was compiled before may serve them.
    assert specs[-1].mode == "images"
    assert specs[-1].gpu.cache == ("warm" if cache == "both" else cache)
