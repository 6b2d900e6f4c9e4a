"""Rank tests against counting by hand and against scipy; what they say of ties and of many."""

import itertools
import random

import pytest
from scipy.stats import mannwhitneyu

from bokehbench.analysis import ranktest
from bokehbench.analysis.ranktest import doubled_midranks, rank_sum, without_trend


def by_hand(first: list[float], second: list[float]) -> tuple[float, float]:
    """Both tails, by dealing the processes to the two sides in every way."""
    ranks = doubled_midranks([*first, *second])
    observed = sum(ranks[len(first) :])
    sums = [sum(choice) for choice in itertools.combinations(ranks, len(second))]
    greater = sum(value >= observed for value in sums) / len(sums)
    return greater, sum(value <= observed for value in sums) / len(sums)


@pytest.mark.parametrize("digits", [1, 3])
@pytest.mark.parametrize(("first", "second"), [(1, 1), (5, 5), (3, 6), (7, 4)])
def test_every_way_of_dealing_is_counted(first: int, second: int, digits: int) -> None:
    draw = random.Random(first)
    # One digit makes ties.
    left, right = (
        [round(draw.random(), digits) for _ in range(count)] for count in (first, second)
    )
    test = rank_sum(left, right)
    assert (test.p_greater, test.p_less) == pytest.approx(by_hand(left, right), abs=1e-15)


@pytest.mark.parametrize("count", [5, 20, 50])
def test_as_scipy_counts(count: int) -> None:
    draw = random.Random(count)
    left, right = ([draw.random() for _ in range(count)] for _ in range(2))
    test = rank_sum(left, right)
    for side, ours in (("greater", test.p_greater), ("less", test.p_less)):
        theirs = mannwhitneyu(right, left, alternative=side, method="exact").pvalue
        assert ours == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize("ties", [False, True])
def test_many_processes_are_approximated_as_scipy_does(ties: bool) -> None:
    draw = random.Random(3)
    left, right = (
        [round(draw.random(), 1) if ties else draw.random() for _ in range(count)]
        for count in (80, 90)
    )
    assert not ranktest.is_exact(80, 90)
    test = rank_sum(left, right)
    for side, ours in (("greater", test.p_greater), ("less", test.p_less)):
        theirs = mannwhitneyu(right, left, alternative=side, method="asymptotic").pvalue
        assert ours == pytest.approx(theirs, abs=1e-12)
    assert test.interval is not None
    assert test.interval[0] <= test.shift <= test.interval[1]
    assert test.level == pytest.approx(0.95, abs=0.001)


@pytest.mark.parametrize("seed", range(5))
def test_both_ways_agree_where_they_meet(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(seed)
    left, right = ([draw.gauss(side / 4, 1) for _ in range(50)] for side in range(2))
    exact = rank_sum(left, right)
    ranktest._u_tail.cache_clear()
    monkeypatch.setattr(ranktest, "EXACT_PROCESSES", 0)
    near = rank_sum(left, right)
    ranktest._u_tail.cache_clear()
    assert near.p_greater == pytest.approx(exact.p_greater, abs=5e-4)
    assert near.interval == pytest.approx(exact.interval, abs=0.05)
    assert near.level == pytest.approx(exact.level, abs=1e-3)


@pytest.mark.parametrize("count", [5, 80])
def test_what_is_all_the_same_differs_in_nothing(count: int) -> None:
    test = rank_sum([2.0] * count, [2.0] * count)
    assert (test.p_greater, test.p_less, test.p_two_sided) == (1.0, 1.0, 1.0)
    assert test.interval == (0.0, 0.0)


def test_an_empty_side_is_refused() -> None:
    with pytest.raises(ValueError, match="both sides"):
        rank_sum([], [1.0])


def test_a_shared_trend_is_taken_out_of_both() -> None:
    left, right = without_trend([n * 0.1 for n in range(10)], [1 + n * 0.1 for n in range(10)])
    assert left == pytest.approx([0.0] * 10)
    assert right == pytest.approx([1.0] * 10)
    few = [0.0, 1.0, 2.0, 3.0, 4.0]
    assert without_trend(few, few) == (few, few)
    with pytest.raises(ValueError, match="as many"):
        without_trend([1.0], [1.0, 2.0])
