"""The app's code in a real Android C library: threads, sockets, peers and folders as it has them.

Android 6's libc.so for arm64, an emulated processor, TensorFlow Lite as Google publishes it for
Android. Of the rest of Android there is nothing; android_app/app/tests/bionic.c stands for it.
"""

import hashlib
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from android_app import build
from android_app.build import APP, BIONIC, SOURCES, TARGETS, build_id, zig_cc
from bokehbench.engines import find_engine
from tests.native.bench import Bench
from tests.native.test_app import ENDLESS, LARGE, SMALL, events
from tests.rig import RigMissing, require_rig
from tests.rig.bionic import android_engines, bionic_root
from tests.rig.emulate import emulator
from tests.rig.root import device_root
from tests.support.app import AppClient, connect

TARGET = TARGETS["android-arm64-v8a"]
NAME = f"org.bokehbench.runner.bionic{os.getpid()}"

pytestmark = pytest.mark.real("emulator and Android's C library")


@pytest.fixture(scope="module")
def tflite() -> Path:
    require_rig("arm64")
    try:
        root = android_engines()
    except RigMissing as missing:
        if os.environ.get("CI"):
            pytest.fail(str(missing))
        pytest.skip(str(missing))
    return find_engine("tflite", "android", "arm64-v8a", gpu=False, root=root).library


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The app as an executable, compiled with the declarations of bionic/ that a phone's has."""
    folder = tmp_path_factory.mktemp("bionic")
    files = [*APP.glob("*.c"), APP / "tests" / "bionic.c", BIONIC / "start.c"]
    files += [path for path in SOURCES.glob("*.c") if path.name not in build.PROGRAM]
    stubs = build.stub_libraries(TARGET, folder, build.EXECUTABLE_NEEDS)
    flags = [*build.FLAGS, *build.RELEASE_FLAGS, *TARGET.flags, "-fPIE", "-pie"]
    flags += [*build.ANDROID_FLAGS, *build.EXECUTABLE_FLAGS]
    flags += [f'-DBOKEHBENCH_BUILD="{build_id(TARGET)}"', '-DBOKEHBENCH_APP_BUILD="app"']
    out = folder / "app"
    assert zig_cc(TARGET, [*flags, *map(str, [*files, *stubs]), "-o", str(out)]) == ""
    return out


@pytest.fixture
def process(program: Path, tflite: Path, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    system = bionic_root(device_root("arm64"))
    words = [str(emulator()), "-0", NAME, "-L", str(system)]
    words += ["-E", f"LD_LIBRARY_PATH={tflite.parent}", str(program), str(tmp_path)]
    started = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield started
    started.kill()
    started.wait()


@pytest.fixture
def client(process: subprocess.Popen[bytes]) -> Iterator[AppClient]:
    assert process.poll() is None
    with closing(AppClient(connect(f"bokehbench.{NAME}"))) as connected:
        yield connected


def words(tflite: Path, folder: Path, trial: tuple[object, ...], **changes: object) -> list[str]:
    work = folder / "work"
    work.mkdir()
    engine = {"engine": "tflite", "engine_library": tflite, "engine_folder": tflite.parent}
    return Bench(Path("runner"), work).prepare(*trial, **{**engine, **changes})  # type: ignore[arg-type]


def test_a_run_in_bionic(client: AppClient, tflite: Path, tmp_path: Path) -> None:
    greeting = client.greeting
    assert (greeting["abi"], greeting["api_level"]) == ("aarch64", 23)
    assert greeting["runner_build"] == build_id(TARGET)
    assert (greeting["state"], greeting["focused"]) == ("resumed", True)
    assert (greeting["uid"], greeting["data_folder"]) == (os.getuid(), str(tmp_path))
    data = os.urandom(100_000)
    assert client.push("work-files/in", data)["app"] == "pushed"
    assert client.pull("work-files/in") == data
    assert client.answer("folder", path="a/b/c")["app"] == "folder"
    assert client.answer("remove", path="a")["entries"] == 3
    run = client.run(words(tflite, tmp_path, SMALL))
    assert run.end is not None
    assert (run.end["exit_code"], run.end["in_front"]) == (0, True)
    [output] = [event for event in events(run) if event["event"] == "output"]
    assert hashlib.sha256(client.pull("work/out.raw")).hexdigest() == output["sha256"]
    assert client.pull("log") is not None


def test_stop_and_deadline_in_bionic(
    client: AppClient, process: subprocess.Popen[bytes], tflite: Path, tmp_path: Path
) -> None:
    client.ask("run", argv=words(tflite, tmp_path, LARGE, **{**ENDLESS, "deadline_ms": 3000}))
    run = client.follow()
    assert run.end is not None
    assert (run.end["exit_code"], run.end["reason"]) == (124, "deadline")
    assert client.answer("ping")["app"] == "pong"
    assert process.poll() in (None, -signal.SIGALRM)


def test_probe_in_bionic(client: AppClient, tflite: Path) -> None:
    client.ask("probe", libraries=[tflite.name, "libOpenCL.so"])
    engine, opencl = client.line(), client.line()
    assert (engine["loaded"], opencl["loaded"]) == (True, False)
    assert opencl["error"]
    assert client.line()["app"] == "probed"
