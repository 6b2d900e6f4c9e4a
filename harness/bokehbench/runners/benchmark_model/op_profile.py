"""Rows of op profiles (by tabs, spaces or CSV) -> time of each operator and of each type.

The tables are those of TensorFlow's StatsCalculator. Columns came and went over the years, so they
are read by their headings.
"""

import re
from typing import Final, Literal

import msgspec

ROWS_KEPT: Final = 20_000
"""Rows kept of one run: a model has at most some thousand operators."""

ROW_LIMIT: Final = 600
"""Characters kept of a row until it is read."""

TEXT_KEPT: Final = 16 << 20
"""Characters kept of one run's tables until they are read."""

Phase = Literal["init", "runs"]

_NODE: Final = re.compile(r":(\d{1,9})$")
_BRACKETED: Final = re.compile(r"\[([^\[\]]{1,40})\]")
_NUMBER: Final = re.compile(r"[\d.]{1,30}(?:e[+-]\d{1,3})?%?")
_COLUMNS: Final = {
    "node type": "type",
    "first": "first",
    "avg ms": "avg",
    "avg_ms": "avg",
    "%": "share",
    "avg %": "share",
    "count": "count",
    "times called": "calls",
    "name": "name",
}


class OpTime(msgspec.Struct, frozen=True, kw_only=True):
    """One operator of a profiled run. `share` is of the graph's time, in percent.

    `graph` is `primary`, `subgraph N` or `delegate` (operators inside a delegate). `node` is the
    operator's index in its graph.
    """

    type: str
    name: str
    graph: str
    node: int | None
    avg_us: float
    first_us: float | None
    share: float | None
    calls: int | None


class TypeTime(msgspec.Struct, frozen=True, kw_only=True):
    """All operators of one type together."""

    type: str
    graph: str
    count: int | None
    avg_us: float
    share: float | None
    calls: int | None


class OpProfile(msgspec.Struct, frozen=True, kw_only=True):
    """Times by operator in run order, and by type; `init` is what setting up took."""

    ops: tuple[OpTime, ...] = ()
    types: tuple[TypeTime, ...] = ()
    init: tuple[OpTime, ...] = ()
    line: int | None = None


class ProfileReader:
    """Takes headings and rows as they come, in bounded memory."""

    def __init__(self) -> None:
        self.dropped = 0
        self._phase: Phase = "runs"
        self._graph = "primary"
        self._table = "order"
        self._columns: list[str | None] = []
        self._layout: Literal["tabs", "spaces", "csv"] = "tabs"
        self._line: int | None = None
        self._ops: dict[tuple[object, ...], OpTime] = {}
        self._init: dict[tuple[object, ...], OpTime] = {}
        self._types: dict[tuple[object, ...], TypeTime] = {}

    @property
    def rows(self) -> int:
        """Rows kept so far."""
        return len(self._ops) + len(self._types) + len(self._init)

    def section(self, text: str) -> None:
        """A heading: what the rows that follow are about."""
        if "Benchmark Initialization" in text:
            self._phase, self._graph = "init", "primary"
        elif "Regular Benchmark Runs" in text:
            self._phase, self._graph = "runs", "primary"
        elif "Delegate internal" in text:
            self._graph = "delegate"
        elif "Primary graph" in text:
            self._graph = "primary"
        elif "Subgraph (index: " in text:
            found = re.search(r"index: (\d{1,9})", text)
            self._graph = f"subgraph {found[1]}" if found else self._graph
        elif "Run Order" in text:
            self._table = "order"
        elif "Top by" in text:
            self._table = "top"
        elif "Summary by node type" in text:
            self._table = "types"

    def header(self, text: str, line: int) -> None:
        """The names of the columns."""
        if "\t" in text:
            self._layout, names = "tabs", text.split("\t")[1:]
        elif found := _BRACKETED.findall(text):
            # Copied from a terminal, or from a page.
            self._layout, names = "spaces", found
        else:
            self._layout, names = "csv", text.split(",")
        self._columns = [_COLUMNS.get(name.strip().strip("[]").lower()) for name in names]
        if self._line is None and self._phase == "runs":
            self._line = line

    def row(self, text: str) -> None:
        """One row; what is none is passed over."""
        if self._table == "top" or not self._columns:
            return
        cells = self._cells(text)
        if len(cells) < len(self._columns):
            return
        values = {
            name: cell.strip() for name, cell in zip(self._columns, cells, strict=False) if name
        }
        try:
            average = float(values["avg"]) * 1000
            share = float(values["share"].rstrip("%")) if "share" in values else None
            calls = int(float(values["calls"])) if "calls" in values else None
            first = float(values["first"]) * 1000 if "first" in values else None
            count = int(values["count"]) if "count" in values else None
        except (KeyError, ValueError, OverflowError):
            return
        if not 0 <= average < 1e15:
            return
        if self.rows >= ROWS_KEPT:
            self.dropped += 1
            return
        kind = values.get("type", "")
        if self._table == "types":
            if self._phase == "runs":
                self._types.setdefault(
                    (self._graph, kind),
                    TypeTime(
                        type=kind,
                        graph=self._graph,
                        count=count,
                        avg_us=average,
                        share=share,
                        calls=calls,
                    ),
                )
            return
        name = values.get("name", "")
        found = _NODE.search(name)
        where = self._init if self._phase == "init" else self._ops
        # Logcat and stderr may both hold the table: the same row is kept once.
        where.setdefault(
            (self._graph, kind, name),
            OpTime(
                type=kind,
                name=name,
                graph=self._graph,
                node=int(found[1]) if found else None,
                avg_us=average,
                first_us=first,
                share=share,
                calls=calls,
            ),
        )

    def _cells(self, text: str) -> list[str]:
        if self._layout == "tabs":
            return text.split("\t")[1:]
        if self._layout == "csv":
            return text.split(",")
        words = text.split()
        named = self._columns[-1] == "name"
        numbers = len(self._columns) - (2 if named else 1)
        if numbers < 1:
            return []
        run = 0
        # The first numbers in a row that are as many as the columns between type and name.
        for place, word in enumerate(words):
            run = run + 1 if place and _NUMBER.fullmatch(word) else 0
            if run == numbers:
                first = place + 1 - numbers
                cells = [" ".join(words[:first]), *words[first : place + 1]]
                return [*cells, " ".join(words[place + 1 :])] if named else cells
        return []

    def result(self) -> OpProfile | None:
        """What was read, or None when there was no table."""
        if not self._ops and not self._types and not self._init:
            return None
        return OpProfile(
            ops=tuple(self._ops.values()),
            types=tuple(self._types.values()),
            init=tuple(self._init.values()),
            line=self._line,
        )


class Tables:
    """The tables of one run through all its streams, read when the run is over.

    Android prints them to logcat and to stderr: where one stream holds all that the others hold,
    it is read alone, because rows of two streams come between each other.
    """

    def __init__(self) -> None:
        self._lines: list[tuple[str, str, int, str]] = []
        self._room = TEXT_KEPT
        self._dropped = 0

    def take(self, kind: str, text: str, line: int, source: str) -> None:
        """A heading (`header`, `section`) or a `row`."""
        if self._room <= 0:
            self._dropped += 1
            return
        # Tensor names at the end of a row may be very long.
        text = text[:ROW_LIMIT]
        self._room -= len(text) + 100
        self._lines.append((kind, text, line, source))

    def result(self) -> tuple[OpProfile | None, int]:
        """The profile, and the rows that there was no room for."""
        if not any(kind == "row" for kind, *_ in self._lines):
            return None, self._dropped
        rows: dict[str, set[str]] = {}
        for kind, text, _, source in self._lines:
            if kind == "row":
                rows.setdefault(source, set()).add(text[max(0, text.find("\t")) :])
        fullest = max(rows, key=lambda source: len(rows[source]))
        alone = all(rows[source] <= rows[fullest] for source in rows)
        reader = ProfileReader()
        for kind, text, line, source in self._lines:
            if alone and source != fullest:
                continue
            if kind == "row":
                reader.row(text)
            elif kind == "header":
                reader.header(text, line)
            else:
                reader.section(text)
        return reader.result(), self._dropped + reader.dropped
