"""Quantiles against scipy's, intervals against their coverage."""

import math

import numpy as np
import pytest
from scipy import stats

from bokehbench.analysis.intervals import (
    clipped,
    fisher_interval,
    mean_interval,
    student_quantile,
)


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 5, 7, 10, 19, 30, 59, 200, 1001])
@pytest.mark.parametrize("probability", [0.5, 0.6, 0.9, 0.975, 0.995, 0.0005])
def test_students_quantile(degrees: int, probability: float) -> None:
    wanted = float(stats.t.ppf(probability, degrees))
    assert student_quantile(probability, degrees) == pytest.approx(wanted, rel=1e-8, abs=1e-8)


@pytest.mark.parametrize(("probability", "degrees"), [(0, 3), (1, 3), (0.5, 0)])
def test_no_quantile(probability: float, degrees: int) -> None:
    with pytest.raises(ValueError, match="no quantile"):
        student_quantile(probability, degrees)


def test_interval_of_a_mean() -> None:
    values = [3.0, 4.0, 4.0, 5.0, 2.0]
    wanted = stats.t.interval(0.95, 4, loc=np.mean(values), scale=stats.sem(values))
    assert mean_interval(values) == pytest.approx(wanted)
    assert mean_interval([1.0]) is None


def test_fisher() -> None:
    # Five pairs with r = 0.5: the interval of every textbook.
    low, high = fisher_interval(0.5, 1 / 2)
    half = 1.959963984540054 * math.sqrt(0.5)
    assert (low, high) == pytest.approx(
        (math.tanh(math.atanh(0.5) - half), math.tanh(math.atanh(0.5) + half))
    )
    assert fisher_interval(1.0, 0.1) == (1.0, 1.0)


def test_clipping() -> None:
    assert clipped((0.5, 6.0), 1, 5) == (1, 5)
    assert clipped(None, 1, 5) is None
