"""Opinion: intervals that cover, raters that are found out, agreement with known answers."""

import math
import statistics
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from bokehbench.analysis.agreement import krippendorff
from bokehbench.analysis.intervals import student_quantile
from bokehbench.analysis.mos import opinion
from bokehbench.analysis.opinion import Screening
from bokehbench.analysis.ratings import Ratings, Vote
from bokehbench.analysis.screening import fit_p910, screen_bt500
from bokehbench.errors import RatingsError

NAN = math.nan


def _panel(
    score: Callable[[int, int, str], float | None],
    *,
    raters: int = 12,
    images: int = 10,
    methods: Sequence[str] = ("good", "bad"),
    scale: tuple[float, float] = (1, 5),
) -> Ratings:
    votes = [
        Vote(f"r{r:02d}", f"i{i:02d}", method, value)
        for r in range(raters)
        for i in range(images)
        for method in methods
        if (value := score(r, i, method)) is not None
    ]
    return Ratings(tuple(votes), scale)


def _graded(random: np.random.Generator, bias: Sequence[float]) -> Callable[[int, int, str], float]:
    truth = {"good": 4.0, "bad": 2.5}

    def score(rater: int, _image: int, method: str) -> float:
        return float(np.clip(np.rint(random.normal(truth[method] + bias[rater], 0.6)), 1, 5))

    return score


def test_a_complete_design_is_bt500s_formula_on_the_raters_means() -> None:
    random = np.random.default_rng(1)
    ratings = _panel(_graded(random, random.normal(0, 0.3, 12).tolist()))
    made, _ = opinion(ratings, screening="none")
    best = made.methods[0]
    assert [method.method for method in made.methods] == ["good", "bad"]
    means = [
        statistics.mean(
            v.score for v in ratings.votes if v.rater == f"r{r:02d}" and v.method == "good"
        )
        for r in range(12)
    ]
    half = student_quantile(0.975, 11) * statistics.stdev(means) / math.sqrt(12)
    assert best.mos == pytest.approx(statistics.mean(means))
    assert best.ci95 == pytest.approx((best.mos - half, best.mos + half))
    assert (best.raters, best.images, best.votes) == (12, 10, 120)


def test_a_picture_has_bt500s_interval() -> None:
    scores = [3, 4, 4, 5, 4]
    made, _ = opinion(_panel(lambda r, _i, _m: scores[r], raters=5, images=2), screening="none")
    [picture] = [p for p in made.pictures if (p.method, p.image) == ("good", "i00")]
    half = student_quantile(0.975, 4) * statistics.stdev(scores) / math.sqrt(5)
    assert picture.ci95 == pytest.approx((4 - half, 4 + half))
    assert picture.deviation == pytest.approx(statistics.stdev(scores))


def test_intervals_stay_on_the_scale() -> None:
    made, _ = opinion(_panel(lambda r, _i, _m: 5.0 if r else 4.0, raters=3), screening="none")
    assert made.methods[0].ci95 is not None
    assert made.methods[0].ci95[1] == 5.0


@pytest.mark.parametrize("screening", ["none", "bt500", "p910"])
def test_the_interval_of_a_method_covers_95_percent(screening: Screening) -> None:
    random = np.random.default_rng(7)
    trials, covered = 250, 0
    for _ in range(trials):
        bias = random.normal(0, 0.4, 15)

        def score(rater: int, _image: int, _method: str, bias: object = bias) -> float:
            return float(random.normal(3.3 + bias[rater], 0.7))  # type: ignore[index]

        made, _ = opinion(_panel(score, raters=15, images=8, scale=(-99, 99)), screening=screening)
        low, high = made.methods[0].ci95 or (NAN, NAN)
        covered += low <= 3.3 <= high
    # Four standard errors of a binomial of 250 around 95 %.
    assert 0.895 <= covered / trials <= 1.0


def test_missing_votes_do_not_shift_a_method() -> None:
    # Rater 0 is mild and sees only half of the images of one method.
    def score(rater: int, image: int, method: str) -> float | None:
        if rater == 0 and method == "good" and image >= 5:
            return None
        return 5.0 if rater == 0 else 3.0

    made, _ = opinion(_panel(score, raters=5), screening="none")
    by_name = {method.method: method for method in made.methods}
    assert by_name["bad"].mos == pytest.approx((5 + 4 * 3) / 5)
    assert by_name["good"].mos == pytest.approx((5 * 3.4 + 5 * 3.0) / 10)
    assert by_name["good"].ci95 is not None


def test_methods_on_different_images_are_said() -> None:
    made, _ = opinion(_panel(lambda _r, i, m: None if m == "bad" and i else 3.0))
    assert any("different images" in note for note in made.notes)


def test_raters_with_one_vote_are_left_out_and_named() -> None:
    ratings = _panel(lambda r, i, m: None if r == 3 and (i or m == "bad") else 3.0)
    made, _ = opinion(ratings)
    [lone] = [rater for rater in made.raters if not rater.kept]
    assert (lone.rater, lone.votes, lone.reason) == ("r03", 1, "fewer than 2 votes")
    assert "left out with fewer than 2 votes: r03" in made.notes
    kept, _ = opinion(ratings, min_votes=1)
    assert all(rater.kept for rater in kept.raters)


def test_nobody_left_is_refused() -> None:
    with pytest.raises(RatingsError, match="lower --min-votes"):
        opinion(Ratings((Vote("a", "1", "m", 3.0),), (1, 5)))


def test_one_rater_alone_has_no_interval() -> None:
    made, _ = opinion(_panel(lambda _r, i, _m: 1.0 + i % 5, raters=1))
    assert made.methods[0].ci95 is None
    assert any("can't leave out anyone of 1 raters" in note for note in made.notes)


def _bt500_by_the_book(scores: list[list[float]]) -> tuple[list[int], list[int], list[bool]]:
    """BT.500-14, Annex 1, 2.3.1, in the order of its text."""
    raters, presentations = range(len(scores)), range(len(scores[0]))
    above, below = [0] * len(scores), [0] * len(scores)
    for j in presentations:
        column = [scores[i][j] for i in raters if not math.isnan(scores[i][j])]
        mean = sum(column) / len(column)
        moments = {x: sum((u - mean) ** x for u in column) / len(column) for x in (2, 4)}
        if moments[2] == 0:
            continue
        spread = statistics.stdev(column)
        factor = 2 if 2 <= moments[4] / moments[2] ** 2 <= 4 else math.sqrt(20)
        for i in raters:
            above[i] += scores[i][j] >= mean + factor * spread
            below[i] += scores[i][j] <= mean - factor * spread
    rejected = []
    for i in raters:
        far, voted = above[i] + below[i], sum(not math.isnan(u) for u in scores[i])
        rejected.append(far > 0 and far / voted > 0.05 and abs((above[i] - below[i]) / far) < 0.3)
    return above, below, rejected


def test_bt500_screening_by_the_book() -> None:
    random = np.random.default_rng(3)
    found = 0
    for _ in range(40):
        raters, presentations = int(random.integers(3, 26)), int(random.integers(5, 60))
        quality = random.uniform(1, 5, presentations)
        scores = np.rint(quality + random.normal(0, 0.7, (raters, presentations)))
        scores[-1] = random.integers(1, 6, presentations)
        scores[0] = np.where(random.random(presentations) < 0.3, 6 - scores[0], scores[0])
        scores = np.clip(scores, 1, 5)
        scores[random.random(scores.shape) < 0.1] = NAN
        scores = scores[:, (~np.isnan(scores)).sum(axis=0) > 1]
        scores = scores[(~np.isnan(scores)).any(axis=1)]
        made = screen_bt500(scores)
        above, below, rejected = _bt500_by_the_book(scores.tolist())
        assert made.above.tolist() == above
        assert made.below.tolist() == below
        assert made.rejected.tolist() == rejected
        found += sum(rejected)
    assert found > 5


def test_an_erratic_rater_is_left_out_and_a_strict_one_is_not() -> None:
    random = np.random.default_rng(5)
    graded = _graded(random, [0.0] * 15)

    def score(rater: int, image: int, method: str) -> float:
        if rater == 0:
            return 1.0 if (image + (method == "bad")) % 2 else 5.0
        if rater == 1:
            return max(1.0, graded(rater, image, method) - 2)
        return graded(rater, image, method)

    made, votes = opinion(_panel(score, raters=15, images=20))
    by_name = {rater.rater: rater for rater in made.raters}
    assert not by_name["r00"].kept
    assert by_name["r00"].reason == "erratic by BT.500"
    assert by_name["r01"].kept
    assert (by_name["r01"].above or 0) < (by_name["r01"].below or 0)
    assert "r00" not in votes.raters
    unscreened, _ = opinion(_panel(score, raters=15, images=20), screening="none")
    assert all(rater.kept for rater in unscreened.raters)


def test_a_rater_without_opinion_is_marked() -> None:
    made, _ = opinion(_panel(lambda r, i, _m: 3.0 if r == 0 else 1.0 + (r + i) % 5))
    assert [rater.rater for rater in made.raters if rater.constant] == ["r00"]


def test_the_p910_model_finds_bias_and_inconsistency() -> None:
    random = np.random.default_rng(11)
    raters, presentations = 18, 400
    quality = random.uniform(1.5, 4.5, presentations)
    bias = random.normal(0, 0.5, raters)
    bias -= bias.mean()
    inconsistency = random.uniform(0.3, 1.5, raters)
    noise = random.normal(size=(raters, presentations))
    scores = quality + bias[:, None] + inconsistency[:, None] * noise
    scores[random.random(scores.shape) < 0.2] = NAN
    model = fit_p910(scores)
    assert model.bias.mean() == pytest.approx(0, abs=1e-12)
    assert np.abs(model.bias - bias).max() < 0.25
    assert np.abs(model.inconsistency / inconsistency - 1).max() < 0.2
    error = np.abs(model.quality - quality)
    assert np.sqrt((error**2).mean()) < np.sqrt(
        ((np.nanmean(scores, axis=0) - quality) ** 2).mean()
    )
    assert 0.90 < (error < 1.96 * model.error).mean() < 0.99


def test_the_p910_model_solves_its_own_equations() -> None:
    random = np.random.default_rng(2)
    scores = random.integers(1, 6, (9, 30)).astype(float)
    scores[random.random(scores.shape) < 0.1] = NAN
    model = fit_p910(scores)
    weights = np.where(np.isnan(scores), 0, model.inconsistency[:, None] ** -2)
    freed = np.where(np.isnan(scores), 0, scores - model.bias[:, None])
    assert (weights * freed).sum(axis=0) / weights.sum(axis=0) == pytest.approx(
        model.quality, abs=1e-6
    )
    gaps = scores - model.quality
    assert np.nanmean(gaps, axis=1) == pytest.approx(model.bias, abs=1e-6)
    assert np.nanstd(gaps, axis=1) == pytest.approx(model.inconsistency, abs=1e-6)


def test_p910_keeps_everybody_and_trusts_the_random_one_least() -> None:
    random = np.random.default_rng(9)
    graded = _graded(random, [0.0] * 12)
    ratings = _panel(lambda r, i, m: float(random.integers(1, 6)) if r == 0 else graded(r, i, m))
    made, votes = opinion(ratings, screening="p910")
    assert all(rater.kept for rater in made.raters)
    assert int(votes.weights.argmin()) == 0
    worst = max(made.raters, key=lambda rater: rater.inconsistency or 0)
    assert worst.rater == "r00"


def test_a_rater_who_takes_all_the_weight_is_named() -> None:
    # Three raters, two pictures: whoever happens to fit best has no residual left.
    scores = {0: (4, 2), 1: (5, 1), 2: (1, 5)}
    ratings = _panel(lambda r, _i, m: float(scores[r][m == "bad"]), raters=3, images=1)
    made, _ = opinion(ratings, screening="p910")
    assert any("of the weight" in note for note in made.notes)


def test_krippendorffs_own_example() -> None:
    # Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", example C: 0.849.
    rows = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
        [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
    ]
    made = krippendorff(np.array(rows))
    assert made.value == pytest.approx(0.849, abs=5e-4)
    assert made.pictures == 11
    assert made.ci95 is not None
    assert made.ci95[0] < 0.849 < made.ci95[1]


def test_agreement_at_its_ends() -> None:
    perfect = krippendorff(np.array([[1.0, 2, 5], [1, 2, 5]]))
    assert perfect.value == pytest.approx(1)
    assert krippendorff(np.full((4, 6), 3.0)).value is None
    assert krippendorff(np.array([[1.0, NAN], [NAN, 2.0]])).value is None
    random = np.random.default_rng(0).uniform(1, 5, (10, 400))
    assert krippendorff(random).value == pytest.approx(0, abs=0.02)
