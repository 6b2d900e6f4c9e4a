"""The constant C of a printed table: which values reproduce its scores, as an interval."""

import math
from collections.abc import Callable, Sequence
from decimal import Decimal

import msgspec

from bokehbench.analysis.intervals import Interval
from bokehbench.errors import UsageError

EXPONENTS = 100
"""Powers of ten up and down that a number of a table may have, and digits after its point."""


class PrintedRow(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers as they are printed; the decimals tell how they were rounded."""

    name: str
    psnr_db: Decimal
    runtime_ms: Decimal
    score: Decimal


class RowC(msgspec.Struct, frozen=True, kw_only=True):
    """The C that one row allows."""

    name: str
    as_printed: Interval
    with_rounding: Interval


class FittedC(msgspec.Struct, frozen=True, kw_only=True):
    """The C that all rows allow; None where they contradict each other.

    `as_printed` takes PSNR and runtime for exact, `with_rounding` lets them be anything that
    prints so. `conflict` names the two rows that lie furthest apart where there is no C.
    """

    as_printed: Interval | None
    with_rounding: Interval | None
    conflict: tuple[str, str] | None
    rows: tuple[RowC, ...]


def fit_c(rows: Sequence[PrintedRow]) -> FittedC:
    """Invert score = 2^(2 PSNR) / (C runtime) for each row and intersect.

    Raises:
        UsageError: there are no rows, a value is out of range, or a runtime or score is not above
            zero.
    """
    if not rows:
        raise UsageError("C can't be fitted: no row has a PSNR, a runtime and a score")
    found = tuple(_row(row) for row in rows)
    exact, conflict = _intersection(found, lambda row: row.as_printed)
    wide, wide_conflict = _intersection(found, lambda row: row.with_rounding)
    return FittedC(
        as_printed=exact,
        with_rounding=wide,
        conflict=wide_conflict if wide is None else conflict,
        rows=found,
    )


def _row(row: PrintedRow) -> RowC:
    for value in (row.psnr_db, row.runtime_ms, row.score):
        _check(row.name, value)
    psnr, runtime, score = map(_half_step, (row.psnr_db, row.runtime_ms, row.score))
    if runtime[0] <= 0 or score[0] <= 0:
        raise UsageError(
            f"{row.name}: a runtime of {row.runtime_ms} ms and a score of {row.score} "
            "can't be inverted: both have to be above zero after rounding"
        )
    middle = float(row.psnr_db), float(row.runtime_ms)
    exact = _c(*middle, score[1]), _c(*middle, score[0])
    wide = _c(psnr[0], runtime[1], score[1]), _c(psnr[1], runtime[0], score[0])
    if not all(0 < c < math.inf for c in (*exact, *wide)):
        raise UsageError(f"{row.name}: a PSNR of {row.psnr_db} dB is beyond any C: check it")
    return RowC(name=row.name, as_printed=exact, with_rounding=wide)


def _check(name: str, value: Decimal) -> None:
    """See that a value can be computed with.

    Raises:
        UsageError: it is not finite, or its digits are out of any table's range.
    """
    if not value.is_finite():
        raise UsageError(f"{name}: a value is not finite; check psnr, gpu_ms and score")
    if value.adjusted() > EXPONENTS or int(value.as_tuple().exponent) < -EXPONENTS:
        raise UsageError(
            f"{name}: a value beyond 1E+{EXPONENTS}, or of more than {EXPONENTS} digits after its "
            "point; check psnr, gpu_ms and score"
        )


def _half_step(value: Decimal) -> Interval:
    """All that prints as `value`: half of its last digit up and down."""
    exponent = value.as_tuple().exponent
    # 1E+2 is no statement about its zeros.
    half = Decimal(5).scaleb(min(int(exponent), 0) - 1)
    return float(value - half), float(value + half)


def _c(psnr_db: float, runtime_ms: float, score: float) -> float:
    try:
        return math.exp2(2 * psnr_db - math.log2(runtime_ms) - math.log2(score))
    except OverflowError:
        return math.inf


def _intersection(
    rows: Sequence[RowC], interval: Callable[[RowC], Interval]
) -> tuple[Interval | None, tuple[str, str] | None]:
    highest_low = max(rows, key=lambda row: interval(row)[0])
    lowest_high = min(rows, key=lambda row: interval(row)[1])
    low, high = interval(highest_low)[0], interval(lowest_high)[1]
    if low > high:
        return None, (highest_low.name, lowest_high.name)
    return (low, high), None
