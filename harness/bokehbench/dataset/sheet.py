"""Rows of an alignment -> CSV, one line a pair."""

import csv
import io
from collections.abc import Iterable

import msgspec

from bokehbench.dataset.rows import Row
from bokehbench.text import clean

COLUMNS = tuple(
    field.name
    for field in msgspec.structs.fields(Row)
    if field.name not in ("inputs", "outputs", "crop", "matrix")
)
EDGES = ("left", "top", "right", "bottom")


def sheet(rows: Iterable[Row]) -> str:
    """CSV with a header; what is not known is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*COLUMNS, *(f"crop_{edge}" for edge in EDGES)])
    for row in rows:
        values = [getattr(row, column) for column in COLUMNS]
        writer.writerow([_cell(value) for value in (*values, *(row.crop or [None] * 4))])
    return text.getvalue()


def _cell(value: object) -> object:
    if value is None:
        return ""
    if not isinstance(value, str):
        return value
    text = clean(value)
    # A spreadsheet would take a name that starts like this for a formula.
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text
