"""`bokehbench run`: models on a device, into Records, into a table."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from bokehbench.cli.app_options import launch_option, see_apps, see_launch
from bokehbench.cli.backend_options import (
    BackendWords,
    backend_options,
    idle_gpu_words,
    make_settings,
    see_gpu_words,
)
from bokehbench.cli.connect import connect
from bokehbench.cli.equip import closing_all, equipped, open_for_writing
from bokehbench.cli.image_options import (
    ImageWords,
    image_options,
    make_image_options,
    make_rules,
)
from bokehbench.cli.measure import json_sink, measure, new_run_id
from bokehbench.cli.options import (
    FiniteRange,
    Protocol,
    adb_option,
    io_options,
    make_protocol,
    profile_dir_option,
    protocol_options,
    score_option,
    store_option,
)
from bokehbench.cli.output import note, without_partner
from bokehbench.cli.plan import show_plans
from bokehbench.cli.resuming import go_on, see_resume
from bokehbench.cli.tool_options import TOOL, ToolWords, make_tool, tool_options
from bokehbench.cli.words import storable
from bokehbench.errors import UsageError

if TYPE_CHECKING:
    from bokehbench.facts import MeasurementProtocol
    from bokehbench.facts.trial import Backend
    from bokehbench.fidelity.pairs import Dataset
    from bokehbench.model.iospec import IoFlags
    from bokehbench.schedule import LaunchRequest
    from bokehbench.session import ModelInput


@click.command("run")
@click.argument("models", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--device",
    "devices",
    multiple=True,
    metavar="DEV",
    help="local, SERIAL, tcp:HOST:PORT or usb[:SERIAL]; several run side by side.",
)
@backend_options
@tool_options
@launch_option
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
@image_options
@io_options
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    metavar="BASELINE",
    help="Measure this model beside the MODEL, A B B A, and compare; protocol ci by default.",
)
@click.option("--name", "names", multiple=True, help="Name in tables, once a model in order.")
@score_option
@click.option(
    "--sustained",
    "sustained_seconds",
    type=FiniteRange(0, 86_400),
    default=0,
    metavar="SECONDS",
    help="One more process of each record for so long: latency over time, as the device warms.",
)
@click.option(
    "--process-timeout",
    "process_timeout_seconds",
    type=FiniteRange(1, 86_400),
    metavar="SECONDS",
    help="End a process after so long.  [default: what the slowest model may take]",
)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, help="Input and order.")
@click.option("--profile", "profile_name", metavar="NAME", help="A device profile by name.")
@profile_dir_option
@click.option("--json", "json_target", metavar="PATH|-", help="Write the records as JSON.")
@store_option
@adb_option
@click.option(
    "--lock-clocks",
    is_flag=True,
    help="Fix the clocks that the profile names, on rooted devices; put back whatever happens.",
)
@click.option(
    "--recovery-seconds",
    type=FiniteRange(0),
    default=60,
    show_default=True,
    help="How long a lost device may take to come back.",
)
@click.option("--resume", metavar="RUN", help="Go on with a run that was cut short.")
@click.option("--dry-run", is_flag=True, help="Show the plan and touch nothing.")
def command(
    models: tuple[Path, ...],
    devices: tuple[str, ...],
    backends: BackendWords,
    tool_words: ToolWords,
    launch: "LaunchRequest",
    protocol: Protocol,
    dataset: Path | None,
    fit: Literal["native", "resize", "crop"] | None,
    image_words: ImageWords,
    io_flags: "IoFlags",
    io_file: Path | None,
    against: Path | None,
    names: tuple[str, ...],
    score_backend: "Backend",
    sustained_seconds: float,
    process_timeout_seconds: float | None,
    seed: int,
    profile_name: str | None,
    profile_dir: Path | None,
    json_target: str | None,
    store: str | None,
    adb_server: str | None,
    lock_clocks: bool,
    recovery_seconds: float,
    resume: str | None,
    dry_run: bool,
) -> int:
    """Run one or more MODELS on a device.

    A MODEL is a .tflite file or a submission: a folder with model.tflite and factsheet.toml.
    Each runs in several fresh processes, models taking turns. With --dataset the
    device's own output images are scored as well. Records are stored; the table is printed, or with
    --json - one JSON document and nothing else.
    """
    from bokehbench.session import RunRequest

    if resume is not None:
        see_resume(click.get_current_context())
        return go_on(resume, store, json_target, adb_server, profile_dir)
    if not models:
        raise UsageError("no model given; name one or more .tflite files")
    for name in names:
        storable(name, "--name")
    if against is not None:
        if len(models) != 1:
            raise UsageError("--against: compares one model with its baseline; name one MODEL")
        models = (against, *models)
    if len(names) not in (0, len(models)):
        raise UsageError(f"--name: given {len(names)} times for {len(models)} models")
    inputs = tuple(
        _model(path, names[number] if names else None, io_file, io_flags)
        for number, path in enumerate(models)
    )
    tool = make_tool(
        tool_words,
        backend=backends.backend,
        engine=backends.engine,
        sustained_seconds=sustained_seconds,
    )
    if tool is not None:
        backends = replace(backends, engine=TOOL)
    see_gpu_words(backends)
    see_launch(launch, with_tool=tool is not None, against=against is not None)
    compares = against is not None or launch == "both"
    measured = make_protocol(protocol, "ci" if compares else "challenge")
    if compares:
        enough_to_compare(measured, "--against" if launch != "both" else "--launch both")
    rules = make_rules(image_words)
    images = make_image_options(image_words, dataset=dataset is not None, fit=fit)
    pairs = _dataset(dataset, inputs)
    if pairs is not None and pairs.unpaired:
        note(without_partner(pairs.unpaired, pairs.name))
    connections = [
        connect(address, profile_name, adb_server, profile_dir)
        for address in dict.fromkeys(devices or (None,))
    ]
    if launch != "shell":
        see_apps(connections)
    prepared = [
        equipped(
            connection,
            RunRequest(
                models=inputs,
                settings=make_settings(
                    backends,
                    connection,
                    measured,
                    seed,
                    sustained_seconds,
                    process_timeout_seconds,
                    launch,
                ),
                dataset=pairs,
                fit=fit or "error",
                fidelity_rules=rules,
                score_backend=score_backend,
                recovery_seconds=recovery_seconds,
                lock_clocks=lock_clocks,
                images=images,
                tool=tool,
                against=against is not None,
            ),
            may_install=not dry_run,
        )
        for connection in connections
    ]
    for one in prepared:
        if lock_clocks and not one.profile.lock:
            raise UsageError(
                f"--lock-clocks: the profile {one.profile.name} names no clocks; add [[lock]] "
                "to a profile of your own, see docs/profiles.md"
            )
        idle = idle_gpu_words(backends, [record.backend for record in one.plan.records])
        if idle is not None:
            note(f"{one.device.facts.address}: {idle}")
    if dry_run:
        with json_sink(json_target) as sink:
            show_plans(prepared, sink)
        return 0
    with json_sink(json_target) as sink, open_for_writing(store) as opened, closing_all(prepared):
        return measure(prepared, opened, sink, new_run_id())


def enough_to_compare(protocol: "MeasurementProtocol", option: str = "--against") -> None:
    """See before anything is measured that a comparison can come of it.

    Raises:
        UsageError: too few processes.
    """
    from bokehbench.analysis.latency import MIN_PROCESSES

    if protocol.processes < MIN_PROCESSES:
        raise UsageError(
            f"{option}: a comparison needs {MIN_PROCESSES} processes, better 10, and the protocol "
            f"{protocol.name} has {protocol.processes}; give --processes 10"
        )


def _model(path: Path, label: str | None, io_file: Path | None, flags: "IoFlags") -> "ModelInput":
    from bokehbench.model.iospec import resolve_io
    from bokehbench.model.reader import read_model
    from bokehbench.model.submission import is_submission, open_submission
    from bokehbench.session import ModelInput

    factsheet = None
    if is_submission(path):
        submission = open_submission(path)
        path, factsheet = submission.model, submission.factsheet
        label, io_file = label or factsheet.team, io_file or submission.io_file
    facts = read_model(path)
    io = resolve_io(facts, path, file=io_file, flags=flags)
    return ModelInput(path, facts, io, label, factsheet)


def _dataset(folder: Path | None, models: "tuple[ModelInput, ...]") -> "Dataset | None":
    if folder is None:
        return None
    from bokehbench.fidelity.pairs import open_dataset
    from bokehbench.session.resume import dataset_sources

    return open_dataset(folder, sources=dataset_sources(models))
