"""`bokehbench table`: stored Records in the columns of the challenge's table."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Literal

import click

from bokehbench.cli.options import score_option, store_option
from bokehbench.cli.output import Sink, note, terminal_text
from bokehbench.errors import UsageError

if TYPE_CHECKING:
    from bokehbench.analysis.opinion import Opinion, Screening, VoteTable
    from bokehbench.facts import Record
    from bokehbench.facts.trial import Backend
    from bokehbench.report import Table
    from bokehbench.store import Store

FORMATS = ["terminal", "markdown", "csv", "latex", "json", "html", "codabench"]


@click.command("table")
@store_option
@click.option("--run", "run_id", metavar="RUN", help="Only records of one run.")
@click.option(
    "--device",
    metavar="DEV",
    help="Only records of one device, by its id; with --challenge only its runtimes.",
)
@click.option("--name", "names", multiple=True, metavar="NAME", help="Only rows of this name.")
@click.option(
    "--challenge", type=click.Choice(["mai22"]), help="The table of a challenge, with ranks."
)
@click.option(
    "--track",
    type=click.Choice(["1", "2"]),
    help="With --challenge: 1 by final score, 2 by MOS.  [default: 1]",
)
@click.option(
    "--baseline",
    "baselines",
    multiple=True,
    metavar="NAME",
    help="With --challenge: shown last and not ranked.",
)
@click.option(
    "--mos",
    metavar="STUDY|FILE",
    help="Opinion scores: a study in the store, or a file of ratings (see `mos import`).",
)
@click.option(
    "--screening",
    type=click.Choice(["bt500", "p910", "none"]),
    default="bt500",
    show_default=True,
    help="With --mos: how raters are screened.",
)
@score_option
@click.option("--format", "kind", type=click.Choice(FORMATS), default="terminal")
@click.option("--output", "-o", default="-", metavar="PATH", help="A file instead of the screen.")
def command(
    store: str | None,
    run_id: str | None,
    device: str | None,
    names: tuple[str, ...],
    challenge: str | None,
    track: Literal["1", "2"] | None,
    baselines: tuple[str, ...],
    mos: str | None,
    screening: "Screening",
    score_backend: "Backend",
    kind: str,
    output: str,
) -> None:
    """Print the table of the Mobile AI 2022 bokeh challenge from stored records.

    The newest record counts for each cell. A failed backend is an Error, one that was not
    run N.A.; footnotes say why. With --challenge rows are ranked, ties as ties; codabench is
    the scores.json of one row.
    """
    from bokehbench.derive import derive
    from bokehbench.report import build_challenge_table, build_table, render
    from bokehbench.store import RecordFilter, open_store

    if challenge is None and (track or baselines):
        raise UsageError("--track and --baseline go with --challenge mai22")
    if track == "2" and mos is None:
        raise UsageError("--track 2 is ranked by opinion; name a study or ratings with --mos")
    chosen = RecordFilter(run_id=run_id, device=None if challenge else device)
    with (
        Sink(output, "--output") as sink,
        open_store(store, readonly=True, derive=derive) as opened,
    ):
        records = _named(list(opened.records(chosen)), names)
        if not records:
            which = " for these filters" if run_id or device or names else ""
            raise UsageError(f"the store holds no records{which}; `bokehbench run` makes them")
        opinion = _opinion(mos, screening, opened, records)
        if challenge is not None:
            table = build_challenge_table(
                records,
                track=2 if track == "2" else 1,
                challenge=challenge,
                device=device,
                score_backend=score_backend,
                opinion=opinion,
                baselines=baselines,
            )
        else:
            said = opinion[0] if opinion else None
            table = build_table(records, score_backend=score_backend, opinion=said)
        if kind == "codabench":
            _say_left_out(table)
        sink.write(terminal_text(table) if kind == "terminal" else render(table, kind))


def _named(records: "list[Record]", names: Collection[str]) -> "list[Record]":
    from bokehbench.report.rows import row_name

    if not names:
        return records
    found = [record for record in records if row_name(record) in names]
    unknown = set(names) - {row_name(record) for record in records}
    if unknown and records:
        known = ", ".join(sorted({row_name(record) for record in records})[:8])
        raise UsageError(f"--name {sorted(unknown)[0]}: no records of it; there are {known}")
    return found


def _opinion(
    mos: str | None, screening: "Screening", store: "Store", records: "Sequence[Record]"
) -> "tuple[Opinion, VoteTable] | None":
    if mos is None:
        return None
    from bokehbench.analysis.mos import opinion
    from bokehbench.cli.studies import read_ratings
    from bokehbench.report.rows import row_name

    made = opinion(read_ratings(mos, store), screening=screening)
    for line in made[0].notes:
        note(f"warning: {line}")
    unknown = {m.method for m in made[0].methods} - {row_name(record) for record in records}
    if unknown:
        note(f"warning: --mos {mos}: no records of {', '.join(sorted(unknown))}")
    return made


def _say_left_out(table: "Table") -> None:
    from bokehbench.report.codabench import left_out

    missing = left_out(table)
    if missing and len(table.rows) == 1:
        note(f"warning: left out, because they are no numbers: {', '.join(missing)}")
