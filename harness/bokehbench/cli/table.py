"""`bokehbench table`: stored Records in the columns of the challenge's table."""

from typing import TYPE_CHECKING

import click

from bokehbench.cli.options import score_option, store_option
from bokehbench.cli.output import Sink, terminal_text
from bokehbench.errors import UsageError

if TYPE_CHECKING:
    from bokehbench.facts.trial import Backend

FORMATS = ["terminal", "markdown", "csv", "latex", "json"]


@click.command("table")
@store_option
@click.option("--run", "run_id", metavar="RUN", help="Only records of one run.")
@click.option("--device", metavar="DEV", help="Only records of one device, by its id.")
@score_option
@click.option("--format", "kind", type=click.Choice(FORMATS), default="terminal")
@click.option("--output", "-o", default="-", metavar="PATH", help="A file instead of the screen.")
def command(
    store: str | None,
    run_id: str | None,
    device: str | None,
    score_backend: "Backend",
    kind: str,
    output: str,
) -> None:
    """Print the table of the Mobile AI 2022 bokeh challenge from stored records.

    The newest record counts for each cell. A failed backend is an Error, one that was not
    run N.A.; footnotes say why.
    """
    from bokehbench.derive import derive
    from bokehbench.report import build_table, render
    from bokehbench.store import RecordFilter, open_store

    with open_store(store, readonly=True, derive=derive) as opened:
        records = list(opened.records(RecordFilter(run_id=run_id, device=device)))
    if not records:
        chosen = " for these filters" if run_id or device else ""
        raise UsageError(f"the store holds no records{chosen}; `bokehbench run` makes them")
    table = build_table(records, score_backend=score_backend)
    with Sink(output, "--output") as sink:
        sink.write(terminal_text(table) if kind == "terminal" else render(table, kind))
