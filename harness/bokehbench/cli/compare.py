"""`bokehbench compare`: is one record slower than another, by how much, and how surely."""

from typing import TYPE_CHECKING

import click

from bokehbench.cli.measure import json_sink
from bokehbench.cli.options import store_option
from bokehbench.cli.output import to_json
from bokehbench.cli.select import backend_filter, device_filter, find_record
from bokehbench.errors import UsageError
from bokehbench.text import clean, counted

if TYPE_CHECKING:
    from bokehbench.analysis.compare import Comparison
    from bokehbench.facts import Record

COMPARISON_FORMAT = "bokehbench-comparison/1"

allow_option = click.option(
    "--allow",
    "allowed",
    multiple=True,
    metavar="KEY",
    help="A setting that may differ because it is what is compared, such as engine or backend.",
)


@click.command("compare")
@click.argument("first")
@click.argument("second")
@store_option
@device_filter
@backend_filter
@allow_option
@click.option("--json", "json_target", metavar="PATH|-", help="Write the comparison as JSON.")
def command(
    first: str,
    second: str,
    store: str | None,
    device: str | None,
    backend: str | None,
    allowed: tuple[str, ...],
    json_target: str | None,
) -> int:
    """Compare two records: ids, names or labels (the newest record counts).

    The ratio is the second's time over the first's. Unlike records are refused. To
    compare two models, `bokehbench run --against` measures both side by side. Exit code 1 says
    that one of the records is invalid.
    """
    from bokehbench.derive import derive
    from bokehbench.store import open_store

    with (
        json_sink(json_target) as sink,
        open_store(store, readonly=True, derive=derive) as opened,
    ):
        records = [
            find_record(opened, word, device=device, backend=backend) for word in (first, second)
        ]
        found = compared(records[0], records[1], allowed)
        if sink is not None:
            sink.write(to_json(comparison_json(found)))
        if sink is None or not sink.is_screen:
            click.echo(describe(found))
    return int(any(record.derived.status == "invalid" for record in records))


def compared(first: "Record", second: "Record", allowed: tuple[str, ...] = ()) -> "Comparison":
    """The comparison of two records.

    Raises:
        UsageError: they are unlike, one has too few processes or a time that is none, or
            `allowed` names no setting.
    """
    from bokehbench.analysis.compare import TooFew, Unlike, compare_records

    see_allowed(first, allowed)
    if first.record_id == second.record_id:
        raise UsageError(f"{first.record_id}: both words mean this one record")
    try:
        return compare_records(first, second, allowed=allowed)
    except Unlike as error:
        parts = [f"{key} ({a} and {b})" for key, (a, b) in error.keys.items()]
        raise UsageError(
            f"{first.record_id} and {second.record_id} are unlike in {', '.join(parts)}; "
            "measure them alike, or name what is compared with --allow"
        ) from error
    except (TooFew, ValueError) as error:
        raise UsageError(str(error)) from error


def see_allowed(record: "Record", allowed: tuple[str, ...]) -> None:
    """See that there are such settings.

    Raises:
        UsageError: there is one that is none.
    """
    from bokehbench.analysis.compare import likeness

    known = likeness(record.evidence)
    for key in allowed:
        if key not in known:
            raise UsageError(f"--allow {key}: no such setting; there are {', '.join(known)}")


def comparison_json(found: "Comparison") -> dict[str, object]:
    """The document of `--json`."""
    import msgspec

    return {"format": COMPARISON_FORMAT, **msgspec.to_builtins(found)}


def describe(found: "Comparison") -> str:
    """The comparison in a few lines."""
    interval = "no interval from so few processes"
    if found.interval is not None and found.level is not None:
        low, high = found.interval
        interval = f"{found.level:.1%} interval {low:.4f} to {high:.4f}"
    how = "side by side" if found.paired else "as independent processes"
    test = "exact permutation" if found.exact else "permutation, by its normal approximation,"
    first = counted(found.first_processes, "process", "processes")
    second = counted(found.second_processes, "process", "processes")
    lines = [
        f"{clean(found.first)}: {found.first_median_ms:.3f} ms, {first}",
        f"{clean(found.second)}: {found.second_median_ms:.3f} ms, {second}, {how}",
        f"ratio {found.ratio:.4f} ({interval})",
        f"{found.outcome}: p {found.p_slower:.4f} for slower, {found.p_faster:.4f} for faster "
        f"({test} of processes)",
        f"share of bootstrap ratios above 1: {found.bootstrap_share_slower:.1%}",
        f"a slowdown of {found.minimum_detectable - 1:.2%} would be found in 80 % of such "
        "comparisons",
    ]
    lines += [f"warning: {clean(text)}" for text in found.warnings]
    return "\n".join(lines)
