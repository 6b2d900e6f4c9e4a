"""`bokehbench run` on a device with a real Android C library: the Android runner over adb.

The processor is emulated, the linker is the tests' own and there is no GPU: what this shows is that
platform, ABI, engine, library path and fallback meet, and that the numbers are right.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bokehbench.apk import check_apk
from bokehbench.facts.app import LIBRARY_FILE, SOCKET_NAME
from tests.rig import RigMissing, TestDevice, require_rig
from tests.rig.bionic import android_engines
from tests.support import models
from tests.support.command import Command
from tests.support.standin_app import StandInApp

PROFILE = """\
name = "rig"
title = "Test device"

[match]
platform = ["android"]

[cpu]
threads = 1

[[backends]]
name = "gpu"
engine = "tflite"
reason = "tried first"

[[backends]]
name = "xnnpack"
engine = "tflite"
reason = "where the GPU refuses"
"""

FAST = ("--quick", "--runs", 3, "--min-runs", 1, "--warmups", 1, "--max-seconds", 5)


@pytest.fixture(scope="module")
def engines() -> Path:
    """A folder of engines that holds TensorFlow Lite for Android."""
    require_rig("arm64")
    try:
        return android_engines()
    except RigMissing as missing:
        if os.environ.get("CI"):
            pytest.fail(str(missing))
        pytest.skip(str(missing))


@pytest.fixture
def phone(engines: Path, bokehbench: Command) -> Iterator[TestDevice]:
    """An Android device, and its engine in the command's own cache."""
    cache = Path(bokehbench.variables()["XDG_CACHE_HOME"]) / "bokehbench"
    cache.mkdir(parents=True)
    (cache / "engines").symlink_to(engines)
    # A busy machine would never settle.
    profile = Path(bokehbench.variables()["XDG_CONFIG_HOME"]) / "bokehbench/profiles/rig.toml"
    profile.parent.mkdir(parents=True)
    profile.write_text(PROFILE)
    with TestDevice(arch="arm64", bionic=True) as device:
        yield device


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A convolution that an emulated processor runs in a moment."""
    path = tmp_path / "small.tflite"
    path.write_bytes(models.conv(32, 32))
    return path


@pytest.fixture
def small_pairs(tmp_path: Path) -> Path:
    """Two pairs of its size."""
    random = np.random.default_rng(7)
    for name in ("original", "bokeh"):
        (tmp_path / "pairs" / name).mkdir(parents=True)
    for number in range(2):
        noise = random.integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / f"pairs/original/{number}.png")
        Image.fromarray(noise // 2 + 60).save(tmp_path / f"pairs/bokeh/{number}.png")
    return tmp_path / "pairs"


def records(bokehbench: Command, *words: object) -> list[dict[str, Any]]:
    ended = bokehbench("run", *words, "--json", "-")
    assert ended.code == 0, ended.err
    found: list[dict[str, Any]] = ended.json()["records"]
    return found


def test_a_phone_without_a_usable_gpu_falls_back_and_scores_its_own_images(
    bokehbench: Command, phone: TestDevice, small: Path, small_pairs: Path
) -> None:
    words = (*FAST, small, "--dataset", small_pairs)
    device = ("--device", f"tcp:{phone.address}", "--profile", "rig")
    gpu, cpu = records(bokehbench, *device, "--backend", "auto", *words)
    [local] = records(bokehbench, "--device", "local", "--backend", "xnnpack", *words)

    for record in (gpu, cpu):
        assert (record["device"]["platform"], record["device"]["abi"]) == ("android", "arm64-v8a")
        assert record["runner"]["target"] == "android-arm64-v8a"
        assert record["engine"]["name"] == "tflite"
    # The delegate's library is found and opened; what it needs of a phone is not there.
    failure = gpu["trials"][0]["failure"]
    assert failure["kind"] == "backend_unavailable"
    assert "libGLESv3.so" in failure["message"]
    assert gpu["status"] == "invalid"
    assert cpu["status"] == "provisional"
    assert cpu["trials"][0]["report"]["delegate"] == "TfLiteXNNPackDelegate"
    # Another engine on another processor rounds a few values to the other byte.
    assert cpu["fidelity"]["psnr"] == pytest.approx(local["fidelity"]["psnr"], abs=0.01)
    assert phone.processes() == []


def test_shell_and_app_side_by_side(
    bokehbench: Command, phone: TestDevice, small: Path, tmp_path: Path
) -> None:
    """The APK is a real one around the device's engine; `pm`, `am` and the app are stand-ins."""
    standin = StandInApp(phone, tmp_path, SOCKET_NAME)
    device = ("--device", f"tcp:{phone.address}", "--profile", "rig", "--backend", "xnnpack")
    five = ("--protocol", "quick", "--processes", 5)
    words = (*device, "--launch", "both", small, *five, *FAST[1:])
    plan = bokehbench("run", *words, "--dry-run")
    assert "xnnpack of tflite in the app" in plan.out
    assert not standin.is_installed
    ended = bokehbench("run", *words, "--json", tmp_path / "run.json")
    assert ended.code == 0, ended.err
    assert "app / shell " in ended.out
    assert "in the app" in ended.out
    assert "installing org.bokehbench.runner" in ended.err
    document = json.loads((tmp_path / "run.json").read_text())
    assert sorted(record["launch"] for record in document["records"]) == ["app", "shell"]
    [comparison] = document["comparisons"]
    assert comparison["paired"] is True
    assert comparison["interval"][0] <= comparison["ratio"] <= comparison["interval"][1]
    [app] = [record for record in document["records"] if record["launch"] == "app"]
    installed = check_apk(standin.pm / "base.apk")
    assert installed.sha256 == app["runner"]["sha256"]
    names = {name.rpartition("/")[2] for name in installed.libraries}
    assert {LIBRARY_FILE, "libtensorflowlite_jni.so"} <= names
    standin.close()


def test_a_device_that_no_runner_is_built_for_is_refused(
    bokehbench: Command, tmp_path: Path, small: Path
) -> None:
    (tmp_path / "bin").mkdir()
    uname = tmp_path / "bin/uname"
    uname.write_text('#!/bin/sh\n[ "$1" = -m ] && echo armv7l || exec /bin/uname "$@"\n')
    uname.chmod(0o755)
    bokehbench.environment["PATH"] = f"{tmp_path}/bin:{os.environ['PATH']}"
    ended = bokehbench("run", "--device", "local", small)
    assert ended.code == 3
    assert ended.complaint == (
        "bokehbench: local: linux armv7 is not supported: the runner is built for "
        "android arm64-v8a, x86_64; linux x86_64, aarch64"
    )
