"""Agreement between raters: Krippendorff's alpha for interval scales, with its interval."""

from typing import TYPE_CHECKING

import msgspec

from bokehbench.analysis.intervals import Interval

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NAME = "Krippendorff's alpha, interval metric"
INTERVAL = "percentile bootstrap over pictures"
RESAMPLES = 2000


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """Alpha: 1 is perfect agreement, 0 what chance gives. None where nothing varies."""

    name: str
    value: float | None
    ci95: Interval | None
    interval: str
    pictures: int


def krippendorff(scores: "NDArray[np.float64]", *, seed: int = 0) -> Agreement:
    """Krippendorff's alpha over raters x presentations, NaN where there is no vote.

    alpha = 1 - Do / De with squared differences (Krippendorff 2011, "Computing Krippendorff's
    Alpha-Reliability"); pictures with a single vote say nothing and are left out. Resampled are
    whole pictures, 2000 times.
    """
    import numpy as np

    voted = ~np.isnan(scores)
    count = voted.sum(axis=0)
    paired = count > 1
    values = np.where(voted, scores, 0.0)[:, paired]
    votes = count[paired].astype(np.float64)
    # Distances from the overall mean keep the sums of squares from cancelling.
    values = np.where(voted[:, paired], values - values.sum() / max(votes.sum(), 1), 0.0)
    sums, squares = values.sum(axis=0), (values**2).sum(axis=0)
    within = (squares - sums**2 / votes) * votes / (votes - 1)
    parts = np.stack([votes, sums, squares, within])
    pictures = int(paired.sum())
    value = _alpha(parts.sum(axis=1)[:, None])
    interval = None
    if pictures > 1 and not np.isnan(value[0]):
        random = np.random.default_rng(seed)
        drawn = random.multinomial(pictures, np.full(pictures, 1 / pictures), size=RESAMPLES)
        alphas = _alpha(parts @ drawn.T)
        low, high = np.nanpercentile(alphas, (2.5, 97.5))
        interval = (float(low), float(high))
    return Agreement(
        name=NAME,
        value=None if np.isnan(value[0]) else float(value[0]),
        ci95=interval,
        interval=INTERVAL,
        pictures=pictures,
    )


def _alpha(totals: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """From totals of votes, sums, sums of squares and weighted squares within pictures."""
    import numpy as np

    votes, sums, squares, within = totals
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = squares - sums**2 / votes
        # Do = 2 / n sum within, De = 2 / (n - 1) (spread of all votes).
        alpha: NDArray[np.float64] = 1 - (votes - 1) / votes * within / spread
    return np.where(spread > 1e-12 * np.maximum(squares, 1e-300), alpha, np.nan)
