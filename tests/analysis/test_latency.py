"""Raw samples -> one latency: medians, interval and its true level, what is left out."""

import math
import random
from itertools import product

import pytest
from msgspec.structs import replace

from bokehbench.analysis.latency import summarize
from bokehbench.analysis.median import median_interval, order_level
from bokehbench.analysis.percentile import overlatency, p90
from bokehbench.analysis.reference import reference_ratio
from bokehbench.analysis.shape import drift, sustained_curve, two_modes
from bokehbench.analysis.verdict.rules import MODES_DISTANCE
from bokehbench.derive import derive
from bokehbench.facts import BackendReport, Trial
from tests.support.evidence import failed_trial, make_evidence, make_trial


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
    # Of 64 samples none may be beyond: the estimate is the largest.
    assert latency.p90_ms == 64.0


@pytest.mark.parametrize("count", [64, 100, 250, 1000])
def test_p90_is_the_earliest_that_the_binomial_rule_allows(count: int) -> None:
    allowed = overlatency(count)
    assert allowed is not None

    def at_most(t: int) -> float:
        return sum(math.comb(count, i) * 0.1**i * 0.9 ** (count - i) for i in range(t + 1))

    assert at_most(allowed) <= 0.01 < at_most(allowed + 1)


def test_p90_is_rarely_below_the_truth() -> None:
    draw = random.Random(4)
    truth = -math.log(0.1)
    below = 0
    for _ in range(2000):
        samples = sorted(round(1e9 * draw.expovariate(1)) for _ in range(100))
        estimate = p90(samples)
        assert estimate is not None
        below += estimate < truth * 1e9
    assert below <= 2000 * 0.01 + 15


def test_interval_needs_five_processes_and_states_its_level() -> None:
    assert median_interval([1, 2, 3, 4]) is None
    assert median_interval([5, 1, 4, 2, 3]) == ((1, 5), 0.9375)
    latency = summarize([_trial(i * 1_000_000) for i in (3, 1, 2, 5, 4)])
    assert (latency.ci95_ms, latency.ci_level) == ((1.0, 5.0), 0.9375)
    four = summarize([_trial(1)] * 4)
    assert (four.ci95_ms, four.ci_level) == (None, None)


@pytest.mark.parametrize("count", range(2, 14))
def test_levels_by_counting_all_signs(count: int) -> None:
    for rank in range(1, count // 2 + 1):
        # Each value is above or below the true median with even odds: count the covering cases.
        low, high = rank, count - rank + 1
        covered = sum(low <= sum(signs) < high for signs in product((0, 1), repeat=count))
        assert math.isclose(order_level(count, rank), covered / 2**count)


@pytest.mark.parametrize("count", range(6, 30))
def test_interval_lies_between_its_order_statistics(count: int) -> None:
    values = [float(value) for value in range(count)]
    interval = median_interval(values)
    assert interval is not None
    (low, high), level = interval
    assert level == 0.95
    rank = max(r for r in range(1, count // 2 + 1) if order_level(count, r) >= 0.95)
    assert values[rank - 1] <= low <= values[rank]
    assert math.isclose(low + high, count - 1)


@pytest.mark.parametrize("count", [10, 20])
def test_interval_covers_the_median_of_skewed_noise(count: int) -> None:
    draw = random.Random(count)
    covered = 0
    for _ in range(3000):
        interval = median_interval([draw.lognormvariate(0, 0.5) for _ in range(count)])
        assert interval is not None
        covered += interval[0][0] <= 1.0 <= interval[0][1]
    assert 0.925 <= covered / 3000 <= 0.975


def test_cold_and_warm_loads_are_two_numbers() -> None:
    def loaded(cache: str, load_ns: int) -> Trial:
        report = BackendReport(name="gpu", cache=cache)
        return replace(_trial(1_000_000, load_ns=load_ns), report=report)

    latency = summarize([loaded("cold", 9_000_000), *[loaded("warm", 2_000_000)] * 3])
    assert (latency.load_cold_ms, latency.load_warm_ms) == (9.0, 2.0)
    assert summarize([_trial(1)]).load_cold_ms is None


def test_outliers_are_counted_and_kept() -> None:
    steady = [1_000_000 + step * 1000 for step in range(-10, 11)]
    latency = summarize([_trial(*steady, 5_000_000), _trial(*steady)])
    assert latency.outliers == 1
    assert latency.samples == 43
    assert summarize([_trial(*[7] * 9, 8)]).outliers == 0


def test_drift_needs_processes_that_agree() -> None:
    rising = [1_000_000 + 10_000 * step for step in range(30)]
    assert drift([rising] * 5) == pytest.approx(1.24 / 1.05, abs=0.03)
    assert drift([rising, rising[::-1]] * 3) == 1.0
    assert drift([rising[:8]] * 5) == 1.0


def test_two_modes() -> None:
    draw = random.Random(1)

    def around(centre: float, count: int) -> list[int]:
        return [round(1e6 * centre * draw.gauss(1, 0.01)) for _ in range(count)]

    distance, ratio = two_modes([around(1, 40) + around(1.3, 20)] * 3)
    assert distance > 10
    assert ratio == pytest.approx(1.3, abs=0.02)
    # One mode, whatever its form, stays below the threshold.
    for shape in (
        [draw.gauss(100, 3) for _ in range(600)],
        [draw.uniform(90, 110) for _ in range(600)],
        [90 + draw.gammavariate(2, 5) for _ in range(600)],
        [90 + draw.expovariate(0.1) for _ in range(600)],
    ):
        assert two_modes([[round(value * 1e6) for value in shape]])[0] < MODES_DISTANCE
    assert two_modes([[5] * 19]) == (0.0, 1.0)


def test_sustained_curve() -> None:
    samples = [10_000_000] * 500 + [20_000_000] * 500
    curve = sustained_curve(samples)
    assert curve is not None
    assert curve.seconds == pytest.approx(15.0)
    assert (curve.first_ms, curve.last_ms, curve.score) == (10.0, 20.0, 0.5)
    times = [second for second, _ in curve.curve]
    assert times == sorted(times)
    assert [ms for _, ms in curve.curve] == [10.0] * 20 + [20.0] * 40
    assert sustained_curve([5]) is None


def test_reference_is_judged_by_its_own_noise() -> None:
    quiet = reference_ratio([10.0, 10.01, 9.99], [10.5, 10.51, 10.49])
    assert quiet is not None
    assert quiet == (1.05, 1.10)
    noisy = reference_ratio([9.0, 10.0, 11.5], [9.5, 11.0, 12.5])
    assert noisy is not None
    assert noisy[1] > 1.3
    assert reference_ratio([1.0, 1.0], [1.0, 1.0, 1.0]) is None


def test_reference_bound_is_rarely_crossed_by_noise_alone() -> None:
    draw = random.Random(3)
    crossed = 0
    for _ in range(2000):
        before, after = ([math.exp(draw.gauss(0, 0.08)) for _ in range(3)] for _ in range(2))
        found = reference_ratio(before, after)
        assert found is not None
        crossed += found[0] > found[1]
    assert crossed <= 2000 * 0.01 + 15


@pytest.mark.parametrize("wrong", [0, -5])
def test_a_time_that_is_none_spoils_nothing_else(wrong: int) -> None:
    """An import can hold what no run of ours does: it is implausible, and nothing fails."""
    bad = make_trial(invoke_ns=(wrong,) * 20)
    trials = (*(make_trial(index=i) for i in range(4)), bad)
    evidence = make_evidence(
        trials=trials,
        reference_before=(bad,) * 3,
        reference_after=(bad,) * 3,
        sustained=(bad,),
    )
    derived = derive(evidence)
    assert derived.status == "invalid"
    assert "implausible_latency" in derived.reasons
    assert (derived.latency.reference_ratio, derived.latency.sustained) == (None, None)
    assert derive(replace(evidence, trials=(bad,) * 5)).status == "invalid"
