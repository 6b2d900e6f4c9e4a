"""Correlations against scipy's, their intervals, and what has none."""

import math

import numpy as np
import pytest
from scipy import stats

from bokehbench.analysis.correlation import correlations, pearson, spearman
from bokehbench.analysis.metrics import parse_metrics
from bokehbench.errors import UsageError

MOS = {"a": 2.6, "b": 3.5, "c": 2.3, "d": 3.4, "e": 3.8, "f": 3.4, "g": 4.0}
PSNR = {"a": 22.76, "b": 22.89, "c": 20.08, "d": 22.81, "e": 23.53, "f": 22.77, "g": 23.28}


def test_against_scipy() -> None:
    random = np.random.default_rng(0)
    for _ in range(30):
        left = random.integers(1, 6, 9).astype(float).tolist()
        right = random.normal(size=9).round(1).tolist()
        assert pearson(left, right) == pytest.approx(stats.pearsonr(left, right).statistic)
        assert spearman(left, right) == pytest.approx(stats.spearmanr(left, right).statistic)


def test_the_challenges_seven_methods() -> None:
    plcc, srcc = correlations(MOS, {"psnr": PSNR})
    left, right = [MOS[key] for key in MOS], [PSNR[key] for key in MOS]
    wanted = stats.pearsonr(left, right)
    interval = wanted.confidence_interval(0.95)
    assert (plcc.kind, plcc.methods) == ("PLCC", 7)
    assert plcc.value == pytest.approx(wanted.statistic)
    assert plcc.ci95 == pytest.approx((interval.low, interval.high))
    rho = stats.spearmanr(left, right).statistic
    half = 1.959963984540054 * math.sqrt((1 + rho**2 / 2) / 4)
    assert srcc.value == pytest.approx(rho)
    assert srcc.ci95 == pytest.approx(
        (math.tanh(math.atanh(rho) - half), math.tanh(math.atanh(rho) + half))
    )


def test_too_few_methods_are_said() -> None:
    three, _ = correlations(MOS, {"psnr": {key: PSNR[key] for key in "abc"}})
    assert three.value is not None
    assert (three.ci95, three.note) == (None, "3 methods have both; an interval needs 4")
    two, _ = correlations(MOS, {"psnr": {key: PSNR[key] for key in "ab"}})
    assert two.value is None


def test_what_does_not_vary_has_no_correlation() -> None:
    flat, _ = correlations(MOS, {"lpips": dict.fromkeys(MOS, 0.2)})
    assert (flat.value, flat.ci95, flat.note) == (None, None, "all methods have the same value")


def test_missing_values_and_methods_are_left_out() -> None:
    values = {**PSNR, "a": None, "b": math.inf, "unrated": 30.0}
    found, _ = correlations(MOS, {"psnr": values, "lpips": dict.fromkeys(MOS)})
    assert (found.metric, found.methods) == ("psnr", 5)


def test_perfect_correlation() -> None:
    found, _ = correlations(
        {key: 1.0 * i for i, key in enumerate("abcde")},
        {"x": {k: 2.0 * i for i, k in enumerate("abcde")}},
    )
    assert (found.value, found.ci95) == (1.0, (1.0, 1.0))


def test_metrics_of_a_csv_table_and_of_json() -> None:
    text = "team,psnr,ssim,notes\na,22.5,0.9,x\nb,N.A.,,y\n"
    assert parse_metrics(text, "t.csv") == {
        "psnr": {"a": 22.5, "b": None},
        "ssim": {"a": 0.9, "b": None},
    }
    shown = '{"rows": [{"team": {"value": "a"}, "psnr": {"value": 22.5, "text": "22.50"}}]}'
    assert parse_metrics(shown, "t.json") == {"psnr": {"a": 22.5}}
    plain = '{"rows": [{"Method": "a", "LPIPS": 0.25}]}'
    assert parse_metrics(plain, "t.json") == {"lpips": {"a": 0.25}}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no table of metrics"),
        ("team,size\na,3\n", "no table of metrics"),
        ("team,psnr\na,3\na,4\n", "'a' is there twice"),
        ("team,psnr\n,3\n", "a row has no team"),
        ("{", "no valid JSON"),
        ('{"rows": 3}', "no list `rows`"),
    ],
)
def test_metrics_that_are_none(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse_metrics(text, "file")
