"""A TOML file -> a fidelity protocol; every key and value is checked, errors name the line."""

import math
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

import msgspec

from bokehbench.errors import UsageError
from bokehbench.facts import FidelityRules
from bokehbench.text import clean

MAX_FILE_BYTES: Final = 1 << 20
MAX_WINDOW: Final = 65
MIN_SIDE: Final = 32
"""Images from this size up are what every metric takes."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PLACE = re.compile(r"^(?P<problem>.*?)(?: - at `\$\.?(?P<place>[^`]*)`)?$", re.DOTALL)
_FIELD = re.compile(r"(?:unknown|required) field `(?P<field>[^`]+)`")


def read_protocol(path: Path) -> FidelityRules:
    """Read and check one protocol.

    Raises:
        UsageError: the file can't be read, is no TOML, or has an unknown key or a value that
            can't be; the message names file, line, key and cure.
    """
    text = _text(path)
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise UsageError(f"{_shown(path)}: no valid TOML: {error}; correct that line") from None
    where = _Where(path, text)
    _refuse_unknown(document, FidelityRules, "", where)
    try:
        rules = msgspec.convert(document, FidelityRules)
    except msgspec.ValidationError as error:
        _refuse(str(error), where)
    _check(rules, where)
    return rules


class _Where:
    """Finds the line of a key, to name it."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._lines = text.splitlines()

    def fail(self, key: str, problem: str) -> NoReturn:
        """Raise UsageError about a dotted key, `ssim.size`."""
        line = self._line(key)
        place = f"{_shown(self._path)}, line {line}" if line else _shown(self._path)
        raise UsageError(f"{place}: {key}: {problem}")

    def _line(self, key: str) -> int | None:
        """The line of the key, else that of its table, else None."""
        table, _, last = key.rpartition(".")
        inside, found = "", None
        for number, line in enumerate(self._lines, 1):
            header = re.match(r"^\s*\[\s*([\w.-]+)\s*\]", line)
            if header:
                inside = header.group(1)
                if inside in (table, key):
                    found = found or number
            elif re.match(rf"""^\s*["']?{re.escape(last)}["']?\s*=""", line) and inside == table:
                return number
        return found


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
        if len(raw) > MAX_FILE_BYTES:
            raise UsageError(f"{_shown(path)}: larger than 1 MiB; give a protocol in TOML")
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{_shown(path)}: byte {error.start} is no UTF-8; save it as UTF-8"
        ) from None
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise UsageError(f"{_shown(path)}: can't be read ({reason}); check the path") from None


def _refuse_unknown(value: Any, kind: Any, place: str, where: _Where) -> None:
    """Every key of a table has to be a field of its Struct."""
    kind = next(
        (one for one in (kind, *getattr(kind, "__args__", ())) if _is_struct(one)),
        None,
    )
    if kind is None or not isinstance(value, dict):
        return
    fields = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
    for key, item in value.items():
        if key not in fields:
            where.fail(f"{place}{key}", f"unknown key; allowed: {', '.join(fields)}")
        _refuse_unknown(item, fields[key], f"{place}{key}.", where)


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _refuse(message: str, where: _Where) -> NoReturn:
    """msgspec's words, with the place that they name turned into a line of the file."""
    match = _PLACE.match(message)
    assert match is not None
    problem, place = match["problem"], re.sub(r"\[[^]]*\]", "", match["place"] or "")
    if field := _FIELD.search(problem):
        key = f"{place}.{field['field']}" if place else field["field"]
        where.fail(key, "missing; see docs/fidelity.md for the keys")
    if problem.startswith("Invalid enum value"):
        choices = ", ".join(f'"{choice}"' for choice in _choices(place.split(".")))
        where.fail(place, f"give one of {choices}")
    where.fail(place, f"{problem}; see docs/fidelity.md for the keys")


def _choices(keys: Sequence[str]) -> tuple[str, ...]:
    """What a key may say."""
    kind: Any = FidelityRules
    for key in keys:
        kind = next(one for one in (kind, *getattr(kind, "__args__", ())) if _is_struct(one))
        kind = next(f.type for f in msgspec.structs.fields(kind) if f.encode_name == key)
    return tuple(kind.__args__)


def _check(rules: FidelityRules, where: _Where) -> None:
    """What types can't say."""
    if not _NAME.fullmatch(rules.name):
        where.fail("name", "give up to 64 letters, digits, '.', '_' or '-'")
    if not (math.isfinite(rules.data_range) and rules.data_range > 0):
        where.fail("data_range", "give a number above 0")
    if rules.values == "uint8" and rules.data_range != 255:
        where.fail("data_range", "uint8 values have a range of 255.0")
    if not 0 <= rules.crop <= 1 << 14:
        where.fail("crop", "give the pixels to cut from each edge, 0 to 16384")
    ssim = rules.ssim
    if not (3 <= ssim.size <= MAX_WINDOW and ssim.size % 2 == 1):
        where.fail("ssim.size", f"give an odd number from 3 to {MAX_WINDOW}")
    if ssim.window == "gaussian":
        if ssim.sigma is None:
            where.fail("ssim.sigma", "missing: a Gaussian window has one")
        if not (math.isfinite(ssim.sigma) and 0.1 <= ssim.sigma <= 100):
            where.fail("ssim.sigma", "give a number from 0.1 to 100")
        if ssim.covariance == "sample":
            where.fail("ssim.covariance", "'sample' belongs to a uniform window; use 'population'")
    elif ssim.sigma is not None:
        where.fail("ssim.sigma", "a uniform window has none; leave it out")
    for key, value in (("k1", ssim.k1), ("k2", ssim.k2)):
        if not (math.isfinite(value) and 0 < value < 1):
            where.fail(f"ssim.{key}", "give a number above 0 and below 1")
    if rules.ms_ssim is not None:
        weights = rules.ms_ssim.weights
        if not 1 <= len(weights) <= 8 or not all(
            math.isfinite(weight) and weight > 0 for weight in weights
        ):
            where.fail("ms_ssim.weights", "give 1 to 8 numbers above 0, the finest scale first")
    if rules.lpips is not None:
        low, high = rules.lpips.range
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            where.fail("lpips.range", "give [LOW, HIGH], such as [-1.0, 1.0]")


def _shown(path: Path) -> str:
    return clean(str(path))
