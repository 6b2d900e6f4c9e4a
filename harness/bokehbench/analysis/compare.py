"""Two Records against each other: a ratio with its interval, a p-value, and when to refuse.

The samples are the medians of fresh processes; runs inside one process are not independent.
"""

import math
import random
import statistics
from collections.abc import Sequence
from typing import Literal

import msgspec

from bokehbench.analysis.intervals import student_quantile
from bokehbench.analysis.latency import MIN_PROCESSES, timed_ok
from bokehbench.analysis.ranktest import RankTest, is_exact, rank_sum, without_trend
from bokehbench.facts import Evidence, Record

ALPHA = 0.05
"""One-sided: slower is what one looks for; faster is reported with its own p-value."""

POWER = 0.8
"""The minimum detectable effect is what this share of such comparisons would find."""

RESAMPLES = 2000

Outcome = Literal["slower", "faster", "no difference found"]


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """`second` over `first`: above 1 is slower.

    `ratio` is the Hodges-Lehmann estimate, `interval` its confidence interval at `level` (None
    where so few processes have none). `p_slower` and `p_faster` are one-sided p-values of
    a permutation of processes (`exact`: all were counted, not approximated); `paired` says that the
    two ran side by side, so that a trend that both share was taken out first.
    `bootstrap_share_slower` is the share of bootstrap ratios above 1: a description, not a
    probability that the second is slower. `minimum_detectable` is the ratio that 80 % of such
    comparisons would find at the 5 % level, with this noise and counts.
    """

    first: str
    second: str
    first_median_ms: float
    second_median_ms: float
    first_processes: int
    second_processes: int
    paired: bool
    ratio: float
    interval: tuple[float, float] | None
    level: float | None
    p_slower: float
    p_faster: float
    bootstrap_share_slower: float
    minimum_detectable: float
    outcome: Outcome
    exact: bool = True
    warnings: tuple[str, ...] = ()


class Unlike(Exception):
    """Two Records that can't be compared; `keys` says what differs: name -> both values."""

    def __init__(self, keys: dict[str, tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{key}: {a} and {b}" for key, (a, b) in keys.items()))
        self.keys = keys


class TooFew(Exception):
    """A Record with fewer processes than a comparison needs."""


def likeness(evidence: Evidence) -> dict[str, str]:
    """What has to be the same before two latencies may be compared, by name."""
    device, protocol = evidence.device, evidence.protocol
    return {
        "device": device.device_id,
        "build": device.fingerprint or device.kernel or "unknown",
        "launch": evidence.launch,
        "runner": evidence.runner.sha256,
        "engine": f"{evidence.engine.name} {evidence.engine.version}",
        "engine library": evidence.engine.library_sha256,
        "backend": evidence.backend,
        "precision": evidence.precision,
        "threads": str(evidence.threads),
        "core mask": f"{evidence.core_mask:x}",
        "GPU options": gpu_options(evidence),
        "input shape": "x".join(map(str, evidence.timing_shape)),
        "warm-ups": str(protocol.warmups),
        "runs": str(protocol.runs),
    }


def gpu_options(evidence: Evidence) -> str:
    """What a GPU delegate was told, in words; no other backend reads it."""
    if evidence.backend != "gpu":
        return "not used"
    options = msgspec.to_builtins(evidence.gpu)
    return " ".join(f"{key}={value}" for key, value in options.items())


def differing(
    first: Evidence, second: Evidence, allowed: Sequence[str] = ()
) -> dict[str, tuple[str, str]]:
    """The keys of `likeness` in which two Records differ, save those that are allowed to."""
    left, right = likeness(first), likeness(second)
    return {
        key: (left[key], right[key])
        for key in left
        if left[key] != right[key] and key not in allowed
    }


def compare_records(
    first: Record, second: Record, *, allowed: Sequence[str] = (), level: float = 0.95
) -> Comparison:
    """Compare two Records' latencies.

    Args:
        allowed: keys of `likeness` that may differ, because they are what is compared.

    Raises:
        Unlike: they differ in something else; the exception names it.
        TooFew: one has fewer than five processes that succeeded.
        ValueError: a time is not above zero.
    """
    if keys := differing(first.evidence, second.evidence, allowed):
        raise Unlike(keys)
    a, b = (record.derived.latency.process_medians_ms for record in (first, second))
    paired = runs_side_by_side(first.evidence, second.evidence)
    warnings = []
    if first.evidence.run_id != second.evidence.run_id:
        warnings.append(
            "measured in two runs: how runs differ (heat, background work) is not in the interval; "
            "`bokehbench run --against` measures both side by side"
        )
    warnings += [
        f"{name(record)} is {record.derived.status}: {', '.join(record.derived.reasons)}"
        for record in (first, second)
        if record.derived.status != "ranked"
    ]
    return compare(
        a,
        b,
        names=(name(first), name(second)),
        paired=paired,
        level=level,
        warnings=tuple(warnings),
    )


def compare(
    first: Sequence[float],
    second: Sequence[float],
    *,
    names: tuple[str, str] = ("first", "second"),
    paired: bool = False,
    level: float = 0.95,
    warnings: tuple[str, ...] = (),
) -> Comparison:
    """Compare two groups of process medians, in milliseconds.

    Args:
        paired: the n-th process of one ran beside the n-th of the other.

    Raises:
        TooFew: fewer than five processes on a side.
        ValueError: a time is not above zero.
    """
    for who, values in zip(names, (first, second), strict=True):
        if len(values) < MIN_PROCESSES:
            raise TooFew(
                f"{who}: {len(values)} processes; a comparison needs {MIN_PROCESSES}, better 10"
            )
    logs = [_logs(*side) for side in zip(names, (first, second), strict=True)]
    if paired:
        logs = list(without_trend(*logs))
    test = rank_sum(logs[0], logs[1], level)
    interval = None
    if test.interval is not None:
        interval = (math.exp(test.interval[0]), math.exp(test.interval[1]))
    return Comparison(
        first=names[0],
        second=names[1],
        first_median_ms=statistics.median(first),
        second_median_ms=statistics.median(second),
        first_processes=len(first),
        second_processes=len(second),
        paired=paired,
        ratio=math.exp(test.shift),
        interval=interval,
        level=test.level,
        p_slower=test.p_greater,
        p_faster=test.p_less,
        bootstrap_share_slower=_share_slower(first, second, paired),
        minimum_detectable=minimum_detectable(logs[0], logs[1]),
        outcome=_outcome(test),
        exact=is_exact(len(first), len(second)),
        warnings=warnings,
    )


def minimum_detectable(first: Sequence[float], second: Sequence[float]) -> float:
    """The ratio that 80 % of such comparisons find at the one-sided 5 % level.

    The test's own standard error is read from the width of its interval, which holds for
    skewed noise and outliers too, and multiplied by Student's quantiles.

    Args:
        first: logarithms of times; `second` too.
    """
    test = rank_sum(first, second, 0.9)
    if test.interval is None or test.level is None:
        raise TooFew("no interval, no smallest effect")
    degrees = len(first) + len(second) - 2
    width = test.interval[1] - test.interval[0]
    error = width / (2 * student_quantile((1 + test.level) / 2, degrees))
    quantiles = student_quantile(1 - ALPHA, degrees) + student_quantile(POWER, degrees)
    return math.exp(quantiles * error)


def runs_side_by_side(first: Evidence, second: Evidence) -> bool:
    """Whether the n-th processes of two Records ran in one round of one device, none missing."""
    if first.run_id != second.run_id or first.record_id == second.record_id:
        return False
    if first.device.device_id != second.device.device_id:
        return False
    counts = [len(evidence.trials) for evidence in (first, second)]
    whole = all(len(timed_ok(e.trials)) == len(e.trials) for e in (first, second))
    return whole and counts[0] == counts[1] > 0


def name(record: Record) -> str:
    """What a comparison calls a Record: its label or model, with its identifier."""
    evidence = record.evidence
    return f"{evidence.label or evidence.model.name} ({record.record_id})"


def _outcome(test: RankTest) -> Outcome:
    if test.p_greater <= ALPHA:
        return "slower"
    return "faster" if test.p_less <= ALPHA else "no difference found"


def _share_slower(first: Sequence[float], second: Sequence[float], paired: bool) -> float:
    """Share of bootstrap ratios of medians above 1; ties count half. The seed is fixed."""
    draw = random.Random(f"{len(first)} {len(second)}")
    above = 0.0
    for _ in range(RESAMPLES):
        if paired:
            picks = draw.choices(range(len(first)), k=len(first))
            left, right = [first[i] for i in picks], [second[i] for i in picks]
        else:
            left, right = draw.choices(first, k=len(first)), draw.choices(second, k=len(second))
        a, b = statistics.median(left), statistics.median(right)
        above += 1.0 if b > a else 0.5 if b == a else 0.0
    return above / RESAMPLES


def _logs(who: str, values: Sequence[float]) -> list[float]:
    if not all(math.isfinite(value) and value > 0 for value in values):
        raise ValueError(f"{who}: a time that is not above zero; measure again")
    return [math.log(value) for value in values]
