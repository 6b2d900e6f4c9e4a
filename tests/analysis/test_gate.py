"""One look of the gate: what it tolerates, what it learns, what it refuses."""

import random

import pytest

from bokehbench.analysis.gate import PRIOR_RUN_DEVIATION, TooLittle, look


def run_of(ms: float, seed: int, deviation: float = 0.01, count: int = 10) -> list[float]:
    draw = random.Random(seed)
    return [ms * (1 + draw.gauss(0, deviation)) for _ in range(count)]


HISTORY = [run_of(20, seed) for seed in range(5)]


def test_beyond_and_short_of_the_limit() -> None:
    passed = look(HISTORY, run_of(20.4, 9), max_regression=0.03)
    assert not passed.suspected
    assert passed.bound > 1.03
    limit = passed.bound
    assert look(HISTORY, [20 * limit * 1.02] * 10, max_regression=0.03).suspected
    assert not look(HISTORY, [20 * limit * 0.98] * 10, max_regression=0.03).suspected


def test_faster_is_never_suspected() -> None:
    assert not look(HISTORY, run_of(10, 9), max_regression=0).suspected


def test_a_small_difference_stays_below_the_floor() -> None:
    history, slow = [[0.1] * 5], [0.14] * 5
    assert look(history, slow, max_regression=0.03).below_floor
    assert not look(history, slow, max_regression=0.03).suspected
    assert look(history, slow, max_regression=0.03, floor_ms=0.01).suspected


def test_runs_that_differ_raise_the_limit() -> None:
    wild = [run_of(ms, seed) for seed, ms in enumerate((18, 22, 19, 21, 20, 18.5, 21.5))]
    calm = look(HISTORY, run_of(20, 9), max_regression=0.03)
    raised = look(wild, run_of(20, 9), max_regression=0.03)
    assert raised.between_deviation > 3 * calm.between_deviation
    assert raised.bound > calm.bound


def test_one_run_of_history_has_the_assumed_spread() -> None:
    found = look(HISTORY[:1], run_of(20, 9), max_regression=0.03)
    assert (found.baseline_runs, found.between_deviation) == (1, PRIOR_RUN_DEVIATION)


def test_processes_without_any_spread() -> None:
    found = look([[20.0] * 5] * 3, [20.0] * 5, max_regression=0.0)
    assert (found.ratio, found.within_deviation, found.suspected) == (1.0, 0.0, False)


def test_one_slow_process_is_no_slow_run() -> None:
    run = run_of(20, 9)
    assert not look(HISTORY, [*run[:9], 200.0], max_regression=0.03).suspected


def test_too_little_and_times_that_are_none() -> None:
    with pytest.raises(TooLittle, match="no run"):
        look([], run_of(20, 0), max_regression=0.03)
    with pytest.raises(TooLittle, match="4 processes; the gate needs 5"):
        look(HISTORY, [20.0] * 4, max_regression=0.03)
    for wrong in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="above zero"):
            look(HISTORY, [*[20.0] * 4, wrong], max_regression=0.03)
