"""Score ratios and MOS differences: their intervals hold what they say; ties stay ties."""

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import ArrayLike

from bokehbench.analysis import final_score
from bokehbench.analysis.differences import opinion_differences
from bokehbench.analysis.mos import opinion
from bokehbench.analysis.ranking import Comparison, Contender, rank_ranges, score_ratios
from bokehbench.analysis.ratings import Ratings, Vote


def _contender(key: str, psnr: ArrayLike, medians: ArrayLike, setting: str = "phone") -> Contender:
    psnr, medians = np.asarray(psnr), np.asarray(medians)
    return Contender(
        key=key,
        name=f"team {key}",
        score=final_score(float(np.mean(psnr)), float(np.median(medians))),
        psnr={str(place): float(value) for place, value in enumerate(psnr)},
        process_medians_ms=tuple(map(float, medians)),
        settings={"device": setting},
    )


def _pair(
    random: np.random.Generator, images: int, processes: int, faster: float = 1.0
) -> list[Contender]:
    """Two of equal fidelity in the long run, the second slower by `faster`."""
    shared = random.normal(23, 2, images)
    return [
        _contender(
            key,
            shared + random.normal(0, 0.5, images),
            20 * factor * np.exp(random.normal(0, 0.03, processes)),
        )
        for key, factor in (("a", 1.0), ("b", faster))
    ]


@pytest.mark.parametrize(("images", "processes"), [(4, 5), (30, 5), (200, 10)])
def test_the_intervals_cover_95_percent(images: int, processes: int) -> None:
    random = np.random.default_rng(images)
    trials, covered, covered_fixed = 200, 0, 0
    for seed in range(trials):
        pair = _pair(random, images, processes, faster=1.5)
        [found] = score_ratios(pair, resamples=800, seed=seed)
        gap = np.mean(list(pair[0].psnr.values())) - np.mean(list(pair[1].psnr.values()))
        low, high = found.ci95 or (math.nan, math.nan)
        covered += low <= 1.5 <= high
        low, high = found.fixed_ci95 or (math.nan, math.nan)
        covered_fixed += low <= 1.5 * 2 ** (2 * float(gap)) <= high
    # Four standard errors below 95 % of 200; five processes are covered with 93.75 % at most.
    assert covered / trials >= 0.88
    assert covered_fixed / trials >= 0.88


def test_equal_entrants_are_tied_and_unequal_ones_told_apart() -> None:
    random = np.random.default_rng(42)
    tied = apart = 0
    for seed in range(100):
        tied += score_ratios(_pair(random, 100, 5), resamples=500, seed=seed)[0].tied
        apart += not score_ratios(_pair(random, 100, 5, 1.5), resamples=500, seed=seed)[0].tied
    assert tied >= 88
    assert apart >= 95


def test_a_fixed_test_set_tells_apart_what_new_images_would_not() -> None:
    random = np.random.default_rng(8)
    images = random.normal(23, 1, 20)
    rival = images + random.normal(0.05, 0.8, 20)
    medians = [20.0, 20.01, 20.02, 19.99, 20.0]
    [found] = score_ratios([_contender("a", rival, medians), _contender("b", images, medians)])
    assert found.tied
    assert found.fixed_ci95 is not None
    assert not found.fixed_ci95[0] <= 1 <= found.fixed_ci95[1]


def test_images_are_the_same_for_both() -> None:
    # A constant gap in dB is certain, however much the images differ from each other.
    images = np.random.default_rng(0).normal(23, 4, 50)
    medians = [20.0] * 5
    [found] = score_ratios(
        [_contender("a", images + 0.5, medians), _contender("b", images, medians)]
    )
    assert found.value == pytest.approx(2)
    assert found.ci95 == pytest.approx((2, 2))


def test_only_common_images_count() -> None:
    medians = [20.0] * 5
    a = Contender("a", "a", 2.0, {"1": 20.0, "2": 21.0, "x": 90.0}, tuple(medians), {})
    b = Contender("b", "b", 1.0, {"1": 19.0, "2": 20.0, "y": 1.0}, tuple(medians), {})
    [found] = score_ratios([a, b])
    assert found.ci95 == pytest.approx((2, 2))


def test_pairs_without_evidence_say_why() -> None:
    sound = _contender("a", [20.0, 21, 22], [20.0] * 5)
    for other, reason in (
        (_contender("b", [20.0, 21, 22], [20.0] * 4), "team b has 4 processes, 5 are needed"),
        (
            Contender("b", "team b", 1.0, {"0": 20.0, "1": 21.0}, (), {"device": "phone"}),
            "team b has 0 processes, 5 are needed",
        ),
        (_contender("b", [20.0], [20.0] * 5), "1 images in common, 2 are needed"),
        (
            _contender("b", [20.0, 21], [20.0] * 5, "tablet"),
            "measured under different settings: device",
        ),
    ):
        [found] = score_ratios([sound, other])
        assert (found.reason, found.ci95, found.tied) == (reason, None, True)
    assert score_ratios([sound]) == ()


def test_the_same_seed_gives_the_same_intervals() -> None:
    pair = _pair(np.random.default_rng(1), 20, 5)
    assert score_ratios(pair) == score_ratios(pair)
    assert score_ratios(pair, seed=1) != score_ratios(pair)


def _known(order: str, ties: Sequence[str]) -> list[Comparison]:
    return [
        Comparison(
            first=a,
            second=b,
            value=2.0,
            neutral=1.0,
            ci95=(0.9, 3.0) if a + b in ties else (1.5, 3.0),
        )
        for a, b in combinations(order, 2)
    ]


@pytest.mark.parametrize(
    ("ties", "ranges"),
    [
        ([], {"a": (1, 1), "b": (2, 2), "c": (3, 3)}),
        (["ab"], {"a": (1, 2), "b": (1, 2), "c": (3, 3)}),
        # Ties are not transitive: b is tied with both, a is ahead of c all the same.
        (["ab", "bc"], {"a": (1, 2), "b": (1, 3), "c": (2, 3)}),
        (["ab", "bc", "ac"], {"a": (1, 3), "b": (1, 3), "c": (1, 3)}),
    ],
)
def test_rank_ranges(ties: list[str], ranges: dict[str, tuple[int, int]]) -> None:
    assert rank_ranges("abc", _known("abc", ties)) == ranges


def _votes(
    random: np.random.Generator,
    raters: int,
    images: int,
    gap: float,
    by_image: float = 0.0,
    by_rater: float = 0.0,
) -> Ratings:
    bias = random.normal(0, 0.5, raters)
    likes = {m: random.normal(0, by_rater, raters) for m in "ab"}
    suits = {m: random.normal(0, by_image, images) for m in "ab"}
    return Ratings(
        tuple(
            Vote(
                f"r{r}",
                f"i{i}",
                m,
                3 + gap * (m == "a") + bias[r] + likes[m][r] + suits[m][i] + random.normal(0, 0.7),
            )
            for r in range(raters)
            for i in range(images)
            for m in "ab"
            if random.random() > 0.1
        ),
        (-99, 99),
    )


@pytest.mark.parametrize(("by_image", "by_rater"), [(0.0, 0.0), (0.3, 0.0), (0.0, 0.3), (0.3, 0.3)])
def test_differences_in_mos_cover_95_percent(by_image: float, by_rater: float) -> None:
    random = np.random.default_rng(6)
    trials, covered = 150, 0
    for seed in range(trials):
        _, votes = opinion(_votes(random, 14, 10, 0.4, by_image, by_rater), screening="none")
        [found] = opinion_differences(["a", "b"], votes, resamples=600, seed=seed)
        low, high = found.ci95 or (math.nan, math.nan)
        covered += low <= 0.4 <= high
    assert covered / trials >= 0.87


def test_a_difference_is_free_of_biases() -> None:
    # Every rater gives the first method one grade more; how mild they are does not matter.
    votes = tuple(
        Vote(f"r{r}", f"i{i}", m, 2.0 + r % 3 + (m == "a"))
        for r in range(8)
        for i in range(4)
        for m in "ab"
    )
    _, table = opinion(Ratings(votes, (1, 6)), screening="none")
    [found] = opinion_differences(["a", "b"], table)
    assert found.value == pytest.approx(1)
    assert found.ci95 == pytest.approx((1, 1))
    assert found.fixed_ci95 == pytest.approx((1, 1))
    assert not found.tied


def test_too_few_raters_have_no_interval() -> None:
    votes = tuple(Vote("r", f"i{i}", m, 3.0 + (m == "a")) for i in range(4) for m in "ab")
    _, table = opinion(Ratings(votes, (1, 5)), screening="none")
    [found] = opinion_differences(["a", "b"], table)
    assert found.tied
    assert found.reason == "fewer than two raters or images in common"
    [unknown] = opinion_differences(["a", "zzz"], table)
    assert (unknown.value, unknown.tied) == (0.0, True)
