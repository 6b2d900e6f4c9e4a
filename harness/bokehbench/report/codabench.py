"""Table of one submission -> scores.json, as Codabench reads it from a scoring program.

Keys are those of the table's columns and have to be the keys of the leaderboard's columns; values
are numbers and nothing else, so a cell without a number is left out.
Source: Codabench's documentation, "Competition Bundle Structure", Scoring Program.
"""

import json

from bokehbench.errors import UsageError
from bokehbench.report.cells import Column, Table

_DECIMALS = 10
"""Codabench stores scores as decimals with ten places."""

_UNSENT = ("rank",)
"""A rank among the rows of one file would be of no use: Codabench ranks by itself."""


def scores(table: Table) -> dict[str, float]:
    """Column key -> number, of the table's only row.

    Raises:
        UsageError: the table has no row or several, or its row has no number.
    """
    if len(table.rows) != 1:
        names = ", ".join(row[0].text for row in table.rows[:5])
        more = ", …" if len(table.rows) > 5 else ""
        raise UsageError(
            "Codabench takes the scores of one submission a file; choose one with --name: "
            f"{names or 'there is none'}{more}"
        )
    found = {
        column.key: round(float(cell.value), _DECIMALS)
        for column, cell in zip(table.columns, table.rows[0], strict=True)
        if _sent(column) and isinstance(cell.value, float | int)
    }
    if not found:
        raise UsageError("the row has no number that Codabench could take; see its table")
    return found


def left_out(table: Table) -> list[str]:
    """Columns of the row that hold no number, with what they say."""
    return [
        f"{column.key} ({cell.text or 'blank'})"
        for row in table.rows
        for column, cell in zip(table.columns, row, strict=True)
        if _sent(column) and not isinstance(cell.value, float | int)
    ]


def _sent(column: Column) -> bool:
    return column.numeric and column.key not in _UNSENT


def render(table: Table) -> str:
    """The text of scores.json."""
    return json.dumps(scores(table), allow_nan=False) + "\n"
