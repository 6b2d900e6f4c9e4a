"""The host's launcher and the app's own code, face to face through a real adbd."""

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from bokehbench.facts import EngineFacts
from bokehbench.model import read_model, resolve_io
from bokehbench.phone.app_control import App, NotInFront
from bokehbench.phone.app_launcher import run_app_images, run_app_timed
from bokehbench.phone.app_link import AppLink, AppRefused, Opening
from bokehbench.phone.app_probe import seen_by_app
from bokehbench.phone.bench import Bench
from bokehbench.phone.device import Device, Placed
from bokehbench.phone.direct import DirectTransport
from bokehbench.phone.process import Stop
from bokehbench.phone.transport import Deadline
from bokehbench.runners.protocol import OutputEvent
from tests.native.bench import engine_folder
from tests.phone.test_app import SHAPE, SPEC
from tests.rig import TestDevice, require_rig
from tests.support import models
from tests.support.app import StandIn
from tests.support.standin_app import AM

WATCHED = 'n=$(wc -l < $d/am.log); until [ "$(cat $d/seen)" = "$n" ]; do sleep 0.02; done\n'
"""As on a phone, `am` comes back when the process has been started or is gone."""


class System:
    """What starts and ends the app's process when `am` says so."""

    def __init__(self, device: TestDevice, program: Path, folder: Path) -> None:
        self._folder = device.tmp / ".pm"
        self._folder.mkdir(mode=0o777)
        self._folder.chmod(0o777)
        self._write_seen(0)
        log = 'echo "$*" >> $d/am.log\n'
        device.add_command("am", AM.replace(log, log + WATCHED))
        self.data = folder / "app-data"
        self.app: StandIn | None = None
        self.name = f"org.bokehbench.host.t{device.port}"
        self._program = program
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.options: tuple[str, ...] = ()
        self._thread.start()

    def close(self) -> None:
        """End the process and stop watching."""
        self._over.set()
        self._thread.join(10)
        if self.app is not None:
            self.app.end()

    def _write_seen(self, count: int) -> None:
        part = self._folder / "seen.part"
        part.write_text(f"{count}\n")
        part.rename(self._folder / "seen")

    def _watch(self) -> None:
        done = 0
        log = self._folder / "am.log"
        while not self._over.wait(0.02):
            calls = log.read_text().splitlines() if log.exists() else []
            for call in calls[done:]:
                if self.app is not None:
                    self.app.end()
                    self.app = None
                if call.startswith("start"):
                    self.app = StandIn(
                        self._program,
                        self.data,
                        *self.options,
                        prefix=("env", f"LD_LIBRARY_PATH={engine_folder()}"),
                        name=self.name,
                    )
                done += 1
                self._write_seen(done)


@pytest.fixture
def system(program: Path, tmp_path: Path) -> Iterator[System]:
    """A device on which the app can be started."""
    require_rig()
    with TestDevice(linker64=True) as phone:
        made = System(phone, program, tmp_path)
        made.phone = phone  # type: ignore[attr-defined]
        yield made
        made.close()


@pytest.fixture
def bench(system: System, tmp_path: Path) -> Iterator[Bench]:
    """A convolution on it."""
    phone: TestDevice = system.phone  # type: ignore[attr-defined]
    link = DirectTransport(f"tcp:{phone.address}", key=tmp_path / "adbkey")
    device = Device.connect(link)
    path = tmp_path / "net.tflite"
    path.write_bytes(models.conv(32, 32))
    facts = read_model(path)
    yield Bench(
        device=device,
        model=facts,
        io=resolve_io(facts, path),
        # The process runs beside the device's sandbox and sees the host's files.
        placed_model=Placed(str(path), facts.sha256, 0),
        placed_runner=Placed("app.apk", "0" * 64, 0),
        engine="litert",
        engine_facts=EngineFacts(name="litert", version="1", library_sha256="0" * 64),
        engine_library="/elsewhere/libLiteRt.so",
        engine_folder="/elsewhere",
        rounding="half_even",
        put_blob=lambda _: "0" * 64,
        stop=Stop(),
        app=App(device, socket=f"bokehbench.{system.name}", front_seconds=0.5),
    )
    link.close()


def test_trials_and_images_of_the_real_app(bench: Bench, system: System) -> None:
    pids = set()
    for number in range(2):
        trial = run_app_timed(bench, msgspec.structs.replace(SPEC, index=number))
        assert trial.failure is None
        assert len(trial.invoke_ns) == SPEC.runs
        assert trial.app is not None
        assert trial.app.in_front is True
        assert trial.app.oom_score_adj is not None
        pids.add(trial.app.pid)
    assert len(pids) == 2
    outputs: dict[int, int] = {}

    def take(event: OutputEvent, path: Path) -> None:
        outputs[event.index] = path.stat().st_size

    spec = msgspec.structs.replace(SPEC, mode="images", warmups=0, runs=1, min_runs=1, items=(3,))
    trial = run_app_images(bench, spec, {3: [bytes(range(256)) * 12]}, take)
    assert trial.failure is None
    assert outputs == {3: 3072}
    assert [path for path in (system.data / "work").rglob("*") if path.is_file()] == []
    assert system.app is None


def test_the_real_app_fails_as_the_runner_does(bench: Bench) -> None:
    missing = replace(bench, placed_model=Placed("/nowhere/net.tflite", "0" * 64, 0))
    trial = run_app_timed(missing, SPEC)
    assert trial.failure is not None
    assert trial.failure.kind == "model_missing"
    trial = run_app_timed(bench, msgspec.structs.replace(SPEC, input_shapes=((1, 8, 8, 4),)))
    assert trial.failure is not None
    assert trial.failure.kind == "input_mismatch"


def when_it_runs(system: System, what: str) -> threading.Thread:
    """Have something happen to the app once a trial is on."""

    def act() -> None:
        until = time.monotonic() + 20
        while not list(system.data.glob("work/*/*.manifest")) and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(0.3)
        app = system.app
        assert app is not None
        with suppress(BrokenPipeError):
            if what == "kill":
                app.process.kill()
            else:
                app.say(what)

    thread = threading.Thread(target=act)
    thread.start()
    return thread


LONG = msgspec.structs.replace(
    SPEC, input_shapes=(SHAPE,), warmups=0, runs=200_000, min_runs=1, max_seconds=2.0
)


def test_the_real_app_is_paused_in_the_middle(bench: Bench, system: System) -> None:
    thread = when_it_runs(system, "pause")
    trial = run_app_timed(bench, LONG)
    thread.join()
    assert trial.failure is not None
    assert trial.failure.kind == "disturbed"
    assert trial.app is not None
    assert "paused" in trial.app.changes
    assert trial.invoke_ns == ()


def test_the_real_app_is_killed_in_the_middle(bench: Bench, system: System) -> None:
    thread = when_it_runs(system, "kill")
    trial = run_app_timed(bench, LONG)
    thread.join()
    assert trial.failure is not None
    assert trial.failure.kind == "crash"
    assert "died" in trial.failure.message
    # The next one is whole again.
    assert run_app_timed(bench, msgspec.structs.replace(SPEC, index=1)).failure is None


def test_the_real_app_ends_with_its_deadline(bench: Bench) -> None:
    spec = msgspec.structs.replace(LONG, max_seconds=60.0, deadline_seconds=1.5)
    trial = run_app_timed(bench, spec)
    assert trial.failure is not None
    assert (trial.failure.kind, trial.exit_code) == ("timeout", 124)


def test_a_run_on_the_real_app_is_stopped(bench: Bench, system: System) -> None:
    stopper = threading.Timer(1.0, bench.stop.now)
    stopper.start()
    with pytest.raises(KeyboardInterrupt):
        run_app_timed(bench, msgspec.structs.replace(LONG, max_seconds=30.0))
    stopper.join()
    assert system.app is None


def test_a_second_client_of_the_real_app_is_told_so(bench: Bench, system: System) -> None:
    assert bench.app is not None
    transport = bench.device.transport
    assert isinstance(transport, Opening)
    link = bench.app.start()
    with pytest.raises(AppRefused, match="busy"):
        AppLink.greeted(transport, Deadline.after(5), socket=f"bokehbench.{system.name}")
    assert link.ping().state == "resumed"
    link.close()
    bench.app.end()


def test_the_real_app_that_never_comes_to_the_front(bench: Bench, system: System) -> None:
    system.options = ("quiet",)
    assert bench.app is not None
    with pytest.raises(NotInFront, match="state created, no focus"):
        bench.app.start()
    bench.app.end()


def test_the_real_app_is_asked_for_libraries(bench: Bench) -> None:
    assert bench.app is not None
    found = seen_by_app(bench.app, ["libc.so.6", "libOpenCL-pixel.so"])
    assert [seen.loaded for seen in found] == [True, False]
    assert "libOpenCL-pixel.so" in found[1].text
