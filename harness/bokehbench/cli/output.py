"""Text for people and JSON for programs: where it goes, and what never reaches a terminal."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import click

from bokehbench.errors import UsageError
from bokehbench.text import clean

if TYPE_CHECKING:
    from bokehbench.report import Table

PIPE_WIDTH = 160
"""Columns of a drawn table that goes to a file or a pipe."""


def note(text: str) -> None:
    """One line for people, on standard error."""
    click.echo(clean(text), err=True)


class Sink:
    """Where a document goes: a path, or `-` for standard output.

    A path is opened for writing before anything is measured, under a temporary name beside it, and
    renamed when the document is whole. What is no file (a pipe, a device) is written as it is.
    """

    def __init__(self, target: str, option: str) -> None:
        self.name = f"{option} {target}"
        self.is_screen = target == "-"
        self._goal = Path(target)
        self._part: Path | None = None
        if target == "-":
            return
        # Asked of the name as it is: what a link to a pipe (/dev/stdout, /dev/fd/3) names
        # has a path nowhere.
        if self._goal.is_dir():
            raise UsageError(f"{self.name}: is a folder; give a file name")
        if self._goal.exists() and not self._goal.is_file():
            return
        # Behind a link it is the file that is replaced, not the link.
        goal = Path(os.path.realpath(target))
        self._goal = goal
        import tempfile

        try:
            number, name = tempfile.mkstemp(prefix=f".{goal.name}.", dir=goal.parent)
        except OSError as error:
            raise UsageError(
                f"{self.name}: can't be written: {error.strerror}; "
                "give a file in a folder that exists and is yours"
            ) from error
        os.close(number)
        self._part = Path(name)

    def write(self, text: str) -> None:
        """Write the whole document, once."""
        if self.is_screen:
            sys.stdout.write(text)
            sys.stdout.flush()
            return
        self.write_bytes(text.encode())

    def write_bytes(self, data: bytes) -> None:
        """Write a whole document that is no text to its path, once."""
        if self._part is None:
            self._goal.write_bytes(data)
            return
        self._part.write_bytes(data)
        umask = os.umask(0)
        os.umask(umask)
        self._part.chmod(0o666 & ~umask)
        self._part.replace(self._goal)
        self._part = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the temporary file of a document that was never written."""
        if self._part is not None:
            self._part.unlink(missing_ok=True)


def terminal_text(table: "Table") -> str:
    """A table as drawn on this terminal, or at a fixed width where there is none."""
    from rich.console import Console

    from bokehbench.report.terminal import renderable

    width = None if sys.stdout.isatty() else PIPE_WIDTH
    console = Console(file=sys.stdout, width=width)
    with console.capture() as capture:
        console.print(renderable(table))
    return capture.get()


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines of aligned columns, cleaned of what must not reach a terminal."""
    shown = [tuple(map(clean, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in shown
    ]


def without_partner(files: Sequence[str], folder: str = "") -> str:
    """The warning of files of pairs that have no partner; five are named."""
    shown = ", ".join(map(clean, files[:5]))
    more = f" and {len(files) - 5} more" if len(files) > 5 else ""
    where = f"{folder}: " if folder else ""
    return f"warning: {where}{len(files)} files have no partner: {shown}{more}"


def to_json(value: Any) -> str:
    """One JSON document, readable, with a newline at its end."""
    import json

    # ASCII alone, so that no locale of a terminal or a pipe can spoil it.
    return json.dumps(value, indent=1, allow_nan=False) + "\n"
