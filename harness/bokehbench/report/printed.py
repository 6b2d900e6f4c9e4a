"""The challenge's printed tables made again from their numbers, and compared cell by cell."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec

from bokehbench.analysis import final_score, format_score
from bokehbench.analysis.challenge import CHALLENGE_C
from bokehbench.analysis.fit_c import PrintedRow
from bokehbench.errors import UsageError
from bokehbench.report.cells import (
    ERROR,
    NOT_MEASURED,
    Cell,
    Table,
    decimal_cell,
    runtime_text,
    size_text,
    with_best,
)
from bokehbench.report.challenge import CHALLENGES, challenge_columns
from bokehbench.report.standings import Entry, Track, in_order, printed_ranks
from bokehbench.text import clean

DATA: Final = Path(__file__).parent / "data"
TRACKS: Final[tuple[Track, ...]] = (1, 2)

_BASELINE: Final = "Baseline"
"""What the report gives as the author of its baseline."""

_PRINTED_KEYS: Final = {"size_mib": "size_mb"}


class CellCheck(msgspec.Struct, frozen=True, kw_only=True):
    """One cell: as printed, and as made here. `computed` says that it is no printed input."""

    table: int
    team: str
    column: str
    printed: str
    made: str
    computed: bool

    @property
    def equal(self) -> bool:
        """Whether both are the same text."""
        return self.printed == self.made


class Reproduction(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the printed tables. `order` is of table 1, the only order that is known."""

    challenge: str
    source: str
    c: float
    cells: tuple[CellCheck, ...]
    order_printed: tuple[str, ...]
    order_made: tuple[str, ...]

    @property
    def equal(self) -> bool:
        """Whether every cell and the order of table 1 are as printed."""
        return self.order_printed == self.order_made and all(cell.equal for cell in self.cells)


def read_printed(challenge: str) -> dict[str, Any]:
    """The printed numbers of a challenge, with their digits: numbers are `Decimal`.

    Raises:
        UsageError: there is no such challenge.
    """
    path = DATA / f"{challenge}.json"
    if challenge not in CHALLENGES or not path.is_file():
        known = ", ".join(sorted(CHALLENGES))
        raise UsageError(f"unknown challenge {challenge!r}: use one of {known}")
    text = path.read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    return document


def printed_table(document: Mapping[str, Any], track: Track, c: float = CHALLENGE_C) -> Table:
    """One track's table, from sizes, fidelities, runtimes and MOS as printed.

    Scores, missing scores, order and ranks are computed: a score needs a GPU runtime, else it
    is N.A.; a baseline takes no rank. Printed rows have no intervals.
    """
    entries = in_order([_entry(str(i), row, track, c) for i, row in enumerate(document["rows"])])
    ranks = printed_ranks(entries)
    columns = challenge_columns(track, "gpu", ranked=True)
    rows = [
        [{**entry.cells, "rank": ranks[entry.key]}[column.key] for column in columns]
        for entry in entries
    ]
    return Table(
        title=f"{CHALLENGES['mai22']}, track {track}",
        columns=columns,
        rows=with_best(columns, rows, [not entry.baseline for entry in entries]),
        caption=(
            f"Source: {clean(str(document['source']))}",
            "Printed numbers, without intervals: equal numbers share a rank",
        ),
    )


def reproduce(challenge: str, c: float = CHALLENGE_C) -> tuple[Reproduction, tuple[Table, ...]]:
    """Both tables made again, and every cell compared with what is printed.

    Raises:
        UsageError: there is no such challenge.
    """
    document = read_printed(challenge)
    tables = tuple(printed_table(document, track, c) for track in TRACKS)
    printed = {row["team"]: row for row in document["rows"]}
    cells = [
        CellCheck(
            table=track,
            team=str(row[0].value),
            column=column.key,
            printed=str(printed[row[0].value][_PRINTED_KEYS.get(column.key, column.key)]),
            made=cell.text,
            computed=column.key == "score",
        )
        for track, table in zip(TRACKS, tables, strict=True)
        for row in table.rows
        for column, cell in zip(table.columns, row, strict=True)
        if column.key != "rank"
    ]
    made = Reproduction(
        challenge=challenge,
        source=str(document["source"]),
        c=c,
        cells=tuple(cells),
        order_printed=tuple(printed),
        order_made=tuple(str(row[0].value) for row in tables[0].rows),
    )
    return made, tables


def score_rows(rows: Sequence[Mapping[str, Any]]) -> list[PrintedRow]:
    """The rows that have a PSNR, a GPU runtime and a score, for fitting C."""
    found = []
    for number, row in enumerate(rows, 1):
        psnr, runtime, score = (row.get(key) for key in ("psnr", "gpu_ms", "score"))
        if (
            isinstance(psnr, Decimal)
            and isinstance(runtime, Decimal)
            and isinstance(score, Decimal)
        ):
            name = str(row.get("team") or f"row {number}")
            found.append(PrintedRow(name=name, psnr_db=psnr, runtime_ms=runtime, score=score))
    return found


def _entry(key: str, row: Mapping[str, Any], track: Track, c: float) -> Entry:
    numbers = {
        name: float(row[name]) if isinstance(row.get(name), Decimal) else None
        for name in ("size_mb", "psnr", "ssim", "lpips", "cpu_ms", "gpu_ms", "mos")
    }
    psnr, gpu = numbers["psnr"], numbers["gpu_ms"]
    score = None if psnr is None or gpu is None else final_score(psnr, gpu, c)
    size = numbers["size_mb"]
    missing = Cell(None, NOT_MEASURED)
    return Entry(
        key=key,
        name=row["team"],
        cells={
            **{name: Cell(row[name], row[name]) for name in ("team", "author", "framework")},
            "size_mib": missing if size is None else Cell(size, size_text(size)),
            "psnr": decimal_cell(psnr, 2),
            "ssim": decimal_cell(numbers["ssim"], 4),
            "lpips": decimal_cell(numbers["lpips"], 4),
            "cpu_ms": _runtime(row["cpu_ms"], numbers["cpu_ms"]),
            "gpu_ms": _runtime(row["gpu_ms"], gpu),
            "score": missing if score is None else Cell(score, format_score(score)),
            "mos": decimal_cell(numbers["mos"], 1),
        },
        standing=score if track == 1 else numbers["mos"],
        psnr=psnr,
        timed=gpu is not None or numbers["cpu_ms"] is not None,
        baseline=row["author"] == _BASELINE,
    )


def _runtime(printed: Any, value: float | None) -> Cell:
    if value is not None:
        return Cell(value, runtime_text(value))
    return Cell(ERROR, ERROR) if printed == ERROR else Cell(None, NOT_MEASURED)
