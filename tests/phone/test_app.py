"""Processes in the app: install, start, trials, and all that can go wrong, over a real adbd."""

import hashlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from bokehbench.errors import AppTrouble, DeviceError, UsageError
from bokehbench.facts import EngineFacts, GpuOptions, Trial
from bokehbench.model import read_model, resolve_io
from bokehbench.phone import app_death, app_install, app_launcher, app_link, app_probe
from bokehbench.phone.app_control import App, NotInFront
from bokehbench.phone.app_install import AppPackage, require_apps
from bokehbench.phone.app_launcher import run_app_images, run_app_timed
from bokehbench.phone.app_link import AppLink, Opening
from bokehbench.phone.bench import Bench
from bokehbench.phone.device import Device, Placed
from bokehbench.phone.direct import DirectTransport
from bokehbench.phone.local import LocalTransport
from bokehbench.phone.process import Stop
from bokehbench.phone.server import ServerTransport
from bokehbench.phone.transport import Deadline
from bokehbench.runners.protocol import OutputEvent
from tests.rig import AdbServer, TestDevice, require_rig
from tests.runners.test_protocol import SPEC as ELSEWHERE
from tests.support import models
from tests.support.standin_app import StandInApp, end, run_trial, runner_of, say, started

SHAPE = (1, 32, 32, 3)
SPEC = msgspec.structs.replace(
    ELSEWHERE, core_mask=0, input_shapes=(SHAPE,), deadline_seconds=30.0, gpu=GpuOptions()
)


@dataclass
class Place:
    """A device with the stand-in, and the host's side of it."""

    phone: TestDevice
    standin: StandInApp
    app: App
    folder: Path
    blobs: dict[str, bytes] = field(default_factory=dict)

    def put_blob(self, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        self.blobs[digest] = data
        return digest

    def bench(self) -> Bench:
        path = self.folder / "net.tflite"
        path.write_bytes(models.conv(32, 32))
        facts = read_model(path)
        device = self.app.device
        model = device.place(path, name="model.tflite", sha256=facts.sha256, verify=False)
        assert self.app.package is not None
        return Bench(
            device=device,
            model=facts,
            io=resolve_io(facts, path),
            placed_model=model,
            placed_runner=Placed("app.apk", self.app.package.sha256, 0),
            engine="litert",
            engine_facts=EngineFacts(name="litert", version="1", library_sha256="0" * 64),
            engine_library="/host/libLiteRt.so",
            engine_folder="/host",
            rounding="half_even",
            put_blob=self.put_blob,
            stop=Stop(),
            app=self.app,
        )

    def timed(self, **changes: Any) -> Trial:
        return run_app_timed(self.bench(), msgspec.structs.replace(SPEC, **changes))


@pytest.fixture(scope="module")
def adb() -> Iterator[AdbServer]:
    """An adb server for this module."""
    require_rig()
    with AdbServer() as server:
        yield server


@pytest.fixture(params=["direct", "server"])
def link(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def make_place(
    phone: TestDevice, folder: Path, transport: DirectTransport | ServerTransport
) -> Place:
    standin = StandInApp(phone, folder)
    apk = folder / "app.apk"
    apk.write_bytes(b"PK stand-in")
    app = App(
        Device.connect(transport),
        AppPackage(apk, hashlib.sha256(apk.read_bytes()).hexdigest()),
        socket=standin.name,
        greet_seconds=1.0,
        am_seconds=1.0,
        install_seconds=1.0,
        front_seconds=0.6,
    )
    return Place(phone, standin, app, folder)


@pytest.fixture
def both(link: str, adb: AdbServer, tmp_path: Path) -> Iterator[Place]:
    """A device behind each kind of link."""
    with TestDevice(linker64=True) as phone:
        transport = (
            DirectTransport(f"tcp:{phone.address}", key=tmp_path / "adbkey")
            if link == "direct"
            else ServerTransport(phone.address, port=adb.port)
        )
        place = make_place(phone, tmp_path, transport)
        yield place
        place.standin.close()
        transport.close()


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Place]:
    """A device of one test alone."""
    require_rig()
    with TestDevice(linker64=True) as phone:
        transport = DirectTransport(f"tcp:{phone.address}", key=tmp_path / "adbkey")
        place = make_place(phone, tmp_path, transport)
        yield place
        place.standin.close()
        transport.close()


def test_the_same_apk_is_installed_once_another_one_anew(there: Place) -> None:
    said: list[str] = []
    assert there.app.install(said.append)
    assert there.standin.is_installed
    assert len(said) == 1
    assert not there.app.install(said.append)
    assert len(said) == 1
    # What was pushed for it is gone: the package manager has its own copy.
    assert not list((there.phone.tmp / "bokehbench").glob("*/app.apk"))
    other = there.folder / "other.apk"
    other.write_bytes(b"PK another engine")
    sha256 = hashlib.sha256(other.read_bytes()).hexdigest()
    there.app.package = AppPackage(other, sha256)
    assert there.app.install()
    assert there.app.installed_sha256() == sha256
    assert there.app.uninstall()
    assert not there.app.uninstall()


PM_IS_STARTING = """#!/system/bin/sh
echo "cmd: Can't find service: package" >&2
exit 20
"""
REFUSALS = {
    "INSTALL_FAILED_UPDATE_INCOMPATIBLE: Package org.bokehbench.runner signatures do not match "
    "previously installed version; ignoring!": "bokehbench apk uninstall --device tcp:",
    "INSTALL_FAILED_USER_RESTRICTED: Install canceled by user": "`Install via USB`",
    "INSTALL_FAILED_VERIFICATION_FAILURE": "Play Protect",
    "INSTALL_FAILED_VERIFICATION_TIMEOUT": "Play Protect",
    "INSTALL_FAILED_NO_MATCHING_ABIS: Failed to extract native libraries, res=-113": "own ABI",
    "INSTALL_FAILED_INSUFFICIENT_STORAGE": "the device is full",
    "INSTALL_FAILED_VERSION_DOWNGRADE: Downgrade detected": "apk uninstall",
    "INSTALL_FAILED_OLDER_SDK: Requires newer sdk version #24": "7.0 or newer",
    "INSTALL_FAILED_DEPRECATED_SDK_VERSION: App package must target at least 24": "anew",
    "INSTALL_PARSE_FAILED_NO_CERTIFICATES: Failed to collect certificates": "apk check",
    "INSTALL_PARSE_FAILED_MANIFEST_MALFORMED: x": "apk check",
    "INSTALL_FAILED_SOMETHING_NEW": "the device's own word",
}


def test_an_install_that_leaves_another_app_is_refused(
    there: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashes = iter([None, "0" * 64])
    monkeypatch.setattr(there.app, "installed_sha256", lambda: next(hashes))
    with pytest.raises(AppTrouble, match="has another: run `bokehbench apk uninstall"):
        there.app.install()


def test_each_refusal_of_an_install_has_its_cure(there: Place) -> None:
    seen = set()
    for code, cure in REFUSALS.items():
        there.standin.answer("answer", f"Failure [{code}]\n")
        with pytest.raises(AppTrouble) as refused:
            there.app.install()
        text = str(refused.value)
        assert code.split(":")[0] in text
        assert cure in text
        assert "\n" not in text
        seen.add(text)
    assert len(seen) == len(REFUSALS)


def test_a_security_exception_is_one_line(there: Place) -> None:
    there.standin.answer(
        "answer",
        "\njava.lang.SecurityException: Need INSTALL_PACKAGES\n\tat android.os.Parcel.x(P.java)\n",
    )
    with pytest.raises(AppTrouble, match=r"Need INSTALL_PACKAGES: .*USB debugging \(Security"):
        there.app.install()


def test_an_install_that_waits_for_the_user_says_so(there: Place) -> None:
    there.standin.answer("hang", "")
    with pytest.raises(AppTrouble, match=r"`pm install` did not end within 1 s: .*its screen"):
        there.app.install()


def test_an_uninstall_that_is_refused_says_why(there: Place) -> None:
    there.app.install()
    there.standin.answer("answer", "Failure [DELETE_FAILED_DEVICE_POLICY_MANAGER]\n")
    with pytest.raises(AppTrouble, match=r"not removed: .*administrator"):
        there.app.uninstall()


def test_a_package_manager_that_does_not_answer_is_no_missing_app(
    there: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    there.app.install()
    there.phone.add_command("pm", PM_IS_STARTING)
    for ask in (there.app.uninstall, there.app.install):
        with pytest.raises(AppTrouble, match=r"`pm path` failed: .*Can't find service.* booted"):
            ask()
    there.phone.add_command("pm", "#!/system/bin/sh\nsleep 600\n")
    monkeypatch.setattr(app_install, "PM_SECONDS", 0.5)
    with pytest.raises(AppTrouble, match=r"`pm path` did not end within .*restart the device"):
        there.app.uninstall()


def test_a_trial_in_the_app_has_the_facts_of_one_in_the_shell(both: Place) -> None:
    trial = both.timed()
    assert trial.failure is None
    assert trial.status == "ok"
    assert len(trial.invoke_ns) == SPEC.runs
    assert len(trial.warmup_ns) == SPEC.warmups
    assert trial.region == "lock_write+run+lock_read"
    assert trial.report is not None
    assert trial.report.name == "xnnpack"
    app = trial.app
    assert app is not None
    assert (app.uid, app.api_level, app.nice, app.in_front) == (10321, 34, 0, True)
    assert app.cgroup == "0::/apps/uid_10321"
    # Only what the runner said is hashed: the app's own lines are taken out.
    assert trial.events_sha256 is not None
    stored = both.blobs[trial.events_sha256].splitlines()
    assert [json.loads(line)["event"] for line in stored][-1] == "done"
    [run] = both.standin.runs
    words = dict(word.split("=", 1) for word in run["argv"][2:])
    assert words["engine_library"] == "libLiteRt.so"
    assert words["engine_folder"] == "/data/app/base.apk!/lib/x86_64"
    assert words["manifest"].startswith(str(both.standin.data))
    assert words["model"].startswith("/data/local/tmp/bokehbench/")
    # Nothing of ours is left, and the app is not in front of what comes next.
    assert not list((both.standin.data / "work").iterdir())
    assert both.standin.calls[-1] == "force-stop org.bokehbench.runner"


def test_each_trial_has_a_process_of_its_own(there: Place) -> None:
    pids = {there.timed(index=number).app.pid for number in range(2)}  # type: ignore[union-attr]
    assert len(pids) == 2
    starts = [call for call in there.standin.calls if call.startswith("start")]
    assert starts == ["start -S -W -n org.bokehbench.runner/android.app.NativeActivity"] * 2


def test_images_go_through_the_app(both: Place) -> None:
    bench = both.bench()
    random = np.random.default_rng(3)
    images = {n: [random.integers(0, 256, SHAPE, np.uint8).tobytes()] for n in (4, 7)}
    spec = msgspec.structs.replace(SPEC, mode="images", warmups=0, runs=1, min_runs=1, items=(4, 7))
    outputs: dict[int, bytes] = {}

    def take(event: OutputEvent, path: Path) -> None:
        outputs[event.index] = path.read_bytes()

    trial = run_app_images(bench, spec, images, take)
    assert trial.failure is None
    assert {index: len(data) for index, data in outputs.items()} == {4: 3072, 7: 3072}
    assert outputs[4] != outputs[7]
    assert not list((both.standin.data / "work").iterdir())


def test_compiled_kernels_stay_in_the_apps_own_data(there: Place) -> None:
    trial = there.timed(backend="gpu", gpu=GpuOptions(cache="cold"))
    # This machine's engine has no GPU here; what matters is what was asked.
    assert trial.failure is not None
    words = dict(word.split("=", 1) for word in there.standin.runs[0]["argv"][2:])
    assert words["cache_dir"].startswith(f"{there.standin.data}/cache/")
    assert len(words["cache_token"]) > 8
    assert trial.app is not None
    assert trial.app.opencl == ("/vendor/lib64/libOpenCL.so",)


def test_a_failure_of_the_runner_is_the_same_failure(there: Place) -> None:
    trial = there.timed(input_shapes=((1, 8, 8, 4),))
    assert trial.failure is not None
    assert trial.failure.kind == "input_mismatch"
    assert trial.exit_code == 65


START_FAILURES = {
    "Error type 3\nError: Activity class {org.bokehbench.runner/android.app.NativeActivity} does "
    "not exist.\n": "was removed",
    "java.lang.SecurityException: Permission Denial: starting Intent from null\n\tat x\n": (
        "keeps the shell from starting apps"
    ),
    "Error: Activity not started, you do not have permission to access it.\n": (
        "Activity not started"
    ),
}


def test_each_failure_of_am_has_its_own_words(there: Place) -> None:
    for said, words in START_FAILURES.items():
        there.standin.answer("am_answer", said)
        with pytest.raises(AppTrouble, match=words):
            there.app.start()


def test_an_am_that_hangs_is_given_up(there: Place) -> None:
    there.standin.answer("am_hang", "")
    with pytest.raises(AppTrouble, match="`am start` did not end within 1 s"):
        there.app.start()


def test_a_hanging_am_does_not_matter_when_the_app_greets(there: Place) -> None:
    (there.standin.pm / "am.log").write_text("start by hand\n")
    there.standin.answer("am_hang", "")
    there.app.start().close()


def test_an_app_that_listens_and_never_greets(both: Place) -> None:
    both.standin.hello = b""
    with pytest.raises(AppTrouble, match="did not greet within 1 s"):
        both.app.start()


def test_nobody_listens(both: Place) -> None:
    both.standin.close()
    with pytest.raises(AppTrouble, match=r"did not greet within .*nobody listens"):
        both.app.start()
    # It cost nothing else: the device answers as before.
    assert both.app.device.answers(5)


def test_a_greeting_of_another_version(there: Place) -> None:
    there.standin.greeting = {"protocol": 9}
    with pytest.raises(AppTrouble, match=r"speaks version 9 .*not 1"):
        there.app.start()
    there.standin.greeting = {"runner_protocol": 3}
    with pytest.raises(AppTrouble, match="runner 3"):
        there.app.start()


def test_something_else_on_that_socket(there: Place) -> None:
    for said in (b"HTTP/1.1 400 Bad Request\r\n", b'{"app":"pong"}\n', b'{"app":"new"}\n'):
        there.standin.hello = said
        with pytest.raises(AppTrouble, match="what answers is not the app"):
            there.app.start()


@pytest.mark.parametrize(
    ("code", "words"), [("busy", "another program is connected"), ("stranger", "adb unroot")]
)
def test_a_refusal_at_the_door(there: Place, code: str, words: str) -> None:
    line = {"app": "error", "request": None, "code": code, "message": "no"}
    there.standin.hello = json.dumps(line, separators=(",", ":")).encode() + b"\n"
    with pytest.raises(AppTrouble, match=words):
        there.app.start()


def test_two_clients(there: Place) -> None:
    """The stand-in takes one at a time, as the app does; the second is not kept waiting."""
    first = there.app.start()
    transport = there.app.device.transport
    assert isinstance(transport, Opening)
    with pytest.raises(Exception, match="did not end within"):
        AppLink.greeted(transport, Deadline.after(0.5), socket=there.standin.name)
    assert first.ping().state == "resumed"
    first.close()


@pytest.mark.parametrize(
    ("service", "text", "words"),
    [
        ("window", "  mDreamingLockscreen=true\n", "the screen is locked"),
        ("power", "mWakefulness=Asleep\n", "the screen is off"),
        ("window", "mCurrentFocus=Window{1 u0 com.android.phone/.InCall}\n", "com.android.phone"),
        ("window", "nothing known\n", "look at the screen"),
    ],
)
def test_an_app_that_is_not_in_front(there: Place, service: str, text: str, words: str) -> None:
    there.phone.set_dumpsys("window", "")
    there.phone.set_dumpsys("power", "mWakefulness=Awake\n")
    there.phone.set_dumpsys(service, text)
    there.standin.front = [("paused", False)] * 100
    with pytest.raises(NotInFront, match=f"state paused, no focus.*{words}"):
        there.app.start()


def test_an_app_that_comes_to_the_front_late(there: Place) -> None:
    there.standin.front = [("started", False)] * 3
    assert there.timed().status == "ok"


def behind(app: StandInApp, client: socket.socket, asked: dict[str, Any]) -> None:
    """A trial of which the user looked at something else for a moment."""
    started(app, client)
    process = runner_of(app, asked)
    now = time.monotonic_ns()
    for change, state in (("focus_lost", "resumed"), ("paused", "paused")):
        say(client, "activity", change=change, state=state, focused=False, monotonic_ns=now)
    for line in process.stdout.splitlines(keepends=True):
        client.sendall(line)
    end(client, process.returncode, in_front=False)


def test_a_trial_that_was_not_in_front_is_discarded(there: Place) -> None:
    there.standin.on_run = behind
    trial = there.timed()
    assert trial.status == "failed"
    assert trial.failure is not None
    assert trial.failure.kind == "disturbed"
    assert "focus_lost, paused" in trial.failure.message
    assert trial.invoke_ns == ()
    assert trial.app is not None
    assert trial.app.in_front is False
    # What it said stays as evidence.
    assert trial.events_sha256 in there.blobs


def crash(app: StandInApp, client: socket.socket, asked: dict[str, Any]) -> None:
    """An app that dies while its engine loads."""
    started(app, client)
    name = next(w for w in asked["argv"] if w.startswith("manifest=")).partition("=")[2]
    (Path(name).parent / "engine.log").write_bytes(b"driver: the last words\n")
    client.shutdown(socket.SHUT_RDWR)


EXIT_INFO = """\
ACTIVITY MANAGER PROCESS EXIT INFO (dumpsys activity exit-info)
  package: org.bokehbench.runner
    Historical Process Exit for uid=10321
        ApplicationExitInfo #0:
          timestamp=2026-11-22 21:00:00.000 pid={pid} realUid=10321 packageUid=10321
          definingUid=10321 user=0
          process=org.bokehbench.runner reason={reason} (X) subreason=0 (UNKNOWN) status={status}
          importance=100 pss=0.00 rss=0.00 description=crash state=empty trace=null
        ApplicationExitInfo #1:
          timestamp=2026-11-22 20:59:00.000 pid=77 realUid=10321 packageUid=10321 user=0
          process=org.bokehbench.runner reason=10 (USER REQUESTED) subreason=0 status=0
"""


@pytest.mark.parametrize(
    ("reason", "status", "kind", "words"),
    [
        (5, 11, "crash", "SIGSEGV"),
        (2, 9, "killed", "SIGKILL"),
        (2, 14, "timeout", "deadline"),
        (3, 0, "out_of_memory", "want of memory"),
        (6, 0, "killed", "did not respond"),
        (14, 0, "killed", "freezer"),
    ],
)
def test_an_app_that_dies_says_of_what(
    there: Place, reason: int, status: int, kind: str, words: str
) -> None:
    there.phone.set_dumpsys("activity", EXIT_INFO.format(pid=4001, reason=reason, status=status))
    there.standin.on_run = crash
    trial = there.timed()
    assert trial.failure is not None
    assert trial.failure.kind == kind
    assert words in trial.failure.message
    assert trial.app is not None
    assert trial.app.exit_reason
    assert trial.log_sha256 is not None
    assert b"the last words" in there.blobs[trial.log_sha256]


def test_an_app_that_dies_on_an_old_android(there: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_death, "EXIT_INFO_SECONDS", 0.2)
    there.standin.on_run = crash
    trial = there.timed()
    assert trial.failure is not None
    assert (trial.failure.kind, trial.exit_code) == ("crash", -1)
    assert "before the runner spoke" in trial.failure.message


def test_a_link_that_ends_before_the_app_is_no_crash(
    there: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app_death, "EXIT_INFO_SECONDS", 0.2)

    def cut(app: StandInApp, client: socket.socket, _asked: dict[str, Any]) -> None:
        started(app, client)
        client.shutdown(socket.SHUT_RDWR)

    there.standin.on_run = cut
    there.standin.greeting = {"pid": 1}  # of the device's processes that one always lives
    trial = there.timed()
    assert trial.failure is not None
    assert trial.failure.kind == "device_lost"


def test_a_log_that_breaks_off_takes_no_images_with_it(
    both: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app_launcher, "LOG_SECONDS", 0.3)
    bench, whole = both.bench(), both.standin._pull

    def slow(client: socket.socket, asked: dict[str, Any]) -> None:
        if asked["path"] != "log":
            return whole(client, asked)
        say(client, "file", path="log", size_bytes=1000)
        client.sendall(b"x" * 500)
        time.sleep(0.6)
        return client.sendall(b"x" * 500)

    monkeypatch.setattr(both.standin, "_pull", slow)
    spec = msgspec.structs.replace(SPEC, mode="images", warmups=0, runs=1, min_runs=1, items=(0,))
    taken: list[int] = []
    trial = run_app_images(
        bench, spec, {0: [bytes(3072)]}, lambda _, path: taken.append(path.stat().st_size)
    )
    assert trial.failure is None
    assert taken == [3072]
    assert not list((both.standin.data / "work").iterdir())


def test_of_an_endless_log_the_beginning_is_kept(
    there: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app_launcher, "LOG_LIMIT", 5)

    def chatty(app: StandInApp, client: socket.socket, asked: dict[str, Any]) -> None:
        run_trial(app, client, asked)
        (app.data / "log").write_bytes(b"first and last")

    there.standin.on_run = chatty
    trial = there.timed()
    assert trial.status == "ok"
    assert trial.log_sha256 is not None
    assert there.blobs[trial.log_sha256] == b"first"


def silent(app: StandInApp, client: socket.socket, _asked: dict[str, Any]) -> None:
    """An app that the system froze."""
    started(app, client)
    client.settimeout(10)
    client.recv(1)


def test_missing_heartbeats_are_named(there: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_link, "HEARTBEAT_LIMIT_SECONDS", 0.6)
    there.standin.on_run = silent
    trial = there.timed()
    assert trial.failure is not None
    assert trial.failure.kind == "timeout"
    assert "fell silent" in trial.failure.message
    assert "froze" in trial.failure.message
    assert there.standin.calls[-1].startswith("force-stop")


def test_silence_while_measuring_is_allowed(there: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_link, "HEARTBEAT_LIMIT_SECONDS", 0.6)

    def slow(app: StandInApp, client: socket.socket, asked: dict[str, Any]) -> None:
        started(app, client)
        process = runner_of(app, asked)
        for line in process.stdout.splitlines(keepends=True):
            client.sendall(line)
            if b'"event":"backend"' in line:
                time.sleep(1.5)
        end(client, process.returncode)

    there.standin.on_run = slow
    assert there.timed().status == "ok"


def test_the_hosts_deadline_ends_an_app_that_only_beats(
    there: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app_launcher, "GRACE_SECONDS", 0.2)

    def beats(app: StandInApp, client: socket.socket, _asked: dict[str, Any]) -> None:
        started(app, client)
        while True:
            say(client, "heartbeat", monotonic_ns=1)
            time.sleep(0.1)

    there.standin.on_run = beats
    trial = there.timed(deadline_seconds=1.0)
    assert trial.failure is not None
    assert trial.failure.kind == "timeout"


def test_the_apps_own_deadline(there: Place) -> None:
    def late(app: StandInApp, client: socket.socket, _asked: dict[str, Any]) -> None:
        started(app, client)
        end(client, 124)

    there.standin.on_run = late
    trial = there.timed()
    assert trial.failure is not None
    assert (trial.failure.kind, trial.exit_code) == ("timeout", 124)


def test_a_run_that_the_app_refuses(there: Place) -> None:
    def refuse(_app: StandInApp, client: socket.socket, _asked: dict[str, Any]) -> None:
        say(client, "error", request="run", code="used", message="made its trial")

    there.standin.on_run = refuse
    trial = there.timed()
    assert trial.failure is not None
    assert "refuses (used)" in trial.failure.message


def test_an_event_that_was_altered_is_believed_no_more_than_the_shells(there: Place) -> None:
    def flip(app: StandInApp, client: socket.socket, asked: dict[str, Any]) -> None:
        started(app, client)
        process = runner_of(app, asked)
        for line in process.stdout.splitlines(keepends=True):
            client.sendall(line.replace(b'"capped":false', b'"capped":true '))
        end(client, process.returncode)

    there.standin.on_run = flip
    trial = there.timed()
    assert trial.failure is not None
    assert trial.failure.kind == "protocol"


def test_a_device_that_is_lost_in_the_middle(both: Place) -> None:
    off = threading.Event()

    def power(app: StandInApp, client: socket.socket, _asked: dict[str, Any]) -> None:
        started(app, client)
        say(client, "heartbeat", monotonic_ns=1)
        app.device.power_off()
        off.set()

    both.standin.on_run = power
    began = time.monotonic()
    trial = both.timed()
    assert trial.failure is not None
    assert trial.failure.kind == "device_lost"
    assert time.monotonic() - began < 30
    assert off.wait(10)
    with pytest.raises(DeviceError):
        both.app.start()
    both.phone.start()
    both.standin.on_run = None
    assert both.timed(index=1).status == "ok"


def test_a_run_that_is_stopped_ends_the_app(there: Place) -> None:
    bench = there.bench()
    there.standin.on_run = silent
    stopper = threading.Timer(0.8, bench.stop.now)
    stopper.start()
    spec = msgspec.structs.replace(SPEC, mode="images", warmups=0, runs=1, min_runs=1, items=(0,))
    with pytest.raises(KeyboardInterrupt):
        run_app_images(bench, spec, {0: [bytes(3072)]}, lambda *_: None)
    stopper.join()
    assert there.standin.calls[-1].startswith("force-stop")
    # None but the app can remove what it left, and its next process does.
    assert list((there.standin.data / "work").glob("*/0.0.in"))
    there.standin.on_run = None
    assert there.timed(index=9).status == "ok"
    assert not list((there.standin.data / "work").iterdir())


def test_an_output_that_arrives_altered_is_no_result(there: Place) -> None:
    bench = there.bench()
    spec = msgspec.structs.replace(SPEC, mode="images", warmups=0, runs=1, min_runs=1, items=(0,))

    def spoil(app: StandInApp, client: socket.socket, asked: dict[str, Any]) -> None:
        started(app, client)
        process = runner_of(app, asked)
        said = process.stdout
        [made] = app.data.glob("work/*/0.out")
        made.write_bytes(b"\1" * made.stat().st_size)
        client.sendall(said)
        end(client, process.returncode)

    there.standin.on_run = spoil
    trial = run_app_images(bench, spec, {0: [bytes(3072)]}, lambda *_: None)
    assert trial.failure is not None
    assert trial.failure.kind == "io_error"
    assert "arrived altered" in trial.failure.message


def test_where_there_are_no_apps(tmp_path: Path) -> None:
    local = Device.connect(LocalTransport(tmp_path / "root"))
    with pytest.raises(UsageError, match="this machine has no apps"):
        require_apps(local)
    with TestDevice() as phone:
        transport = DirectTransport(f"tcp:{phone.address}", key=tmp_path / "adbkey")
        with pytest.raises(UsageError, match="not Android"):
            require_apps(Device.connect(transport))
        transport.close()


RUNNER = r"""#!/system/bin/sh
case $LD_PRELOAD in
  libOpenCL.so|*/libLiteRt.so) ;;
  *) echo "CANNOT LINK EXECUTABLE \"$0/runner\": library \"$LD_PRELOAD\" not found" >&2; exit 1 ;;
esac
echo '{"event":"error","code":"protocol_mismatch","message":"x","status":null,"unsupported":[]}'
exit 64
"""


def test_shell_and_app_are_asked_apart(there: Place) -> None:
    device = there.app.device
    path = there.folder / "runner"
    path.write_text(RUNNER)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    runner = device.place(path, name="runner", sha256=sha256, executable=True, verify=False)
    names = app_probe.libraries_to_ask(device, ["/data/local/tmp/x/libLiteRt.so"])
    assert names[:3] == ["libOpenCL.so", "libOpenCL-pixel.so", "libOpenCL-car.so"]
    shell = {seen.name: seen for seen in app_probe.seen_by_shell(device, runner, names)}
    assert shell["libOpenCL.so"].loaded
    assert shell["/data/local/tmp/x/libLiteRt.so"].loaded
    assert not shell["libOpenCL-car.so"].loaded
    assert shell["libOpenCL-car.so"].text == 'library "libOpenCL-car.so" not found'
    # A linker that does not listen would seem to open everything.
    path.write_text(RUNNER.replace("case $LD_PRELOAD in", "case libOpenCL.so in"))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    deaf = device.place(path, name="runner", sha256=sha256, executable=True, verify=False)
    assert {seen.loaded for seen in app_probe.seen_by_shell(device, deaf, names)} == {None}
    app = app_probe.seen_by_app(there.app, names)
    assert [seen.loaded for seen in app] == [False] * len(names)
    assert app[-1].text == 'dlopen failed: library "libLiteRt.so" not found'
    assert there.standin.calls[-1].startswith("force-stop")
