"""`bokehbench history`: a model's latency from run to run."""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bokehbench.cli.drawing import draw, see_names
from bokehbench.cli.measure import json_sink
from bokehbench.cli.options import store_option
from bokehbench.cli.output import columns, to_json
from bokehbench.cli.select import backend_filter, by_todays_rules, device_filter, others_of
from bokehbench.errors import UsageError

if TYPE_CHECKING:
    from bokehbench.analysis.history import HistoryRow

HISTORY_FORMAT = "bokehbench-history/1"


@click.command("history")
@click.argument("model")
@store_option
@device_filter
@backend_filter
@click.option("--limit", type=click.IntRange(1), help="At most so many, the newest.")
@click.option(
    "--plot",
    "plots",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Draw it, as .png or .svg; may be given more than once.",
)
@click.option("--json", "json_target", metavar="PATH|-", help="Write the rows as JSON.")
def command(
    model: str,
    store: str | None,
    device: str | None,
    backend: str | None,
    limit: int | None,
    plots: tuple[Path, ...],
    json_target: str | None,
) -> None:
    """Show the records of a MODEL (name, label or sha256), oldest first.

    `normalised` takes the unit's own speed out by its reference workload, so that phones of
    one model can be compared. What changed since the row before (model, engine, build of the
    system) is named.
    """
    import msgspec

    from bokehbench.analysis.history import history
    from bokehbench.derive import derive
    from bokehbench.report.plot import draw_history
    from bokehbench.store import RecordFilter, open_store

    see_names(plots)
    with json_sink(json_target) as sink:
        which = RecordFilter(model=model, device=device, backend=backend)
        with open_store(store, readonly=True, derive=derive) as opened:
            finished = (record for record in opened.records(which) if record.seal is not None)
            # Counted here: the store's limit would count records that are not finished.
            rows = history([by_todays_rules(record) for record in islice(finished, limit)])
            others = "" if rows else others_of(opened, model, device=device, backend=backend)
        if not rows:
            raise UsageError(
                others
                or f"{model}: no finished record in {opened.name}; see `bokehbench records list`"
            )
        title = f"{rows[-1].name}: {len(rows)} {'record' if len(rows) == 1 else 'records'}"
        for path in plots:
            draw(lambda goal: draw_history(rows, goal, title), path)
        if sink is not None:
            sink.write(to_json({"format": HISTORY_FORMAT, "rows": msgspec.to_builtins(rows)}))
    if sink is None or not sink.is_screen:
        _show(rows)


def _show(rows: "Sequence[HistoryRow]") -> None:
    """The rows in columns."""
    lines = [("created", "record", "device", "backend", "ms", "95 %", "normalised", "°C", "")]
    for row in rows:
        interval = f"{row.ci95_ms[0]:.2f}-{row.ci95_ms[1]:.2f}" if row.ci95_ms else ""
        lines.append(
            (
                row.created[:16],
                row.record_id,
                row.device,
                _backend(row),
                f"{row.median_ms:.2f}" if row.median_ms is not None else row.status,
                interval,
                f"{row.normalised_ms:.2f}" if row.normalised_ms is not None else "",
                f"{row.celsius:.0f}" if row.celsius is not None else "",
                "; ".join(_verdict(row)),
            )
        )
    for line in columns(lines):
        click.echo(line)


def _verdict(row: "HistoryRow") -> "list[str]":
    """The status of what is not ranked, and what changed since the row before."""
    return [*([] if row.status == "ranked" else [row.status]), *row.changed]


def _backend(row: "HistoryRow") -> str:
    name = f"{row.backend} {row.precision}".removesuffix(" default")
    return f"{name} in the app" if row.launch == "app" else name
