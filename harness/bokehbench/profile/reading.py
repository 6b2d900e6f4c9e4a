"""One TOML file -> DeviceProfile, or an error that names file, line and the nearest key."""

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec

from bokehbench.errors import ProfileError
from bokehbench.profile.lines import Step, line_of
from bokehbench.profile.schema import (
    BackendChoice,
    DeviceProfile,
    MarkWord,
    Match,
    Section,
    Sensor,
)

LIMIT_BYTES = 1 << 20
"""No profile is this long; what is, is something else."""

MARKS: tuple[MarkWord, ...] = ("verified", "unverified")

NOT_FACTS: dict[type[Section], frozenset[str]] = {
    Match: frozenset({"emulator"}),
    Sensor: frozenset({"quantity", "name"}),
    BackendChoice: frozenset({"name"}),
}
"""Keys that say which thing is meant, not something about it."""


@dataclass(frozen=True)
class Fact:
    """One fact of a profile: where it stands, its mark, and its source by name and in full."""

    path: str
    value: Any
    mark: Literal["verified", "unverified"] | None
    source: str | None
    source_text: str | None


class _Wrong(Exception):
    """A rule that a parsed document breaks, with the place."""

    def __init__(self, path: Sequence[Step], problem: str) -> None:
        super().__init__(problem)
        self.path = tuple(path)
        self.problem = problem


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
        for path, table, section in _sections(document, profile):
            given = {key for key, _ in _facts(table, section)}
            _check_marks(path, table, given, profile.sources)
    except _Wrong as wrong:
        line = line_of(text, wrong.path)
        raise ProfileError(f"{name}:{line}: {wrong.problem}; see docs/profiles.md") from wrong
    return profile


def facts_of(text: str, name: str) -> list[Fact]:
    """Every fact that a profile's text states, with its mark; None where it has none.

    Raises:
        ProfileError: as `load_profile`.
    """
    profile = parse_profile(text, name)
    found = []
    for path, table, section in _sections(_toml(text, name), profile):
        for key, value in _facts(table, section):
            mark, source = _mark_of(table, key)
            full = profile.sources.get(source) if source else None
            found.append(Fact(spell((*path, key)), value, mark, source, full))
    return found


def spell(path: Sequence[Step]) -> str:
    """A path as people write it: `sensors[2].unit`, counted from 1."""
    text = ""
    for step in path:
        text += f"[{step + 1}]" if isinstance(step, int) else f".{step}" if text else step
    return text


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
            raise _Wrong(path, f"{_named(path)}has no {missing[1]}, which is needed") from error
        said = problem[:1].lower() + problem[1:].replace("`", "")
        raise _Wrong(path, f"{_named(path)}{said}") from error


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
            raise _Wrong((*path, key), f"unknown key {spell((*path, key))}; {hint}")
        _check_keys(item, types[key], (*path, key))


def _bare(kind: Any) -> Any:
    """A type without `Annotated`, and an optional one without None."""
    while hasattr(kind, "__metadata__"):
        kind = kind.__origin__
    return kind


def _sections(
    document: dict[str, Any], profile: DeviceProfile
) -> Iterator[tuple[tuple[Step, ...], dict[str, Any], Section]]:
    """Every table whose facts carry marks: its path, its raw table, its value."""

    def walk(
        path: tuple[Step, ...], table: Any, value: Any
    ) -> Iterator[tuple[tuple[Step, ...], dict[str, Any], Section]]:
        if isinstance(value, list):
            for index, item in enumerate(value):
                yield from walk((*path, index), table[index], item)
        elif isinstance(value, msgspec.Struct):
            if isinstance(value, Section):
                yield path, table, value
            for key, inner in table.items():
                yield from walk((*path, key), inner, getattr(value, key))

    yield from walk((), document, profile)


def _facts(table: Mapping[str, Any], section: Section) -> Iterator[tuple[str, Any]]:
    """What a section states itself: not its marks, not the sections in it."""
    skipped = NOT_FACTS.get(type(section), frozenset()).union(MARKS)
    for key, value in table.items():
        nested = isinstance(value, dict) or (
            isinstance(value, list) and any(isinstance(item, dict) for item in value)
        )
        if key not in skipped and not nested:
            yield key, value


def _mark_of(table: Mapping[str, Any], key: str) -> tuple[MarkWord | None, str | None]:
    for word in MARKS:
        mark = table.get(word)
        if isinstance(mark, dict) and key in mark:
            return word, mark[key]
    for word in MARKS:
        mark = table.get(word)
        if isinstance(mark, str):
            return word, mark
    return None, None


def _check_marks(
    path: tuple[Step, ...],
    table: Mapping[str, Any],
    given: set[str],
    sources: Mapping[str, str],
) -> None:
    """Raise for a mark of a key that is not there, of both kinds, or without a source."""
    if all(isinstance(table.get(word), str) for word in MARKS):
        raise _Wrong((*path, MARKS[1]), f"{spell(path)}: two marks for all keys; one at most")
    seen: set[str] = set()
    for word in MARKS:
        mark = table.get(word, {})
        pairs = [("", mark)] if isinstance(mark, str) else list(mark.items())
        for key, source in pairs:
            place = (*path, word, key) if key else (*path, word)
            if key and key not in given:
                near = difflib.get_close_matches(key, given, n=1, cutoff=0.5)
                hint = (
                    f"did you mean {near[0]}" if near else f"there are {', '.join(sorted(given))}"
                )
                raise _Wrong(place, f"{spell(path)}: {word} marks {key}, which is not here; {hint}")
            if key in seen:
                raise _Wrong(place, f"{spell(path)}: {key} is marked verified and unverified")
            if source not in sources:
                near = difflib.get_close_matches(source, sources, n=1, cutoff=0.5)
                hint = f"did you mean {near[0]}" if near else "add it to [sources]"
                raise _Wrong(place, f"{spell(place)}: no source is called {source}; {hint}")
            if key:
                seen.add(key)
