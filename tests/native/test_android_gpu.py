"""TFLite's own GPU delegate for Android, where the GPU's interfaces are empty shells.

Android's C library, TensorFlow Lite and its GPU delegate are the real ones, the processor is
emulated, and libGLESv3.so and libEGL.so have functions that all return 0. So no kernel runs; but
what the delegate takes of its options and of the graph, and how it fails, are its own.
"""

import shutil
from pathlib import Path
from typing import Any

import pytest
from elftools.elf.elffile import ELFFile

from android_app.build import TARGETS, build_runner, zig_cc
from tests.native.bench import Outcome
from tests.native.test_libcs import Emulated, lacking
from tests.native.test_runner import IMAGE, OUT
from tests.rig import RigMissing, require_rig
from tests.rig.bionic import android_engines, bionic_root
from tests.rig.emulate import emulator
from tests.rig.root import device_root
from tests.support import models

pytestmark = pytest.mark.real("emulator and Android's C library")

TARGET = TARGETS["android-arm64-v8a"]
LIBRARY, GPU_LIBRARY = "libtensorflowlite_jni.so", "libtensorflowlite_gpu_jni.so"
SHELLS = {"libGLESv3.so": "gl", "libEGL.so": "egl"}
FLAGS = ("-shared", "-fPIC", "-nostdlib", "-ffreestanding", "-Wl,--hash-style=both")


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with TensorFlow Lite, its GPU delegate and the shells."""
    require_rig("arm64")
    try:
        emulator()
        bionic_root(device_root("arm64"))
        root = android_engines()
    except RigMissing as missing:
        lacking(str(missing))
    folder = tmp_path_factory.mktemp("engine")
    for name in (LIBRARY, GPU_LIBRARY):
        [path] = (root / "tflite" / "android-arm64-v8a").rglob(name)
        shutil.copy(path, folder)
    with open(folder / GPU_LIBRARY, "rb") as stream:
        symbols = list(ELFFile(stream).get_section_by_name(".dynsym").iter_symbols())
    wanted = [symbol.name for symbol in symbols if symbol["st_shndx"] == "SHN_UNDEF"]
    for name, prefix in SHELLS.items():
        source = folder / f"{name}.c"
        functions = [word for word in wanted if word.startswith(prefix)]
        source.write_text("".join(f"long {word}(void) {{ return 0; }}\n" for word in functions))
        words = [*FLAGS, f"-Wl,-soname,{name}", str(source), "-o", str(folder / name)]
        assert functions
        assert not zig_cc(TARGET, words)
    return folder


@pytest.fixture(scope="session")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Android runner for arm64."""
    path = tmp_path_factory.mktemp("android-arm64") / "runner"
    build_runner(TARGET, path)
    return path


@pytest.fixture
def phone(runner: Path, engine: Path, tmp_path: Path) -> "Phone":
    """A bench in a real Android C library."""
    made = Phone(runner, tmp_path)
    made.engine = engine
    return made


class Phone(Emulated):
    """A bench that asks for the GPU."""

    engine: Path

    def gpu(self, model: bytes, **changes: object) -> Outcome:
        """Run the model on the GPU, as far as that goes."""
        arguments: dict[str, object] = {
            "engine": "tflite",
            "engine_library": self.engine / LIBRARY,
            "engine_folder": self.engine,
            "backend": "gpu",
            **changes,
        }
        return self.run(model, [IMAGE], OUT, ["0\tnone\tseed:1"], **arguments)


def refused(outcome: Outcome, code: str) -> dict[str, Any]:
    error = outcome.one("error")
    assert (outcome.code, error["code"]) == (69, code), outcome.errors
    return error


def test_without_any_interface_there_is_no_gpu(phone: Phone) -> None:
    outcome = phone.gpu(models.conv())
    error = refused(outcome, "backend_unavailable")
    assert "Can not open OpenCL library on this device" in error["message"]
    assert "TfLiteGpuDelegate Init: EGL error" in error["message"]
    assert "ERROR: Falling back to OpenGL" in outcome.errors
    assert "with delegate (TfLiteGpuDelegateV2) node" in outcome.errors


def test_what_is_forced_is_what_the_delegate_tries(phone: Phone) -> None:
    """The place of the flags in the options, as the delegate reads them."""
    opencl = phone.gpu(models.conv(), gpu_backend="opencl")
    assert "Can not open OpenCL library" in refused(opencl, "delegate_failed")["message"]
    assert "EGL" not in opencl.errors
    opengl = phone.gpu(models.conv(), gpu_backend="opengl", precision="fp16")
    assert "EGL error" in refused(opengl, "delegate_failed")["message"]
    assert "OpenCL" not in opengl.errors


def test_folder_and_token_of_the_cache_reach_the_delegate(phone: Phone, tmp_path: Path) -> None:
    """The place of the two texts in the options, behind a number of 64 bits."""
    folder = tmp_path / "cache"
    folder.mkdir()
    outcome = phone.gpu(models.conv(), cache="cold", cache_dir=folder, cache_token="0a1b")
    refused(outcome, "backend_unavailable")
    assert f"ERROR: File {folder}/0a1b_" in outcome.errors


def test_operations_that_the_delegate_refuses_are_named(phone: Phone) -> None:
    outcome = phone.gpu(models.with_normalisation())
    error = outcome.one("error")
    assert error["unsupported"] == [
        {"op": "L2_NORMALIZATION", "reason": "Operation is not supported."}
    ]


def test_a_graph_of_refused_operations_is_no_gpu(phone: Phone) -> None:
    shape = "1x4x4x3:uint8:0:1:0:0"
    arguments = {
        "engine": "tflite",
        "engine_library": phone.engine / LIBRARY,
        "engine_folder": phone.engine,
        "backend": "gpu",
    }
    outcome = phone.run(
        models.cast_uint8(), [shape], "-:uint8:0:1:0:0", ["0\tnone\tseed:1"], **arguments
    )
    assert outcome.one("error")["code"] in ("op_unsupported", "backend_unavailable")
    assert "CAST" in {entry["op"] for entry in outcome.one("error")["unsupported"]}
