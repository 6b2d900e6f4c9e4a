"""Tokens -> the runs that a log holds, each with its own tokens; copies are recognised.

A run goes through stages in one order: start, model, session, runs, result. A token of an earlier
stage through the same stream begins another run. Android prints a line twice, to logcat and to
stderr: the second stream's copy is dropped when a run is taken up.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from bokehbench.runners.benchmark_model.op_profile import OpProfile, Tables
from bokehbench.runners.benchmark_model.tokens import Token

TOKENS_KEPT: Final = 4096
"""Tokens kept of one run; a real one has a few hundred."""

Entry = tuple[int, Token]

_STAGE: Final = {
    "command": 0,
    "start": 0,
    "litert_model": 1,
    "run_graph": 1,
    "litert_start": 1,
    "loaded": 2,
    "session": 3,
    "litert_loaded": 3,
    "running": 4,
    "count": 4,
    "summary": 5,
    "labelled": 5,
    "heading": 5,
    "run_done": 5,
    "json": 5,
}
_OPENING: Final = frozenset({"start", "litert_model", "run_graph"})
"""Kinds of which a second one through the same stream opens another run, though none has ended."""

_AT_ONCE: Final = ("usage: ", "Please specify the name", "Model file not found")
_REPEATED: Final = frozenset({"rule", "heading", "running"})
"""Kinds that one run prints several times in the same words."""

_ONCE: Final = ("session", "summary", "litert_loaded", "json")
"""Kinds that one run prints once; two different ones are two runs."""


@dataclass
class RawRun:
    """The tokens of one run in the order of their lines, without copies."""

    entries: list[Entry] = field(default_factory=list)
    first_line: int = 0
    last_line: int = 0
    profile: OpProfile | None = None
    dropped: int = 0
    copies: int = 0

    @cached_property
    def _by_kind(self) -> dict[str, list[Entry]]:
        found: dict[str, list[Entry]] = {}
        for entry in self.entries:
            found.setdefault(entry[1].kind, []).append(entry)
        return found

    def of(self, kind: str) -> list[Entry]:
        """The tokens of one kind, in order."""
        return self._by_kind.get(kind, [])


def is_command(token: Token) -> bool:
    """Whether a line with flags is a command that was written into the log, and no usage text."""
    return "--graph=" in token.text or "--model=" in token.text or "--model " in token.text


class OpenRun:
    """A run that is still being read."""

    def __init__(self, first_line: int) -> None:
        self.entries: list[Entry] = []
        self.first_line = first_line
        self.last_line = first_line
        self.stages: dict[str, int] = {}
        self.opened: set[tuple[str, str]] = set()
        self.tables = Tables()
        self.dropped = 0

    def add(self, line: int, token: Token) -> None:
        self.last_line = line
        kind = token.kind
        if kind in ("row", "header", "section"):
            text = token.values[0] if kind == "row" else token.text
            self.tables.take(kind, text or "", line, token.source)
        elif len(self.entries) < TOKENS_KEPT:
            self.entries.append((line, token))
        else:
            self.dropped += 1

    def _repeats(self, token: Token) -> bool:
        """Whether a token says once more what was said last."""
        last = self.entries[-1][1] if self.entries else None
        return last is not None and (last.kind, last.text) == (token.kind, token.text)

    def begins_another(self, token: Token) -> bool:
        """Whether a token can't belong to this run; notes its stage if it can."""
        stage = _STAGE.get(token.kind)
        at_once = False
        if token.kind == "command" and not is_command(token):
            stage = None
        if token.verdict is not None and token.verdict.weight == "fatal":
            # These end a process before it begins; other words of the end come last.
            at_once = token.text.startswith(_AT_ONCE)
            stage = 0 if at_once else 5
        if stage is None or self._repeats(token):
            return False
        reached = self.stages.get(token.source, -1)
        if stage < reached and stage < 5:
            return True
        if token.kind in _OPENING:
            opening = (token.source, token.text if token.kind == "start" else token.kind)
            if opening in self.opened:
                return True
            self.opened.add(opening)
        self.stages[token.source] = 5 if at_once else max(stage, reached)
        return False


def split_runs(tokens: Iterable[Entry]) -> Iterator[OpenRun]:
    """The runs of a log one after the other; a whole copy of the run before is left out."""
    current: OpenRun | None = None
    before: list[Token] = []
    for line, token in tokens:
        if current is None or current.begins_another(token):
            if current is not None:
                said = [entry[1] for entry in current.entries]
                if said != before:
                    yield current
                before = said
            current = OpenRun(line)
            current.begins_another(token)
        current.add(line, token)
    if current is not None and [entry[1] for entry in current.entries] != before:
        yield current


def take_up(run: OpenRun) -> list[RawRun]:
    """One run, or several where streams contradict each other (processes side by side)."""
    profile, lost = run.tables.result()
    taken = []
    for entries in _by_process(run.entries):
        kept = _without_copies(entries)
        taken.append(
            RawRun(
                entries=kept,
                first_line=entries[0][0] if entries else run.first_line,
                last_line=max(run.last_line, entries[-1][0]) if entries else run.last_line,
                profile=profile,
                dropped=run.dropped + lost,
                copies=len(entries) - len(kept),
            )
        )
    return taken


def _by_process(entries: list[Entry]) -> list[list[Entry]]:
    """All entries together, unless two processes each tell of a session or result of their own."""
    said: dict[str, set[tuple[str | None, ...]]] = {}
    sources: dict[str, None] = {}
    for _, token in entries:
        if token.kind in _ONCE:
            said.setdefault(token.kind, set()).add(token.values)
            sources.setdefault(token.source)
    if len(sources) < 2 or all(len(values) < 2 for values in said.values()):
        return [entries]
    groups: dict[str, list[Entry]] = {source: [] for source in sources}
    first = next(iter(groups))
    for entry in entries:
        groups[entry[1].source if entry[1].source in groups else first].append(entry)
    return list(groups.values())


def _without_copies(entries: list[Entry]) -> list[Entry]:
    """Each saying as often as the stream that says it most; what comes twice in a row once."""
    if len({token.source for _, token in entries}) < 2:
        return [
            entry
            for index, entry in enumerate(entries)
            if index == 0 or entry[1] != entries[index - 1][1]
        ]
    by_source: Counter[tuple[str, str, tuple[str | None, ...]]] = Counter()
    accepted: Counter[tuple[str, tuple[str | None, ...]]] = Counter()
    kept: list[Entry] = []
    last: tuple[str, tuple[str | None, ...], str] | None = None
    for line, token in entries:
        saying = (token.kind, token.values)
        text = (*saying, token.text)
        if text == last:
            continue
        last = text
        if token.kind in _REPEATED:
            kept.append((line, token))
            continue
        # Failures differ by their text alone.
        key = (token.kind, (*token.values, token.text)) if token.verdict else saying
        by_source[(token.source, *key)] += 1
        if by_source[(token.source, *key)] > accepted[key]:
            accepted[key] += 1
            kept.append((line, token))
    return kept
