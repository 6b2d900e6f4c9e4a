"""What a run is asked to do, and what is known before anything is touched."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from bokehbench.engines import Engine
from bokehbench.errors import DatasetError
from bokehbench.facts import DatasetFacts, Factsheet, FidelityRules, IoSpec, ModelFacts
from bokehbench.facts.trial import Backend
from bokehbench.fidelity.pairs import Dataset
from bokehbench.model.fit import Fit, plan_fit, timing_shapes
from bokehbench.phone.app_install import AppPackage
from bokehbench.phone.device import Device
from bokehbench.phone.transport import Transport
from bokehbench.profile import DeviceProfile
from bokehbench.runners.benchmark_model import ToolOptions
from bokehbench.schedule import Batch, Plan, Settings, make_plan, split_batches
from bokehbench.session.admit import admit
from bokehbench.text import spelled

HOST_IMAGES = 3
"""Enough to tell a GPU that computes wrongly, and seconds of the host's time."""

RECOVERY_SECONDS = 60.0
"""How long a device that was lost may take to come back before the run ends."""


@dataclass(frozen=True)
class ModelInput:
    """One model of a run: its file, its facts, how images meet it, and the user's name for it.

    `factsheet` is there where the model came as a submission to a challenge.
    """

    path: Path
    facts: ModelFacts
    io: IoSpec
    label: str | None
    factsheet: Factsheet | None = None


@dataclass(frozen=True)
class ImageOptions:
    """What happens to images beside being scored.

    `host_images` of them the host runs too, to compare its output with the device's;
    `keep_outputs` is a folder for the device's outputs, or None.
    """

    host_images: int = HOST_IMAGES
    keep_outputs: Path | None = None


@dataclass(frozen=True)
class ToolRequest:
    """One of Google's benchmark tools in place of our runner.

    `path` is the user's own file, None what is installed. A `delegate` of the options may be
    a file of this host, which goes to the device too.
    """

    path: Path | None = None
    options: ToolOptions = field(default_factory=ToolOptions)


@dataclass(frozen=True)
class RunRequest:
    """Everything that the user decided; made by the command line or by a script.

    `against`: the first of two models is the baseline that the second is compared with.
    With a `tool`, the settings' engine is named after it, and `Prepared.runner` is its file.
    """

    models: tuple[ModelInput, ...]
    settings: Settings
    dataset: Dataset | None
    fit: Fit
    fidelity_rules: FidelityRules
    score_backend: Backend
    recovery_seconds: float = RECOVERY_SECONDS
    lock_clocks: bool = False
    images: ImageOptions = ImageOptions()
    tool: ToolRequest | None = None
    against: bool = False


@dataclass(frozen=True)
class HostMachine:
    """This machine as a place to run models: its transport, engine, runner and cores."""

    transport: Transport
    engine: Engine
    target: str
    runner: Path
    threads: int


@dataclass(frozen=True)
class Prepared:
    """A request met with a device: what would run. Nothing has been touched yet.

    `engines` holds, by name, every engine that the plan's records use, `missing` why others
    that the profile names can't be had. `host` is where models run beside the device, or None.
    `app` holds the engines, where records are of processes in the app.
    """

    request: RunRequest
    device: Device
    profile: DeviceProfile
    engines: Mapping[str, Engine]
    target: str
    runner: Path
    plan: Plan
    missing: Mapping[str, str]
    host: HostMachine | None = None
    app: AppPackage | None = None

    def dataset_facts(self) -> DatasetFacts | None:
        """The dataset as a Record stores it."""
        dataset, fit = self.request.dataset, self.request.fit
        # A mismatch was refused, so every image went in as it is.
        return dataset.facts("native" if fit == "error" else fit) if dataset else None


def prepare(
    request: RunRequest,
    device: Device,
    profile: DeviceProfile,
    engines: Mapping[str, Engine],
    runner: tuple[str, Path],
    missing: Mapping[str, str],
    new_id: Callable[[], str],
    host: HostMachine | None = None,
    app: AppPackage | None = None,
) -> Prepared:
    """Plan a run.

    Raises:
        DatasetError: images and a model don't fit and no `--fit` says what to do.
        ModelError: a model is larger than the device's memory, or not whole in its file.
    """
    batches: dict[int, tuple[Batch, ...]] = {}
    if request.dataset is not None:
        for number, model in enumerate(request.models):
            batches[number] = _batches(request.dataset, model, request.fit)
    shapes = [timing_shapes(model.facts, model.io) for model in request.models]
    for number, model in enumerate(request.models):
        wanted = [shapes[number], *(batch.input_shapes for batch in batches.get(number, ()))]
        admit(model.path, wanted, device.facts)
    plan = make_plan(request.settings, profile, device.facts.gpu, shapes, batches, missing, new_id)
    return Prepared(
        request, device, profile, engines, runner[0], runner[1], plan, missing, host, app
    )


def request_json(prepared: Prepared) -> dict[str, object]:
    """The request as stored with the run, so that it can be read and resumed later."""
    request = prepared.request
    return {
        "device": prepared.device.facts.address,
        "profile": prepared.profile.name,
        "models": [
            {
                "path": _path(m.path),
                "sha256": m.facts.sha256,
                "label": m.label,
                "io": msgspec.to_builtins(m.io),
                "factsheet": msgspec.to_builtins(m.factsheet),
            }
            for m in request.models
        ],
        "backend": request.settings.backend,
        "precision": request.settings.precision,
        "threads": request.settings.threads,
        "core_mask": request.settings.core_mask,
        "protocol": msgspec.to_builtins(request.settings.protocol),
        "seed": request.settings.seed,
        "gpu": dataclasses.asdict(request.settings.gpu),
        "engine": request.settings.engine,
        "launch": request.settings.launch,
        "sustained_seconds": request.settings.sustained_seconds,
        "process_timeout_seconds": request.settings.process_timeout_seconds,
        "missing_engines": dict(prepared.missing),
        "dataset": _path(request.dataset.root) if request.dataset else None,
        "dataset_digest": request.dataset.digest if request.dataset else None,
        "fit": request.fit,
        "fidelity_rules": msgspec.to_builtins(request.fidelity_rules),
        "host_images": request.images.host_images,
        "keep_outputs": _path(request.images.keep_outputs) if request.images.keep_outputs else None,
        "score_backend": request.score_backend,
        "recovery_seconds": request.recovery_seconds,
        "lock_clocks": request.lock_clocks,
        "against": request.against,
        "tool": _tool(request.tool),
        "records": [
            [r.record_id, r.model_index, r.backend, r.engine, r.precision, r.launch]
            for r in prepared.plan.records
        ],
    }


def _tool(tool: ToolRequest | None) -> dict[str, object] | None:
    if tool is None:
        return None
    path = _path(tool.path) if tool.path else None
    return {"path": path, **dataclasses.asdict(tool.options)}


def _path(path: Path) -> str:
    return spelled(str(path.resolve()))


def _batches(dataset: Dataset, model: ModelInput, fit: Fit) -> tuple[Batch, ...]:
    """Batches of all images whose size is known; the others are reported when they are read."""
    sizes = []
    for pair, known in zip(dataset.pairs, dataset.sizes, strict=True):
        if known is None:
            continue
        try:
            placement = plan_fit(model.facts, model.io, *known, fit)
        except DatasetError as error:
            raise DatasetError(f"{dataset.name}: pair {pair.name}: {error}") from error
        elements = sum(_product(shape) for shape in placement.input_shapes)
        size = elements + placement.output_height * placement.output_width * 3
        sizes.append((pair.index, placement.input_shapes, size))
    return split_batches(sizes)


def _product(shape: tuple[int, ...]) -> int:
    total = 1
    for dimension in shape:
        total *= dimension
    return total
