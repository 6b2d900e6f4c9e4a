"""Ranks of a challenge: order, ties as ranges such as 2-3, and the evidence in footnotes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bokehbench.analysis.ranking import Comparison, rank_ranges
from bokehbench.report.cells import NOT_MEASURED, Cell, Footnotes

Track = Literal[1, 2]

_SHOWN_TIES = 4


@dataclass(frozen=True)
class Entry:
    """One row of a challenge's table before it has a place.

    `standing` is what the track is won by: the score, or the MOS. `unranked` says why an entry
    takes no rank although it may have a standing; `timed` whether any processor ran it.
    """

    key: str
    name: str
    cells: Mapping[str, Cell]
    standing: float | None
    psnr: float | None
    timed: bool
    baseline: bool = False
    unranked: str | None = None

    @property
    def competes(self) -> bool:
        """Whether it takes a rank."""
        return self.standing is not None and not self.baseline and self.unranked is None


def in_order(entries: Sequence[Entry]) -> list[Entry]:
    """Ranked ones by standing, then provisional ones, then those without a standing.

    The last by whether any processor ran them, then PSNR, as the report's table 1 has it;
    baselines come last of all.
    """
    return sorted(
        entries,
        key=lambda entry: (
            entry.baseline,
            0 if entry.competes else 2 if entry.standing is None else 1,
            -(entry.standing or 0),
            not entry.timed,
            entry.psnr is None,
            -(entry.psnr or 0),
            entry.name,
        ),
    )


def printed_ranks(entries: Sequence[Entry]) -> dict[str, Cell]:
    """Ranks of printed numbers: equal numbers share theirs; printed rows have no intervals."""
    standings = [entry.standing or 0.0 for entry in entries if entry.competes]
    cells = {}
    for entry in entries:
        if entry.competes:
            mine = entry.standing or 0.0
            ahead = sum(other > mine for other in standings)
            equal = sum(other == mine for other in standings)
            cells[entry.key] = _rank_cell((1 + ahead, ahead + equal))
        else:
            cells[entry.key] = Cell(None, NOT_MEASURED)
    return cells


def measured_ranks(
    entries: Sequence[Entry], comparisons: Sequence[Comparison], footnotes: Footnotes
) -> dict[str, Cell]:
    """Ranks with ties, each with what it rests on.

    A footnote names whom an entry can't be told apart from, and compares it with the next.
    `comparisons` are between keys of entries that compete; `entries` are in order.
    """
    names = {entry.key: entry.name for entry in entries}
    ranked = [entry.key for entry in entries if entry.competes]
    ranges = rank_ranges(ranked, comparisons)
    between = {(c.first, c.second): c for c in comparisons}
    cells = {}
    for entry in entries:
        if not entry.competes:
            why = [f"no rank: {entry.unranked}"] if entry.unranked else []
            cells[entry.key] = Cell(None, NOT_MEASURED, footnotes.numbers(why))
            continue
        place = ranked.index(entry.key)
        tied = [
            names[other]
            for other in ranked
            if other != entry.key
            for c in (between.get((entry.key, other)) or between.get((other, entry.key)),)
            if c is not None and c.tied
        ]
        notes = [_tie_note(tied)] if tied else []
        following = ranked[place + 1] if place + 1 < len(ranked) else None
        if following is not None and (entry.key, following) in between:
            notes.append(_comparison_note(between[entry.key, following], names))
        cells[entry.key] = _rank_cell(ranges[entry.key], footnotes.numbers(notes))
    return cells


def _rank_cell(ranks: tuple[int, int], notes: tuple[int, ...] = ()) -> Cell:
    low, high = ranks
    text = str(low) if low == high else f"{low}-{high}"
    return Cell(float(low) if low == high else text, text, notes)


def _tie_note(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN_TIES
    tail = f" and {more} more" if more > 0 else ""
    return "tie: not told apart from " + ", ".join(names[:_SHOWN_TIES]) + tail


def _comparison_note(comparison: Comparison, names: Mapping[str, str]) -> str:
    """`A / B: 2.65 [2.41, 2.92]; on these images alone [2.60, 2.70]`."""
    sign = "/" if comparison.neutral == 1 else "-"
    head = f"{names[comparison.first]} {sign} {names[comparison.second]}: {comparison.value:.3g}"
    if comparison.ci95 is None or comparison.fixed_ci95 is None:
        return f"{head}, no interval: {comparison.reason}"
    low, high = comparison.ci95
    fixed_low, fixed_high = comparison.fixed_ci95
    return (
        f"{head} [{low:.3g}, {high:.3g}]; on these images alone [{fixed_low:.3g}, {fixed_high:.3g}]"
    )
