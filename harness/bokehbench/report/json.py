"""Table -> JSON: values for machines beside the texts that people are shown."""

import json
from typing import Any

from bokehbench.report.cells import Table

TABLE_FORMAT = "bokehbench-table/1"


def to_json(table: Table) -> dict[str, Any]:
    """The table as builtins that `json` can write: rows map column keys to cells.

    The best value of a column has `"best": true`.
    """
    return {
        "format": TABLE_FORMAT,
        "title": table.title,
        "columns": [{"key": column.key, "title": column.title} for column in table.columns],
        "rows": [
            {
                column.key: {
                    "value": cell.value,
                    "text": cell.text,
                    "notes": list(cell.notes),
                    **({"best": True} if cell.best else {}),
                }
                for column, cell in zip(table.columns, row, strict=True)
            }
            for row in table.rows
        ],
        "footnotes": list(table.footnotes),
        "caption": list(table.caption),
    }


def render(table: Table) -> str:
    """The JSON text of `to_json`, indented."""
    return json.dumps(to_json(table), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
