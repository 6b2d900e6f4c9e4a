"""What is done of an alignment: a line a pair while it runs, one sorted document at its end."""

import fcntl
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from bokehbench.dataset.files import is_label, write_atomic
from bokehbench.dataset.rows import Row
from bokehbench.dataset.settings import AlignSettings
from bokehbench.errors import DatasetError
from bokehbench.fidelity.images import shown

# The number rises whenever the same photos and settings give other images.
FORMAT = "bokehbench-align/1"
JOURNAL = "align.journal.jsonl"
DOCUMENT = "align.json"


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What all rows have in common: made with these settings by this OpenCV."""

    format: str = FORMAT
    opencv: str
    settings: AlignSettings


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """All of an alignment, rows in the natural order of names."""

    format: str = FORMAT
    opencv: str
    settings: AlignSettings
    rows: tuple[Row, ...]


class Journal:
    """The journal of one output folder, held by one process at a time.

    `before` has the rows of earlier runs, by name.
    """

    def __init__(self, out: Path, head: Head) -> None:
        self._out = out
        self._head = head
        self._path = out / JOURNAL
        self.before: dict[str, Row] = {}

    def __enter__(self) -> Self:
        try:
            self._file = open(self._path, "ab+")
        except OSError as error:
            raise DatasetError(
                f"{shown(self._path)}: can't be written ({error.strerror}): give another folder"
            ) from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise DatasetError(
                f"{shown(self._out)}: another `dataset align` is writing there: wait for its end"
            ) from None
        try:
            self._read_document()
            self._read_journal()
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def _read_document(self) -> None:
        path = self._out / DOCUMENT
        if not path.exists():
            return
        try:
            document = msgspec.json.decode(path.read_bytes(), type=Document)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            raise _not_ours(path) from None
        self._agree(
            Head(format=document.format, opencv=document.opencv, settings=document.settings)
        )
        self._keep(document.rows, path)

    def _read_journal(self) -> None:
        self._file.seek(0)
        lines = self._file.read().split(b"\n")
        # The last line is empty, or was cut when the process was killed.
        whole, cut = lines[:-1], lines[-1]
        try:
            if whole:
                self._agree(msgspec.json.decode(whole[0], type=Head))
            rows = [msgspec.json.decode(line, type=Row) for line in whole[1:]]
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise _not_ours(self._path) from None
        self._keep(rows, self._path)
        if cut:
            self._file.truncate(self._path.stat().st_size - len(cut))
        if not whole:
            self._append(self._head)

    def _keep(self, rows: Iterable[Row], path: Path) -> None:
        settings = self._head.settings
        roles = (settings.narrow, settings.wide, settings.depth)
        for row in rows:
            if not all(is_label(label, row.name, roles) for label in row.outputs):
                raise _not_ours(path)
            self.before[row.name] = row

    def _agree(self, head: Head) -> None:
        if head == self._head:
            return
        mine, theirs = (msgspec.to_builtins(one) for one in (self._head, head))
        unlike = [
            f"{key} {theirs['settings'][key]}, now {value}"
            for key, value in mine["settings"].items()
            if theirs["settings"][key] != value
        ]
        if head.opencv != self._head.opencv:
            unlike.append(f"OpenCV {head.opencv}, now {self._head.opencv}")
        raise DatasetError(
            f"{shown(self._out)}: was begun otherwise ({'; '.join(unlike) or head.format}): "
            "give the same options, or an empty folder"
        )

    def add(self, row: Row) -> None:
        """Note a pair that is done."""
        self._append(row)

    def _append(self, line: Head | Row) -> None:
        try:
            self._file.seek(0, os.SEEK_END)
            self._file.write(msgspec.json.encode(line) + b"\n")
            self._file.flush()
        except OSError as error:
            raise DatasetError(
                f"{shown(self._path)}: can't be written ({error.strerror}): make room, then "
                "start again; what is done stays done"
            ) from None

    def finish(self, rows: tuple[Row, ...]) -> None:
        """Replace the journal by the document."""
        document = Document(opencv=self._head.opencv, settings=self._head.settings, rows=rows)
        data = msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"
        write_atomic(self._out / DOCUMENT, data)
        self._path.unlink()


def _not_ours(path: Path) -> DatasetError:
    return DatasetError(
        f"{shown(path)}: is not what `dataset align` wrote: give a new or empty folder"
    )
