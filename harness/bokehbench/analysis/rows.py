"""Text of a table, CSV or JSON -> its rows by column, every digit kept."""

import csv
import io
import json
from decimal import Decimal, InvalidOperation
from typing import Any

from bokehbench.errors import UsageError

Row = dict[str, Any]


def parse_rows(text: str, source: str) -> list[Row]:
    """The rows of a CSV file, or of JSON: a list `rows` in an object, or a list of rows.

    Columns are in small letters. Cells of CSV are text; numbers of JSON are Decimal, which keeps
    the digits that were written.

    Raises:
        UsageError: the text is neither.
    """
    if text.lstrip().startswith(("{", "[")):
        return _json_rows(text, source)
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        # Cells beyond the header have no column, and None in place of its name.
        return [
            {key.strip().lower(): value for key, value in row.items() if key is not None}
            for row in reader
        ]
    except csv.Error as error:
        raise UsageError(f"{source}: no valid CSV: {error}; is it a table?") from None


def _json_rows(text: str, source: str) -> list[Row]:
    try:
        document = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    except (ValueError, RecursionError, InvalidOperation) as error:
        raise UsageError(f"{source}: no valid JSON: {_reason(error)}") from None
    rows = document.get("rows") if isinstance(document, dict) else document
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UsageError(f"{source}: no list `rows` of objects in it")
    return [{key.strip().lower(): value for key, value in row.items()} for row in rows]


def _reason(error: Exception) -> str:
    # Decimal names its signal by a class.
    return "a number out of range" if isinstance(error, InvalidOperation) else str(error)
