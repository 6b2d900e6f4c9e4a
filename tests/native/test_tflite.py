"""The tflite engine with a real TensorFlow Lite for Linux: same results as the litert engine."""

import ctypes
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.native.bench import Bench, Outcome, engine_folder
from tests.native.test_runner import (
    ENDLESS,
    IMAGE,
    INT8_IN,
    INT8_OUT,
    LARGE,
    OUT,
    UNIT,
    random_bytes,
)
from tests.support import models
from tests.support.tflite import require_tflite

pytestmark = pytest.mark.real("tfjs-tflite-node")

UNET = Path(__file__).parents[2] / "examples" / "tiny_unet.tflite"
SMALL = f"1x4x4x3:{UNIT}"
ITEM = ["0\tfile:out\tseed:3"]


@dataclass(frozen=True)
class Net:
    """A model and how the host describes its ends."""

    model: bytes
    source: str = IMAGE
    out: str = OUT


NETS = {
    "convolution": Net(models.conv()),
    "U-Net": Net(UNET.read_bytes(), f"1x64x96x3:{UNIT}"),
    "LeakyReLU": Net(models.leaky_relu()),
    "transposed convolution": Net(models.transposed_convolution()),
    "resize": Net(models.resize_bilinear()),
    "four channels, twice the size": Net(models.rgbd_double(), f"1x8x8x4:{UNIT}"),
    "a part for XNNPACK": Net(models.with_normalisation()),
}


@pytest.fixture
def tflite() -> dict[str, object]:
    """The arguments that name the engine."""
    library = require_tflite()
    return {"engine": "tflite", "engine_library": library, "engine_folder": library.parent}


def output(bench: Bench, net: Net, **arguments: object) -> tuple[Outcome, NDArray[Any]]:
    outcome = bench.run(net.model, [net.source], net.out, ITEM, output_format="f32", **arguments)
    assert outcome.code == 0, outcome.errors
    return outcome, np.fromfile(bench.folder / "out", np.float32)


def refused(outcome: Outcome, exit_code: int, code: str) -> str:
    error = outcome.one("error")
    assert (outcome.code, error["code"]) == (exit_code, code), error
    message: str = error["message"]
    return message


@pytest.mark.parametrize("backend", ["xnnpack", "cpu"])
@pytest.mark.parametrize("net", NETS.values(), ids=NETS)
def test_outputs_equal_those_of_litert(
    bench: Bench, tflite: dict[str, object], net: Net, backend: str
) -> None:
    _, ours = output(bench, net, **tflite, backend=backend)
    _, theirs = output(bench, net, backend=backend)
    assert np.unique(ours).size > 40
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)


def test_time_mode_tells_everything(bench: Bench, tflite: dict[str, object]) -> None:
    outcome = bench.run(models.conv(), [IMAGE], OUT, ITEM, **tflite, warmups=2, runs=5)
    names = [event["event"] for event in outcome.events]
    assert names == ["hello", "backend", "samples", "output", "memory", "done"]
    assert outcome.one("hello")["engine_abi"] == "tflite-2.9.0"
    samples = outcome.one("samples")
    assert samples["region"] == "invoke"
    assert (len(samples["warmup_ns"]), len(samples["invoke_ns"])) == (2, 5)
    backend = outcome.one("backend")
    assert backend["inputs"] == [{"name": "image", "shape": [1, 8, 8, 3], "dtype": "float32"}]
    assert backend["outputs"] == [{"name": "bokeh", "shape": [1, 8, 8, 3], "dtype": "float32"}]
    assert (backend["cache"], backend["gpu_api"], backend["adapter"]) == ("none", None, None)


def test_xnnpack_is_counted_in_the_plan(bench: Bench, tflite: dict[str, object]) -> None:
    """On Linux TFLite prints no counts."""
    whole, _ = output(bench, NETS["U-Net"], **tflite, backend="xnnpack")
    report = whole.one("backend")
    assert report["delegate"] == "TfLiteXNNPackDelegate"
    assert report["fully_accelerated"] is True
    assert (report["delegated_nodes"], report["total_nodes"]) == (12, 12)
    assert report["delegates"] == [
        {
            "name": "TfLiteXNNPackDelegate",
            "delegated_nodes": 12,
            "total_nodes": 12,
            "partitions": None,
            "kernels": 1,
        }
    ]
    part, _ = output(bench, NETS["a part for XNNPACK"], **tflite, backend="xnnpack")
    assert part.one("backend")["fully_accelerated"] is False
    assert part.one("backend")["delegated_nodes"] == 1
    assert part.one("backend")["total_nodes"] == 2


def test_plain_kernels_are_proven_and_slower(bench: Bench, tflite: dict[str, object]) -> None:
    slow = bench.run(*LARGE, **tflite, backend="cpu", runs=9)
    fast = bench.run(*LARGE, **tflite, backend="xnnpack", runs=9)
    report = slow.one("backend")
    assert (report["delegate"], report["delegates"]) == (None, [])
    assert report["fully_accelerated"] is False
    assert (report["delegated_nodes"], report["total_nodes"]) == (0, 2)
    assert min(slow.one("samples")["invoke_ns"]) > 1.3 * min(fast.one("samples")["invoke_ns"])


def test_images_mode(bench: Bench, tflite: dict[str, object]) -> None:
    """Two inputs, in the order of the model's own."""
    items = [f"{i}\tfile:out.{i}\tseed:{i}\tseed:{i}" for i in range(4)]
    shape = "1x4x4x3:float32:0:255:0:0"
    outcome = bench.run(
        models.divide(),
        [shape, shape],
        "-:float32:0:1:0:0",
        items,
        mode="images",
        output_format="f32",
        **tflite,
    )
    assert outcome.code == 0, outcome.errors
    names = [event["event"] for event in outcome.events]
    assert names == ["hello", "backend", *["output"] * 4, "memory", "done"]
    for i in range(4):
        left, right = (random_bytes(i, place, 48).astype(np.float32) for place in (0, 1))
        with np.errstate(divide="ignore", invalid="ignore"):
            want = left / right
        reals = np.fromfile(bench.folder / f"out.{i}", np.float32)
        np.testing.assert_allclose(reals, want, rtol=1e-5)


@pytest.mark.parametrize("backend", ["xnnpack", "cpu"])
@pytest.mark.parametrize("open_sides", [True, False])
def test_resized_input(
    bench: Bench, tflite: dict[str, object], backend: str, open_sides: bool
) -> None:
    net = Net(models.conv(open_sides=open_sides), f"1x12x20x3:{UNIT}")
    outcome, ours = output(bench, net, **tflite, backend=backend)
    assert outcome.one("output")["shape"] == [1, 12, 20, 3]
    assert outcome.one("backend")["fully_accelerated"] is (backend == "xnnpack")
    _, theirs = output(bench, net, backend=backend)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)


def test_int8_model(bench: Bench, tflite: dict[str, object]) -> None:
    net = Net(models.conv_int8(), f"1x8x8x3:{INT8_IN}", f"-:{INT8_OUT}")
    _, ours = output(bench, net, **tflite, backend="cpu")
    _, theirs = output(bench, net, backend="cpu")
    np.testing.assert_array_equal(ours, theirs)
    # XNNPACK of this build takes no quantised operation, and the plan says so.
    outcome = bench.run(net.model, [net.source], net.out, ITEM, **tflite, backend="xnnpack")
    assert "took none" in refused(outcome, 69, "backend_unavailable")


@pytest.mark.parametrize("end", ["input", "output"])
def test_another_quantisation_is_refused(bench: Bench, tflite: dict[str, object], end: str) -> None:
    """Every value would be wrong by a factor, and nothing else would tell."""
    source, out = f"1x8x8x3:{INT8_IN}", f"-:{INT8_OUT}"
    changed = "int8:0:1:0.25:-128"
    source, out = (f"1x8x8x3:{changed}", out) if end == "input" else (source, f"-:{changed}")
    outcome = bench.run(models.conv_int8(), [source], out, ITEM, **tflite, backend="cpu")
    assert "0.25" in refused(outcome, 65, "input_mismatch")


def test_uint8_model_takes_bytes_unchanged(bench: Bench, tflite: dict[str, object]) -> None:
    end = "uint8:0:1:0:0"
    outcome = bench.run(models.cast_uint8(), [f"1x4x4x3:{end}"], f"-:{end}", ITEM, **tflite)
    assert outcome.code == 0, outcome.errors
    assert (bench.folder / "out").read_bytes() == (random_bytes(3, 0, 48) // 2).tobytes()


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_are_started(bench: Bench, tflite: dict[str, object], threads: int) -> None:
    words = bench.prepare(*LARGE, **ENDLESS, **tflite, threads=threads)
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        while b'"backend"' not in process.stdout.readline():
            pass
        seen = len(list(Path(f"/proc/{process.pid}/task").iterdir()))
        process.kill()
    assert seen == threads


def test_models_that_can_not_run(bench: Bench, tflite: dict[str, object]) -> None:
    good = models.conv()
    for size in (0, 4, 100, len(good) // 2):
        outcome = bench.run(good[:size], [IMAGE], OUT, ITEM, **tflite)
        refused(outcome, 66, "model_invalid")
    outcome = bench.run(good, [IMAGE], OUT, ITEM, **tflite, model="/nonexistent/model.tflite")
    refused(outcome, 66, "model_missing")
    for backend in ("xnnpack", "cpu"):
        outcome = bench.run(models.custom_op(), [SMALL], OUT, ITEM, **tflite, backend=backend)
        assert "NobodyHasThis" in refused(outcome, 69, "op_unsupported")
        outcome = bench.run(models.too_new(), [SMALL], OUT, ITEM, **tflite, backend=backend)
        message = refused(outcome, 69, "op_unsupported")
        assert "CONV_2D" in message
        assert "version '99'" in message


def test_ends_that_do_not_fit(bench: Bench, tflite: dict[str, object]) -> None:
    cases: list[tuple[str, str, Mapping[str, object]]] = [
        ("1x8x8x3:uint8:0:1:0:0", OUT, {}),
        (f"1x8x8x4:{UNIT}", OUT, {}),
        (IMAGE, "-:uint8:0:1:0:0", {}),
        (IMAGE, f"1x8x8x4:{UNIT}", {}),
        (IMAGE, OUT, {"outputs": 2}),
    ]
    for source, out, changes in cases:
        outcome = bench.run(models.conv(), [source], out, ITEM, **tflite, **changes)
        refused(outcome, 65, "input_mismatch")
    outcome = bench.run(models.conv(), [IMAGE], OUT, ITEM, **tflite, signature=1)
    assert "signature" in refused(outcome, 69, "engine_unsupported")


def test_libraries_that_are_none(bench: Bench, tflite: dict[str, object], tmp_path: Path) -> None:
    def run(library: object) -> Outcome:
        arguments = {**tflite, "engine_library": library}
        return bench.run(models.conv(), [IMAGE], OUT, ITEM, **arguments)

    assert "No such file" in refused(run("/nonexistent/lib.so"), 69, "engine_missing")
    library = require_tflite()
    cut = tmp_path / "cut.so"
    cut.write_bytes(library.read_bytes()[:32])
    refused(run(cut), 69, "engine_unsupported")
    foreign = tmp_path / "foreign.so"
    data = bytearray(library.read_bytes())
    data[18] = 183 if data[18] != 183 else 62  # e_machine: AArch64, or x86-64
    foreign.write_bytes(data)
    refused(run(foreign), 69, "engine_unsupported")
    message = refused(run(engine_folder() / "libLiteRt.so"), 69, "engine_unsupported")
    assert "libLiteRt.so lacks TfLiteVersion TfLiteModelCreateFromFile" in message


def test_a_gpu_without_a_delegate_names_what_is_missing(
    bench: Bench, tflite: dict[str, object], tmp_path: Path
) -> None:
    outcome = bench.run(models.conv(), [IMAGE], OUT, ITEM, **tflite, backend="gpu")
    message = refused(outcome, 69, "backend_unavailable")
    assert "TfLiteGpuDelegateV2Create TfLiteGpuDelegateOptionsV2Default" in message
    assert "libtensorflowlite_gpu_jni.so" in message
    folder = tmp_path / "wrong"
    folder.mkdir()
    arguments = {**tflite, "engine_folder": folder, "backend": "gpu"}
    place = folder / "libtensorflowlite_gpu_jni.so"
    for content, words in (
        (engine_folder() / "libLiteRt.so", "lacks TfLiteGpuDelegateV2Create"),
        (Path(__file__), "libtensorflowlite_gpu_jni.so"),
    ):
        shutil.copy(content, place)
        outcome = bench.run(models.conv(), [IMAGE], OUT, ITEM, **arguments)
        assert words in refused(outcome, 69, "backend_unavailable")


TAKEN_BACK = """
import ctypes, sys
lib = ctypes.CDLL(sys.argv[1])
for name in ("ModelCreateFromFile", "InterpreterCreate", "XNNPackDelegateCreate"):
    getattr(lib, "TfLite" + name).restype = ctypes.c_void_p
Prepare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
Plan = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p))

class Delegate(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("Prepare", Prepare), ("rest", ctypes.c_void_p * 3),
                ("flags", ctypes.c_int64), ("room", ctypes.c_void_p * 8)]

sizes = []
def look(context, delegate):
    plan = ctypes.c_void_p()
    function = ctypes.cast(context + 8, ctypes.POINTER(ctypes.c_void_p))[0]
    Plan(function)(context, ctypes.byref(plan))
    sizes.append(ctypes.cast(plan.value, ctypes.POINTER(ctypes.c_int))[0])
    return 0

def apply(delegate):
    return lib.TfLiteInterpreterModifyGraphWithDelegate(interpreter, delegate)

model = ctypes.c_void_p(lib.TfLiteModelCreateFromFile(sys.argv[2].encode()))
interpreter = ctypes.c_void_p(lib.TfLiteInterpreterCreate(model, None))
assert lib.TfLiteInterpreterAllocateTensors(interpreter) == 0
looking = Delegate(Prepare=Prepare(look), flags=1)
failing = Delegate(Prepare=Prepare(lambda context, delegate: 1), flags=1)
options = (ctypes.c_uint8 * 512)()
assert apply(ctypes.c_void_p(lib.TfLiteXNNPackDelegateCreate(options))) == 0
assert apply(ctypes.byref(looking)) == 0
assert apply(ctypes.byref(failing)) == 2
assert apply(ctypes.byref(looking)) == 0
assert lib.TfLiteInterpreterAllocateTensors(interpreter) == 0
assert lib.TfLiteInterpreterInvoke(interpreter) == 0
print(*sizes)
"""
"""What engine_tflite.c rests on where a build applies XNNPACK by itself."""


def test_a_delegate_that_fails_takes_xnnpack_back(tmp_path: Path) -> None:
    library, model = require_tflite(), tmp_path / "model.tflite"
    model.write_bytes(models.conv())
    command = [sys.executable, "-c", TAKEN_BACK, str(library), str(model)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    # One kernel in place of both operations, and both of them again.
    assert result.stdout.split() == ["1", "2"]


def test_options_of_this_build_come_back_in_registers() -> None:
    """A caller that expects the larger struct of later versions would read noise."""
    library = ctypes.CDLL(str(require_tflite()))
    function = library.TfLiteXNNPackDelegateOptionsDefault
    function.argtypes, function.restype = [ctypes.c_void_p], ctypes.c_uint64
    memory = (ctypes.c_uint8 * 512)(*[0xA5] * 512)
    assert function(memory) == 0
    assert set(memory) == {0xA5}
