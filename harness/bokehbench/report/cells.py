"""What a table is made of: cells, columns, footnotes, and how numbers are printed.

Number formats follow table 1 of the Mobile AI 2022 bokeh report:
size       integers from 10 up, one decimal from 1 up, two below (402, 30, 1.5, 0.06)
PSNR       two decimals; SSIM and LPIPS four
runtime    integers from 100 ms up, one decimal below (3512, 112, 28.1)
score      `analysis.format_score`: integers from 10 up, one decimal below
A positive number that would print as zero prints as `<` and the smallest step (`<0.1`).
"""

import math
from dataclasses import dataclass, field

from bokehbench.text import clean

NOT_MEASURED = "N.A."
ERROR = "Error"
INVALID = "invalid"


@dataclass(frozen=True)
class Cell:
    """One cell. `value` has full precision and is always finite; `text` is what is printed.

    None stands for what has no value; `text` then says `N.A.`, `inf`, or is empty. A failed
    cell has the word itself as value. `notes` are numbers of footnotes, from 1.
    """

    value: float | str | None
    text: str
    notes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Column:
    """A column: a key for machines, a title for people, and whether it holds numbers."""

    key: str
    title: str
    numeric: bool = True


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
