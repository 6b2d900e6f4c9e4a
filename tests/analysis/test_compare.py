"""Comparisons of two groups of processes, and which records are alike."""

import pytest
from msgspec.structs import replace

from bokehbench.analysis.compare import (
    TooFew,
    Unlike,
    compare,
    compare_records,
    differing,
    runs_side_by_side,
)
from bokehbench.facts import GpuOptions
from tests.support.evidence import (
    failed_trial,
    make_device,
    make_evidence,
    make_record,
    make_trial,
    make_trials,
)

STEADY = [20.0, 20.1, 19.9, 20.2, 19.8, 20.05, 19.95, 20.15]


def test_the_same_on_both_sides_has_a_ratio_of_one() -> None:
    found = compare([20.0] * 6, [20.0] * 6)
    assert (found.ratio, found.interval, found.outcome) == (1.0, (1.0, 1.0), "no difference found")
    assert (found.minimum_detectable, found.bootstrap_share_slower) == (1.0, 0.5)


def test_slower_and_faster_mirror_each_other() -> None:
    slower = compare(STEADY, [1.1 * ms for ms in STEADY])
    faster = compare([1.1 * ms for ms in STEADY], STEADY)
    assert (slower.outcome, faster.outcome) == ("slower", "faster")
    assert slower.ratio == pytest.approx(1.1)
    assert faster.ratio == pytest.approx(1 / 1.1)
    assert slower.p_slower == pytest.approx(faster.p_faster)
    assert slower.exact


@pytest.mark.parametrize("wrong", [0.0, -1.0, float("nan"), float("inf")])
def test_a_time_that_is_none_is_refused_by_name(wrong: float) -> None:
    with pytest.raises(ValueError, match=r"new: a time that is not above zero"):
        compare(STEADY, [*STEADY, wrong], names=("old", "new"))


@pytest.mark.parametrize("count", [0, 1, 4])
def test_too_few_are_refused_by_name(count: int) -> None:
    with pytest.raises(TooFew, match=f"new: {count} processes"):
        compare(STEADY, STEADY[:count], names=("old", "new"))
    assert compare(STEADY, STEADY[:5]).interval is not None


def test_side_by_side_is_one_run_one_device_and_none_missing() -> None:
    first = make_evidence(record_id="a")
    second = replace(first, record_id="b")
    assert runs_side_by_side(first, second)
    assert not runs_side_by_side(first, first)
    assert not runs_side_by_side(first, replace(second, run_id="another"))
    assert not runs_side_by_side(first, replace(second, device=make_device(device_id="phone-2")))
    assert not runs_side_by_side(first, replace(second, trials=make_trials(count=6)))
    failed = (*make_trials(count=4), failed_trial())
    assert not runs_side_by_side(first, replace(second, trials=failed))
    assert not runs_side_by_side(replace(first, trials=()), replace(second, trials=()))


def test_options_of_a_gpu_count_on_a_gpu_alone() -> None:
    other = GpuOptions(backend="opencl")
    cpu, gpu = make_evidence("xnnpack"), make_evidence("gpu")
    assert differing(cpu, replace(cpu, gpu=other)) == {}
    found = differing(gpu, replace(gpu, gpu=other))
    assert list(found) == ["GPU options"]
    assert "backend=opencl" in found["GPU options"][1]
    assert differing(gpu, replace(gpu, gpu=other), ["GPU options"]) == {}


def test_records_that_are_unlike_name_every_key() -> None:
    one = make_record(make_evidence(record_id="a"))
    other = make_record(make_evidence(record_id="b", threads=1, precision="fp16"))
    with pytest.raises(Unlike) as caught:
        compare_records(one, other)
    assert caught.value.keys == {"precision": ("default", "fp16"), "threads": ("4", "1")}


def test_a_record_that_is_not_ranked_is_warned_of() -> None:
    trials = tuple(make_trial(index=i, runs=2) for i in range(5))
    one = make_record(make_evidence(record_id="a", trials=trials))
    other = make_record(make_evidence(record_id="b"))
    [warning] = compare_records(one, other).warnings
    assert warning == "tiny (a) is provisional: too_few_samples"
