"""The runners started: for arm64 in a real Android C library, for x86_64 in glibc behind a shim.

arm64: Android 6's libc.so, libm.so and liblog.so, TensorFlow Lite as Google publishes it for
Android, an emulated processor, and in place of Android's linker one of the tests' own.
x86_64: start-up, the kernel's structs and numbers, and the whole protocol; no Android code at all.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
from elftools.elf.elffile import ELFFile

from android_app.build import HERE, TARGETS, build_id, build_runner, host_target
from bokehbench.engines import find_engine
from bokehbench.engines.elf import read_elf
from tests.native.bench import Bench, Outcome, engine_folder
from tests.native.test_runner import ENDLESS, IMAGE, OUT, UNIT, interpret, random_bytes, unit
from tests.rig import RigMissing, require_rig
from tests.rig.bionic import android_engines, bionic_root, emulated_android
from tests.rig.emulate import emulator
from tests.rig.root import device_root
from tests.support import models

SHIM = Path(__file__).with_name("shim.c")


def lacking(reason: str) -> NoReturn:
    """Skip, and fail in CI, where every part has to be there."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def arm64_runner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Android runner for arm64."""
    path = tmp_path_factory.mktemp("android-arm64") / "runner"
    build_runner(TARGETS["android-arm64-v8a"], path)
    return path


@pytest.fixture(scope="session")
def tflite() -> Path:
    """TensorFlow Lite for Android arm64, installed once for all tests."""
    require_rig("arm64")
    try:
        emulator()
        bionic_root(device_root("arm64"))
        root = android_engines()
    except RigMissing as missing:
        lacking(str(missing))
    return find_engine("tflite", "android", "arm64-v8a", gpu=False, root=root).library


class Emulated(Bench):
    """A bench whose runner is an Android program."""

    def command(self, words: list[str]) -> Outcome:
        """Run the words with bionic to their end."""
        library = next(w for w in words if w.startswith("engine_folder=")).partition("=")[2]
        return super().command(emulated_android(Path(words[0]), *words[1:], library_path=library))


@pytest.fixture
def phone(arm64_runner: Path, tmp_path: Path) -> Emulated:
    """A bench in a real Android C library."""
    return Emulated(arm64_runner, tmp_path)


def engine(library: Path, **more: object) -> dict[str, object]:
    """The arguments that name the engine."""
    folder = library.parent
    return {"engine": "tflite", "engine_library": library, "engine_folder": folder, **more}


@pytest.mark.real("emulator and Android's C library")
@pytest.mark.parametrize("backend", ["xnnpack", "cpu"])
def test_a_model_runs_in_bionic(phone: Emulated, tflite: Path, backend: str) -> None:
    model = models.conv()
    arguments = engine(tflite, backend=backend, output_format="f32", core_mask="1")
    outcome = phone.run(model, [IMAGE], OUT, ["0\tfile:out.f32\tseed:42"], **arguments)
    assert outcome.code == 0, outcome.errors
    hello = outcome.one("hello")
    assert hello["abi"] == "aarch64"
    assert hello["build"] == build_id(TARGETS["android-arm64-v8a"])
    assert hello["engine_abi"].startswith("tflite-2.")
    assert len(outcome.one("samples")["invoke_ns"]) == 3
    assert outcome.one("memory")["peak_bytes"] > 2**20
    image = random_bytes(42, 0, 192).reshape(1, 8, 8, 3)
    reals = np.fromfile(phone.folder / "out.f32", np.float32).reshape(1, 8, 8, 3)
    np.testing.assert_allclose(reals, interpret(model, unit(image)), rtol=0, atol=1e-5)


@pytest.mark.real("emulator and Android's C library")
def test_images_pass_through_bionic_unchanged(phone: Emulated, tflite: Path) -> None:
    """Files in and out, and bytes that are converted there and back, on several threads."""
    shape = "1x4x4x3:float32:0:255:0:0"
    for i in range(3):
        (phone.folder / f"{i}.in").write_bytes(random_bytes(i, 5, 48).tobytes())
    items = [f"{i}\tfile:{i}.out\tfile:{i}.in\tseed:{i}" for i in range(3)]
    outcome = phone.run(
        models.add(),
        [shape, shape],
        "-:float32:0:255:0:0",
        items,
        **engine(tflite, mode="images", threads=2),
    )
    assert outcome.code == 0, outcome.errors
    for i in range(3):
        left, right = random_bytes(i, 5, 48), random_bytes(i, 1, 48)
        want = np.clip(left.astype(int) + right, 0, 255).astype(np.uint8).tobytes()
        assert (phone.folder / f"{i}.out").read_bytes() == want


@pytest.mark.real("emulator and Android's C library")
def test_the_deadline_ends_a_runner_in_bionic(phone: Emulated, tflite: Path) -> None:
    """signal, sigprocmask and setitimer, with the structs that bionic has."""
    arguments = engine(tflite, deadline_ms=2000, **ENDLESS)
    size = f"1x256x256x3:{UNIT}"
    outcome = phone.run(models.conv(256, 256), [size], OUT, ["0\tnone\tseed:1"], **arguments)
    assert outcome.code == 124


@pytest.mark.real("emulator and Android's C library")
@pytest.mark.parametrize(
    ("change", "code", "error", "words"),
    [
        ({"model": "/none/model.tflite"}, 66, "model_missing", "No such file or directory"),
        ({"engine_library": "/none/libx.so"}, 69, "engine_missing", "No such file or directory"),
        ({"core_mask": "f" * 16}, 64, "usage", "core_mask=ffffffffffffffff: only"),
        ({"out": "-:float32:0:nan:0:0"}, 64, "usage", "nan"),
    ],
    ids=["model", "library", "cores", "number"],
)
def test_refusals_in_bionic(
    phone: Emulated,
    tflite: Path,
    change: dict[str, object],
    code: int,
    error: str,
    words: str,
) -> None:
    """errno, strerror, strtod and the core mask, as bionic has them."""
    arguments = {**engine(tflite), **{k: v for k, v in change.items() if k != "out"}}
    out = str(change.get("out", OUT))
    outcome = phone.run(models.conv(), [IMAGE], out, ["0\tnone\tseed:1"], **arguments)
    assert outcome.code == code
    assert outcome.one("error")["code"] == error
    assert words in outcome.one("error")["message"]


@pytest.mark.real("emulator and Android's C library")
def test_a_library_that_lacks_another_is_said_by_the_linker(
    phone: Emulated, tflite: Path, tmp_path: Path
) -> None:
    """dlopen and dlerror: the reason reaches the host."""
    name = tflite.read_bytes().replace(b"liblog.so", b"libfog.so")
    library = tmp_path / "libtensorflowlite_jni.so"
    library.write_bytes(name)
    arguments = engine(library)
    outcome = phone.run(models.conv(), [IMAGE], OUT, ["0\tnone\tseed:1"], **arguments)
    assert outcome.code == 69
    assert outcome.one("error")["code"] == "engine_unsupported"
    assert "libfog.so" in outcome.one("error")["message"]


# --- x86_64 ---------------------------------------------------------------------------


class Shimmed(Bench):
    """A bench whose runner is an Android x86_64 program, started by glibc's own linker."""

    shim: Path

    def command(self, words: list[str]) -> Outcome:
        """Run the words to their end."""
        return super().command([glibc_linker(), "--library-path", str(self.shim), *words])


def glibc_linker() -> str:
    """The program that starts this Python."""
    with open(sys.executable, "rb") as stream:
        [segment] = [s for s in ELFFile(stream).iter_segments() if s["p_type"] == "PT_INTERP"]
        return str(segment.get_interp_name())


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a libc.so and a libdl.so that stand before glibc."""
    if host_target().name != "linux-x86_64":
        pytest.skip("runs programs for x86_64")
    folder = tmp_path_factory.mktemp("shim")
    zig = [sys.executable, "-m", "ziglang", "cc", "-target", "x86_64-linux-gnu.2.34"]
    empty = folder / "empty.c"
    empty.write_text("extern int nothing;\n")
    for name, source in (("libc.so", SHIM), ("libdl.so", empty)):
        words = ["-shared", "-fPIC", "-O1", "-fno-builtin", f"-Wl,-soname,{name}", str(source)]
        subprocess.run([*zig, *words, "-o", str(folder / name)], check=True)
    return folder


@pytest.fixture
def android(shim: Path, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Shimmed:
    """A bench with the Android runner for x86_64."""
    path = tmp_path_factory.mktemp("android-x86_64") / "runner"
    build_runner(TARGETS["android-x86_64"], path)
    bench = Shimmed(path, tmp_path)
    bench.shim = shim
    return bench


def test_the_x86_64_runner_runs_a_model_behind_a_shim(android: Shimmed) -> None:
    model = models.conv()
    items = ["0\tfile:out.f32\tseed:42"]
    outcome = android.run(model, [IMAGE], OUT, items, output_format="f32", core_mask="1")
    assert outcome.code == 0, outcome.errors
    assert outcome.one("hello")["build"] == build_id(TARGETS["android-x86_64"])
    image = random_bytes(42, 0, 192).reshape(1, 8, 8, 3)
    reals = np.fromfile(android.folder / "out.f32", np.float32).reshape(1, 8, 8, 3)
    np.testing.assert_allclose(reals, interpret(model, unit(image)), rtol=0, atol=1e-5)


def test_the_deadline_ends_the_x86_64_runner(android: Shimmed) -> None:
    size = f"1x256x256x3:{UNIT}"
    arguments = {"deadline_ms": 1000, **ENDLESS}
    outcome = android.run(models.conv(256, 256), [size], OUT, ["0\tnone\tseed:1"], **arguments)
    assert outcome.code == 124


def test_the_x86_64_runner_refuses_in_words(android: Shimmed) -> None:
    outcome = android.command([str(android.runner), "0"])
    assert outcome.code == 64
    assert outcome.one("error")["code"] == "protocol_mismatch"


# --- Linux arm64, and other compilers -------------------------------------------------


@pytest.mark.real("emulator")
def test_the_linux_arm64_runner_starts(tmp_path: Path) -> None:
    """The engine is not there for this processor: the greeting and a refusal are."""
    require_rig("arm64")
    runner = tmp_path / "runner"
    build_runner(TARGETS["linux-aarch64"], runner)
    prefix = []
    if host_target().name != "linux-aarch64":
        prefix = [str(emulator()), "-L", str(device_root("arm64").folder)]
    bench = Bench(runner, tmp_path)
    assert bench.command([*prefix, str(runner), "0"]).code == 64
    library = engine_folder() / "libLiteRt.so"
    words = bench.prepare(models.conv(), [IMAGE], OUT, ["0\tnone\tseed:1"], engine_library=library)
    outcome = bench.command([*prefix, *words])
    assert outcome.code == 69
    assert outcome.one("hello")["abi"] == "aarch64"
    assert outcome.one("hello")["build"] == build_id(TARGETS["linux-aarch64"])
    assert outcome.one("error")["code"] == "engine_unsupported"
    assert "libLiteRt.so" in outcome.one("error")["message"]


@pytest.mark.real("cmake and gcc")
def test_cmake_builds_the_same_runner_with_this_machines_compiler(tmp_path: Path) -> None:
    for program in ("cmake", "cc"):
        if shutil.which(program) is None:
            lacking(f"{program} is not on this machine; try: apt-get install cmake gcc make")
    build = tmp_path / "build"
    for words in (["-S", str(HERE), "-B", str(build)], ["--build", str(build)]):
        subprocess.run(["cmake", *words], check=True, capture_output=True)
    bench = Bench(build / "runner", tmp_path)
    outcome = bench.run(models.conv(), [IMAGE], OUT, ["0\tnone\tseed:1"])
    assert outcome.code == 0, outcome.errors
    assert outcome.one("hello")["build"] == build_id()
    app = build / "libbokehbench_app.so"
    facts = read_elf(app, app.name)
    assert facts.is_library
    assert facts.functions == {"ANativeActivity_onCreate"}
    assert build_id(app=True).encode() in app.read_bytes()
