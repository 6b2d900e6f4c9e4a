"""Table -> GitHub's Markdown, with footnote numbers raised and listed below."""

import re
from collections.abc import Iterable

from bokehbench.report.cells import Cell, Table
from bokehbench.text import clean

_SPECIAL = re.compile(r"([\\`*_\[\]{}<>&|#~^$!])")


def render(table: Table) -> str:
    """The table as Markdown; every character with a meaning there is escaped."""
    lines = [f"**{escape(table.title)}**", ""]
    lines.append(_line(escape(column.title) for column in table.columns))
    lines.append(_line("---:" if column.numeric else ":---" for column in table.columns))
    lines.extend(_line(map(_cell, row)) for row in table.rows)
    for number, text in enumerate(table.footnotes, 1):
        lines += ["", f"<sup>{number}</sup> {escape(text)}"]
    for text in table.caption:
        lines += ["", escape(text)]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Text that Markdown shows as it is, in one line."""
    return _SPECIAL.sub(r"\\\1", clean(text))


def _cell(cell: Cell) -> str:
    marks = ",".join(map(str, cell.notes))
    text = escape(cell.text)
    shown = f"**{text}**" if cell.best else text
    return shown + (f"<sup>{marks}</sup>" if marks else "")


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
