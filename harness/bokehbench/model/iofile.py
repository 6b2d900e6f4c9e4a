"""The TOML file beside a model that says how images meet its tensors -> checked values."""

import math
import re
import struct
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

from bokehbench.errors import IoSpecError

MAX_FILE_BYTES: Final = 1 << 20
MAX_SIZE: Final = 16.0
SOURCES: Final = ("original", "original_depth")
CHANNELS: Final = {"rgb": 3, "rgbd": 4, "gray": 1}
"""Number of channels by name."""

_INPUT_KEYS: Final = ("tensor", "source", "channels", "range", "size")
_OUTPUT_KEYS: Final = ("tensor", "range", "size")


@dataclass(frozen=True, slots=True)
class Declared:
    """What one table of the file says; None where it says nothing. `where` heads messages."""

    where: str
    tensor: str | int | None = None
    source: str | None = None
    channels: str | None = None
    range: tuple[float, float] | None = None
    size: float | None = None


@dataclass(frozen=True, slots=True)
class IoFile:
    """A whole file. `inputs` is empty when there is no [[inputs]]."""

    path: Path
    inputs: tuple[Declared, ...]
    output: Declared


def read_io_file(path: Path) -> IoFile:
    """Reads and checks `path`; tensors are not looked up yet.

    Raises:
        IoSpecError: the file can't be read, is no TOML, or has an unknown key or a value of
            the wrong kind. The message names file, line, key and what is allowed.
    """
    try:
        if path.is_dir():
            raise IoSpecError(f"{path}: is a folder; give an I/O spec in TOML")
        if path.exists() and not path.is_file():
            raise IoSpecError(f"{path}: is a pipe or a device; give an I/O spec in TOML")
        if not path.is_file():
            raise IoSpecError(f"{path}: not readable (no such file); check the path")
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise IoSpecError(f"{path}: byte {error.start} is no UTF-8; save it as UTF-8") from None
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise IoSpecError(f"{path}: not readable ({reason}); check the path") from None
    if len(raw) > MAX_FILE_BYTES:
        raise IoSpecError(f"{path}: larger than {MAX_FILE_BYTES} bytes; give an I/O spec in TOML")
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise IoSpecError(f"{path}: no valid TOML: {error}; correct that line") from None
    return _Reader(path, text).document(document)


def number_pair(text: str, where: str) -> tuple[float, float]:
    """`LOW,HIGH` -> (LOW, HIGH). Raises IoSpecError, headed by `where`."""
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        low = high = math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise IoSpecError(f"{where}: {text!r} is no range; write LOW,HIGH such as 0,1 or -1,1")
    problem = _no_span(low, high)
    if problem:
        raise IoSpecError(f"{where}: {text!r} {problem}")
    return low, high


def _no_span(low: float, high: float) -> str | None:
    """Why tensors of 32-bit floats can't span a range, or None."""
    try:
        ends = [struct.unpack("<f", struct.pack("<f", end))[0] for end in (low, high)]
    except OverflowError:
        return "goes beyond what a 32-bit float holds; write ends from -3.4e38 to 3.4e38"
    if ends[0] == ends[1]:
        return "is one and the same 32-bit float at both ends; write them further apart"
    return None


class _Reader:
    """Checks one parsed document and knows its text, to name lines."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.lines = text.splitlines()

    def fail(self, table: str, nth: int, key: str, problem: str) -> NoReturn:
        line = self._line(table, nth, key)
        place = f"{self.path}, line {line}" if line else str(self.path)
        named = f"{table}.{key}" if table and key else table or key
        raise IoSpecError(f"{place}: {named}: {problem}")

    def _line(self, table: str, nth: int, key: str) -> int | None:
        """The line of `key` below the nth header of `table`, of the header, or None."""
        header = re.compile(r"^\s*\[\[?\s*" + re.escape(table) + r"\s*\]\]?")
        wanted = re.compile(r"""^\s*["']?""" + re.escape(key) + r"""["']?\s*[.=]""")
        found, seen = None, -1
        for number, line in enumerate(self.lines, 1):
            if table and re.match(r"^\s*\[", line):
                if seen == nth:
                    break
                if header.match(line):
                    seen += 1
                    found = number if seen == nth else None
            elif (not table or seen == nth) and key and wanted.match(line):
                return number
        return found

    def document(self, document: Mapping[str, Any]) -> IoFile:
        for key in document:
            if key not in ("inputs", "output"):
                self.fail("", 0, key, "unknown key; allowed: [[inputs]] and [output]")
        inputs = document.get("inputs", [])
        output = document.get("output", {})
        if not isinstance(inputs, list) or not all(isinstance(item, dict) for item in inputs):
            self.fail("inputs", 0, "", "not a list of tables; begin each input with [[inputs]]")
        if not isinstance(output, dict):
            self.fail("output", 0, "", "not a table; begin it with [output]")
        return IoFile(
            self.path,
            tuple(self.declared("inputs", nth, item) for nth, item in enumerate(inputs)),
            self.declared("output", 0, output),
        )

    def declared(self, table: str, nth: int, values: Mapping[str, Any]) -> Declared:
        allowed = _INPUT_KEYS if table == "inputs" else _OUTPUT_KEYS
        for key in values:
            if key not in allowed:
                self.fail(table, nth, key, f"unknown key; allowed: {', '.join(allowed)}")
        line = self._line(table, nth, "tensor")
        return Declared(
            where=f"{self.path}, line {line}: {table}" if line else f"{self.path}: {table}",
            tensor=self._tensor(table, nth, values.get("tensor")),
            source=self._word(table, nth, "source", values, SOURCES),
            channels=self._word(table, nth, "channels", values, CHANNELS),
            range=self._range(table, nth, values.get("range")),
            size=self._size(table, nth, values.get("size")),
        )

    def _tensor(self, table: str, nth: int, value: Any) -> str | int | None:
        if isinstance(value, bool) or not isinstance(value, str | int | None):
            self.fail(table, nth, "tensor", "neither a name in quotes nor an index from 0")
        return value

    def _word(
        self, table: str, nth: int, key: str, values: Mapping[str, Any], allowed: Collection[str]
    ) -> str | None:
        value = values.get(key)
        if value is None:
            return None
        if not isinstance(value, str) or value not in allowed:
            choices = ", ".join(f'"{choice}"' for choice in allowed)
            self.fail(table, nth, key, f"{_brief(value)} is not one of {choices}")
        return value

    def _range(self, table: str, nth: int, value: Any) -> tuple[float, float] | None:
        if value is None:
            return None
        pair = [_number(item) for item in value] if isinstance(value, list) else []
        if len(pair) != 2 or pair[0] is None or pair[1] is None or pair[0] >= pair[1]:
            self.fail(
                table, nth, "range", f"{_brief(value)} is not [LOW, HIGH], such as [0.0, 1.0]"
            )
        problem = _no_span(pair[0], pair[1])
        if problem:
            self.fail(table, nth, "range", f"{_brief(value)} {problem}")
        return pair[0], pair[1]

    def _size(self, table: str, nth: int, value: Any) -> float | None:
        if value is None:
            return None
        size = _number(value)
        if size is None or not 0 < size <= MAX_SIZE:
            self.fail(table, nth, "size", f"{_brief(value)} is not a number above 0, up to 16")
        return size


def _number(value: Any) -> float | None:
    """A finite float, or None when `value` is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _brief(value: Any) -> str:
    try:
        text = repr(value)
    except ValueError:
        text = "the number"
    return text if len(text) <= 60 else text[:57] + "..."
