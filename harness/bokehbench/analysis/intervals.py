"""Student's t and Fisher's z: intervals by closed forms, with the standard library alone."""

import math
import statistics
from collections.abc import Sequence

Interval = tuple[float, float]

Z95 = statistics.NormalDist().inv_cdf(0.975)


def student_quantile(probability: float, degrees: int) -> float:
    """The t below which Student's distribution with `degrees` of freedom has `probability`.

    The distribution function is the finite sum of Abramowitz and Stegun 26.7.3 and 26.7.4,
    inverted by bisection over the angle atan(t / sqrt(degrees)).

    Raises:
        ValueError: `probability` is not inside (0, 1), or `degrees` below 1.
    """
    if not 0 < probability < 1 or degrees < 1:
        raise ValueError(f"no quantile of {probability} with {degrees} degrees of freedom")
    central = abs(2 * probability - 1)
    low, high = 0.0, math.pi / 2
    for _ in range(60):
        middle = (low + high) / 2
        if _central_probability(middle, degrees) < central:
            low = middle
        else:
            high = middle
    return math.copysign(math.sqrt(degrees) * math.tan(low), probability - 0.5)


def _central_probability(angle: float, degrees: int) -> float:
    """P(|T| <= sqrt(degrees) tan(angle))."""
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = degrees % 2 == 1
    term = cosine if odd else 1.0
    total = 0.0 if degrees == 1 else term
    for step in range(3 if odd else 2, degrees - 1, 2):
        term *= cosine * cosine * (step - 1) / step
        total += term
    return 2 / math.pi * (angle + sine * total) if odd else sine * total


def mean_interval(values: Sequence[float]) -> Interval | None:
    """95 % interval of the mean, mean -+ t S / sqrt(N); None for fewer than two values."""
    count = len(values)
    if count < 2:
        return None
    mean = math.fsum(values) / count
    half = student_quantile(0.975, count - 1) * statistics.stdev(values) / math.sqrt(count)
    return mean - half, mean + half


def fisher_interval(correlation: float, variance: float) -> Interval:
    """95 % interval of a correlation, normal on Fisher's scale z = atanh(r) with `variance`."""
    if abs(correlation) >= 1:
        return correlation, correlation
    centre, half = math.atanh(correlation), Z95 * math.sqrt(variance)
    return math.tanh(centre - half), math.tanh(centre + half)


def clipped(interval: Interval | None, low: float, high: float) -> Interval | None:
    """The interval inside [low, high], where alone the true value can be."""
    if interval is None:
        return None
    return min(max(interval[0], low), high), min(max(interval[1], low), high)
