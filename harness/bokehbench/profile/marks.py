"""Marks: which facts a profile states, and what is said of the origin of each."""

import difflib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from bokehbench.profile.lines import Step, Wrong, spell
from bokehbench.profile.schema import (
    BackendChoice,
    DeviceProfile,
    MarkWord,
    Match,
    Section,
    Sensor,
)

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
    mark: MarkWord | None
    source: str | None
    source_text: str | None


def facts_in(document: dict[str, Any], profile: DeviceProfile) -> list[Fact]:
    """Every fact that a document states, with its mark; None where it has none."""
    found = []
    for path, table, section in _sections(document, profile):
        for key, value in _facts(table, section):
            mark, source = _mark_of(table, key)
            full = profile.sources.get(source) if source else None
            found.append(Fact(spell((*path, key)), value, mark, source, full))
    return found


def check_marks(document: dict[str, Any], profile: DeviceProfile) -> None:
    """Raise Wrong for a mark of a key that is not there, of both kinds, or without a source."""
    for path, table, section in _sections(document, profile):
        given = {key for key, _ in _facts(table, section)}
        _check_section(path, table, given, profile.sources)


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


def _check_section(
    path: tuple[Step, ...],
    table: Mapping[str, Any],
    given: Collection[str],
    sources: Mapping[str, str],
) -> None:
    if all(isinstance(table.get(word), str) for word in MARKS):
        raise Wrong((*path, MARKS[1]), f"{spell(path)}: two marks for all keys; one at most")
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
                raise Wrong(place, f"{spell(path)}: {word} marks {key}, which is not here; {hint}")
            if key in seen:
                raise Wrong(place, f"{spell(path)}: {key} is marked verified and unverified")
            if source not in sources:
                near = difflib.get_close_matches(source, sources, n=1, cutoff=0.5)
                hint = f"did you mean {near[0]}" if near else "add it to [sources]"
                raise Wrong(place, f"{spell(place)}: no source is called {source}; {hint}")
            if key:
                seen.add(key)
