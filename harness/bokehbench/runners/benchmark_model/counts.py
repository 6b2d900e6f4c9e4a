"""Count lines, and what a number is worth whose digits were cut.

C++ streams print six significant digits: 1.44445e+06 may be anything from 1444445 to 1444455.
"""

import math
from dataclasses import dataclass
from typing import Final

from bokehbench.runners.benchmark_model.runs import Entry

Interval = tuple[float, float]

_SIX: Final = 6


@dataclass(frozen=True)
class Count:
    """One count line, `count=50 first=... avg=... std=...`, whole microseconds but the average."""

    line: int
    count: int
    first: int | None
    current: int | None
    low: int | None
    high: int | None
    average: str | None
    std: int | None
    p5: int | None
    median: int | None
    p95: int | None
    same: bool

    @property
    def mean(self) -> float | None:
        """The average as far as the line tells."""
        if self.average is not None:
            return number(self.average)
        return self.current if self.current is not None and (self.count == 1 or self.same) else None


def number(text: str | None) -> float | None:
    """A printed number, or None for what is none or not finite."""
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def six_digits(value: float) -> Interval:
    """What a number printed with six significant digits may have been."""
    if value == 0:
        return (0.0, 0.0)
    decimals = _SIX - math.floor(math.log10(abs(value)))
    half = 5 * 10.0**-decimals
    return (round(value - half, decimals), round(value + half, decimals))


def count_of(entry: Entry) -> Count:
    """The count line of a token."""
    line, token = entry
    v = token.values

    def whole(index: int) -> int | None:
        text = v[index]
        return int(text) if text is not None else None

    return Count(
        line=line,
        count=whole(0) or 0,
        first=whole(1),
        current=whole(2),
        same=v[3] is not None,
        low=whole(4),
        high=whole(5),
        average=v[6],
        std=whole(7),
        p5=whole(8),
        median=whole(9),
        p95=whole(10),
    )


def agree(one: float | None, other: float) -> bool:
    """Whether two printings of one number can be the same, at six digits each."""
    return one is not None and abs(one - other) <= 1e-5 * max(abs(one), abs(other))


def printed_alike(one: float | None, other: float) -> bool:
    """Whether a number was printed as `other`, at six digits."""
    return one is not None and float(f"{one:.6g}") == other
