"""The real runner with the real engine, on models of a few operators."""

import hashlib
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from tests.native.bench import Bench, engine_folder
from tests.support import models

UNIT = "float32:0:1:0:0"
IMAGE = f"1x8x8x3:{UNIT}"
OUT = f"-:{UNIT}"
INT8_IN = f"int8:0:1:{models.INT8_INPUT[0]!r}:{models.INT8_INPUT[1]}"
INT8_OUT = f"int8:0:1:{models.INT8_OUTPUT[0]!r}:{models.INT8_OUTPUT[1]}"
LARGE = (models.conv(256, 256), [f"1x256x256x3:{UNIT}"], OUT, ["0\tnone\tseed:1"])
ENDLESS = {"runs": 1_000_000, "max_ms": 600_000}
GAMMA = 0x9E3779B97F4A7C15
MASK = 2**64 - 1


def random_bytes(seed: int, index: int, count: int) -> NDArray[np.uint8]:
    """The generator of docs/protocol.md, written down a second time."""
    state = seed ^ (index * 0xD1B54A32D192ED03 & MASK)
    words = []
    for _ in range(-(-count // 8)):
        state = (state + GAMMA) & MASK
        z = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 & MASK
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB & MASK
        words.append(z ^ (z >> 31))
    return np.frombuffer(b"".join(word.to_bytes(8, "little") for word in words), np.uint8)[:count]


def interpret(model: bytes, *inputs: NDArray[Any]) -> NDArray[Any]:
    """What the engine's own Python interpreter makes of the inputs."""
    interpreter = Interpreter(model_content=model, num_threads=1)
    details = interpreter.get_input_details()
    for detail, value in zip(details, inputs, strict=True):
        interpreter.resize_tensor_input(detail["index"], value.shape)
    interpreter.allocate_tensors()
    for detail, value in zip(details, inputs, strict=True):
        interpreter.set_tensor(detail["index"], value)
    interpreter.invoke()
    output: NDArray[Any] = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    return output


def unit(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Bytes as float32 reals from 0 to 1."""
    return (image.astype(np.float64) / 255).astype(np.float32)


def to_u8(reals: NDArray[Any]) -> NDArray[np.uint8]:
    """Reals from 0 to 1 as bytes, rounded half to even."""
    return np.clip(np.rint(reals.astype(np.float64) * 255), 0, 255).astype(np.uint8)


def test_time_mode_tells_everything(bench: Bench) -> None:
    outcome = bench.run(models.conv(), [IMAGE], OUT, ["3\tnone\tseed:1"], warmups=2, runs=5)
    assert outcome.code == 0
    names = [event["event"] for event in outcome.events]
    assert names == ["hello", "backend", "samples", "output", "memory", "done"]
    hello, backend, samples = outcome.events[:3]
    manifest = next(bench.folder.glob("*.manifest"))
    assert hello["protocol"] == 2
    assert hello["engine"] == "litert"
    assert hello["manifest_sha256"] == manifest.stem
    assert len(hello["build"]) == 64
    assert hello["engine_abi"].startswith("litert-2.")
    assert hello["abi"] == os.uname().machine
    assert backend["name"] == "xnnpack"
    assert "XNNPACK" in backend["delegate"].upper()
    assert backend["fully_accelerated"] is True
    assert backend["threads"] == 1
    assert backend["cache"] == "none"
    assert backend["adapter"] is None
    assert any("XNNPACK delegate" in line for line in backend["log"])
    assert len(backend["log"]) <= 32
    assert backend["load_ns"] > 0
    assert backend["inputs"] == [{"name": "image", "shape": [1, 8, 8, 3], "dtype": "float32"}]
    assert backend["outputs"] == [{"name": "bokeh", "shape": [1, 8, 8, 3], "dtype": "float32"}]
    assert samples["region"] == "lock_write+run+lock_read"
    assert samples["capped"] is False
    assert len(samples["warmup_ns"]) == 2
    assert len(samples["invoke_ns"]) == 5
    assert all(value > 0 for value in samples["warmup_ns"] + samples["invoke_ns"])
    output = outcome.one("output")
    assert output["index"] == 3
    assert output["path"] is None
    assert output["size_bytes"] == 192
    assert output["invoke_ns"] == samples["invoke_ns"][-1]
    assert outcome.one("memory")["peak_bytes"] > 2**20
    assert "INFO" in outcome.errors
    assert not (bench.folder / "engine.log").exists()


@pytest.mark.parametrize("backend", ["xnnpack", "cpu"])
def test_float_output_equals_interpreter(bench: Bench, backend: str) -> None:
    model = models.conv()
    image = random_bytes(42, 0, 192).reshape(1, 8, 8, 3)
    outcome = bench.run(
        model,
        [IMAGE],
        OUT,
        ["0\tfile:out.f32\tseed:42"],
        output_format="f32",
        backend=backend,
    )
    assert outcome.code == 0
    reals = np.fromfile(bench.folder / "out.f32", np.float32).reshape(1, 8, 8, 3)
    np.testing.assert_allclose(reals, interpret(model, unit(image)), rtol=0, atol=1e-5)
    output = outcome.one("output")
    assert output["dtype"] == "f32"
    assert output["nonfinite"] == 0
    assert (output["low"], output["high"]) == (float(reals.min()), float(reals.max()))
    assert output["sha256"] == hashlib.sha256(reals.tobytes()).hexdigest()


def test_cpu_backend_runs_no_delegate(bench: Bench) -> None:
    slow = bench.run(*LARGE, backend="cpu", runs=9)
    fast = bench.run(*LARGE, backend="xnnpack", runs=9)
    assert slow.one("backend")["delegate"] is None
    assert slow.one("backend")["fully_accelerated"] is False
    assert not any("XNNPACK delegate" in line for line in slow.one("backend")["log"])
    assert min(slow.one("samples")["invoke_ns"]) > 1.3 * min(fast.one("samples")["invoke_ns"])


def test_u8_from_float_is_exact(bench: Bench) -> None:
    model = models.conv()
    image = random_bytes(5, 0, 192).reshape(1, 8, 8, 3)
    (bench.folder / "in.raw").write_bytes(image.tobytes())
    items = ["0\tfile:out.u8\tfile:in.raw"]
    assert bench.run(model, [IMAGE], OUT, items).code == 0
    first = (bench.folder / "out.u8").read_bytes()
    assert bench.run(model, [IMAGE], OUT, ["0\tfile:o\tseed:5"], output_format="f32").code == 0
    reals = np.fromfile(bench.folder / "o", np.float32)
    assert first == to_u8(reals).tobytes()


@pytest.mark.parametrize(
    ("rounding", "rule"),
    [
        ("half_even", np.rint),
        ("half_up", lambda values: np.floor(values + 0.5)),
        ("truncate", np.trunc),
    ],
)
def test_rounding_rules(bench: Bench, rounding: str, rule: Any) -> None:
    """Sums of two bytes as halves of a byte: every second one is a tie."""
    left, right = (random_bytes(9, index, 48).astype(np.float64) for index in (0, 1))
    out = "-:float32:0:510:0:0"
    shape = "1x4x4x3:float32:0:255:0:0"
    items = ["0\tfile:out.u8\tseed:9\tseed:9"]
    outcome = bench.run(models.add(), [shape, shape], out, items, rounding=rounding)
    assert outcome.code == 0
    want = np.clip(rule((left + right) / 2), 0, 255).astype(np.uint8)
    assert (bench.folder / "out.u8").read_bytes() == want.tobytes()


def test_int8_model(bench: Bench) -> None:
    model = models.conv_int8()
    image = random_bytes(7, 0, 192).reshape(1, 8, 8, 3)
    scale, zero = models.INT8_OUTPUT
    quantised = (image.astype(np.int16) - 128).astype(np.int8)
    items = ["0\tfile:out\tseed:7"]
    arguments = (model, [f"1x8x8x3:{INT8_IN}"], f"-:{INT8_OUT}", items)
    assert bench.run(*arguments, output_format="f32").code == 0
    reals = np.fromfile(bench.folder / "out", np.float32).reshape(1, 8, 8, 3)
    expected = interpret(model, quantised)
    assert np.unique(expected).size > 20
    np.testing.assert_array_equal(reals, ((expected.astype(np.float64) - zero) * scale))
    assert bench.run(*arguments).code == 0
    assert (bench.folder / "out").read_bytes() == to_u8(reals.astype(np.float64)).tobytes()


def test_uint8_model_takes_bytes_unchanged(bench: Bench) -> None:
    items = ["0\tfile:out\tseed:7"]
    outcome = bench.run(models.cast_uint8(), ["1x4x4x3:uint8:0:1:0:0"], "-:uint8:0:1:0:0", items)
    assert outcome.code == 0
    image = random_bytes(7, 0, 48)
    assert (bench.folder / "out").read_bytes() == (image // 2).tobytes()


@pytest.mark.parametrize("backend", ["xnnpack", "cpu"])
@pytest.mark.parametrize("open_sides", [True, False])
def test_resized_input(bench: Bench, backend: str, open_sides: bool) -> None:
    model = models.conv(open_sides=open_sides)
    items = ["0\tfile:out\tseed:3"]
    outcome = bench.run(
        model, [f"1x12x20x3:{UNIT}"], OUT, items, output_format="f32", backend=backend
    )
    assert outcome.code == 0
    assert outcome.one("backend")["fully_accelerated"] is (backend == "xnnpack")
    image = random_bytes(3, 0, 720).reshape(1, 12, 20, 3)
    reals = np.fromfile(bench.folder / "out", np.float32).reshape(1, 12, 20, 3)
    np.testing.assert_allclose(reals, interpret(model, unit(image)), rtol=0, atol=1e-5)
    assert outcome.one("output")["shape"] == [1, 12, 20, 3]


def test_resized_model_is_as_fast_as_a_fixed_one(bench: Bench) -> None:
    """XNNPACK still runs after a resize; the engine's own kernels take three times as long."""
    fixed = bench.run(*LARGE, runs=15)
    resized = bench.run(models.conv(open_sides=True), *LARGE[1:], runs=15)
    best = [min(outcome.one("samples")["invoke_ns"]) for outcome in (fixed, resized)]
    assert best[1] < 1.6 * best[0]


def test_model_without_signature(bench: Bench) -> None:
    outcome = bench.run(models.conv(signature=False), [IMAGE], OUT, ["0\tnone\tseed:1"])
    assert outcome.code == 0


def test_seeds_are_deterministic(bench: Bench) -> None:
    digests = [
        bench.run(models.conv(), [IMAGE], OUT, [f"0\tnone\tseed:{seed}"], runs=runs).one("output")[
            "sha256"
        ]
        for seed, runs in ((1, 1), (1, 4), (2, 1), (2**64 - 1, 1))
    ]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_images_mode(bench: Bench) -> None:
    model = models.add()
    names = ["a-_.B0", "-leading", "_x", "0", "z" * 200]
    for place, name in enumerate(names):
        (bench.folder / name).write_bytes(random_bytes(place, 5, 48).tobytes())
    items = [f"{10 + i}\tfile:out.{i}\tfile:{name}\tseed:{i}" for i, name in enumerate(names)]
    shape = "1x4x4x3:float32:0:255:0:0"
    outcome = bench.run(model, [shape, shape], "-:float32:0:255:0:0", items, mode="images")
    assert outcome.code == 0
    names_of = [event["event"] for event in outcome.events]
    assert names_of == ["hello", "backend", *["output"] * 5, "memory", "done"]
    for i, event in enumerate(outcome.named("output")):
        left, right = random_bytes(i, 5, 48), random_bytes(i, 1, 48)
        want = np.clip(left.astype(int) + right, 0, 255).astype(np.uint8).tobytes()
        assert (bench.folder / f"out.{i}").read_bytes() == want
        assert event["index"] == 10 + i
        assert event["path"] == f"out.{i}"
        assert event["sha256"] == hashlib.sha256(want).hexdigest()
    assert not list(bench.folder.glob(".*"))


def test_memory_does_not_grow_with_items(bench: Bench) -> None:
    image = [f"1x256x256x3:{UNIT}"]
    few, many = (
        bench.run(
            models.conv(256, 256),
            image,
            OUT,
            [f"{i}\tnone\tseed:{i}" for i in range(count)],
            mode="images",
        ).one("memory")["peak_bytes"]
        for count in (2, 60)
    )
    assert many < few + 2**20


def test_values_that_are_not_finite_are_counted(bench: Bench) -> None:
    left, right = np.full(48, 51, np.uint8), np.full(48, 255, np.uint8)
    right[:3] = 0
    left[0] = 0  # 0 / 0
    (bench.folder / "left").write_bytes(left.tobytes())
    (bench.folder / "right").write_bytes(right.tobytes())
    shape = f"1x4x4x3:{UNIT}"
    items = ["0\tfile:out\tfile:left\tfile:right"]
    outcome = bench.run(models.divide(), [shape, shape], OUT, items)
    output = outcome.one("output")
    assert output["nonfinite"] == 3
    assert output["low"] == output["high"]
    assert (bench.folder / "out").read_bytes()[:4] == bytes([0, 255, 255, 51])


def test_threads_and_cores(bench: Bench) -> None:
    core = min(os.sched_getaffinity(0))
    outcome = bench.run(
        models.conv(), [IMAGE], OUT, ["0\tnone\tseed:1"], threads=3, core_mask=f"{1 << core:x}"
    )
    assert outcome.code == 0
    assert outcome.one("backend")["threads"] == 3


@pytest.mark.parametrize("threads", [1, 4])
def test_threads_are_started(bench: Bench, threads: int) -> None:
    words = bench.prepare(*LARGE, **ENDLESS, threads=threads)
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        while b'"backend"' not in process.stdout.readline():
            pass
        time.sleep(0.2)
        seen = len(list(Path(f"/proc/{process.pid}/task").iterdir()))
        process.kill()
    assert seen == threads


def test_capped_run(bench: Bench) -> None:
    short = bench.run(*LARGE, warmups=0, runs=10_000, min_runs=4, max_ms=1)
    samples = short.one("samples")
    assert short.code == 0
    assert samples["capped"] is True
    assert 4 <= len(samples["invoke_ns"]) <= 10
    warm = bench.run(*LARGE, warmups=10_000, runs=2, min_runs=2, max_ms=50)
    samples = warm.one("samples")
    assert samples["capped"] is True
    assert len(samples["invoke_ns"]) == 2
    assert 1 <= len(samples["warmup_ns"]) < 10_000


def test_deadline_ends_the_process(bench: Bench) -> None:
    start = time.monotonic()
    outcome = bench.run(*LARGE, **ENDLESS, deadline_ms=800)
    assert 0.8 <= time.monotonic() - start < 1.8
    assert outcome.code == 124
    assert b'"done"' not in outcome.output


def test_deadline_holds_with_a_blocked_alarm(bench: Bench) -> None:
    """Blocked signals are inherited from whoever started the runner."""
    words = bench.prepare(*LARGE, **ENDLESS, deadline_ms=500)
    old = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
    try:
        outcome = bench.command(words)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, old)
    assert outcome.code == 124


def test_a_reader_that_is_gone_ends_the_trial(bench: Bench) -> None:
    words = bench.prepare(*LARGE, **ENDLESS)
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(timeout=30) == 74


def test_log_that_nobody_reads_loses_nothing(bench: Bench) -> None:
    words = bench.prepare(*LARGE)
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stderr.close()
        assert b'"done"' in process.stdout.read()
    assert process.returncode == 0


def test_full_disk_is_not_an_absent_proof(bench: Bench) -> None:
    """Lines of the engine that found no room in engine.log were printed all the same."""
    words = bench.prepare(*LARGE, backend="cpu")
    outcome = bench.command(["bash", "-c", 'trap "" XFSZ; ulimit -f 0; exec "$@"', "_", *words])
    assert (outcome.code, outcome.one("error")["code"]) == (74, "io_error")
    assert "engine.log" in outcome.one("error")["message"]


def test_a_killed_runner_is_not_done(bench: Bench) -> None:
    words = bench.prepare(*LARGE, **ENDLESS)
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert b"hello" in process.stdout.readline()
        assert b"backend" in process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read()
    assert process.returncode == -signal.SIGKILL
    assert b"done" not in rest


FAILURES: list[tuple[dict[str, object], int, str]] = [
    ({"in0": "1x8x8x3:uint8:0:1:0:0"}, 65, "input_mismatch"),
    ({"in0": "1x8x8x4:float32:0:1:0:0"}, 65, "input_mismatch"),
    ({"in0": "1x8x8x0:float32:0:1:0:0"}, 64, "usage"),
    ({"out": "-:uint8:0:1:0:0"}, 65, "input_mismatch"),
    ({"out": "1x8x8x4:float32:0:1:0:0"}, 65, "input_mismatch"),
    ({"outputs": 2}, 65, "input_mismatch"),
    ({"signature": 1}, 65, "input_mismatch"),
    ({"model": "/nonexistent/model.tflite"}, 66, "model_missing"),
    ({"engine_library": "/nonexistent/libLiteRt.so"}, 69, "engine_missing"),
    ({"engine_library": str(Path(__file__))}, 69, "engine_unsupported"),
    ({"engine": "onnx"}, 69, "engine_unsupported"),
    ({"colour": "red"}, 64, "usage"),
    ({"threads": None}, 64, "usage"),
    ({"threads": 0}, 64, "usage"),
    ({"backend": "npu"}, 64, "usage"),
    ({"runs": "five"}, 64, "usage"),
    ({"core_mask": "8000000000000000"}, 64, "usage"),
    ({"manifest": "/nonexistent/a.manifest"}, 65, "manifest_invalid"),
]


@pytest.mark.parametrize(("changes", "code", "error"), FAILURES)
def test_failures_are_named(
    bench: Bench, changes: dict[str, object], code: int, error: str
) -> None:
    outcome = bench.run(models.conv(), [IMAGE], OUT, ["0\tnone\tseed:1"], **changes)
    event = outcome.one("error")
    assert (outcome.code, event["code"]) == (code, error)
    assert event["message"]
    assert outcome.events[-2] == event
    assert not outcome.named("samples")


def test_other_protocol_is_refused(bench: Bench) -> None:
    words = bench.prepare(models.conv(), [IMAGE], OUT, ["0\tnone\tseed:1"])
    for version in ("1", "0", "2.0", ""):
        outcome = bench.command([words[0], version, *words[2:]])
        assert outcome.code == 64
        assert outcome.one("error")["code"] == "protocol_mismatch"
    outcome = bench.command([*words, words[-1]])
    assert outcome.code == 64
    assert outcome.one("error")["code"] == "usage"


def test_unusable_models_are_errors(bench: Bench) -> None:
    good = models.conv()
    for size in (0, 4, 100, len(good) // 2, len(good) - 400):
        outcome = bench.run(good[:size], [IMAGE], OUT, ["0\tnone\tseed:1"])
        assert (outcome.code, outcome.one("error")["code"]) == (66, "model_invalid")
    outcome = bench.run(models.int32_model(), ["1x4:float32:0:1:0:0"], OUT, ["0\tnone\tseed:1"])
    assert "int32" in outcome.one("error")["message"]
    for backend in ("xnnpack", "cpu"):
        outcome = bench.run(
            models.custom_op(),
            [f"1x4x4x3:{UNIT}"],
            OUT,
            ["0\tnone\tseed:1"],
            backend=backend,
        )
        assert (outcome.code, outcome.one("error")["code"]) == (69, "op_unsupported")
        assert "NobodyHasThis" in outcome.one("error")["message"]


def test_inputs_that_do_not_fit(bench: Bench) -> None:
    arguments = (models.conv(), [IMAGE], OUT)
    items = ["0\tfile:o0\tseed:1", "1\tfile:o1\tfile:gone"]
    outcome = bench.run(*arguments, items, mode="images")
    assert (outcome.code, outcome.one("error")["code"]) == (65, "input_missing")
    assert "gone" in outcome.one("error")["message"]
    assert outcome.one("output")["path"] == "o0"
    assert not (bench.folder / "o1").exists()
    for size in (0, 191, 193):
        (bench.folder / "in").write_bytes(bytes(size))
        outcome = bench.run(*arguments, ["0\tnone\tfile:in"])
        assert (outcome.code, outcome.one("error")["code"]) == (65, "input_mismatch")


def test_two_items_are_too_many_for_time(bench: Bench) -> None:
    outcome = bench.run(models.conv(), [IMAGE], OUT, ["0\tnone\tseed:1", "1\tnone\tseed:1"])
    assert (outcome.code, outcome.one("error")["code"]) == (65, "manifest_invalid")


def test_changed_manifest_is_refused(bench: Bench) -> None:
    words = bench.prepare(models.conv(), [IMAGE], OUT, ["0\tnone\tseed:1"])
    manifest = next(bench.folder.glob("*.manifest"))
    manifest.write_text(manifest.read_text().replace("seed:1", "seed:3"))
    outcome = bench.command(words)
    assert (outcome.code, outcome.one("error")["code"]) == (65, "manifest_invalid")


def test_full_disk_names_the_file(bench: Bench) -> None:
    """A limit on the size of files stands for the full disk: both make write fail."""
    words = bench.prepare(
        models.conv(256, 256), [f"1x256x256x3:{UNIT}"], OUT, ["0\tfile:big.raw\tseed:1"]
    )
    outcome = bench.command(["bash", "-c", 'trap "" XFSZ; ulimit -f 100; exec "$@"', "_", *words])
    assert (outcome.code, outcome.one("error")["code"]) == (74, "io_error")
    assert "big.raw" in outcome.one("error")["message"]
    assert not list(bench.folder.glob("*big.raw*"))


def test_shape_beyond_all_memory_is_an_error(bench: Bench) -> None:
    """XNNPACK says of memory that it can't get what it says of a shape that it can't take."""
    words = bench.prepare(
        models.conv(open_sides=True), [f"1x16384x16384x3:{UNIT}"], OUT, ["0\tnone\tseed:1"]
    )
    outcome = bench.command(["bash", "-c", 'ulimit -v 2000000; exec "$@"', "_", *words])
    assert outcome.one("error")["code"] in ("input_mismatch", "out_of_memory")
    assert outcome.code in (65, 71)


def test_gpu_without_an_adapter_is_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VK_DRIVER_FILES", "/nonexistent")
    monkeypatch.setenv("VK_ICD_FILENAMES", "/nonexistent")
    outcome = bench.run(models.conv(), [IMAGE], OUT, ["0\tnone\tseed:1"], backend="gpu")
    assert not (bench.folder / "engine.log").exists()
    assert (outcome.code, outcome.one("error")["code"]) == (69, "backend_unavailable")


def test_gpu_without_an_accelerator_library_is_not_the_cpu(bench: Bench) -> None:
    """LiteRT's gpu+cpu would run it on the CPU without a word."""
    empty = bench.folder / "empty"
    empty.mkdir()
    items = ["0\tnone\tseed:1"]
    outcome = bench.run(models.conv(), [IMAGE], OUT, items, backend="gpu", engine_folder=empty)
    assert (outcome.code, outcome.one("error")["code"]) == (69, "backend_unavailable")


def test_engine_log_stays_when_the_process_dies_while_loading(bench: Bench) -> None:
    for attempt in range(40):
        words = bench.prepare(
            models.conv(), [IMAGE], OUT, ["0\tnone\tseed:1"], deadline_ms=1 + attempt % 4
        )
        code = bench.command(words).code
        if code == 124 and (bench.folder / "engine.log").exists():
            return
    pytest.fail("no deadline fell into the loading of the engine")


def test_runner_needs_an_old_libc_only(runner_path: Path) -> None:
    """manylinux_2_27: no symbol of a later glibc."""
    data = runner_path.read_bytes()
    versions = {part.split(b"\0")[0] for part in data.split(b"GLIBC_")[1:]}
    numbers = [tuple(map(int, text.split(b"."))) for text in versions]
    assert numbers
    assert max(numbers) <= (2, 27)


def test_engine_folder_is_the_installed_one() -> None:
    assert (engine_folder() / "libLiteRt.so").exists()
