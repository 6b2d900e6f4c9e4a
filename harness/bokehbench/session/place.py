"""Runner, engine and models onto a device, by content."""

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from bokehbench.engines import Engine, file_sha256
from bokehbench.errors import ModelError
from bokehbench.model import read_model, resolve_io
from bokehbench.model.reference import REFERENCE_SHA256, reference_model
from bokehbench.phone.app_control import App
from bokehbench.phone.app_install import AppPackage
from bokehbench.phone.device import Device, Placed
from bokehbench.phone.launcher import Bench, Stop
from bokehbench.phone.sampler import Sampler
from bokehbench.phone.tool_process import ask_build
from bokehbench.runners.benchmark_model import ToolSetup, check_request
from bokehbench.schedule import StartedAs
from bokehbench.session.request import ModelInput, Prepared

REFERENCE = -1
"""Stands for the reference workload where models are numbered."""

Benches = dict[tuple[int, str, StartedAs], Bench]
"""By the model's number, the engine's name and how processes are started."""


def reference_input() -> ModelInput:
    """The reference workload's model, as any other.

    Raises:
        ModelError: this installation's file was altered, so its times would mislead.
    """
    path = reference_model()
    facts = read_model(path)
    if facts.sha256 != REFERENCE_SHA256:
        raise ModelError(f"{path}: altered; reinstall bokehbench")
    return ModelInput(path, facts, resolve_io(facts, path), None)


def place_all(
    prepared: Prepared,
    put_blob: Callable[[bytes], str | None],
    stop: Stop,
    say: Callable[[str], None],
) -> Benches:
    """What every trial needs, on the device; one Bench for each model, engine and launch.

    The reference workload's model has the number REFERENCE.

    Where the protocol says so, files that are there already are hashed again. The app is installed
    where it is another or missing, which `say` is told of, and has to greet once.

    Raises:
        TransferError: something did not arrive whole.
        AppTrouble: the app can't be installed or started.
    """
    device, request = prepared.device, prepared.request
    protocol = request.settings.protocol
    verify = protocol.verify_files
    device.collect()
    runner = _place_runner(prepared, verify)
    tool = _ready_tool(prepared, runner) if request.tool else None
    in_shell = any(record.launch == "shell" for record in prepared.plan.records)
    libraries = {
        name: (runner.path, runner.folder)
        if tool or not in_shell
        else _place_engine(device, engine, verify)
        for name, engine in prepared.engines.items()
    }
    inputs = dict(enumerate(request.models))
    if protocol.reference.processes:
        inputs[REFERENCE] = reference_input()
    models = {
        number: device.place(
            model.path, name="model.tflite", sha256=model.facts.sha256, verify=verify
        )
        for number, model in inputs.items()
    }
    rules = request.fidelity_rules
    sampler = Sampler.of(device, prepared.profile.sensors)
    benches: Benches = {
        (number, name, "shell"): Bench(
            device=device,
            model=model.facts,
            io=model.io,
            placed_model=models[number],
            placed_runner=runner,
            engine=name,
            engine_facts=prepared.engines[name].facts,
            engine_library=library,
            engine_folder=folder,
            rounding=rules.rounding,
            image_format="u8" if rules.values == "uint8" else "f32",
            put_blob=put_blob,
            stop=stop,
            sampler=sampler,
            tool=tool,
        )
        for number, model in inputs.items()
        for name, (library, folder) in libraries.items()
    }
    if prepared.app is None:
        return benches
    app = _ready_app(device, prepared.app, models.values(), stop, say)
    placed = Placed(prepared.app.path.name, prepared.app.sha256, 0)
    # Nothing samples sensors beside an app: what started the loop would not be its parent.
    own = {"app": app, "placed_runner": placed, "sampler": None, "tool": None}
    return benches | {
        (number, name, "app"): replace(
            bench,
            engine_library=prepared.engines[name].library.name,
            greeting=[],
            **own,  # type: ignore[arg-type]
        )
        for (number, name, _), bench in benches.items()
    }


def _ready_app(
    device: Device,
    package: AppPackage,
    models: Iterable[Placed],
    stop: Stop,
    say: Callable[[str], None],
) -> App:
    """The app, installed and seen to greet, with models that it may read.

    Raises:
        AppTrouble: it can't be installed or started.
    """
    app = App(device, package)
    app.install(say)
    root = device.transport.root
    folders = [root, *(model.folder for model in models)]
    device.check_shell("can't let apps read models", 'chmod 755 "$@"', *folders)
    try:
        with closing(app.start(stop)) as link:
            # What a run that died left in the app's data.
            link.remove("work")
    finally:
        app.end()
    return app


def _place_runner(prepared: Prepared, verify: bool) -> Placed:
    """Our runner, or the tool that takes its place."""
    device, path = prepared.device, prepared.runner
    sha256 = file_sha256(path)
    if prepared.request.tool is not None and device.is_this_machine:
        # What a tool needs may lie beside it.
        return Placed(str(path.resolve()), sha256, 0)
    return device.place(path, name="runner", sha256=sha256, executable=True, verify=verify)


def _ready_tool(prepared: Prepared, runner: Placed) -> ToolSetup:
    """The tool's own flags, asked on the device, and the delegate's library where it is.

    Raises:
        EngineError: it can't be executed there, or is no benchmark tool.
        UsageError: this build can't do what was asked.
        TransferError: the library did not arrive whole.
    """
    device, request = prepared.device, prepared.request.tool
    assert request is not None
    options = request.options
    if options.delegate and Path(options.delegate).is_file() and not device.is_this_machine:
        path = Path(options.delegate)
        placed = device.place(path, name="delegate.so", sha256=file_sha256(path), verify=False)
        options = replace(options, delegate=placed.path)
    build = ask_build(device, runner.path, str(prepared.runner))
    check_request(build, options, images=prepared.request.dataset is not None)
    return ToolSetup(build, options)


def _place_engine(device: Device, engine: Engine, verify: bool) -> tuple[str, str]:
    """Path of the engine's library on the device, and the folder of its accelerators."""
    if device.is_this_machine:
        # The engine is used where pip put it; any other device gets its own copy.
        return str(engine.library), str(engine.library.parent)
    facts = engine.facts
    library = device.place(
        engine.library, name=engine.library.name, sha256=facts.library_sha256, verify=verify
    )
    folder = library.folder
    for path in engine.accelerators:
        sha256 = facts.accelerators[path.name]
        folder = device.place(path, name=path.name, sha256=sha256, verify=verify).folder
    return library.path, folder
