"""`bokehbench parse`: what logs of Google's benchmark tools tell."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

import click

from bokehbench.cli.log_files import Source, find_logs
from bokehbench.cli.measure import json_sink
from bokehbench.cli.output import note, terminal_text, to_json
from bokehbench.errors import UsageError

if TYPE_CHECKING:
    from bokehbench.report.logs import NamedLog
    from bokehbench.runners.benchmark_model import LogFile, ParsedLog

CHUNK_BYTES = 1 << 20
SLOW_BYTES = 32 << 20
"""A log this large gets a bar."""

_BAD, _MIXED, _FAILED = 2, 1, 4


@click.command("parse")
@click.argument("logs", nargs=-1, metavar="LOG...")
@click.option(
    "--exit-code",
    type=click.IntRange(-(2**31), 2**32),
    help="The tool's own exit code: the only thing that tells of an Invoke that failed.",
)
@click.option("--json", "json_target", metavar="PATH|-", help="Write what was read as JSON.")
@click.option("--explain", is_flag=True, help="Show the log with the lines that decided.")
def command(
    logs: tuple[str, ...], exit_code: int | None, json_target: str | None, explain: bool
) -> int:
    """Read LOGs of benchmark_model (2018-2026), LiteRT's benchmark tools and run_model.

    A LOG is a file, a folder (its .log and .txt files, at any depth) or - for standard input.
    One log with one run is printed as a list of facts, several as a table; docs/logs.md
    explains both and the JSON documents.

    Ends with 0 when every run is a success, 1 when one fell back to the CPU, is of unproven
    backend or holds no result, 4 when one failed, 2 for what is no log.
    """
    from bokehbench.report.logs import describe, document, table

    if not logs:
        raise UsageError("no log given; name files or folders, or - for standard input")
    if explain and json_target == "-":
        raise UsageError("--explain is for people; leave it out, or send --json to a file")
    sources, listed = find_logs(logs)
    if exit_code is not None and len(sources) != 1:
        raise UsageError(f"--exit-code belongs to one log, not to {len(sources)}")
    with json_sink(json_target) as sink:
        found, problems = _read_all(sources, exit_code, explain)
        for problem in problems:
            note(f"bokehbench: {problem}")
        if not found:
            if not problems:
                raise UsageError(f"{' '.join(logs)}: no .log or .txt file in there is such a log")
            return _BAD
        if sink is not None:
            as_list = listed or len(found) > 1
            sink.write(to_json(document(found, as_list=as_list)))
        if sink is None or not sink.is_screen:
            if explain:
                pass
            elif len(found) == 1:
                click.echo(describe(found[0].log))
            else:
                click.echo(terminal_text(table(found)), nl=False)
    return max(_code([one.log for one in found]), _BAD if problems else 0)


def _code(logs: "list[ParsedLog]") -> int:
    if any(log.outcome == "failed" for log in logs):
        return _FAILED
    good = all(log.outcome == "ok" and log.backend_proven for log in logs)
    return 0 if good else _MIXED


def _read_all(
    sources: list[Source], exit_code: int | None, explain: bool
) -> "tuple[list[NamedLog], list[str]]":
    """Runs of all logs, and what was wrong with those that are none."""
    from bokehbench.cli.explain import explained
    from bokehbench.report.logs import NamedLog

    found: list[NamedLog] = []
    problems: list[str] = []
    for source in sources:
        try:
            file, kept = _read(source, exit_code, keep=explain)
        except OSError as error:
            problems.append(f"{source.name}: can't be read: {error.strerror or error}")
            continue
        problem = _problem(source, file)
        if problem is not None and source.in_folder:
            note(f"passed over: {problem}")
        elif problem is not None:
            problems.append(problem)
        else:
            found += [NamedLog(_name(source, file, run), run) for run in file.runs]
            if explain:
                with _opened(source, kept) as stream:
                    explained(source.name, file, stream)
    return found, problems


def _problem(source: Source, file: "LogFile") -> str | None:
    """Why this is no log, or None."""
    if file.empty:
        return f"{source.name}: is empty; was the tool's output sent elsewhere?"
    if file.binary:
        return f"{source.name}: is not text; give the tool's output, not its model or result file"
    if not file.recognised and source.in_folder:
        return f"{source.name}: no line is of benchmark_model or LiteRT's tools"
    return None


def _name(source: Source, file: "LogFile", run: "ParsedLog") -> str:
    return source.name if len(file.runs) == 1 else f"{source.name}:{run.first_line}"


def _read(source: Source, exit_code: int | None, *, keep: bool) -> "tuple[LogFile, bytes]":
    """One log parsed; of standard input a copy, if it is to be shown."""
    from bokehbench.runners.benchmark_model import parse_log

    kept = bytearray()
    with _opened(source, b"") as stream:
        size = source.path.stat().st_size if source.path is not None else 0
        with _bar(source.name, size) as advance:

            def chunks() -> Iterator[bytes]:
                while piece := stream.read(CHUNK_BYTES):
                    advance(len(piece))
                    if keep and source.path is None and len(kept) < SLOW_BYTES:
                        kept.extend(piece)
                    yield piece

            return parse_log(chunks(), exit_code=exit_code), bytes(kept)


@contextmanager
def _opened(source: Source, kept: bytes) -> Iterator[IO[bytes]]:
    """The log's bytes; standard input can be read once only."""
    import io

    if source.path is not None:
        with source.path.open("rb") as stream:
            yield stream
    else:
        yield io.BytesIO(kept) if kept else sys.stdin.buffer


@contextmanager
def _bar(name: str, size: int) -> "Iterator[_Advance]":
    """A bar over the bytes of a large file, on a terminal."""
    if size < SLOW_BYTES or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from bokehbench.text import clean

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(clean(name)[-44:], total=size)
        yield lambda count: bars.advance(task, count)


if TYPE_CHECKING:
    from collections.abc import Callable

    _Advance = Callable[[int], None]
