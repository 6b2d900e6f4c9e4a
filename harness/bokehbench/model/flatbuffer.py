"""A checked flatbuffers cursor over a memory map: nothing is believed before it is checked.

The `flatbuffers` runtime follows any offset it finds. Here every offset, vtable, vector
length and string is compared with the file's size first, and what a file may cost to read
is limited by one budget, because a few bytes can point at the same large vector many times.
Nothing here recurses, and no data are copied except strings and short vectors.
"""

import mmap
import os
import stat
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from struct import Struct, unpack_from
from typing import Any, Final, NoReturn

from bokehbench.errors import ModelError

INT8: Final = Struct("<b")
UINT8: Final = Struct("<B")
UINT32: Final = Struct("<I")
INT32: Final = Struct("<i")
UINT64: Final = Struct("<Q")
INT64: Final = Struct("<q")
FLOAT32: Final = Struct("<f")

BUDGET: Final = 32 << 20
TABLE_COST: Final = 256
ELEMENT_COST: Final = 16
PACKED_COST: Final = 4
"""One budget of 2**25 allows about 100,000 tables, 2,000,000 elements of vectors or 8,000,000 of
arrays.

The largest public models have some tens of thousands of tables. A table costs about ten
microseconds and some hundred bytes, so hostile files end after a second, not hours.
"""

RETURN_COST: Final = 16 * TABLE_COST
"""After so much of the budget the pages of a map are given back.

A kernel that caches a file in large pages maps up to 2 MiB of weights around each table: a model
of 1000 convolutions took all of its 370 MB. Given back, they stay in the kernel's cache.
"""

MAX_FILE_BYTES: Final = 16 << 30
"""More than any phone can hold in memory; a larger file would only be hashed for minutes."""

MAX_TEXT_BYTES: Final = 1 << 20

MAX_COPIED_BYTES: Final = 32 << 20
"""A file up to this size is read whole: one that shrinks under a map ends the process (SIGBUS)."""

_MAX_FIELDS: Final = 16
VTABLE_HEAD: Final = Struct("<HH")
_VTABLE_FIELDS: Final = tuple(Struct(f"<{count}H") for count in range(_MAX_FIELDS + 1))
_DAMAGED: Final = "the file is cut or damaged: copy or convert it again"


def shown(text: str) -> str:
    """`text` as it may appear in a one-line message: quoted, escaped, at most 80 characters."""
    return repr(text if len(text) <= 80 else text[:77] + "...")


class Source:
    """The bytes of one file and the budget for reading it. `name` heads every message."""

    __slots__ = ("_file", "_left", "_mark", "data", "name", "size")

    def __init__(self, data: bytes | mmap.mmap, name: str, file: BufferedReader) -> None:
        self._file = file
        self.data = data
        self.size = len(data)
        self.name = name
        self._left = BUDGET
        self._mark = BUDGET - RETURN_COST if isinstance(data, mmap.mmap) else 0

    def fail(self, problem: str, cure: str = _DAMAGED) -> NoReturn:
        """Raises ModelError: file name, problem, cure, in one line."""
        raise ModelError(f"{self.name}: {problem}; {cure}")

    def spend(self, cost: int) -> None:
        """Takes `cost` from the budget. Raises ModelError when nothing is left."""
        self._left -= cost
        if self._left < self._mark:
            self._passed()

    def _passed(self) -> None:
        if self._left < 0:
            self.fail("its structure is larger than any known model's by far")
        self._mark = max(self._left - RETURN_COST, 0)
        if isinstance(self.data, mmap.mmap):
            self.data.madvise(mmap.MADV_DONTNEED)

    def sha256(self) -> str:
        """sha256 of the whole file; a mapped one is read in pieces and stays out of memory."""
        import hashlib

        if isinstance(self.data, bytes):
            # What was checked is what is hashed, whatever became of the file since.
            return hashlib.sha256(self.data).hexdigest()
        try:
            self._file.seek(0)
            return hashlib.file_digest(self._file, "sha256").hexdigest()
        except OSError as error:
            self.fail(f"not readable ({error.strerror})", "copy it to a local disk")

    def root(self, identifier: bytes) -> "Table":
        """The root table; raises ModelError as `root_place` does."""
        return Table(self, self.root_place(identifier))

    def root_place(self, identifier: bytes) -> int:
        """First byte of the root table, after the bytes of `identifier` were found at byte 4.

        Raises:
            ModelError: the file is too short or of another kind.
        """
        if self.size < 8:
            self.fail(f"only {self.size} bytes, shorter than the header of a .tflite")
        found = bytes(self.data[4:8])
        if found != identifier:
            self.fail(
                f"not a .tflite: bytes 4-8 are {found!r} instead of {identifier.decode()}",
                "give a model converted to .tflite",
            )
        place: int = UINT32.unpack_from(self.data, 0)[0]
        return place


class Table:
    """A table whose vtable lies inside the file; fields are checked as they are read.

    `at` is the table's first byte. Fields are asked for by slot, the field's number in the
    schema from 0; slots from 16 on are never asked for. A missing field gives its default.
    All methods raise ModelError where the file contradicts itself.
    """

    __slots__ = ("_fields", "_inline", "at", "source")

    def __init__(self, source: Source, at: int) -> None:
        source.spend(TABLE_COST)
        data, size = source.data, source.size
        if at > size - 4:
            source.fail(f"a table at byte {at} lies outside its {size} bytes")
        vtable = at - INT32.unpack_from(data, at)[0]
        if not 0 <= vtable <= size - 4:
            source.fail(f"the vtable of the table at byte {at} lies outside its {size} bytes")
        length, inline = VTABLE_HEAD.unpack_from(data, vtable)
        if length < 4 or length % 2 or vtable + length > size:
            source.fail(f"the vtable at byte {vtable} has an impossible length of {length}")
        if inline < 4 or at + inline > size:
            source.fail(f"the table at byte {at} has an impossible length of {inline}")
        layout = _VTABLE_FIELDS[min((length - 4) // 2, _MAX_FIELDS)]
        self.source = source
        self.at = at
        self._inline = inline
        self._fields: tuple[int, ...] = layout.unpack_from(data, vtable + 4)

    def _place(self, slot: int, width: int) -> int:
        """The byte where the field begins, or 0 when it is missing."""
        offset = self._fields[slot] if slot < len(self._fields) else 0
        if offset == 0:
            return 0
        if offset < 4 or offset + width > self._inline:
            self.source.fail(f"field {slot} of the table at byte {self.at} lies outside it")
        return self.at + offset

    def _target(self, slot: int) -> int:
        """The byte that the field points at, with four bytes to read there, or 0."""
        place = self._place(slot, 4)
        if place == 0:
            return 0
        target: int = place + UINT32.unpack_from(self.source.data, place)[0]
        if target > self.source.size - 4 or target == place:
            self.source.fail(f"field {slot} of the table at byte {self.at} points nowhere")
        return target

    def integer(self, slot: int, kind: Struct, default: int = 0) -> int:
        """A number of `kind` (one of the Structs of this module)."""
        place = self._place(slot, kind.size)
        return int(kind.unpack_from(self.source.data, place)[0]) if place else default

    def real(self, slot: int, kind: Struct) -> float:
        """A number of `kind` that may have a fraction; 0.0 when it is missing."""
        place = self._place(slot, kind.size)
        return float(kind.unpack_from(self.source.data, place)[0]) if place else 0.0

    def table(self, slot: int) -> "Table | None":
        """A table, or None when the field is missing."""
        target = self._target(slot)
        return Table(self.source, target) if target else None

    def vector(self, slot: int, width: int) -> tuple[int, int] | None:
        """First byte and number of elements of a vector, or None when it is missing.

        All elements of `width` bytes lie inside the file; none is read.
        """
        target = self._target(slot)
        if target == 0:
            return None
        count: int = UINT32.unpack_from(self.source.data, target)[0]
        if target + 4 + count * width > self.source.size:
            self.source.fail(
                f"a vector of {count} elements at byte {target} ends outside the file's "
                f"{self.source.size} bytes"
            )
        return target + 4, count

    def integers(self, slot: int) -> tuple[int, ...]:
        """All elements of a vector of int32; () when it is missing."""
        return self._numbers(slot, 4, "i")

    def array(self, slot: int, code: str) -> "array[Any]":
        """All elements of a vector of numbers, packed, or none when it is missing.

        `code` is the element's as in the module array. A quantised model has millions of them.
        """
        values = array(code)
        start, count = self.vector(slot, values.itemsize) or (0, 0)
        self.source.spend(count * PACKED_COST)
        values.frombytes(self.source.data[start : start + count * values.itemsize])
        return values

    def _numbers(self, slot: int, width: int, letter: str) -> tuple[Any, ...]:
        vector = self.vector(slot, width)
        if vector is None:
            return ()
        start, count = vector
        self.source.spend(count * ELEMENT_COST)
        # struct.unpack_from remembers its layouts, which are few; Struct makes each anew.
        return unpack_from(f"<{count}{letter}", self.source.data, start)

    def tables(self, slot: int) -> Iterator["Table"]:
        """All tables of a vector, one after the other; none when it is missing."""
        start, count = self.vector(slot, 4) or (0, 0)
        self.source.spend(count * ELEMENT_COST)
        for place in range(start, start + 4 * count, 4):
            yield Table(self.source, place + UINT32.unpack_from(self.source.data, place)[0])

    def text(self, slot: int) -> str | None:
        """A string, or None when it is missing. Bytes that are no UTF-8 become U+FFFD."""
        vector = self.vector(slot, 1)
        if vector is None:
            return None
        start, count = vector
        if count > MAX_TEXT_BYTES:
            self.source.fail(f"a text of {count} bytes; names have at most {MAX_TEXT_BYTES}")
        self.source.spend(count)
        return self.source.data[start : start + count].decode("utf-8", "replace")

    def has(self, slot: int) -> bool:
        """Whether the field is there."""
        return self._place(slot, 1) != 0


@contextmanager
def open_source(path: Path) -> Iterator[Source]:
    """The file at `path`, copied or, where it is large, mapped while the context lasts.

    Tables are read from the map and must not be used after it.

    Raises:
        ModelError: there is no such file, or it is no regular file, not readable or empty.
    """
    name = ascii(str(path))[1:-1] if not str(path).isprintable() else str(path)
    with _open(path, name) as file:
        facts = os.fstat(file.fileno())
        if not stat.S_ISREG(facts.st_mode):
            raise ModelError(f"{name}: no regular file; give the path of a .tflite model")
        if facts.st_size > MAX_FILE_BYTES:
            raise ModelError(
                f"{name}: {facts.st_size} bytes; at most {MAX_FILE_BYTES} can be read; "
                "give the path of a .tflite model"
            )
        if facts.st_size == 0:
            raise ModelError(f"{name}: the file is empty; copy or convert it again")
        try:
            data = _content(file, facts.st_size)
        except (OSError, ValueError) as error:
            raise ModelError(f"{name}: {_reason(error)}; copy it to a local disk") from None
        try:
            yield Source(data, name, file)
        finally:
            if isinstance(data, mmap.mmap):
                data.close()


def _content(file: BufferedReader, size: int) -> bytes | mmap.mmap:
    if size <= MAX_COPIED_BYTES:
        return file.read(size)
    return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _open(path: Path, name: str) -> BufferedReader:
    try:
        return open(path, "rb", opener=_open_at_once)
    except FileNotFoundError:
        raise ModelError(f"{name}: no such file; give the path of a .tflite model") from None
    except IsADirectoryError:
        raise ModelError(f"{name}: a directory; give the path of a .tflite model") from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{name}: not readable ({_reason(error)}); check the path") from None


def _open_at_once(path: str, flags: int) -> int:
    """Opens without waiting for a pipe's writer."""
    return os.open(path, flags | os.O_NONBLOCK)


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
