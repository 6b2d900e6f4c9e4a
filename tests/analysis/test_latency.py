"""Raw samples -> one latency: medians, interval and its true level, what is left out."""

import math
from itertools import product

import pytest

from bokehbench.analysis.latency import median_interval, summarize
from bokehbench.facts import Trial
from tests.support.evidence import failed_trial, make_trial


def _trial(*invoke_ns: int, warmup_ns: tuple[int, ...] = (), load_ns: int | None = 7) -> Trial:
    return make_trial(invoke_ns=invoke_ns, warmup_ns=warmup_ns, load_ns=load_ns)


def test_nothing_succeeded() -> None:
    latency = summarize([failed_trial()], shape=(1, 2))
    assert latency.median_ms is None
    assert (latency.processes, latency.samples, latency.shape) == (0, 0, (1, 2))


def test_median_of_process_medians() -> None:
    # Pooled, the long process would win; of medians it is one among three.
    trials = [_trial(*[9_000_000] * 50), _trial(1_000_000), _trial(1_000_000, 4_000_000)]
    latency = summarize(trials)
    assert latency.process_medians_ms == (9.0, 1.0, 2.5)
    assert latency.median_ms == 2.5
    assert summarize(trials[:2]).median_ms == 5.0
    assert (latency.processes, latency.samples) == (3, 53)
    assert latency.min_ms == 1.0


def test_failed_trials_are_left_out() -> None:
    assert summarize([failed_trial(), _trial(2_000_000)]).median_ms == 2.0


def test_mad_is_from_the_pooled_median() -> None:
    latency = summarize([_trial(1_000_000, 2_000_000), _trial(4_000_000)])
    assert latency.mad_ms == 1.0


def test_first_run_is_the_first_warm_up_if_there_was_one() -> None:
    trials = [_trial(1_000_000, warmup_ns=(8_000_000, 5)), _trial(4_000_000, load_ns=None)]
    latency = summarize(trials)
    assert latency.first_ms == 6.0
    assert latency.load_ms == 7e-6
    assert summarize([_trial(1, load_ns=None)]).load_ms is None


def test_p90_needs_64_samples() -> None:
    assert summarize([_trial(*range(1, 64))]).p90_ms is None
    latency = summarize([_trial(*range(1_000_000, 65_000_000, 1_000_000))])
    # The 58th of 64 is the first that 90 % (57.6) do not exceed.
    assert latency.p90_ms == 58.0


def test_interval_needs_five_processes_and_states_its_level() -> None:
    assert median_interval([1, 2, 3, 4]) is None
    assert median_interval([5, 1, 4, 2, 3]) == ((1, 5), 0.9375)
    assert median_interval([6, 5, 1, 4, 2, 3]) == ((1, 6), 1 - 2 / 64)
    assert median_interval(range(1, 10)) == ((2, 8), 1 - 2 * (1 + 9) / 512)
    latency = summarize([_trial(i * 1_000_000) for i in (3, 1, 2, 5, 4)])
    assert (latency.ci95_ms, latency.ci_level) == ((1.0, 5.0), 0.9375)
    four = summarize([_trial(1)] * 4)
    assert (four.ci95_ms, four.ci_level) == (None, None)


@pytest.mark.parametrize("count", range(5, 13))
def test_interval_level_by_counting_all_signs(count: int) -> None:
    interval = median_interval(range(count))
    assert interval is not None
    (low, high), level = interval
    # Each value is above or below the true median with even odds: count the covering cases.
    covered = sum(low < sum(signs) <= high for signs in product((0, 1), repeat=count))
    assert math.isclose(level, covered / 2**count)
    assert level >= (0.9375 if count == 5 else 0.95)
    # One rank further in would fall below 95 %.
    inner = sum(low + 1 < sum(signs) <= high - 1 for signs in product((0, 1), repeat=count))
    assert inner / 2**count < 0.95
