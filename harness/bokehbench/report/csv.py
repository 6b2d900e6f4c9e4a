"""Table -> CSV: full-precision values, and what belongs to them in two last columns.

`notes` holds the row's footnotes, `table` the caption, so that a row that is copied elsewhere
still names its fidelity protocol.
"""

import csv
import io

from bokehbench.report.cells import Cell, Table
from bokehbench.text import clean


def render(table: Table) -> str:
    """The table as CSV (RFC 4180 quoting, lines ended by a newline alone)."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*(column.key for column in table.columns), "notes", "table"])
    caption = "; ".join(map(clean, table.caption))
    for row in table.rows:
        numbers = sorted({number for cell in row for number in cell.notes})
        notes = "; ".join(clean(table.footnotes[number - 1]) for number in numbers)
        writer.writerow([*map(_value, row), notes, caption])
    return stream.getvalue()


def _value(cell: Cell) -> str:
    if cell.value is None:
        return clean(cell.text)
    return clean(cell.value) if isinstance(cell.value, str) else repr(cell.value)
