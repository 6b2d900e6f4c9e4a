"""Table -> what rich prints on a terminal; the only module that loads rich."""

from collections.abc import Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table as RichTable
from rich.text import Text

from bokehbench.report.cells import Cell, Column, Table
from bokehbench.text import clean

_MIN_TEXT = 8
_GAP = 2
"""Between two columns, and beside the outer ones together."""


def renderable(table: Table) -> "Drawing":
    """The table, its footnotes and its caption, for `rich.console.Console.print`."""
    return Drawing(table)


class Drawing:
    """A table at the width that it is printed in.

    A number that is cut or broken over two lines reads as another number: columns that don't
    fit go into a part of their own below, with the first column again. Texts are `Text` objects,
    so names in brackets are no markup, and control characters are replaced once more, whoever
    built the table.
    """

    def __init__(self, table: Table) -> None:
        self.table = table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """What rich calls."""
        table = self.table
        title: Text | None = Text(clean(table.title))
        for places in _parts(table, options.max_width):
            yield _grid(table, places, title)
            title = None
        for number, text in enumerate(table.footnotes, 1):
            yield Text(clean(f"({number}) {text}"))
        for text in table.caption:
            yield Text(clean(text))


def _parts(table: Table, width: int) -> Iterator[list[int]]:
    """Places of columns that fit beside each other, the first column in every part."""
    needs = [_need(table, place) for place in range(len(table.columns))]
    part: list[int] = [0] if needs else []
    for place in range(1, len(needs)):
        taken = sum(needs[other] + _GAP for other in [*part, place])
        if taken > width and len(part) > 1:
            yield part
            part = [0]
        part.append(place)
    yield part


def _need(table: Table, place: int) -> int:
    """The fewest characters that a column can be printed in."""
    column = table.columns[place]
    if not column.numeric:
        return _MIN_TEXT
    texts = [cell_len(_cell(row[place]).plain) for row in table.rows]
    return max([*texts, *map(cell_len, clean(column.title).split() or [""])])


def _grid(table: Table, places: Sequence[int], title: Text | None) -> RichTable:
    grid = RichTable(title=title, box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for place in places:
        _add_column(grid, table.columns[place])
    for row in table.rows:
        grid.add_row(*(_cell(row[place]) for place in places))
    return grid


def _add_column(grid: RichTable, column: Column) -> None:
    title = clean(column.title)
    if column.numeric:
        # Only the title of a number is broken, by hand.
        grid.add_column(Text(title.replace(" ", "\n")), justify="right", no_wrap=True)
    else:
        grid.add_column(Text(title), overflow="fold", min_width=_MIN_TEXT)


def _cell(cell: Cell) -> Text:
    text = Text(clean(cell.text), style="bold" if cell.best else "")
    if cell.notes:
        text.append(f"({','.join(map(str, cell.notes))})", style="dim")
    return text
