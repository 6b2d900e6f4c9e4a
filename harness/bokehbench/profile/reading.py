"""One TOML file -> DeviceProfile, or an error that names file, line and the nearest key."""

import difflib
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec

from bokehbench.errors import ProfileError
from bokehbench.profile.lines import Step, Wrong, line_of, spell
from bokehbench.profile.marks import Fact, check_marks, facts_in
from bokehbench.profile.schema import (
    NAME_PATTERN,
    PATH_PATTERN,
    WORD_PATTERN,
    DeviceProfile,
)

LIMIT_BYTES = 1 << 20
"""No profile is this long; what is, is something else."""


def load_profile(path: Path) -> DeviceProfile:
    """Read one profile.

    Raises:
        ProfileError: not TOML, an unknown key, a value of the wrong kind, or a mark that
            names no fact or no source; with the line and, for a key, the nearest that there is.
    """
    return parse_profile(_read(path), str(path))


def parse_profile(text: str, name: str) -> DeviceProfile:
    """The profile in a TOML text; `name` says in errors where it is from.

    Raises:
        ProfileError: as `load_profile`.
    """
    document = _toml(text, name)
    try:
        profile = _convert(document)
        check_marks(document, profile)
    except Wrong as wrong:
        line = line_of(text, wrong.path)
        raise ProfileError(f"{name}:{line}: {wrong.problem}; see docs/profiles.md") from wrong
    return profile


def facts_of(text: str, name: str) -> list[Fact]:
    """Every fact that a profile's text states, with its mark; None where it has none.

    Raises:
        ProfileError: as `load_profile`.
    """
    profile = parse_profile(text, name)
    return facts_in(_toml(text, name), profile)


def _read(path: Path) -> str:
    try:
        with open(path, "rb") as stream:
            data = stream.read(LIMIT_BYTES + 1)
    except OSError as error:
        raise ProfileError(f"{path}: can't be read: {error.strerror}") from error
    if len(data) > LIMIT_BYTES:
        raise ProfileError(f"{path}: longer than {LIMIT_BYTES} bytes; this is no profile")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ProfileError(f"{path}:{line}: not UTF-8; save it as UTF-8") from error


def _toml(text: str, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        where = re.search(r"\(at line (\d+), column \d+\)$", str(error))
        line = int(where[1]) if where else max(1, text.count("\n"))
        problem = str(error).split(" (at ")[0]
        raise ProfileError(f"{name}:{line}: not TOML: {problem}") from error
    except RecursionError as error:
        raise ProfileError(f"{name}: not a profile: nested too deeply") from error


def _convert(document: dict[str, Any]) -> DeviceProfile:
    """Keys first, with the nearest one; then values."""
    _check_keys(document, DeviceProfile, ())
    try:
        return msgspec.convert(document, DeviceProfile)
    except msgspec.ValidationError as error:
        problem, _, place = str(error).partition(" - at `$")
        path = _path(document, place.rstrip("`"))
        missing = re.search(r"missing required field `(\w+)`", problem)
        if missing:
            raise Wrong(path, f"{_named(path)}has no {missing[1]}, which is needed") from error
        raise Wrong(path, f"{_named(path)}{_in_words(problem, path)}") from error


_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
}
_PATTERNS = {
    NAME_PATTERN: "lower-case letters, digits and . _ -",
    PATH_PATTERN: "a path below /sys or /proc, of letters, digits and . _ / * ? : , @ + -",
    WORD_PATTERN: "letters, digits and . _ -",
}


def _in_words(problem: str, path: Sequence[Step]) -> str:
    """What msgspec says of a value, for people who never saw its types."""
    if match := re.match(r"Expected `(.+)`, got `(\w+)`$", problem):
        wanted = [_KINDS.get(k, k) for k in match[1].split(" | ") if k != "null"]
        return f"has to be {' or '.join(wanted)}, not {_KINDS.get(match[2], match[2])}"
    if match := re.match(r"Invalid enum value '(.*)'$", problem):
        return f"{match[1]!r} is none of {', '.join(_choices(path))}"
    if match := re.match(r"Expected `str` matching regex '(.*)'$", problem):
        return f"may only hold {_PATTERNS.get(match[1], match[1])}"
    if match := re.match(r"Expected `(\w+)` (of length )?([<>=]+) (\S+)$", problem):
        what = "length" if match[2] else "value"
        return f"has to be of {what} {match[3]} {match[4]}"
    return problem[:1].lower() + problem[1:].replace("`", "")


def _choices(path: Sequence[Step]) -> list[str]:
    """The words that a key at this place may have."""
    kind: Any = DeviceProfile
    for step in path:
        if isinstance(step, int):
            kind = _bare(get_args(kind)[0])
        else:
            fields = {field.name: field.type for field in msgspec.structs.fields(kind)}
            kind = _bare(fields[step])
    return [str(word) for word in get_args(kind)]


def _named(path: Sequence[Step]) -> str:
    return f"{spell(path)}: " if path else ""


def _path(document: Any, place: str) -> tuple[Step, ...]:
    """msgspec's `.backends[0].name` as steps; `[...]` is the first value of a table not text."""
    steps: list[Step] = []
    value = document
    for name, index in re.findall(r"\.(\w+)|\[(\d+|\.\.\.)\]", place):
        step: Step
        if name:
            step = str(name)
        elif index == "...":
            step = next((k for k, v in value.items() if not isinstance(v, str)), "")
        else:
            step = int(index)
        steps.append(step)
        value = value[step]
    return tuple(steps)


def _check_keys(value: Any, kind: Any, path: tuple[Step, ...]) -> None:
    """Raise for the first key, in the text's order, that its table does not have."""
    if get_origin(kind) is list and isinstance(value, list):
        for index, item in enumerate(value):
            _check_keys(item, get_args(kind)[0], (*path, index))
        return
    if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return
    if not isinstance(value, dict):
        return
    types = {field.name: _bare(field.type) for field in msgspec.structs.fields(kind)}
    for key, item in value.items():
        if key not in types:
            near = difflib.get_close_matches(key, types, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}" if near else f"known are {', '.join(types)}"
            raise Wrong((*path, key), f"unknown key {spell((*path, key))}; {hint}")
        _check_keys(item, types[key], (*path, key))


def _bare(kind: Any) -> Any:
    """A type without `Annotated`, and an optional one without None."""
    while hasattr(kind, "__metadata__"):
        kind = kind.__origin__
    return kind
