"""Records -> Table (rows built once) -> terminal, Markdown, CSV, LaTeX, JSON, HTML, Codabench.

`build_table` and `render` are all that callers need; `terminal.renderable` alone loads rich.
"""

from collections.abc import Callable
from importlib import import_module
from typing import cast

from bokehbench.errors import UsageError
from bokehbench.report.cells import Cell, Column, Table
from bokehbench.report.challenge import build_challenge_table
from bokehbench.report.table import build_table

FORMATS = ("markdown", "csv", "latex", "json", "html", "codabench")

__all__ = ["FORMATS", "Cell", "Column", "Table", "build_challenge_table", "build_table", "render"]


def render(table: Table, format: str) -> str:  # noqa: A002 - the word the command line uses
    """The table as text, ended by a newline. `format` is one of `FORMATS`.

    Raises:
        UsageError: there is no such format.
    """
    if format not in FORMATS:
        raise UsageError(f"unknown table format {format!r}: use one of {', '.join(FORMATS)}")
    module = import_module(f"bokehbench.report.{format}")
    return cast(Callable[[Table], str], module.render)(table)
