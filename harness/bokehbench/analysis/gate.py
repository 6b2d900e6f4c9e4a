"""Has it become slower than its baseline: noise learned from history, and a second look.

Runs of one device differ (heat, background work, a reboot) beyond what processes of one run show.
So a new run is judged by the spread between the baseline's runs as well: with few of them
that spread is drawn towards PRIOR_RUN_DEVIATION, and Student's distribution keeps the error
honest. A suspicion has to be found again in a fresh run before the gate fails.
"""

import math
import statistics
from collections.abc import Sequence

import msgspec

from bokehbench.analysis.intervals import student_quantile
from bokehbench.analysis.latency import MIN_PROCESSES
from bokehbench.analysis.ranktest import centre

PRIOR_RUN_DEVIATION = 0.005
"""Spread between settled runs of one device, as a share, before there is a history. An assumption,
not a measurement: ten runs of history outweigh it."""

PRIOR_RUNS = 10
"""How many runs of history the prior is worth."""

SIGNIFICANCE = 0.05
"""Of one look, one-sided; the gate fails only when two fresh runs both exceed the limit."""

CENTRE_EFFICIENCY = 3 / math.pi
"""Of Hodges' and Lehmann's centre against a mean where processes differ by normal noise."""

MAD_TO_DEVIATION = 1.4826
"""Of a normal distribution: 1 / the 75 % quantile."""

DEFAULT_FLOOR_MS = 0.05
"""Differences below this are never called a regression: clocks and schedulers move more."""


class GateLook(msgspec.Struct, frozen=True, kw_only=True):
    """One run against its baseline.

    `ratio` is the run's centre over the baseline's, `bound` the ratio that it would have to
    exceed to be suspected: `1 + max_regression` and the noise on top. `between_deviation` is the
    spread between runs, `within_deviation` that between processes, both as shares.
    """

    baseline_ms: float
    run_ms: float
    ratio: float
    bound: float
    between_deviation: float
    within_deviation: float
    baseline_runs: int
    processes: int
    suspected: bool
    below_floor: bool


class TooLittle(Exception):
    """Not enough processes or runs for a judgement; the message says what is missing."""


def look(
    history: Sequence[Sequence[float]],
    run: Sequence[float],
    *,
    max_regression: float,
    floor_ms: float = DEFAULT_FLOOR_MS,
) -> GateLook:
    """Judge one run.

    Args:
        history: of each earlier run the medians of its processes, in milliseconds.
        run: the medians of the new run's processes.
        max_regression: the slowdown that is tolerated, as a share (0.03 is 3 %).
        floor_ms: a difference below this is never suspected.

    Raises:
        TooLittle: no history, or fewer than five processes in a run.
        ValueError: a time is not above zero.
    """
    if not history:
        raise TooLittle("the baseline holds no run")
    for values in (*history, run):
        if len(values) < MIN_PROCESSES:
            raise TooLittle(f"a run of {len(values)} processes; the gate needs {MIN_PROCESSES}")
        if not all(math.isfinite(value) and value > 0 for value in values):
            raise ValueError("a time has to be above zero")
    logs = [[math.log(value) for value in values] for values in history]
    new = [math.log(value) for value in run]
    centres = [centre(values) for values in logs]
    within = _within([*logs, new])
    between, between_degrees = _between(centres, [len(v) for v in logs], within)
    baseline, middle = statistics.fmean(centres), centre(new)
    spread = within**2 / CENTRE_EFFICIENCY
    error = math.sqrt(
        between**2 * (1 + 1 / len(logs))
        + spread / len(new)
        + math.fsum(spread / len(v) for v in logs) / len(logs) ** 2
    )
    quantile = student_quantile(1 - SIGNIFICANCE, between_degrees)
    bound = (1 + max_regression) * math.exp(quantile * error)
    ratio = math.exp(middle - baseline)
    before, now = math.exp(baseline), math.exp(middle)
    below = now - before < floor_ms
    return GateLook(
        baseline_ms=before,
        run_ms=now,
        ratio=ratio,
        bound=bound,
        between_deviation=between,
        within_deviation=within,
        baseline_runs=len(logs),
        processes=len(new),
        suspected=ratio > bound and not below,
        below_floor=below,
    )


def _within(groups: Sequence[Sequence[float]]) -> float:
    """Spread between processes of one run: 1.4826 MAD of all runs' residuals together.

    Outliers move the centre little, so they may not move its error much either. A median of n
    residuals around their own centre is too small by (n - 1) / n of the variance.
    """
    residuals = [
        abs(value - middle) * math.sqrt(len(values) / (len(values) - 1))
        for values in groups
        for middle in [centre(values)]
        for value in values
    ]
    return MAD_TO_DEVIATION * statistics.median(residuals)


def _between(centres: Sequence[float], counts: Sequence[int], within: float) -> tuple[float, int]:
    """Spread between runs beyond what their processes explain, and its degrees of freedom.

    The excess variance of the runs' centres, pooled with the prior as with runs of its own.
    """
    prior = PRIOR_RUN_DEVIATION**2
    degrees = PRIOR_RUNS + len(centres) - 1
    if len(centres) < 2:
        return PRIOR_RUN_DEVIATION, degrees
    explained = statistics.fmean(within**2 / CENTRE_EFFICIENCY / count for count in counts)
    excess = max(0.0, statistics.variance(centres) - explained)
    pooled = (PRIOR_RUNS * prior + (len(centres) - 1) * excess) / degrees
    return math.sqrt(pooled), degrees
