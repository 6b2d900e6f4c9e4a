"""World: what all runs of the table share, and one run of it on one device."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from bokehbench.cli.connect import profile_folders
from bokehbench.derive import derive
from bokehbench.engines import Engine, file_sha256, find_engine
from bokehbench.errors import BokehbenchError
from bokehbench.facts import DeviceFacts, ImageScore, MeasurementProtocol, Trial, TrialSpec
from bokehbench.fidelity import get_protocol
from bokehbench.fidelity.pairs import Dataset, open_dataset
from bokehbench.fleet import FleetOutcome, run_devices
from bokehbench.model.iospec import resolve_io
from bokehbench.model.reader import read_model
from bokehbench.phone.device import Device
from bokehbench.phone.direct import DirectTransport
from bokehbench.profile import load_profiles, match_profile
from bokehbench.runners import bundled_runner
from bokehbench.schedule import Settings
from bokehbench.session import ModelInput, Observer, Prepared, RunRequest, new_id, prepare
from bokehbench.session import resume as resuming
from bokehbench.store import Store, open_store
from tests.cli.conftest import make_pairs
from tests.faults.hurried import Hurried
from tests.support import models

PROTOCOL = MeasurementProtocol(
    name="custom", processes=2, warmups=1, runs=3, min_runs=1, max_seconds=1.0
)
RECOVERY_SECONDS = 4.0


class Witness(Observer):
    """Keeps what a run says that it has measured."""

    def __init__(self) -> None:
        self.trials: list[Trial] = []
        self.images: list[ImageScore] = []

    def trial_ended(self, spec: TrialSpec, trial: Trial) -> None:
        """See Observer."""
        self.trials.append(trial)

    def image_scored(self, score: ImageScore) -> None:
        """See Observer."""
        self.images.append(score)


@dataclass
class Ran:
    """How one run ended."""

    run_id: str
    witness: Witness = field(default_factory=Witness)
    outcome: FleetOutcome | None = None
    refusal: BokehbenchError | None = None
    facts: DeviceFacts | None = None
    late_seconds: float = 0.0
    late_what: str = ""


@dataclass(frozen=True)
class World:
    """A model, two pairs of images, the engine and the runner of this machine."""

    folder: Path

    @cached_property
    def model(self) -> ModelInput:
        """A small convolution at the size of the images."""
        path = self.folder / "net.tflite"
        path.write_bytes(models.conv(48, 64))
        facts = read_model(path)
        return ModelInput(path, facts, resolve_io(facts, path), None)

    @cached_property
    def dataset(self) -> Dataset:
        """Two pairs."""
        pairs = make_pairs(self.folder / "pairs", [(48, 64)] * 2)
        return open_dataset(pairs, sources=("original",))

    @cached_property
    def engine(self) -> Engine:
        """LiteRT for this machine, on which the test devices run."""
        import platform

        return find_engine("litert", "linux", platform.machine(), gpu=False)

    @cached_property
    def runner(self) -> tuple[str, Path]:
        """Our runner for the same."""
        import platform

        return bundled_runner("linux", platform.machine())

    @cached_property
    def content(self) -> dict[str, str]:
        """sha256 of what a run places on a device."""
        return {
            "runner": file_sha256(self.runner[1]),
            "engine": self.engine.facts.library_sha256,
            "model": self.model.facts.sha256,
        }

    @cached_property
    def request(self) -> RunRequest:
        """The run that meets all faults: two timed processes, then two images in one."""
        settings = Settings("xnnpack", "default", 1, 0, PROTOCOL, 0)
        return RunRequest(
            models=(self.model,),
            settings=settings,
            dataset=self.dataset,
            fit="error",
            fidelity_rules=get_protocol("mai22"),
            score_backend="xnnpack",
            recovery_seconds=RECOVERY_SECONDS,
        )

    def warm(self) -> None:
        """Make all that is made once, before threads ask for it at the same time."""
        assert self.content
        assert self.request
        assert self.dataset.sizes
        self.key.parent.mkdir(exist_ok=True)

    @property
    def key(self) -> Path:
        """The RSA key of direct connections."""
        return self.folder / "adb" / "key"

    def open_store(self, path: Path) -> Store:
        """A store of a cell's own."""
        return open_store(str(path), derive=derive)

    def run(
        self, address: str, store: Store, run_id: str, *, hurried: bool, resume: bool = False
    ) -> Ran:
        """A whole run on the device at HOST:PORT, or what is left of one."""
        ran = Ran(run_id)
        direct = DirectTransport(f"tcp:{address}", key=self.key)
        transport = Hurried(direct) if hurried else direct
        try:
            device = Device.connect(transport)
            ran.facts = device.facts
            stored = resuming.find_requests(store, run_id)[0] if resume else None
            prepared = self._prepared(device, stored)
            earlier = resuming.earlier_evidence(store, run_id) if resume else None
            outcome = run_devices(
                [prepared], store, lambda _: ran.witness, _no_warning, run_id, earlier
            )
            if outcome.fault is not None:
                raise outcome.fault
            ran.outcome = outcome
        except BokehbenchError as error:
            ran.refusal = error
        finally:
            direct.close()
            if isinstance(transport, Hurried):
                ran.late_seconds, ran.late_what = transport.late_seconds, transport.late_what
        return ran

    def _prepared(self, device: Device, stored: dict[str, Any] | None) -> Prepared:
        ids: Callable[[], str] = new_id if stored is None else resuming.record_ids(stored)
        profile = match_profile(load_profiles(profile_folders()), device.facts)
        # As `run` does it: what the device says of itself decides about its engine.
        facts = device.facts
        find_engine("litert", facts.platform, facts.abi, gpu=False)
        bundled_runner(facts.platform, facts.abi)
        engines = {"litert": self.engine}
        return prepare(self.request, device, profile, engines, self.runner, {}, ids)


def _no_warning(text: str) -> None:
    """Warnings are for people; the store's own trouble shows as missing records."""
