"""The reference workload: has the device slowed down between before and after."""

import math
import statistics
from collections.abc import Sequence

from bokehbench.analysis.intervals import student_quantile

THROTTLE_RATIO = 1.10
"""Beyond this a device is throttled (androidx benchmark, ThrottleDetector)."""

CONFIDENCE = 0.99

MIN_PROCESSES = 3
"""Fewer say nothing about their own noise."""


def reference_ratio(before: Sequence[float], after: Sequence[float]) -> tuple[float, float] | None:
    """(after / before, what counts as throttled), or None with fewer than three times on a side.

    The bound is the larger of 1.10 and the 99 % bound of the ratio under the workload's own
    noise: the pooled spread of the logarithms of both groups, with Student's quantile. Medians
    of three are 1.16 times as uncertain as means (the variance of the middle of three normal
    values is 0.449, that of their mean 0.333).

    Args:
        before, after: medians of reference processes in milliseconds.
    """
    if min(len(before), len(after)) < MIN_PROCESSES or min(*before, *after) <= 0:
        return None
    logs = [[math.log(value) for value in values] for values in (before, after)]
    degrees = len(before) + len(after) - 2
    spread = math.fsum((len(v) - 1) * statistics.variance(v) for v in logs) / degrees
    error = 1.16 * math.sqrt(spread * (1 / len(before) + 1 / len(after)))
    bound = math.exp(student_quantile(CONFIDENCE, degrees) * error)
    ratio = statistics.median(after) / statistics.median(before)
    return ratio, max(THROTTLE_RATIO, bound)
