"""Raters that can't be believed: BT.500's screening, and the model of P.910 that weighs raters.

Both work on scores as an array of raters x presentations (one presentation is one method's
picture of one image), NaN where a rater did not vote.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Scores = NDArray[np.float64]
    Flags = NDArray[np.bool_]

BT500 = "ITU-R BT.500-14 (10/2019), Annex 1, 2.3.1: screening by kurtosis"
P910 = (
    "ITU-T P.910 (11/2021), Annex E, and ITU-T P.913 (06/2021), 12.6: "
    "bias and inconsistency of raters by maximum likelihood"
)

MAX_SHARE = 0.05
"""BT.500: share of a rater's votes far from the mean..."""
MAX_IMBALANCE = 0.3
"""...and how far those above and below may differ in number, before the rater is left out."""

BT500_MIN_RATERS = 6
"""Of N values none lies further than (N - 1) / sqrt(N) deviations from the mean: of five, none
reaches the 2 deviations that BT.500 counts from."""

_TOLERANCE = 1e-9
_MAX_ROUNDS = 1000


@dataclass(frozen=True)
class Bt500:
    """BT.500's counters for each rater: votes far above (P) and below (Q) the mean."""

    above: "NDArray[np.int64]"
    below: "NDArray[np.int64]"
    rejected: "Flags"


def screen_bt500(scores: "Scores") -> Bt500:
    """Who is to be left out, after ITU-R BT.500-14, Annex 1, 2.3.1; applied once.

    A presentation whose kurtosis m4 / m2^2 lies within 2 to 4 counts as normal: a vote is far
    off from 2 standard deviations on, else from sqrt(20) on. A rater is left out if more than
    5 % of the votes are far off and |P - Q| / (P + Q) is below 0.3: erratic, not merely strict
    or mild. Shares are of the presentations that the rater voted on.
    """
    import numpy as np

    voted = ~np.isnan(scores)
    count = voted.sum(axis=0)
    centre = np.where(voted, scores, 0.0).sum(axis=0) / np.maximum(count, 1)
    deviation = np.where(voted, scores - centre, 0.0)
    squares = (deviation**2).sum(axis=0)
    # S has N - 1 below it, the moments of the kurtosis have N.
    spread = np.sqrt(squares / np.maximum(count - 1, 1))
    usable = (count > 1) & (squares > 0)
    second = np.where(usable, squares / np.maximum(count, 1), 1.0)
    kurtosis = (deviation**4).sum(axis=0) / np.maximum(count, 1) / second**2
    normal = (kurtosis >= 2) & (kurtosis <= 4)
    limit = np.where(normal, 2.0, math.sqrt(20.0)) * spread
    above = (voted & usable & (deviation >= limit)).sum(axis=1)
    below = (voted & usable & (deviation <= -limit)).sum(axis=1)
    far = above + below
    rejected = (far > MAX_SHARE * voted.sum(axis=1)) & (abs(above - below) < MAX_IMBALANCE * far)
    return Bt500(above, below, rejected)


@dataclass(frozen=True)
class P910Model:
    """A fit of score = quality + bias + inconsistency x noise.

    `quality` and its standard error per presentation, `bias` and `inconsistency` per rater, in
    units of the scale. The biases have mean zero.
    """

    quality: "Scores"
    error: "Scores"
    bias: "Scores"
    inconsistency: "Scores"


def fit_p910(scores: "Scores") -> P910Model:
    """Fit by alternating projection (Li et al. 2020, arXiv:2004.02067), nobody is left out.

    In turn, qualities become means of the scores freed of bias, weighted by 1 / inconsistency^2,
    and each rater's bias and inconsistency become the mean and the standard deviation of
    what remains, until qualities move by less than 1e-9. The standard error of a quality is
    1 / sqrt(sum of 1 / inconsistency^2) over its raters. An inconsistency is at least a
    hundredth of the scores' own spread, lest one rater on few pictures takes all the weight.
    """
    import numpy as np

    voted = ~np.isnan(scores)
    filled = np.where(voted, scores, 0.0)
    votes_of = np.maximum(voted.sum(axis=1), 1)
    quality = filled.sum(axis=0) / np.maximum(voted.sum(axis=0), 1)
    floor = max(float(np.std(scores[voted])) / 100, 1e-6)
    for _ in range(_MAX_ROUNDS):
        gap = np.where(voted, filled - quality, 0.0)
        bias = gap.sum(axis=1) / votes_of
        rest = np.where(voted, gap - bias[:, None], 0.0)
        inconsistency = np.maximum(np.sqrt((rest**2).sum(axis=1) / votes_of), floor)
        weights = voted / inconsistency[:, None] ** 2
        total = weights.sum(axis=0)
        moved = (weights * (filled - bias[:, None])).sum(axis=0) / total - quality
        quality = quality + moved
        if np.abs(moved).max() < _TOLERANCE:
            break
    shift = float(bias.mean())
    return P910Model(quality + shift, 1 / np.sqrt(total), bias - shift, inconsistency)
