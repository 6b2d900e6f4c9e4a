"""Runs with processes in the app: beside the shell, over images, cut short and gone on with."""

import hashlib
import platform
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from bokehbench.cli.app_options import app_beside_shell
from bokehbench.derive import derive
from bokehbench.engines import find_engine
from bokehbench.errors import AppTrouble, UsageError
from bokehbench.facts import MeasurementProtocol, ReferenceWorkload
from bokehbench.facts.app import SOCKET_NAME
from bokehbench.fidelity import get_protocol
from bokehbench.fidelity.pairs import open_dataset
from bokehbench.fleet import FleetOutcome, run_devices
from bokehbench.model import read_model, resolve_io
from bokehbench.phone.app_install import AppPackage
from bokehbench.phone.device import Device
from bokehbench.phone.direct import DirectTransport
from bokehbench.runners import bundled_runner
from bokehbench.schedule import LaunchRequest, Settings
from bokehbench.session import (
    ImageOptions,
    ModelInput,
    Observer,
    Prepared,
    RunRequest,
    new_id,
    resume,
)
from bokehbench.session import prepare as prepare_run
from bokehbench.store import Store, open_store
from tests.cli.conftest import make_pairs
from tests.rig import TestDevice, require_rig
from tests.session.test_schedule import PROFILE
from tests.support import models
from tests.support.standin_app import StandInApp, end, run_trial, runner_of, say, started

APK = b"PK stand-in"
APK_SHA256 = hashlib.sha256(APK).hexdigest()

PROTOCOL = MeasurementProtocol(
    name="t",
    processes=5,
    warmups=1,
    runs=3,
    min_runs=1,
    max_seconds=5.0,
    order="abba",
    reference=ReferenceWorkload(processes=1, warmups=1, runs=2),
    max_settle_seconds=0.0,
)


class Listener(Observer):
    """Keeps what was told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.warnings: list[str] = []

    def tell(self, text: str) -> None:
        self.told.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)


@dataclass
class World:
    """A device that says it is Android and runs this machine's programs; an app on it."""

    phone: TestDevice
    standin: StandInApp
    folder: Path
    store: Store
    listener: Listener = field(default_factory=Listener)

    def prepared(self, launch: LaunchRequest, *, images: bool = False, **changes: Any) -> Prepared:
        path = self.folder / "net.tflite"
        path.write_bytes(models.conv(48, 64))
        facts = read_model(path)
        apk = self.folder / "app.apk"
        apk.write_bytes(APK)
        if images and not (self.folder / "pairs").exists():
            make_pairs(self.folder / "pairs", [(48, 64)] * 2)
        request = RunRequest(
            models=(ModelInput(path, facts, resolve_io(facts, path), None),),
            settings=Settings("xnnpack", "default", 1, 0, PROTOCOL, 0, launch=launch),
            dataset=open_dataset(self.folder / "pairs") if images else None,
            fit="resize",
            fidelity_rules=get_protocol("mai22"),
            score_backend="xnnpack",
            recovery_seconds=0.5,
            images=ImageOptions(host_images=0),
        )
        return self.met(replace(request, **changes), AppPackage(apk, APK_SHA256))

    def met(self, request: RunRequest, app: AppPackage, ids: Any = new_id) -> Prepared:
        device = Device.connect(DirectTransport(f"tcp:{self.phone.address}", key=self.folder / "k"))
        engine = find_engine("litert", "linux", platform.machine(), gpu=False)
        runner = bundled_runner("linux", platform.machine())
        return prepare_run(request, device, PROFILE, {"litert": engine}, runner, {}, ids, None, app)

    def run(self, prepared: Prepared, run_id: str, earlier: Any = None) -> FleetOutcome:
        try:
            outcome = run_devices(
                [prepared], self.store, lambda _: self.listener, self.listener.warn, run_id, earlier
            )
            if outcome.fault is not None:
                raise outcome.fault
            return outcome
        finally:
            prepared.device.transport.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    require_rig()
    with (
        TestDevice(linker64=True) as phone,
        open_store(str(tmp_path / "store.sqlite3"), derive=derive) as store,
    ):
        standin = StandInApp(phone, tmp_path, SOCKET_NAME)
        yield World(phone, standin, tmp_path, store)
        standin.close()


def test_both_take_turns_and_the_ratio_is_told(world: World) -> None:
    outcome = world.run(world.prepared("both", images=True), "run")
    by_launch = {record.evidence.launch: record for record in outcome.records}
    assert set(by_launch) == {"shell", "app"}
    shell, app = by_launch["shell"].evidence, by_launch["app"].evidence
    assert [len(e.trials) for e in (shell, app)] == [5, 5]
    order = sorted(
        [(t.started, "s") for t in shell.trials] + [(t.started, "a") for t in app.trials]
    )
    assert "".join(who for _, who in order) == "saassaassa"
    assert all(trial.app is None for trial in shell.trials)
    assert all(trial.app is not None and trial.app.in_front for trial in app.trials)
    # Each has a reference workload of its own, on what its own processes run on.
    assert [len(e.reference_before) for e in (shell, app)] == [1, 1]
    assert app.reference_before[0].app is not None
    assert shell.reference_before[0].app is None
    # The same engine on the same images makes the same outputs, whoever started it.
    digests = [[image.sha256 for image in e.images] for e in (shell, app)]
    assert digests[0] == digests[1] != []
    assert app.runner.sha256 == APK_SHA256
    found = app_beside_shell(outcome.records)
    assert found.refused == []
    [document] = found.documents
    assert (document["first_launch"], document["second_launch"]) == ("shell", "app")
    assert document["paired"] is True
    assert "app / shell " in found.texts[0]
    assert any("installing" in text for text in world.listener.told)


def test_what_was_disturbed_is_discarded_and_said(world: World) -> None:
    def once(app: StandInApp, client: socket.socket, asked: dict[str, Any]) -> None:
        if len(app.runs) != 3:
            return run_trial(app, client, asked)
        started(app, client)
        done = runner_of(app, asked)
        say(client, "activity", change="paused", state="paused", focused=False, monotonic_ns=1)
        client.sendall(done.stdout)
        return end(client, in_front=False)

    world.standin.on_run = once
    [record] = world.run(world.prepared("app"), "run").records
    trials = record.evidence.trials
    assert [trial.status for trial in trials].count("ok") == 5
    assert len(trials) == 6
    [finding] = [f for f in record.derived.findings if f.code == "app_disturbed"]
    assert "paused" in finding.message
    assert record.derived.status == "provisional"


def test_a_run_that_lost_its_device_goes_on_in_the_app(world: World) -> None:
    def power(app: StandInApp, client: socket.socket, asked: dict[str, Any]) -> None:
        if len(app.runs) != 4:
            return run_trial(app, client, asked)
        started(app, client)
        return app.device.power_off()

    world.standin.on_run = power
    first = world.prepared("app")
    outcome = world.run(first, "run")
    assert len(outcome.errors) == 1
    world.phone.start()
    world.standin.on_run = None
    [stored] = resume.find_requests(world.store, "run")
    assert stored["launch"] == "app"
    earlier = resume.earlier_evidence(world.store, "run")
    assert first.app is not None
    again = world.met(resume.rebuild(stored, "run"), first.app, resume.record_ids(stored))
    resume.check_plan(again, stored, "run")
    resume.check_alike(again, earlier, "run")
    other = replace(again, app=AppPackage(first.app.path, "b" * 64))
    with pytest.raises(UsageError, match="runner changed since"):
        resume.check_alike(other, earlier, "run")
    [record] = world.run(again, "run", earlier).records
    assert [trial.status for trial in record.evidence.trials].count("ok") == 5
    kinds = {t.failure.kind for t in record.evidence.trials if t.failure}
    assert kinds == {"device_lost"}


def test_an_app_that_can_not_be_installed_ends_the_run_before_it_began(world: World) -> None:
    world.standin.answer("answer", "Failure [INSTALL_FAILED_USER_RESTRICTED]\n")
    with pytest.raises(AppTrouble, match="Install via USB"):
        world.run(world.prepared("app"), "run")
    assert world.standin.runs == []
