"""A log with the lines that decided, coloured, each with what was read from it."""

import sys
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING

from bokehbench.text import clean

if TYPE_CHECKING:
    from bokehbench.runners.benchmark_model import LogFile, ParsedLog

WHOLE_LINES = 120
"""A log of so many lines is shown whole; of a longer one what is around the facts."""

AROUND = 2
CHUNK_BYTES = 1 << 20


def explained(name: str, file: "LogFile", stream: IO[bytes]) -> None:
    """Print a log's lines with the facts that came from them.

    Decisive lines are bold and coloured by the run's outcome, other sources of facts are
    highlighted, what no fact comes from is dim.
    """
    from rich.console import Console
    from rich.text import Text as RichText

    from bokehbench.report.logs import describe
    from bokehbench.runners.benchmark_model.lines import Text, read_lines

    console = Console(
        file=sys.stdout,
        width=None if sys.stdout.isatty() else 160,
        highlight=False,
        soft_wrap=True,
    )
    facts, decisive = _facts(file), _decisive(file)
    wanted = _wanted(file.lines, set(facts) | set(decisive))
    width = len(str(file.lines))
    shown = 0
    console.print(RichText(clean(name), style="bold"))
    for number, line in _lines(read_lines(_chunks(stream), Text())):
        if number not in wanted:
            continue
        if number > shown + 1:
            console.print(RichText("...", style="dim"))
        shown = number
        row = RichText(f"{number:>{width}}  ")
        style = decisive.get(number, "cyan" if number in facts else "dim")
        row.append(clean(line.expandtabs(2))[:400], style=style)
        if number in facts:
            row.append(f"   <- {', '.join(facts[number])}", style="yellow")
        console.print(row)
    for run in file.runs:
        console.print()
        console.print(RichText(describe(run)))


def _facts(file: "LogFile") -> dict[int, list[str]]:
    """Line -> the fields that were read from it."""
    facts: dict[int, list[str]] = {}
    for run in file.runs:
        for name, line in run.lines.items():
            facts.setdefault(line, []).append(name)
        for delegate in run.delegates or ():
            if "delegates" not in facts.setdefault(delegate.line, []):
                facts[delegate.line].append("delegates")
    return facts


def _decisive(file: "LogFile") -> dict[int, str]:
    """Line -> the colour of the outcome that it decided."""
    colours = {
        "ok": "bold green",
        "ok_with_fallback": "bold magenta",
        "incomplete": "bold yellow",
        "failed": "bold red",
    }
    return {line: colours[run.outcome] for run in file.runs for line in _lines_of(run)}


def _lines_of(run: "ParsedLog") -> tuple[int, ...]:
    return run.decided_by


def _wanted(total: int, marked: set[int]) -> set[int] | range:
    if total <= WHOLE_LINES:
        return range(total + 1)
    return {line + step for line in marked for step in range(-AROUND, AROUND + 1)}


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    while piece := stream.read(CHUNK_BYTES):
        yield piece


def _lines(blocks: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[int, str]]:
    for number, lines in blocks:
        yield from enumerate(lines, number)
