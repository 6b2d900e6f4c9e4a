"""`bokehbench ops`: what each operator of a record cost, where it ran, what fell back and why."""

from typing import TYPE_CHECKING

import click

from bokehbench.cli.measure import json_sink
from bokehbench.cli.options import store_option
from bokehbench.cli.output import note, terminal_text, to_json
from bokehbench.text import clean

if TYPE_CHECKING:
    from bokehbench.facts import Evidence, Trial
    from bokehbench.runners.benchmark_model import ParsedLog
    from bokehbench.store import Store

MOST = 20
"""Operators shown without `--all`."""


@click.command("ops")
@click.argument("record")
@click.option("--all", "show_all", is_flag=True, help=f"All operators, not the {MOST} dearest.")
@store_option
@click.option("--json", "json_target", metavar="PATH|-", help="Write the report as JSON.")
def command(record: str, show_all: bool, store: str | None, json_target: str | None) -> int:
    """Show where a RECORD's operators ran, what each cost, and what fell back and why.

    Times are there for runs of benchmark_model with --runner-flag enable_op_profiling=true, and
    for imported logs that hold its tables. Of other records it is told what the engine said of
    the whole graph, what the delegate refused, and what the rules had foreseen.
    """
    from bokehbench.derive import derive
    from bokehbench.report.operator_table import headline, node_table, type_table
    from bokehbench.report.operators import document, op_report
    from bokehbench.store import open_store

    with (
        json_sink(json_target) as sink,
        open_store(store, readonly=True, derive=derive) as opened,
    ):
        found = opened.get(record)
        report = op_report(found, _logs(found.evidence, opened))
        if sink is not None:
            sink.write(to_json(document(report)))
        if sink is None or not sink.is_screen:
            click.echo(headline(report))
            if report.ops:
                table = node_table(report, most=None if show_all else MOST)
                click.echo(terminal_text(table), nl=False)
            click.echo(terminal_text(type_table(report)), nl=False)
            for one in report.fell_back:
                click.echo(f"{one.source}: {clean(one.text)}")
            for text in report.notes:
                click.echo(f"note: {clean(text)}")
    return 0


def _logs(evidence: "Evidence", store: "Store") -> "dict[int, ParsedLog]":
    """By trial, what its tool's log says; a log that is not stored here is told of."""
    if evidence.runner.name == "bokehbench":
        return {}
    found, missing = {}, 0
    for trial in evidence.trials:
        if trial.log_sha256 is None or trial.status != "ok":
            continue
        data = store.find_blob(trial.log_sha256)
        if data is None:
            missing += 1
        elif (log := _of_trial(trial, data)) is not None:
            found[trial.index] = log
    if missing:
        note(f"{missing} logs are not in this store; import them with their record")
    return found


def _of_trial(trial: "Trial", data: bytes) -> "ParsedLog | None":
    """The run of a log that is the trial's; an imported log may hold several."""
    from bokehbench.runners.benchmark_model import parse_log

    runs = parse_log(data, exit_code=0).runs
    if len(runs) == 1 or trial.aggregate is None:
        return runs[-1]
    average = trial.aggregate.avg_ns
    return next((r for r in runs if r.avg_us and round(r.avg_us * 1e3) == average), None)
