"""Table -> what rich prints on a terminal; the only module that loads rich."""

from rich.console import Group
from rich.table import Table as RichTable
from rich.text import Text

from bokehbench.report.cells import Cell, Table, clean


def renderable(table: Table) -> Group:
    """The table, its footnotes and its caption, for `rich.console.Console.print`.

    Texts are `Text` objects, so names in brackets are no markup, and control characters are
    replaced once more, whoever built the table.
    """
    grid = RichTable(title=Text(clean(table.title)))
    for column in table.columns:
        grid.add_column(
            Text(clean(column.title)),
            justify="right" if column.numeric else "left",
            # A number that is broken over two lines reads as another number.
            no_wrap=column.numeric,
            overflow="fold",
        )
    for row in table.rows:
        grid.add_row(*map(_cell, row))
    footnotes = (f"({number}) {text}" for number, text in enumerate(table.footnotes, 1))
    return Group(grid, *(Text(clean(line)) for line in (*footnotes, *table.caption)))


def _cell(cell: Cell) -> Text:
    text = Text(clean(cell.text))
    if cell.notes:
        text.append(f" ({','.join(map(str, cell.notes))})", style="dim")
    return text
