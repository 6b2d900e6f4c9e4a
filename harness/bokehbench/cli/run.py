"""`bokehbench run`: models on a device, into Records, into a table."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click
from click.core import ParameterSource

from bokehbench.cli.app_options import app_for, launch_option, see_apps, see_launch
from bokehbench.cli.backend_options import BackendWords, backend_options, make_settings
from bokehbench.cli.connect import Connection, connect, equip_all, runner_for
from bokehbench.cli.image_options import (
    ImageWords,
    host_machine,
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
from bokehbench.cli.tool_options import TOOL, ToolWords, make_tool, tool_for, tool_options
from bokehbench.cli.words import storable
from bokehbench.errors import UsageError

if TYPE_CHECKING:
    from bokehbench.facts import MeasurementProtocol
    from bokehbench.facts.trial import Backend
    from bokehbench.fidelity.pairs import Dataset
    from bokehbench.model.iospec import IoFlags
    from bokehbench.schedule import LaunchRequest
    from bokehbench.session import ModelInput, Prepared, RunRequest
    from bokehbench.store import Store


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
        _see_resume(click.get_current_context())
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
    see_launch(launch, with_tool=tool is not None, against=against is not None)
    compares = against is not None or launch == "both"
    measured = make_protocol(protocol, "ci" if compares else "challenge")
    if compares:
        enough_to_compare(measured, "--against" if launch != "both" else "--launch both")
    rules = make_rules(image_words)
    images = make_image_options(image_words, dataset=dataset is not None)
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


@contextmanager
def closing_all(devices: "Sequence[Prepared]") -> "Iterator[None]":
    """Let go of the links at the end, so that a phone is not left with a dead session."""
    try:
        yield
    finally:
        for prepared in devices:
            prepared.device.transport.close()


def equipped(
    connection: "Connection",
    request: "RunRequest",
    new_id: "Callable[[], str] | None" = None,
    *,
    may_install: bool = True,
) -> "Prepared":
    """A request met with a device, its runner and its engines, installed where they are missing."""
    from bokehbench.engines import Engine
    from bokehbench.schedule import choose_backends
    from bokehbench.session import new_id as fresh_id
    from bokehbench.session import prepare

    device, profile = connection.device, connection.profile
    settings = request.settings
    if request.tool is not None:
        program = tool_for(connection, request.tool.path, may_install=may_install)
        engines: dict[str, Engine] = {TOOL: Engine(TOOL, program.version, program.path, ())}
        missing: dict[str, str] = {}
        runner = f"{device.facts.platform}-{device.facts.abi}", program.path
    else:
        choices, _ = choose_backends(settings, profile, device.facts.gpu)
        engines, missing = equip_all(
            connection, choices, optional=settings.backend == "auto", may_install=may_install
        )
        runner = runner_for(device)
    wanted = request.dataset is not None and request.images.host_images > 0
    host = host_machine() if wanted else None
    # A dry run makes no file either.
    app = app_for(connection, engines) if settings.launch != "shell" and may_install else None
    return prepare(
        request, device, profile, engines, runner, missing, new_id or fresh_id, host, app
    )


_BESIDE_RESUME = frozenset({"resume", "store", "json_target", "adb_server", "profile_dir"})


def _see_resume(context: click.Context) -> None:
    """A run goes on as it was begun: refuse words that would be of no effect.

    Raises:
        UsageError: one was given.
    """
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if source is ParameterSource.COMMANDLINE and parameter.name not in _BESIDE_RESUME:
            # The models, an argument, have a source even where none is named.
            if isinstance(parameter, click.Argument) and not context.params["models"]:
                continue
            raise UsageError(
                f"--resume goes on with the models, devices and settings of that run; leave out "
                f"{parameter.opts[0] if isinstance(parameter, click.Option) else 'MODELS'}"
            )


def go_on(
    run_id: str,
    store: str | None,
    json_target: str | None,
    adb_server: str | None,
    profile_dir: Path | None = None,
) -> int:
    """Resume a run that was cut short: same models, dataset, settings and records."""
    from bokehbench.session import resume

    with json_sink(json_target) as sink, open_for_writing(store) as opened:
        requests = resume.find_requests(opened, run_id)
        earlier = resume.earlier_evidence(opened, run_id)
        over = [resume.sealed_of(stored, earlier) for stored in requests]
        if all(over):
            # The host was killed before it could say so.
            opened.finish_run(run_id, "done")
            resume.find_requests(opened, run_id)
        prepared = [
            equipped(
                connect(stored["device"], stored["profile"], adb_server, profile_dir),
                resume.rebuild(stored, run_id),
                resume.record_ids(stored),
            )
            for stored, records in zip(requests, over, strict=True)
            if not records
        ]
        left = [stored for stored, records in zip(requests, over, strict=True) if not records]
        for one, stored in zip(prepared, left, strict=True):
            resume.check_plan(one, stored, run_id)
            resume.check_alike(one, earlier, run_id)
        with closing_all(prepared):
            known = [opened.get(record_id) for records in over for record_id in records]
            return measure(prepared, opened, sink, run_id, earlier, known=known)


def open_for_writing(store: str | None) -> "Store":
    """The store of a command that writes records."""
    from bokehbench.derive import derive
    from bokehbench.store import open_store

    return open_store(store, derive=derive)


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
