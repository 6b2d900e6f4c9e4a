"""Table -> LaTeX (booktabs), best values bold, every character with a meaning there escaped.

Needs `\\usepackage{booktabs}`; names outside ASCII need UTF-8 input, the default since 2018.
"""

from collections.abc import Iterable

from bokehbench.report.cells import Cell, Table
from bokehbench.text import clean

_ESCAPES = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        "`": r"\textasciigrave{}",
        # After the line's end \\ an opening bracket would be read as its optional argument.
        "[": "{[}",
        "]": "{]}",
        # After the line's end \\ a star would be swallowed as well.
        "*": r"\textasteriskcentered{}",
    }
)


def render(table: Table) -> str:
    """The table as a LaTeX `table` environment."""
    columns = "".join("r" if column.numeric else "l" for column in table.columns)
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape(table.title)}}}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        _line(escape(column.title) for column in table.columns),
        r"\midrule",
        *(_line(map(_cell, row)) for row in table.rows),
        r"\bottomrule",
        r"\end{tabular}",
        "",
        r"\begin{flushleft}\footnotesize",
        *(
            rf"\textsuperscript{{{number}}} {escape(text)}\\"
            for number, text in enumerate(table.footnotes, 1)
        ),
        *(rf"{escape(text)}\\" for text in table.caption),
        r"\end{flushleft}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Text that LaTeX sets as it is, in one line."""
    return clean(text).translate(_ESCAPES)


def _cell(cell: Cell) -> str:
    marks = ",".join(map(str, cell.notes))
    text = escape(cell.text)
    shown = rf"\textbf{{{text}}}" if cell.best else text
    return shown + (rf"\textsuperscript{{{marks}}}" if marks else "")


def _line(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"
