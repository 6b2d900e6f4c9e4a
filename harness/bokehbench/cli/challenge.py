"""`bokehbench challenge`: printed tables made again, C from a table, submissions checked."""

from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bokehbench.analysis.challenge import CHALLENGE_C
from bokehbench.cli.output import Sink, note, terminal_text, to_json
from bokehbench.errors import SubmissionError, UsageError
from bokehbench.text import clean

if TYPE_CHECKING:
    from bokehbench.report.printed import Reproduction

DIFFERENT = 1
SUBMISSION_FORMAT = "bokehbench-submission/1"


@click.group("challenge")
def command() -> None:
    """Printed tables, the score's constant, submissions."""


@command.command("reproduce")
@click.argument("challenge", type=click.Choice(["mai22"]))
@click.option(
    "--c", "constant", type=float, default=CHALLENGE_C, show_default="2^34.5", help="The score's C."
)
@click.option("--json", "json_target", metavar="PATH|-", help="Write every cell as JSON.")
def reproduce_tables(challenge: str, constant: float, json_target: str | None) -> int:
    """Make the report's tables 1 and 2 again and compare them cell by cell.

    Sizes, fidelities, runtimes and MOS are the printed numbers, shown by our rules; scores,
    missing scores, order and ranks are computed. Exit code 1 if any cell differs.
    """
    from bokehbench.report.json import to_json as table_json
    from bokehbench.report.printed import reproduce

    made, tables = reproduce(challenge, constant)
    if json_target is not None:
        with Sink(json_target, "--json") as sink:
            sink.write(to_json(_document(made) | {"tables": [table_json(t) for t in tables]}))
    if json_target != "-":
        for table in tables:
            click.echo(terminal_text(table))
        for line in _verdict(made):
            click.echo(clean(line))
    return 0 if made.equal else DIFFERENT


def _document(made: "Reproduction") -> dict[str, Any]:
    import msgspec

    return {
        "format": "bokehbench-reproduction/1",
        **msgspec.to_builtins(made),
        "cells": [{**msgspec.to_builtins(cell), "equal": cell.equal} for cell in made.cells],
        "equal": made.equal,
    }


def _verdict(made: "Reproduction") -> list[str]:
    lines = []
    for number in (1, 2):
        cells = [cell for cell in made.cells if cell.table == number]
        equal = sum(cell.equal for cell in cells)
        computed = sum(cell.computed for cell in cells)
        shown = f", {computed} of them computed" if computed else ""
        lines.append(f"Table {number}: {equal} of {len(cells)} cells as printed{shown}")
    lines += [
        f"Table {cell.table}, {cell.team}, {cell.column}: printed {cell.printed}, made {cell.made}"
        for cell in made.cells
        if not cell.equal
    ]
    same = made.order_made == made.order_printed
    order = "as printed" if same else f"differs: {', '.join(made.order_made)}"
    lines.append(f"Order of table 1: {order}")
    return lines


@command.command("fit-c")
@click.argument("table", type=click.Path(path_type=Path), metavar="TABLE")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def fit(table: Path, as_json: bool) -> int:
    """Find every C with which the score's formula prints a TABLE's scores.

    TABLE is JSON with a list `rows`, or CSV: columns psnr, gpu_ms and score, digits as printed.
    Exit code 1 if no C does.
    """
    import msgspec

    from bokehbench.analysis.fit_c import fit_c
    from bokehbench.report.printed import score_rows

    rows = score_rows(_rows(table))
    if not rows:
        raise UsageError(f"{table}: no row has numbers in psnr, gpu_ms and score")
    found = fit_c(rows)
    if as_json:
        click.echo(
            to_json({"format": "bokehbench-fit-c/1", **msgspec.to_builtins(found)}), nl=False
        )
    else:
        for row in found.rows:
            click.echo(f"{clean(row.name)}: {_inward(row.as_printed)}")
        for title, interval in (
            ("all rows, PSNR and runtime as printed", found.as_printed),
            ("all rows, PSNR and runtime anywhere within their rounding", found.with_rounding),
        ):
            click.echo(f"{title}: {_inward(interval) if interval else 'no C'}")
        if found.conflict:
            click.echo(clean(f"furthest apart: {' and '.join(found.conflict)}"))
    return 0 if found.with_rounding else DIFFERENT


def _inward(interval: tuple[float, float]) -> str:
    """Seven digits, rounded into the interval, so that both ends belong to it."""
    low = Context(prec=7, rounding=ROUND_CEILING).create_decimal_from_float(interval[0])
    high = Context(prec=7, rounding=ROUND_FLOOR).create_decimal_from_float(interval[1])
    return f"{low:.6e} to {high:.6e}"


def _rows(path: Path) -> list[dict[str, Any]]:
    """Rows with numbers as Decimal, which keep the digits that were printed."""
    from bokehbench.analysis.rows import parse_rows
    from bokehbench.cli.words import table_text

    return [
        {column: _decimal(cell) if isinstance(cell, str) else cell for column, cell in row.items()}
        for row in parse_rows(table_text(path), str(path))
    ]


def _decimal(text: str) -> Decimal | str:
    try:
        return Decimal(text)
    except InvalidOperation:
        return text


@command.command("check")
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def check(folder: Path, as_json: bool) -> int:
    """Check a submission: model.tflite, factsheet.toml, and model.io.toml where one is needed.

    All problems are listed, each with its line. `bokehbench run DIR` takes the same folder.
    """
    import msgspec

    from bokehbench.model.submission import check_submission

    try:
        submission, model, io = check_submission(folder)
    except SubmissionError as error:
        if as_json:
            problems = [clean(problem) for problem in error.problems]
            document = {"format": SUBMISSION_FORMAT, "sound": False, "problems": problems}
            click.echo(to_json(document), nl=False)
        for problem in error.problems:
            note(f"bokehbench: {problem}")
        return error.exit_code
    if as_json:
        document = {
            "format": SUBMISSION_FORMAT,
            "sound": True,
            "problems": [],
            "factsheet": msgspec.to_builtins(submission.factsheet),
            "model": msgspec.to_builtins(model),
            "io": msgspec.to_builtins(io),
            "extras": list(submission.extras),
        }
        click.echo(to_json(document), nl=False)
        return 0
    sheet = submission.factsheet
    click.echo(clean(f"{folder}: sound; {sheet.team} ({sheet.author}), {sheet.framework}"))
    shape = "x".join("?" if side < 0 else str(side) for side in model.inputs[0].shape)
    click.echo(
        clean(f"model: {model.size_bytes / 2**20:.2f} MiB, first input {shape}, I/O: {io.source}")
    )
    if submission.extras:
        note(f"warning: not read: {', '.join(submission.extras[:8])}")
    return 0
