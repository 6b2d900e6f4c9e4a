"""What a table is made of: cells, columns, footnotes, and how numbers are printed.

Number formats follow table 1 of the Mobile AI 2022 bokeh report:
size       integers from 10 up, one decimal from 1 up, two below (402, 30, 1.5, 0.06)
PSNR       two decimals; SSIM and LPIPS four
runtime    integers from 100 ms up, one decimal below (3512, 112, 28.1)
score      `analysis.format_score`: integers from 10 up, one decimal below
A positive number that would print as zero prints as `<` and the smallest step (`<0.1`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from bokehbench.text import clean

NOT_MEASURED = "N.A."
ERROR = "Error"
INVALID = "invalid"


@dataclass(frozen=True)
class Cell:
    """One cell. `value` has full precision and is always finite; `text` is what is printed.

    None stands for what has no value; `text` then says `N.A.`, `inf`, or is empty. A failed
    cell has the word itself as value. `notes` are numbers of footnotes, from 1. `best` marks
    the best value of a column.
    """

    value: float | str | None
    text: str
    notes: tuple[int, ...] = ()
    best: bool = False


@dataclass(frozen=True)
class Column:
    """A column: a key for machines, a title for people, and whether it holds numbers.

    `better` says which of its values is the best; None where there is nothing to win.
    """

    key: str
    title: str
    numeric: bool = True
    better: Literal["high", "low"] | None = None


@dataclass(frozen=True)
class Table:
    """Rows of cells in the columns' order. Texts hold no control characters.

    `footnotes` are numbered from 1, `caption` lines tell what holds for all rows.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    footnotes: tuple[str, ...] = ()
    caption: tuple[str, ...] = ()


@dataclass
class Footnotes:
    """Collects footnotes; one text has one number however often it is used."""

    texts: list[str] = field(default_factory=list)

    def numbers(self, texts: list[str]) -> tuple[int, ...]:
        """The numbers of the texts, ascending, new ones appended."""
        found = set()
        for text in map(clean, texts):
            if text not in self.texts:
                self.texts.append(text)
            found.add(self.texts.index(text) + 1)
        return tuple(sorted(found))


def with_best(
    columns: Sequence[Column], rows: Sequence[Sequence[Cell]], competing: Sequence[bool]
) -> tuple[tuple[Cell, ...], ...]:
    """The rows with the best value of each column marked, and whatever prints the same.

    Rows that are not `competing` win nothing; a column with a single number has no best.
    """
    texts: list[str | None] = []
    for place, column in enumerate(columns):
        numbers = [
            (row[place].value, row[place].text)
            for row, takes_part in zip(rows, competing, strict=True)
            if takes_part and isinstance(row[place].value, float | int)
        ]
        if column.better is None or len(numbers) < 2:
            texts.append(None)
            continue
        pick = max if column.better == "high" else min
        texts.append(pick(numbers, key=lambda number: float(number[0] or 0))[1])
    return tuple(
        tuple(
            replace(cell, best=takes_part and text is not None and cell.text == text)
            for cell, text in zip(row, texts, strict=True)
        )
        for row, takes_part in zip(rows, competing, strict=True)
    )


def in_reading_order(
    rows: Sequence[Sequence[Cell]], footnotes: Footnotes
) -> tuple[list[list[Cell]], tuple[str, ...]]:
    """The rows with their footnotes numbered as they are met, and those that are met."""
    numbers: dict[int, int] = {}
    for row in rows:
        for cell in row:
            for note in cell.notes:
                numbers.setdefault(note, len(numbers) + 1)
    renumbered = [
        [replace(cell, notes=tuple(sorted(numbers[note] for note in cell.notes))) for cell in row]
        for row in rows
    ]
    return renumbered, tuple(footnotes.texts[note - 1] for note in numbers)


def decimal_cell(value: float | None, digits: int, notes: tuple[int, ...] = ()) -> Cell:
    """A number with that many decimals, or `N.A.`."""
    return Cell(value, NOT_MEASURED if value is None else f"{value:.{digits}f}", notes)


def size_text(mebibytes: float) -> str:
    """Model size in MiB."""
    return _stepped(mebibytes, ((2, 1), (1, 10), (0, math.inf)))


def runtime_text(milliseconds: float) -> str:
    """Runtime in milliseconds."""
    return _stepped(milliseconds, ((1, 100), (0, math.inf)))


def _stepped(value: float, steps: tuple[tuple[int, float], ...]) -> str:
    """`steps` are (decimals, below which printed number), so that 9.96 prints as 10."""
    finest = steps[0][0]
    for decimals, limit in steps:
        text = f"{value:.{decimals}f}"
        if float(text) < limit:
            break
    return f"<{10**-finest:.{finest}f}" if value > 0 and float(text) == 0 else text
