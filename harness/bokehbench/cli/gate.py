"""`bokehbench gate`: has a run become slower than its baseline."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bokehbench.cli.compare import allow_option, see_allowed
from bokehbench.cli.measure import json_sink
from bokehbench.cli.options import FiniteRange, adb_option, profile_dir_option, store_option
from bokehbench.cli.output import Sink, note, to_json
from bokehbench.errors import UsageError
from bokehbench.files import read_text

if TYPE_CHECKING:
    from bokehbench.analysis.baseline import Baseline
    from bokehbench.facts import Record
    from bokehbench.report.gate import GateResult

GATE_FORMAT = "bokehbench-gate/1"
BASELINE_LIMIT = 64 << 20
"""Bytes of a baseline; an entry with all its history has some ten thousand."""

REGRESSION = 5


def _share(_context: click.Context, parameter: click.Parameter, value: str) -> float:
    """`3%` or `0.03`."""
    text = value.strip()
    try:
        share = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        share = -1.0
    # A comparison with NaN is false, so NaN is refused too.
    if not 0 <= share < 10:
        raise click.BadParameter("give a share such as 3% or 0.03", param=parameter)
    # 3 would tolerate 300 %, and whoever writes it means a hundredth of that.
    if share >= 1 and not text.endswith("%"):
        raise click.BadParameter(f"{text}: write {text}% or {share / 100:g}", param=parameter)
    return share


@click.command("gate")
@click.option(
    "--baseline",
    "baseline_file",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    help="Earlier runs as JSON; made and extended by --update, to be committed.",
)
@click.option("--run", "run_id", metavar="RUN", help="The run to judge.  [default: the newest]")
@click.option(
    "--max-regression",
    default="3%",
    show_default=True,
    callback=_share,
    metavar="SHARE",
    help="The slowdown that is tolerated.",
)
@click.option(
    "--floor-ms",
    type=FiniteRange(0),
    default=0.05,
    show_default=True,
    help="Smaller differences are never called a regression.",
)
@click.option(
    "--confirm",
    "confirm_run",
    metavar="RUN",
    help="A fresh run of the same that was made already, instead of making one.",
)
@click.option(
    "--no-rerun",
    is_flag=True,
    help="Don't measure again on a suspicion; a suspicion alone then fails.",
)
@click.option(
    "--require-all",
    is_flag=True,
    help="Fail where the run lacks an entry that the baseline has of its devices.",
)
@click.option("--update", is_flag=True, help="Add the run to the baseline unless it fails.")
@allow_option
@store_option
@adb_option
@profile_dir_option
@click.option("--junit", metavar="PATH", help="Write JUnit XML.")
@click.option("--markdown", "markdown_target", metavar="PATH|-", help="Write a summary.")
@click.option("--json", "json_target", metavar="PATH|-", help="Write the results as JSON.")
def command(
    baseline_file: Path,
    run_id: str | None,
    max_regression: float,
    floor_ms: float,
    confirm_run: str | None,
    no_rerun: bool,
    require_all: bool,
    update: bool,
    allowed: tuple[str, ...],
    store: str | None,
    adb_server: str | None,
    profile_dir: Path | None,
    junit: str | None,
    markdown_target: str | None,
    json_target: str | None,
) -> int:
    """Judge a run's records against a baseline.

    The limit is what is tolerated and the noise that the history of that device, model and
    backend shows. A suspicion is measured once more, and only what a fresh run confirms fails,
    with exit code 5. Where the fresh run can't say, exit code 1, or 3 without its device. A record
    of the run that was never finished is exit code 1 too.
    """
    from bokehbench.cli.equip import open_for_writing
    from bokehbench.cli.gated import newest_run, read_run
    from bokehbench.cli.gating import Gate
    from bokehbench.report.gate import junit_xml, markdown
    from bokehbench.store import open_store

    wanted = {"--json": json_target, "--markdown": markdown_target, "--junit": junit}
    screens = [f"{option} -" for option, target in wanted.items() if target == "-"]
    if len(screens) > 1:
        raise UsageError(f"{' and '.join(screens)}: both want standard output; give one a file")
    if confirm_run is not None and no_rerun:
        raise UsageError("--confirm and --no-rerun: a second look, or none; leave out one")
    baseline = _read(baseline_file, update)
    # Refused where there is none: opening it for writing would make it.
    open_store(store, readonly=True).close()
    with ExitStack() as stack:
        opened = stack.enter_context(open_for_writing(store))
        sinks: list[tuple[Sink, Callable[[Sequence[GateResult]], str]]] = []
        for target, option, render in (
            (junit, "--junit", lambda results: junit_xml(results, max_regression)),
            (markdown_target, "--markdown", lambda results: markdown(results, max_regression)),
        ):
            if target is not None:
                sinks.append((stack.enter_context(Sink(target, option)), render))
        document = stack.enter_context(json_sink(json_target))
        # Before anything is measured again, so that a file that can't be written costs nothing.
        extended = stack.enter_context(Sink(str(baseline_file), "--baseline")) if update else None
        gate = Gate(
            store=opened,
            baseline=baseline,
            max_regression=max_regression,
            floor_ms=floor_ms,
            allowed=allowed,
            adb_server=adb_server,
            profile_dir=profile_dir,
            update=update,
        )
        run = read_run(opened, run_id or newest_run(opened))
        for record in (*run.records, *run.open_records)[:1]:
            see_allowed(record, allowed)
        results, error = gate.judge(run, confirm_run, rerun=not no_rerun, require_all=require_all)
        for sink, render in sinks:
            sink.write(render(results))
        if document is not None:
            document.write(to_json(_json(results, max_regression)))
        if not any(sink.is_screen for sink, _ in sinks) and json_target != "-":
            click.echo(markdown(results, max_regression), nl=False)
        if extended is not None:
            _update(extended, baseline_file, baseline, run.records, results)
    _tell(baseline_file, results)
    if error is not None:
        note(f"the fresh run: {error}")
    return max(_code(results), error.exit_code if error else 0)


def _code(results: "Sequence[GateResult]") -> int:
    from bokehbench.report.gate import BROKEN, FAILING, UNUSABLE

    states = {result.state for result in results}
    if states & FAILING:
        return REGRESSION
    if states & UNUSABLE:
        return 2
    return 1 if states & BROKEN else 0


def _tell(path: Path, results: "Sequence[GateResult]") -> None:
    """Say on standard error what the run lacks: a document may go where nobody looks."""
    if lacking := [r for r in results if r.state in ("unmeasured", "missing")]:
        names = ", ".join(f"{r.name} ({r.backend} {r.precision}, {r.device})" for r in lacking)
        cure = "" if lacking[0].state == "missing" else "; --require-all fails on that"
        note(f"{path}: not in run {lacking[0].run_id} and so not judged: {names}{cure}")
    for result in results:
        if result.state == "incomplete":
            note(f"{result.name} ({result.backend}, {result.device}): {result.message}")


def _json(results: "Sequence[GateResult]", max_regression: float) -> dict[str, Any]:
    import msgspec

    return {
        "format": GATE_FORMAT,
        "max_regression": max_regression,
        "results": msgspec.to_builtins(results),
    }


def _read(path: Path, update: bool) -> "Baseline":
    from bokehbench.analysis.baseline import Baseline, parse

    if not path.exists():
        if update:
            return Baseline()
        raise UsageError(f"--baseline {path}: not there; --update makes it from a run")
    text = read_text(path, BASELINE_LIMIT, "a baseline", where=f"--baseline {path}")
    return parse(text, str(path))


def _update(
    sink: Sink,
    path: Path,
    baseline: "Baseline",
    records: "Sequence[Record]",
    results: "Sequence[GateResult]",
) -> None:
    """Add what passed or is new; a regression must not become its own baseline."""
    from bokehbench.analysis.baseline import dump, with_records

    fine = {result.record_id for result in results if result.state in ("passed", "new")}
    added = [record for record in records if record.record_id in fine]
    if not added:
        note(f"{path}: nothing to add")
        return
    sink.write(dump(with_records(baseline, added)))
    note(f"{path}: {len(added)} {'record' if len(added) == 1 else 'records'} added")
