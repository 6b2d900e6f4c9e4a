"""Text for people and JSON for programs: where it goes, and what never reaches a terminal."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import click

from bokehbench.errors import UsageError
from bokehbench.text import clean

if TYPE_CHECKING:
    from bokehbench.report import Table

_PICTURES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})

PIPE_WIDTH = 160
"""Columns of a drawn table that goes to a file or a pipe."""


def note(text: str) -> None:
    """One line for people, on standard error."""
    click.echo(clean(text), err=True)


class Sink:
    """Where a document goes: a path, or `-` for standard output.

    A path is opened for writing before anything is measured, under a temporary name beside it, and
    renamed when the document is whole. What is no file (a pipe, a device) is written as it is. A
    file that the command reads, a model or a store is not replaced.
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
        _see_no_input(goal, self.name, option)
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
        """Write the whole document, once.

        Raises:
            UsageError: it can't be written.
        """
        if not self.is_screen:
            self.write_bytes(text.encode())
            return
        with self._telling():
            sys.stdout.write(text)
            sys.stdout.flush()

    def write_bytes(self, data: bytes) -> None:
        """Write a whole document that is no text to its path, once.

        Raises:
            UsageError: it can't be written.
        """
        with self._telling():
            if self._part is None:
                self._goal.write_bytes(data)
                return
            self._part.write_bytes(data)
            umask = os.umask(0)
            os.umask(umask)
            self._part.chmod(0o666 & ~umask)
            self._part.replace(self._goal)
            self._part = None

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as error:
            raise UsageError(
                f"{self.name}: can't be written: {error.strerror}; free space or name another file"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the temporary file of a document that was never written."""
        if self._part is not None:
            self._part.unlink(missing_ok=True)


_KEPT = ((0, b"SQLite format 3\0", "a store"), (4, b"TFL3", "a model"))
"""What a document never replaces: where its first bytes lie, the bytes, what it is."""


def _see_no_input(goal: Path, name: str, option: str) -> None:
    """Keep a document from replacing what the command was given to read.

    Raises:
        UsageError: it would.
    """
    if not goal.exists():
        return
    with goal.open("rb") as stream:
        head = stream.read(32)
    for start, magic, what in _KEPT:
        if head[start : start + len(magic)] == magic:
            raise UsageError(f"{name}: is {what}; give another file")
    context = click.get_current_context(silent=True)
    for parameter in context.command.params if context else ():
        if not isinstance(parameter.type, click.Path) or option in parameter.opts:
            continue
        value = context.params.get(parameter.name or "") if context else None
        for path in value if isinstance(value, tuple) else (value,):
            if not isinstance(path, str | Path) or not Path(path).exists():
                continue
            read = Path(os.path.realpath(path))
            # Of a folder its pictures are read; a report of an earlier run may lie beside them.
            within = read.is_dir() and read in goal.parents and goal.suffix.lower() in _PICTURES
            if within or goal.samefile(read):
                raise UsageError(f"{name}: would replace what is read; give another file")


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
