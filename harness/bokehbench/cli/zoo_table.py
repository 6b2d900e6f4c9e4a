"""`bokehbench zoo table`: the zoo exported, read, predicted and run, beside the printed table."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bokehbench.cli.measure import json_sink, measure_quietly, new_run_id
from bokehbench.cli.model_options import parse_size
from bokehbench.cli.options import Protocol, profile_dir_option, protocol_options, store_option
from bokehbench.cli.output import Sink, note, terminal_text, to_json
from bokehbench.cli.zoo_waiting import waiting
from bokehbench.errors import BokehbenchError, EngineMissing, UsageError, ZooError

if TYPE_CHECKING:
    from bokehbench.facts import MeasurementProtocol, Record
    from bokehbench.profile import DeviceProfile
    from bokehbench.zoo import Entry
    from bokehbench.zoo.table import Row

TABLE_FORMAT = "bokehbench-zoo-table/1"
PROFILE = "kirin9000"
SMALL_WARMUPS = 1
SMALL_RUNS = 3
SMALL_SECONDS = 60.0
"""What is other than in the protocol quick: the largest model takes a minute a run."""


@click.command("table")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--size",
    metavar="HxW",
    callback=parse_size,
    help="Height and width of the image.  [default: the printed table's, 1024x1024]",
)
@click.option("--gpu-friendly", is_flag=True, help="Rewrite what GPU delegates do not take.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, help="Of random weights.")
@click.option(
    "--keep",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Keep the exported files in DIR.",
)
@protocol_options
@click.option("--no-run", is_flag=True, help="Leave the CPU out: export, read and predict.")
@profile_dir_option
@store_option
@click.option("--markdown", "markdown_target", metavar="PATH|-", help="Write it as Markdown.")
@click.option("--json", "json_target", metavar="PATH|-", help="Write everything as JSON.")
def table(
    names: tuple[str, ...],
    size: tuple[int, int] | None,
    gpu_friendly: bool,
    seed: int,
    keep: Path | None,
    protocol: Protocol,
    no_run: bool,
    profile_dir: Path | None,
    store: str | None,
    markdown_target: str | None,
    json_target: str | None,
) -> int:
    """Set the zoo beside the challenge's printed table 1.

    Each model (all, or those named) is exported with random weights, read, held against the rules
    of the Kirin 9000's GPU delegate of 2022, and run on this machine's CPU by a small protocol: one
    process of 3 runs. Records are stored as those of `bokehbench run`. The last columns say
    whether the predicted GPU cell agrees with the printed one, and why.
    """
    from bokehbench.report.markdown import render
    from bokehbench.zoo import MODELS, check_size, find
    from bokehbench.zoo.table import build_table, document

    if markdown_target == "-" and json_target == "-":
        raise UsageError("--markdown - and --json -: both want standard output; give one a file")
    entries = [find(name) for name in dict.fromkeys(names)] or list(MODELS)
    for entry in entries:
        check_size(entry, *(size or entry.size))
    measured = _protocol(protocol)
    wanted = _Wanted(size, gpu_friendly, seed, _profile(profile_dir))
    with (
        json_sink(json_target) as as_json,
        _markdown_sink(markdown_target) as as_markdown,
        _folder(keep) as folder,
    ):
        with waiting() as tell:
            rows = [_made(entry, wanted, folder, tell) for entry in entries]
        if not no_run:
            rows = _run(rows, folder, measured, store, profile_dir)
        machine = None if no_run else _machine()
        title = "x".join(map(str, size or entries[0].size))
        made = build_table(rows, title, machine)
        if as_json is not None:
            told = {"format": TABLE_FORMAT, "size": title, "models": document(rows)}
            as_json.write(to_json(told))
        if as_markdown is not None:
            as_markdown.write(render(made))
    if "-" not in (json_target, markdown_target):
        click.echo(terminal_text(made), nl=False)
    return 0 if all(row.trouble is None for row in rows) else 4


@dataclass(frozen=True)
class _Wanted:
    size: tuple[int, int] | None
    friendly: bool
    seed: int
    profile: "DeviceProfile"


def _protocol(words: Protocol) -> "MeasurementProtocol":
    from bokehbench.cli.options import make_protocol

    if words.name is not None or words.quick:
        return make_protocol(words)
    return make_protocol(
        words._replace(
            name="quick",
            warmups=SMALL_WARMUPS if words.warmups is None else words.warmups,
            runs=SMALL_RUNS if words.runs is None else words.runs,
            min_runs=1 if words.min_runs is None else words.min_runs,
            max_seconds=SMALL_SECONDS if words.max_seconds is None else words.max_seconds,
        )
    )


def _profile(folder: Path | None) -> "DeviceProfile":
    from bokehbench.cli.connect import profile_folders
    from bokehbench.profile import load_folders

    return load_folders(profile_folders(folder))[PROFILE].profile


@contextmanager
def _markdown_sink(target: str | None) -> Iterator[Sink | None]:
    if target is None:
        yield None
        return
    with Sink(target, "--markdown") as sink:
        yield sink


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="bokehbench-zoo-") as folder:
            yield Path(folder)
        return
    try:
        keep.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--keep {keep}: can't be made a folder: {error.strerror}") from error
    yield keep


def _made(entry: "Entry", wanted: _Wanted, folder: Path, tell: Callable[[str], None]) -> "Row":
    """One model exported and predicted; what fails is a row that says so."""
    from bokehbench.zoo.export import Export, export
    from bokehbench.zoo.table import NOW, THEN, Row, predict

    height, width = wanted.size or entry.size
    asked = Export(entry.name, height, width, seed=wanted.seed, friendly=wanted.friendly)
    try:
        made = export(asked, folder / f"{entry.name}.tflite", tell=tell)
    except (EngineMissing, ZooError):
        # The next model would meet the same: no TensorFlow, or a folder that can't be written.
        raise
    except BokehbenchError as error:
        note(f"warning: {error}")
        return Row(entry, None, None, None, None, str(error), wanted.friendly, (height, width))
    then = predict(made.structure, THEN, wanted.profile)
    now = predict(made.structure, NOW, wanted.profile)
    size = height, width
    return Row(entry, made.structure, then, now, None, None, wanted.friendly, size)


def _run(
    rows: "Sequence[Row]",
    folder: Path,
    measured: "MeasurementProtocol",
    store: str | None,
    profile_dir: Path | None,
) -> "list[Row]":
    """The rows with the CPU's medians, measured by `local` and stored."""
    from bokehbench.cli.connect import connect
    from bokehbench.cli.equip import closing_all, equipped, open_for_writing
    from bokehbench.fidelity.protocols import DEFAULT_PROTOCOL, find_protocol
    from bokehbench.model.iospec import IoFlags, resolve_io
    from bokehbench.model.reader import read_model
    from bokehbench.schedule import Settings
    from bokehbench.session import ModelInput, RunRequest

    inputs = []
    for row in rows:
        if row.structure is None:
            continue
        path = folder / f"{row.entry.name}.tflite"
        facts = read_model(path)
        io = resolve_io(facts, path, file=None, flags=IoFlags())
        inputs.append(ModelInput(path, facts, io, _label(row), None))
    if not inputs:
        return list(rows)
    connection = connect("local", None, None, profile_dir)
    settings = Settings("xnnpack", "default", connection.profile.threads, 0, measured, 0)
    request = RunRequest(
        models=tuple(inputs),
        settings=settings,
        dataset=None,
        fit="error",
        fidelity_rules=find_protocol(DEFAULT_PROTOCOL),
        score_backend="xnnpack",
    )
    prepared = [equipped(connection, request)]
    with open_for_writing(store) as opened, closing_all(prepared):
        records, error = measure_quietly(prepared, opened, new_run_id())
    if error is not None:
        note(f"warning: {error}")
    found = {record.evidence.label: record for record in records}
    return [
        row if row.structure is None else _with_cpu(row, found.get(_label(row))) for row in rows
    ]


def _label(row: "Row") -> str:
    return f"zoo {row.entry.name}"


def _with_cpu(row: "Row", record: "Record | None") -> "Row":
    if record is None:
        return replace(row, trouble="it was not run: the run ended early")
    median = record.derived.latency.median_ms
    if median is None or record.derived.status == "invalid":
        failures = [one.failure for one in record.evidence.trials if one.failure is not None]
        why = failures[0].message if failures else ", ".join(record.derived.reasons)
        return replace(row, trouble=f"the run on this machine failed: {why}")
    return replace(row, cpu_ms=median)


def _machine() -> str:
    import os
    import platform

    return f"{os.cpu_count()} cores, {platform.machine()}"
