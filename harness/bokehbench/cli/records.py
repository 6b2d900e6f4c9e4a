"""`bokehbench records`: look at stored Records, take them out, bring them in."""

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from bokehbench.cli.options import store_option
from bokehbench.cli.output import Sink, columns, note, to_json
from bokehbench.errors import UsageError
from bokehbench.text import clean, counted

if TYPE_CHECKING:
    from bokehbench.facts import Record
    from bokehbench.store import Store


PIECE = 1 << 20
"""Characters after which a line that is no record's is read no further."""


@click.group("records")
def command() -> None:
    """List, show, export and import stored records."""


@command.command("list")
@store_option
@click.option("--run", "run_id", metavar="RUN", help="Only records of one run.")
@click.option("--limit", type=click.IntRange(1), help="At most so many, newest first.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def list_records(store: str | None, run_id: str | None, limit: int | None, as_json: bool) -> None:
    """List records, newest first.

    `incomplete` is a run that ended before its time; what it had measured is there.
    """
    import msgspec

    from bokehbench.derive import derive
    from bokehbench.store import RecordFilter, open_store

    with open_store(store, readonly=True, derive=derive) as opened:
        rows = list(opened.list(RecordFilter(run_id=run_id, limit=limit)))
        if not rows and run_id is not None and all(run.run_id != run_id for run in opened.runs()):
            raise UsageError(_no_run(run_id, opened))
    if as_json:
        click.echo(to_json({"records": msgspec.to_builtins(rows)}), nl=False)
        return
    lines = [("record", "run", "name", "device", "backend", "state", "status", "ms", "PSNR")]
    for row in rows:
        lines.append(
            (
                row.record_id,
                row.run_id,
                row.name,
                row.device_id,
                row.backend,
                row.state,
                row.status or "",
                f"{row.median_ms:.2f}" if row.median_ms is not None else "",
                f"{row.psnr:.2f}" if row.psnr is not None else "",
            )
        )
    for line in columns(lines):
        click.echo(line)


@command.command("show")
@click.argument("record")
@store_option
@click.option("--json", "as_json", is_flag=True, help="Print the whole record as JSON.")
@click.option(
    "--evidence", "part", type=click.Choice(["events", "log"]), help="Print a trial's raw text."
)
@click.option("--trial", type=click.IntRange(0), default=0, help="Which trial, from 0.")
@click.option(
    "--plot",
    "plots",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Draw its long run (--sustained) with what sensors showed, as .png or .svg.",
)
def show(
    record: str,
    store: str | None,
    as_json: bool,
    part: str | None,
    trial: int,
    plots: tuple[Path, ...],
) -> None:
    """Show one RECORD, named by its id or the beginning of it."""
    from bokehbench.cli.drawing import draw, see_names
    from bokehbench.cli.summary import summary
    from bokehbench.derive import derive
    from bokehbench.store import open_store

    see_names(plots)
    with open_store(store, readonly=True, derive=derive) as opened:
        found = opened.get(record)
        for path in plots:
            draw(lambda goal: _draw_sustained(found, goal), path)
        if part is None:
            click.echo(to_json(found.to_json()) if as_json else summary(found), nl=not as_json)
            return
        trials = found.evidence.trials + found.evidence.image_trials
        if trial >= len(trials):
            raise UsageError(f"--trial {trial}: record {found.record_id} has {len(trials)} trials")
        chosen = trials[trial]
        sha256 = chosen.events_sha256 if part == "events" else chosen.log_sha256
        if sha256 is None:
            raise UsageError(f"--evidence {part}: trial {trial} left no such text")
        text = opened.get_blob(sha256).decode("utf-8", "replace")
    # Raw text of a device: line ends stay, every other control character is shown.
    click.echo("\n".join(clean(line) for line in text.splitlines()))


def _draw_sustained(record: "Record", path: Path) -> None:
    from bokehbench.report.plot import draw_sustained

    long = record.derived.latency.sustained
    if long is None:
        raise ValueError(
            f"record {record.record_id} has no long run; measure with --sustained SECONDS"
        )
    trial = [trial for trial in record.evidence.sustained if trial.status == "ok"][-1]
    name = record.evidence.label or record.evidence.model.name
    title = f"{name} · {record.evidence.backend}: score {long.score:.3f}"
    draw_sustained(long, trial.series, trial.load_ns or 0, path, title)


@command.command("export")
@store_option
@click.option("--output", "-o", default="-", metavar="PATH", help="A file instead of the screen.")
@click.option("--run", "run_id", metavar="RUN", help="Only records of one run.")
@click.option("--blobs", is_flag=True, help="With the raw event streams and logs.")
def export(store: str | None, output: str, run_id: str | None, blobs: bool) -> None:
    """Write records as JSON lines, one a line, with their seals."""
    import io

    from bokehbench.derive import derive
    from bokehbench.store import RecordFilter, open_store

    with Sink(output, "--output") as sink:
        with open_store(store, readonly=True, derive=derive) as opened:
            text = io.StringIO()
            count = opened.export(text, RecordFilter(run_id=run_id), blobs=blobs)
            if not count:
                # An export of nothing would replace one that holds something.
                raise UsageError(
                    f"{opened.name}: holds no record; measure with `bokehbench run` first"
                    if run_id is None
                    else _no_run(run_id, opened)
                )
        sink.write(text.getvalue())
    note(f"{count} {'record' if count == 1 else 'records'} exported")


def _no_run(run_id: str, store: "Store") -> str:
    return f"--run {run_id}: no records of it in {store.name}; see `bokehbench records list`"


@command.command("import")
@click.argument("source", metavar="FILE|-")
@store_option
def import_records(source: str, store: str | None) -> None:
    """Read records from JSON lines.

    Every seal is checked; a file with an altered record is refused whole.
    """
    from bokehbench.derive import derive
    from bokehbench.store import open_store

    name = "standard input" if source == "-" else source
    with (
        nullcontext(sys.stdin) if source == "-" else _open(Path(source)) as stream,
        open_store(store, derive=derive) as opened,
    ):
        counts = opened.import_(_lines(stream), name)
    if not (counts.imported or counts.skipped or counts.blobs):
        raise UsageError(f"{name}: holds no record; give a file that `records export` wrote")
    imported = counted(counts.imported, "record")
    note(f"{imported} imported, {counts.skipped} were there already")


def _open(path: Path) -> IO[str]:
    try:
        return path.open(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: can't be read: {error.strerror}") from error


def _lines(stream: IO[str]) -> Iterator[str]:
    """The lines; of one that can be no record's, or is longer than any, the beginning alone."""
    from bokehbench.store import LINE_LIMIT

    while line := stream.readline(PIECE):
        if not line.endswith("\n") and line.lstrip().startswith("{"):
            line += stream.readline(LINE_LIMIT)
        yield line
