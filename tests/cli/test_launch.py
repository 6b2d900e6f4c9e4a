"""`--launch` and the app's commands: what is refused, and what a device gets."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from bokehbench.apk import build_apk, create_key
from bokehbench.facts.app import LIBRARY_FILE, PACKAGE, SOCKET_NAME
from tests.rig import TestDevice, require_rig
from tests.support import models
from tests.support.apk import write_library
from tests.support.command import Command
from tests.support.standin_app import StandInApp


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A convolution."""
    path = tmp_path / "net.tflite"
    path.write_bytes(models.conv(32, 32))
    return path


@pytest.fixture
def apk(tmp_path: Path) -> Path:
    """An APK of this program's, though its libraries do nothing."""
    made = build_apk(
        tmp_path / "own.apk",
        abi="x86_64",
        app_library=write_library(tmp_path / LIBRARY_FILE, "x86_64"),
        engine_libraries=[write_library(tmp_path / "libengine.so", "x86_64")],
        key=create_key(tmp_path / "key.pem"),
    )
    return made.path


@pytest.fixture
def standin(tmp_path: Path) -> Iterator[StandInApp]:
    """A device with `pm` and `am`, and the app's stand-in."""
    require_rig()
    with TestDevice(linker64=True) as phone:
        made = StandInApp(phone, tmp_path)
        yield made
        made.close()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--launch", "app"), "local: this machine has no apps"),
        (("--launch", "both", "--against", "MODEL"), "--launch both: compares the app with"),
        (("--launch", "both", "--processes", 2), "--launch both: a comparison needs 5 processes"),
        (
            ("--launch", "app", "--runner", "benchmark_model"),
            "--launch app: the app holds bokehbench's own runner",
        ),
    ],
)
def test_what_does_not_go_together(
    bokehbench: Command, model: Path, words: tuple[object, ...], complaint: str
) -> None:
    given = [model if word == "MODEL" else word for word in words]
    ended = bokehbench("run", "--device", "local", model, *given)
    assert ended.code == 2
    assert complaint in ended.complaint


def test_the_app_goes_to_a_device_and_away(
    bokehbench: Command, standin: StandInApp, apk: Path
) -> None:
    device = ("--device", f"tcp:{standin.device.address}")
    first = bokehbench("apk", "install", apk, *device)
    assert first.code == 0, first.err
    assert (
        f"{PACKAGE} {hashlib.sha256(apk.read_bytes()).hexdigest()[:12]} installed on" in first.out
    )
    assert "is there already" in bokehbench("apk", "install", apk, *device).out
    assert f"{PACKAGE} removed from" in bokehbench("apk", "uninstall", *device).out
    assert "is not installed on" in bokehbench("apk", "uninstall", *device).out


def test_a_refused_install_is_one_line_with_its_cure(
    bokehbench: Command, standin: StandInApp, apk: Path
) -> None:
    standin.answer("answer", "Failure [INSTALL_FAILED_UPDATE_INCOMPATIBLE: \x1b[31mother key]\n")
    address = f"tcp:{standin.device.address}"
    ended = bokehbench("apk", "install", apk, "--device", address)
    assert ended.code == 3
    last = ended.err.splitlines()[-1]
    assert f"remove it with `bokehbench apk uninstall --device {address}`" in last
    assert "\x1b" not in ended.err


def test_a_broken_apk_goes_nowhere(bokehbench: Command, standin: StandInApp, apk: Path) -> None:
    data = bytearray(apk.read_bytes())
    data[len(data) // 2] ^= 1
    apk.write_bytes(data)
    address = f"tcp:{standin.device.address}"
    assert bokehbench("apk", "install", apk, "--device", address).code == 2
    assert not standin.is_installed


def test_this_machine_has_no_apps(bokehbench: Command) -> None:
    ended = bokehbench("apk", "uninstall", "--device", "local")
    assert ended.code == 2
    assert "this machine has no apps" in ended.complaint


def test_the_doctor_says_what_shell_and_app_can_open(
    bokehbench: Command, tmp_path: Path, apk: Path
) -> None:
    require_rig()
    with TestDevice(linker64=True) as phone:
        standin = StandInApp(phone, tmp_path, SOCKET_NAME)
        words = ("doctor", "--device", f"tcp:{phone.address}", "--json")
        rows = {row["name"]: row for row in bokehbench(*words).json()["checks"]}
        assert "is not installed; `doctor --app`" in rows["  app"]["text"]
        # This device's programs are not Android's, so its shell can't start our runner at all.
        assert rows["  libOpenCL.so"]["state"] == "absent"
        assert rows["  libOpenCL.so"]["text"].startswith("shell can't: ")
        assert "app" not in rows["  libOpenCL.so"]["text"]
        assert bokehbench("apk", "install", apk, "--device", f"tcp:{phone.address}").code == 0
        rows = {row["name"]: row for row in bokehbench(*words).json()["checks"]}
        assert {"  libOpenCL-pixel.so", "  libOpenCL-car.so"} <= set(rows)
        assert "app can't: dlopen failed" in rows["  libOpenCL.so"]["text"]
        standin.close()


def test_the_doctor_knows_that_this_machine_has_no_apps(bokehbench: Command) -> None:
    ended = bokehbench("doctor", "--app", "--json", "--adb-server", "127.0.0.1:1")
    assert ended.code == 0, ended.out
    [row] = [row for row in ended.json()["checks"] if row["name"] == "  app"]
    assert "this machine has no apps" in row["text"]
