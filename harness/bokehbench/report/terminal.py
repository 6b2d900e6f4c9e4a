"""Table -> what rich prints on a terminal; the only module that loads rich."""

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table as RichTable
from rich.text import Text

from bokehbench.report.cells import Cell, Table
from bokehbench.text import clean

_MIN_TEXT = 8


def renderable(table: Table) -> Group:
    """The table, its footnotes and its caption, for `rich.console.Console.print`.

    Texts are `Text` objects, so names in brackets are no markup, and control characters are
    replaced once more, whoever built the table.
    """
    grid = RichTable(
        title=Text(clean(table.title)), box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True
    )
    for column in table.columns:
        title = clean(column.title)
        if column.numeric:
            # A number that is broken over two lines reads as another number, so only the
            # title is broken, by hand: nine columns have to fit in 80 characters.
            grid.add_column(Text(title.replace(" ", "\n")), justify="right", no_wrap=True)
        else:
            grid.add_column(Text(title), overflow="fold", min_width=_MIN_TEXT)
    for row in table.rows:
        grid.add_row(*map(_cell, row))
    footnotes = (f"({number}) {text}" for number, text in enumerate(table.footnotes, 1))
    return Group(grid, *(Text(clean(line)) for line in (*footnotes, *table.caption)))


def _cell(cell: Cell) -> Text:
    text = Text(clean(cell.text))
    if cell.notes:
        text.append(f"({','.join(map(str, cell.notes))})", style="dim")
    return text
