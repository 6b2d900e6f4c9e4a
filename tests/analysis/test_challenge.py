"""The score against the printed table, and refusals."""

import json
import math

import pytest

from bokehbench.analysis import final_score, format_score
from bokehbench.errors import UsageError
from bokehbench.report.printed import DATA

_TABLE = DATA / "mai22.json"
_SCORED = [
    row for row in json.loads(_TABLE.read_text())["rows"] if not isinstance(row["score"], str)
]


@pytest.mark.parametrize("row", _SCORED, ids=lambda row: row["team"])
def test_printed_scores(row: dict[str, float]) -> None:
    text = format_score(final_score(row["psnr"], row["gpu_ms"]))
    assert text == str(row["score"])


def test_four_rows_are_scored() -> None:
    assert [row["score"] for row in _SCORED] == [74, 28, 0.5, 1.2]


@pytest.mark.parametrize("c", [2.410033e10, 2.437440e10])
def test_the_interval_of_c_reproduces_the_table(c: float) -> None:
    for row in _SCORED:
        assert format_score(final_score(row["psnr"], row["gpu_ms"], c)) == str(row["score"])


def test_definition() -> None:
    assert final_score(20.0, 50.0, 1e9) == pytest.approx(2**40 / (1e9 * 50), rel=1e-12)


@pytest.mark.parametrize(
    ("psnr", "runtime", "c"),
    [
        (math.inf, 1, 1),
        (math.nan, 1, 1),
        (20, math.inf, 1),
        (20, math.nan, 1),
        (20, 0, 1),
        (20, -1, 1),
        (20, 1, 0),
        (20, 1, math.inf),
        (600, 1, 1),
    ],
)
def test_refusals(psnr: float, runtime: float, c: float) -> None:
    with pytest.raises(UsageError):
        final_score(psnr, runtime, c)


def test_a_score_beyond_floats_blames_no_one_number() -> None:
    with pytest.raises(UsageError, match=r"PSNR of 20 dB, a runtime of 1e-320 ms and C = 1 is"):
        final_score(20, 1e-320, 1)


@pytest.mark.parametrize(
    ("score", "text"),
    [
        (73.9, "74"),
        (9.94, "9.9"),
        (9.96, "10"),
        (10.0, "10"),
        (0.04, "<0.1"),
        (0.06, "0.1"),
        (12345.6, "12346"),
    ],
)
def test_print_rule(score: float, text: str) -> None:
    assert format_score(score) == text
