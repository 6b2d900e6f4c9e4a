"""`bokehbench run`: models on a device, into Records, into a table."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from bokehbench.cli.connect import connect, equip
from bokehbench.cli.options import (
    Protocol,
    io_options,
    make_protocol,
    protocol_options,
    store_option,
)
from bokehbench.cli.output import Sink, clean, note, to_json
from bokehbench.errors import UsageError

if TYPE_CHECKING:
    from bokehbench.facts import Record
    from bokehbench.facts.trial import Backend
    from bokehbench.fidelity.pairs import Dataset
    from bokehbench.model.iospec import IoFlags
    from bokehbench.session import ModelInput, Prepared, RunOutcome

RUN_FORMAT = "bokehbench-run/1"

Request = Literal["auto", "all", "gpu", "xnnpack", "cpu"]


@click.command("run")
@click.argument("models", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--device", metavar="DEV", help="The device: `local` is this machine.")
@click.option(
    "--backend",
    type=click.Choice(["auto", "all", "gpu", "xnnpack", "cpu"]),
    default="auto",
    show_default=True,
    help="auto: the profile's order, the next one where one fails; all: one record of each.",
)
@click.option("--threads", type=click.IntRange(1, 256), help="CPU threads.  [default: profile's]")
@click.option(
    "--precision",
    type=click.Choice(["default", "fp16", "fp32"]),
    default="default",
    show_default=True,
    help="Arithmetic of the GPU; CPU backends have their own.",
)
@click.option("--core-mask", default="0", metavar="HEX", help="CPU cores to run on; 0 is any.")
@protocol_options
@click.option(
    "--dataset",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of pairs, original/ and bokeh/, to score the device's own images on.",
)
@click.option(
    "--fit",
    type=click.Choice(["native", "resize", "crop"]),
    help="How images of another size meet the model. Without it a mismatch is refused.",
)
@io_options
@click.option("--name", "names", multiple=True, help="Name in tables, once a model in order.")
@click.option(
    "--score-backend",
    type=click.Choice(["gpu", "xnnpack", "cpu"]),
    default="gpu",
    show_default=True,
    help="Whose runtime the score takes; the challenge's is the GPU's.",
)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, help="Input and order.")
@click.option("--profile", "profile_name", metavar="NAME", help="A device profile by name.")
@click.option("--json", "json_target", metavar="PATH|-", help="Write the records as JSON.")
@store_option
@click.option("--dry-run", is_flag=True, help="Show the plan and touch nothing.")
def command(
    models: tuple[Path, ...],
    device: str | None,
    backend: Request,
    threads: int | None,
    precision: Literal["default", "fp16", "fp32"],
    core_mask: str,
    protocol: Protocol,
    dataset: Path | None,
    fit: Literal["native", "resize", "crop"] | None,
    io_flags: "IoFlags",
    io_file: Path | None,
    names: tuple[str, ...],
    score_backend: "Backend",
    seed: int,
    profile_name: str | None,
    json_target: str | None,
    store: str | None,
    dry_run: bool,
) -> int:
    """Run one or more MODELS (.tflite) on a device.

    Each model runs in several fresh processes, models taking turns. With --dataset the
    device's own output images are scored as well. Records are stored; the table is printed, or with
    --json - one JSON document and nothing else.
    """
    from bokehbench.session import RunRequest, prepare
    from bokehbench.session.run import new_id

    if len(names) not in (0, len(models)):
        raise UsageError(f"--name: given {len(names)} times for {len(models)} models")
    inputs = tuple(
        _model(path, names[number] if names else None, io_file, io_flags)
        for number, path in enumerate(models)
    )
    pairs = _dataset(dataset, inputs)
    connection = connect(device, profile_name)
    engine, runner = equip(connection, gpu=backend in ("auto", "all", "gpu"))
    request = RunRequest(
        models=inputs,
        settings=_settings(
            backend, precision, threads or connection.profile.threads, core_mask, protocol, seed
        ),
        dataset=pairs,
        fit=fit or "error",
        fidelity_protocol="mai22",
        score_backend=score_backend,
    )
    prepared = prepare(request, connection.device, connection.profile, engine, runner, new_id)
    if pairs is not None and pairs.unpaired:
        note(_unpaired(pairs))
    if dry_run:
        show_plan(prepared, json_target == "-")
        return 0
    sink = Sink(json_target, "--json") if json_target else None
    try:
        return _measure(prepared, store, sink, json_target == "-")
    finally:
        if sink is not None:
            sink.discard()


def _measure(prepared: "Prepared", store: str | None, sink: Sink | None, quiet: bool) -> int:
    from bokehbench.cli.progress import QuietObserver, TerminalObserver, is_terminal
    from bokehbench.derive import derive
    from bokehbench.session import execute
    from bokehbench.session.run import new_id
    from bokehbench.store import open_store

    run_id = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{new_id()[:6]}"
    screen = TerminalObserver() if is_terminal() else QuietObserver()
    with open_store(store, derive=derive) as opened, screen as observer:
        outcome = execute(prepared, opened, observer, run_id)
    # The document first: it is what a program waits for, and it needs no store.
    code = 0
    if sink is not None:
        records = [record.to_json() for record in outcome.records]
        document = to_json({"format": RUN_FORMAT, "run_id": run_id, "records": records})
        code = _deliver(sink, document, run_id)
    if not quiet:
        _show(outcome, prepared.request.score_backend)
    return max(code, _exit_code(outcome, prepared.request.settings.backend))


def _deliver(sink: Sink, document: str, run_id: str) -> int:
    """Write the document; a disk that filled up meanwhile costs the file, not the records."""
    try:
        sink.write(document)
    except BrokenPipeError:
        raise
    except OSError as error:
        note(
            f"{sink.name}: can't be written: {error.strerror}; the records are stored, "
            f"`bokehbench records export --run {run_id}` writes them"
        )
        return 2
    return 0


def _model(path: Path, label: str | None, io_file: Path | None, flags: "IoFlags") -> "ModelInput":
    from bokehbench.model.iospec import resolve_io
    from bokehbench.model.reader import read_model
    from bokehbench.session import ModelInput

    facts = read_model(path)
    return ModelInput(path, facts, resolve_io(facts, path, file=io_file, flags=flags), label)


def _dataset(folder: Path | None, models: "tuple[ModelInput, ...]") -> "Dataset | None":
    if folder is None:
        return None
    from bokehbench.fidelity.pairs import open_dataset

    wanted = {"original": None}
    for model in models:
        for spec in model.io.inputs:
            wanted[spec.source] = None
            if spec.channels == "rgbd":
                wanted["original_depth"] = None
    return open_dataset(folder, sources=tuple(wanted))


def _settings(
    backend: Request,
    precision: Literal["default", "fp16", "fp32"],
    threads: int,
    core_mask: str,
    protocol: Protocol,
    seed: int,
) -> Any:
    from bokehbench.schedule import Settings

    try:
        mask = int(core_mask, 16)
    except ValueError:
        mask = -1
    if not 0 <= mask < 2**64:
        raise UsageError(f"--core-mask {core_mask}: not a hexadecimal mask, such as f0")
    return Settings(backend, precision, threads, mask, make_protocol(protocol), seed)


def _unpaired(pairs: "Dataset") -> str:
    shown = ", ".join(pairs.unpaired[:5])
    more = f" and {len(pairs.unpaired) - 5} more" if len(pairs.unpaired) > 5 else ""
    return f"warning: {pairs.name}: {len(pairs.unpaired)} files have no partner: {shown}{more}"


def show_plan(prepared: "Prepared", as_json: bool) -> None:
    """What would run, and why; nothing has been put on the device."""
    plan = prepared.plan
    settings = plan.settings
    records = [
        {
            "model": prepared.request.models[record.model_index].facts.name,
            "backend": record.backend,
            "only_if_failed": record.only_after is not None,
            "reason": record.reason,
            "timing_shape": list(record.input_shapes[0]),
            "processes": settings.protocol.processes,
            "images": sum(len(b.items) for b in plan.batches.get(record.model_index, ())),
        }
        for record in plan.records
    ]
    if as_json:
        click.echo(to_json({"plan": records, "skipped": list(plan.skipped)}), nl=False)
        return
    protocol = settings.protocol
    click.echo(
        f"{clean(prepared.device.facts.address)}: engine {prepared.engine.name} "
        f"{prepared.engine.version}, {settings.threads} threads, protocol {protocol.name}: "
        f"{protocol.processes} processes of {protocol.warmups} warm-ups and {protocol.runs} runs"
    )
    for entry in records:
        shape = "x".join(map(str, entry["timing_shape"]))  # type: ignore[call-overload]
        when = "if the one before fails" if entry["only_if_failed"] else "always"
        click.echo(
            f"  {clean(str(entry['model']))} on {entry['backend']} at {shape}, "
            f"{entry['images']} images, {when} ({clean(str(entry['reason']))})"
        )
    for line in plan.skipped:
        click.echo(f"  {clean(line)}")
    click.echo("dry run: nothing was put on the device")


def _show(outcome: "RunOutcome", score_backend: "Backend") -> None:
    from bokehbench.cli.output import terminal_text
    from bokehbench.report import build_table

    if outcome.records:
        table = build_table(outcome.records, score_backend=score_backend)
        click.echo(terminal_text(table), nl=False)
    for record in outcome.records:
        click.echo(summary(record))


def summary(record: "Record") -> str:
    """One Record in a few lines: the number, how sure it is, and what is wrong with it."""
    evidence, derived = record.evidence, record.derived
    latency = derived.latency
    head = f"{clean(evidence.label or evidence.model.name)} · {evidence.backend}"
    lines = [f"{head}: {derived.status}  (record {record.record_id})"]
    if latency.median_ms is not None:
        interval = ""
        if latency.ci95_ms is not None:
            low, high = latency.ci95_ms
            interval = f" [{low:.2f}, {high:.2f}]"
        peak = max((t.peak_memory_bytes or 0 for t in evidence.trials), default=0)
        lines.append(
            f"  median {latency.median_ms:.2f} ms{interval}, first {latency.first_ms or 0:.2f} ms, "
            f"load {latency.load_ms or 0:.2f} ms, {latency.processes} processes, "
            f"{latency.samples} samples, peak {peak / 2**20:.0f} MiB"
        )
    for finding in derived.findings:
        lines.append(f"  {finding.code}: {clean(finding.message)}; {clean(finding.advice)}")
    return "\n".join(lines)


def _exit_code(outcome: "RunOutcome", backend: Request) -> int:
    """130 when cut short, else the highest of the records'; 2 when the store refused them."""
    if outcome.journal.broken is not None:
        path = outcome.journal.spill((Path.cwd(), Path.home()))
        if path is not None:
            note(f"records kept in {path}; `bokehbench records import {path}` stores them")
        else:
            note("no folder could be written: the records are only in what was printed")
    if outcome.interrupted:
        note("interrupted: what was measured is kept, marked incomplete")
        return 130
    codes: dict[str, list[int]] = {}
    for record in outcome.records:
        codes.setdefault(record.evidence.model.sha256, []).append(record_code(record))
    worst = 2 if outcome.journal.broken is not None else 0
    for found in codes.values():
        # Under auto and all, a backend that fails beside one that works is an answer.
        best_counts = backend in ("auto", "all")
        worst = max(worst, min(found) if best_counts else max(found))
    return worst


def record_code(record: "Record") -> int:
    """The exit code that one Record calls for."""
    if record.derived.status != "invalid":
        return 0
    failures = [t.failure for t in record.evidence.trials if t.failure is not None]
    if "trial_failed" not in record.derived.reasons or not failures:
        return 1
    return 3 if all(failure.kind == "device_lost" for failure in failures) else 4
