"""C of a printed table: its ends reproduce every score, and nothing beyond them does."""

import math
from decimal import Decimal

import pytest

from bokehbench.analysis import CHALLENGE_C, final_score, format_score
from bokehbench.analysis.fit_c import PrintedRow, fit_c
from bokehbench.errors import UsageError
from bokehbench.report.printed import read_printed, score_rows

ROWS = score_rows(read_printed("mai22")["rows"])


def _row(psnr: str, runtime: str, score: str, name: str = "x") -> PrintedRow:
    return PrintedRow(
        name=name, psnr_db=Decimal(psnr), runtime_ms=Decimal(runtime), score=Decimal(score)
    )


def _printed(c: float) -> list[str]:
    return [format_score(final_score(float(r.psnr_db), float(r.runtime_ms), c)) for r in ROWS]


def test_the_challenges_interval() -> None:
    found = fit_c(ROWS)
    assert found.as_printed is not None
    low, high = found.as_printed
    assert (low, high) == pytest.approx((2.41003200e10, 2.43744087e10), rel=1e-8)
    assert low < CHALLENGE_C < high
    printed = [str(row.score) for row in ROWS]
    assert printed == ["74", "28", "0.5", "1.2"]
    for inside in (low * (1 + 1e-9), high * (1 - 1e-9)):
        assert _printed(inside) == printed
    for outside in (low * (1 - 1e-9), high * (1 + 1e-9)):
        assert _printed(outside) != printed


def test_rounding_of_psnr_and_runtime_widens_it() -> None:
    found = fit_c(ROWS)
    assert found.as_printed is not None
    assert found.with_rounding is not None
    assert found.with_rounding[0] < found.as_printed[0]
    assert found.with_rounding[1] > found.as_printed[1]
    # 0.005 dB is 0.7 % of a score.
    one = fit_c([_row("22.76", "28.1", "74")]).rows[0]
    ratio = one.as_printed[0] / one.with_rounding[0]
    assert ratio == pytest.approx(2 ** (2 * 0.005) * (28.15 / 28.1), rel=1e-9)


def test_digits_tell_the_rounding() -> None:
    coarse = fit_c([_row("20", "50", "2")]).rows[0].as_printed
    fine = fit_c([_row("20", "50", "2.00")]).rows[0].as_printed
    assert coarse[1] / coarse[0] == pytest.approx(2.5 / 1.5)
    assert fine[1] / fine[0] == pytest.approx(2.005 / 1.995)


def test_rows_that_contradict_are_named() -> None:
    c = 1e9
    rows = [
        _row("20.00", "50.0", f"{2**40 / (c * 50):.3f}", "one"),
        _row("21.00", "50.0", f"{2**42 / (2 * c * 50):.3f}", "two"),
        _row("20.00", "60.0", f"{2**40 / (c * 60):.3f}", "three"),
    ]
    found = fit_c(rows)
    assert (found.as_printed, found.with_rounding) == (None, None)
    assert found.conflict is not None
    assert found.conflict[0] == "two"
    alone = fit_c(rows[:1] + rows[2:])
    assert alone.as_printed is not None
    assert alone.as_printed[0] < c < alone.as_printed[1]


@pytest.mark.parametrize(
    ("psnr", "runtime", "score"),
    [
        ("20", "0", "1"),
        ("20", "50", "0"),
        ("20", "50", "-3"),
        ("NaN", "50", "1"),
        ("600", "1", "1"),
    ],
)
def test_rows_that_can_not_be_inverted(psnr: str, runtime: str, score: str) -> None:
    with pytest.raises(UsageError):
        fit_c([_row(psnr, runtime, score)])


def test_no_rows() -> None:
    with pytest.raises(UsageError, match="no row"):
        fit_c([])


def test_rows_without_numbers_are_passed_over() -> None:
    assert [row.name for row in ROWS] == ["Antins_cv", "ENERZAi", "MiAIgo", "PyNET [21]"]
    assert score_rows([{"psnr": Decimal(20), "gpu_ms": "Error", "score": "N.A."}]) == []
    assert math.isclose(float(ROWS[0].psnr_db), 22.76)
