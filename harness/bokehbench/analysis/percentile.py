"""A 90th percentile that few samples don't flatter: MLPerf's early-stopping estimate.

LoadGen of MLPerf Inference (results.cc and early_stopping.cc) counts, for n samples, the largest t
with P(Binomial(n, 0.1) <= t) <= 1 - 0.99, and takes the t-th largest sample: with 99 %
confidence the true 90th percentile is not above it. With 63 samples there is no such t.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

SHARE = 0.9
CONFIDENCE = 0.99

MIN_SAMPLES = 64
"""The fewest samples with an estimate, which then is the largest of them."""


def p90(ordered: Sequence[int]) -> int | None:
    """The early-stopping estimate from samples in ascending order; None below 64."""
    allowed = overlatency(len(ordered))
    return None if allowed is None else ordered[len(ordered) - allowed]


@lru_cache(maxsize=1024)
def overlatency(count: int) -> int | None:
    """How many of `count` samples may be beyond the percentile, by LoadGen's rule."""
    below = 0.0
    allowed = None
    for t in range(count):
        below += math.exp(
            math.lgamma(count + 1)
            - math.lgamma(t + 1)
            - math.lgamma(count - t + 1)
            + t * math.log(1 - SHARE)
            + (count - t) * math.log(SHARE)
        )
        if below > 1 - CONFIDENCE:
            break
        allowed = t
    return allowed or None
