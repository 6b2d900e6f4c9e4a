"""What is done of a dataset: a line a pair while it runs, one sorted document at its end."""

import fcntl
import os
from collections.abc import Collection, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self

import msgspec

from bokehbench.dataset.files import is_label, remove_labels, remove_parts, write_atomic
from bokehbench.dataset.folder import Owner, R
from bokehbench.errors import DatasetError
from bokehbench.fidelity.images import shown


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What all rows have in common: these settings, and the libraries that decide about pixels."""

    format: str
    opencv: str
    pillow: str = "unknown"
    settings: dict[str, Any]


def _head(format_: str, settings: msgspec.Struct) -> Head:
    import cv2
    import PIL

    return Head(
        format=format_,
        opencv=str(cv2.__version__),
        pillow=PIL.__version__,
        settings=msgspec.to_builtins(settings),
    )


class Journal(Generic[R]):
    """The journal of one output folder, held by one process at a time.

    `before` has the rows of earlier runs, by name.
    """

    def __init__(self, out: Path, owner: Owner[R], settings: msgspec.Struct) -> None:
        self._out = out
        self._owner = owner
        self._head = _head(owner.format, settings)
        self._path = out / owner.journal
        self.before: dict[str, R] = {}

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
                f"{shown(self._out)}: another `dataset {self._owner.command}` is writing there: "
                "wait for its end"
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
        path = self._out / self._owner.document
        if not path.exists():
            return
        try:
            document = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
            listed = msgspec.convert(document.pop(self._owner.listed, None), list[Any])
            head = msgspec.convert(document, Head)
            rows = [msgspec.convert(row, self._owner.row) for row in listed]
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise self._not_ours(path) from None
        self._agree(head)
        self._keep(rows, path)

    def _read_journal(self) -> None:
        self._file.seek(0)
        lines = self._file.read().split(b"\n")
        # The last line is empty, or was cut when the process was killed.
        whole, cut = lines[:-1], lines[-1]
        try:
            if whole:
                self._agree(msgspec.json.decode(whole[0], type=Head))
            rows = [msgspec.json.decode(line, type=self._owner.row) for line in whole[1:]]
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise self._not_ours(self._path) from None
        self._keep(rows, self._path)
        if cut:
            self._file.truncate(self._path.stat().st_size - len(cut))
        if not whole:
            self._append(self._head)

    def _keep(self, rows: Iterable[R], path: Path) -> None:
        for row in rows:
            if not all(is_label(label, row.name, self._owner.roles) for label in row.outputs):
                raise self._not_ours(path)
            self.before[row.name] = row

    def _not_ours(self, path: Path) -> DatasetError:
        return DatasetError(
            f"{shown(path)}: is not what `dataset {self._owner.command}` wrote: "
            "give a new or empty folder"
        )

    def _agree(self, head: Head) -> None:
        if head == self._head:
            return
        unlike = [
            f"{key} {_word(head.settings.get(key))}, now {_word(value)}"
            for key, value in self._head.settings.items()
            if key not in head.settings or head.settings[key] != value
        ]
        for title, theirs, mine in (
            ("OpenCV", head.opencv, self._head.opencv),
            ("Pillow", head.pillow, self._head.pillow),
        ):
            if theirs != mine:
                unlike.append(f"{title} {theirs}, now {mine}")
        raise DatasetError(
            f"{shown(self._out)}: was begun otherwise ({shown('; '.join(unlike) or head.format)}): "
            "give the same options, or an empty folder"
        )

    def tidy(self, names: Collection[str]) -> int:
        """Remove what killed writes left, and images of pairs that are no longer among `names`.

        Returns:
            How many of the names are noted as done.

        Raises:
            DatasetError: an image can't be removed.
        """
        for folder in (self._out, *(self._out / role for role in self._owner.roles)):
            remove_parts(folder)
        for name, row in self.before.items():
            if name not in names:
                remove_labels(self._out, row.outputs)
        return sum(name in self.before for name in names)

    def add(self, row: R) -> None:
        """Note a pair that is done."""
        self._append(row)

    def _append(self, line: Head | R) -> None:
        try:
            self._file.seek(0, os.SEEK_END)
            self._file.write(msgspec.json.encode(line) + b"\n")
            self._file.flush()
        except OSError as error:
            raise DatasetError(
                f"{shown(self._path)}: can't be written ({error.strerror}): make room, then "
                "start again; what is done stays done"
            ) from None

    def finish(self, rows: tuple[R, ...]) -> None:
        """Replace the journal by the document."""
        document = {**msgspec.structs.asdict(self._head), self._owner.listed: rows}
        data = msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"
        write_atomic(self._out / self._owner.document, data)
        self._path.unlink()


def _word(value: object) -> object:
    """A setting as the command line knows it."""
    return "auto" if value is None else value
