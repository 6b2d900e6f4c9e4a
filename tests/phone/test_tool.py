"""A benchmark tool on a device: what goes there, what comes back, and what is no result."""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from bokehbench.errors import EngineError, TransferError
from bokehbench.facts import EngineFacts, GpuOptions, OutputSpec, Trial, TrialSpec
from bokehbench.model import read_model, resolve_io
from bokehbench.phone import tool_process
from bokehbench.phone.device import Device, Placed
from bokehbench.phone.direct import DirectTransport
from bokehbench.phone.launcher import Bench, Stop
from bokehbench.phone.launcher_tool import run_tool_images, run_tool_timed
from bokehbench.phone.local import LocalTransport
from bokehbench.phone.tool_process import ask_build
from bokehbench.phone.transport import CommandResult
from bokehbench.runners.benchmark_model import ToolSetup
from bokehbench.runners.protocol import OutputEvent
from tests.rig import TestDevice, require_rig
from tests.runners.test_protocol import SPEC as ELSEWHERE
from tests.support import models
from tests.support.standin_tool import LITERT_FLAGS, capture, encode_result, write_standin

SHAPE = (1, 48, 64, 3)
SPEC = msgspec.structs.replace(
    ELSEWHERE, core_mask=0, runs=20, input_shapes=(SHAPE,), deadline_seconds=30.0, gpu=GpuOptions()
)
XNNPACK = (
    b"Use xnnpack: [1]\nINFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n"
    b"Explicitly applied XNNPACK delegate, and the model graph will be completely executed by the "
    b"delegate.\n"
)
LOG = capture("021").replace(b"Loaded model m.tflite\n", b"Loaded model m.tflite\n" + XNNPACK)
ONE = XNNPACK + (
    b"Initialized session in 0.852ms.\n"
    b"Running benchmark for at least 0 iterations and at least 0 seconds but terminate if "
    b"exceeding 1.5 seconds.\ncount=0\n\n"
    b"Running benchmark for at least 1 iterations and at least 0 seconds but terminate if "
    b"exceeding 1.5 seconds.\ncount=1 curr=4321\n\n"
    b"Inference timings in us: Init: 852, First inference: 0, Warmup (avg): nan, "
    b"Inference (avg): 4321\n"
)
RESULT = encode_result({2: {1: 6.12843, 2: 5.554, 3: 25.902, 5: 5.87, 8: 0.852}, 4: {2: 162}})


@dataclass
class Place:
    """A device, its root as the host sees it, and benches for stand-ins."""

    device: Device
    root: Path
    folder: Path
    blobs: dict[str, bytes] = field(default_factory=dict)

    def put_blob(self, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        self.blobs[digest] = data
        return digest

    def place(self, path: Path, *, executable: bool = False) -> Placed:
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        return self.device.place(
            path, name=path.name, sha256=sha256, executable=executable, verify=False
        )

    def bench(self, log: bytes = LOG, *, model: bytes | None = None, **changes: object) -> Bench:
        path = self.folder / "net.tflite"
        path.write_bytes(models.conv(48, 64) if model is None else model)
        tool = self.place(
            write_standin(self.folder / "benchmark_model", log, **changes),  # type: ignore[arg-type]
            executable=True,
        )
        facts = read_model(path)
        return Bench(
            device=self.device,
            model=facts,
            io=resolve_io(facts, path),
            placed_model=self.place(path),
            placed_runner=tool,
            engine="benchmark_model",
            engine_facts=EngineFacts(name="benchmark_model", version="1", library_sha256="0" * 64),
            engine_library=tool.path,
            engine_folder=tool.folder,
            rounding="half_even",
            put_blob=self.put_blob,
            stop=Stop(),
            tool=ToolSetup(ask_build(self.device, tool.path, "benchmark_model")),
        )


@pytest.fixture(params=["local", "direct"])
def there(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """This machine, and one behind a real adbd."""
    if request.param == "local":
        device = Device.connect(LocalTransport(tmp_path / "root"))
        yield Place(device, tmp_path / "root", tmp_path)
        return
    require_rig()
    with TestDevice() as phone:
        link = DirectTransport(f"tcp:{phone.address}", key=tmp_path / "adbkey")
        yield Place(Device.connect(link), phone.tmp / "bokehbench", tmp_path)
        link.close()


@pytest.fixture
def here(tmp_path: Path) -> Place:
    """This machine alone, for what no link changes."""
    return Place(Device.connect(LocalTransport(tmp_path / "root")), tmp_path / "root", tmp_path)


def aggregate(trial: Trial) -> tuple[object, ...]:
    told = trial.aggregate
    assert told is not None, trial.failure
    return told.count, told.avg_ns, told.min_ns, told.median_ns, told.source


def test_a_timed_process(there: Place) -> None:
    trial = run_tool_timed(there.bench(result=RESULT), SPEC)
    assert (trial.status, trial.exit_code, trial.load_ns) == ("ok", 0, 852_000)
    assert aggregate(trial) == (162, 6_128_430, 5_554_000, 5_870_000, "result_file")
    assert trial.report is not None
    assert (trial.report.name, trial.report.fully_accelerated) == ("xnnpack", True)
    assert trial.wall_ns > 0
    # The log is evidence, whole and in its order.
    assert there.blobs[str(trial.log_sha256)] == LOG
    assert not list((there.root / "work").iterdir())


def test_a_build_without_a_result_file(there: Place) -> None:
    trial = run_tool_timed(there.bench(), SPEC)
    assert aggregate(trial) == (162, 6_128_430, 5_554_000, None, "log")


@pytest.mark.parametrize("result", [b"\0\1\2", RESULT[:9], b"text"])
def test_a_result_file_that_is_none_is_not_believed(here: Place, result: bytes) -> None:
    trial = run_tool_timed(here.bench(result=result), SPEC)
    if trial.status == "ok":
        assert aggregate(trial) == (162, 6_128_430, 5_554_000, None, "log")
    else:
        assert trial.aggregate is None


def test_images_go_through_the_tool_and_back(there: Place) -> None:
    bench = there.bench(ONE)
    random = np.random.default_rng(3)
    images = {n: [memoryview(random.bytes(48 * 64 * 3))] for n in (4, 7)}
    spec = msgspec.structs.replace(SPEC, mode="images", items=(4, 7))
    seen: dict[int, tuple[OutputEvent, bytes]] = {}

    def take(event: OutputEvent, path: Path) -> None:
        seen[event.index] = event, path.read_bytes()

    trial = run_tool_images(bench, spec, images, take)
    assert trial.status == "ok", trial.failure
    assert list(seen) == [4, 7]
    for index, (event, data) in seen.items():
        # The stand-in gives back the tensor that it got, so the image comes back.
        assert data == bytes(images[index][0])
        assert event.sha256 == hashlib.sha256(data).hexdigest()
        assert (event.shape, event.dtype, event.nonfinite) == (SHAPE, "u8", 0)
        assert event.invoke_ns == 4_321_000
        assert event.low is not None
        assert event.high is not None
        assert 0 <= event.low < event.high <= 1
    assert trial.aggregate is None
    assert there.blobs[str(trial.log_sha256)].count(b"curr=4321") == 2


def test_images_of_an_int8_model(here: Place) -> None:
    bench = here.bench(ONE, model=models.conv_int8(48, 64))
    image = np.arange(48 * 64 * 3, dtype=np.uint32).astype(np.uint8).tobytes()
    spec = msgspec.structs.replace(SPEC, mode="images", items=(0,))
    seen: list[bytes] = []
    trial = run_tool_images(
        bench, spec, {0: [image]}, lambda _event, path: seen.append(path.read_bytes())
    )
    assert trial.status == "ok", trial.failure
    assert len(seen[0]) == len(image)


def test_an_output_of_another_size_is_no_image(here: Place) -> None:
    bench = here.bench(ONE)
    wrong = replace(
        bench,
        io=msgspec.structs.replace(bench.io, output=OutputSpec(tensor=0, size=2.0)),
    )
    spec = msgspec.structs.replace(SPEC, mode="images", items=(0,))
    trial = run_tool_images(wrong, spec, {0: [bytes(48 * 64 * 3)]}, lambda *_: pytest.fail("taken"))
    assert trial.failure is not None
    assert trial.failure.kind == "input_mismatch"
    assert "size" in trial.failure.message


def test_the_first_image_that_fails_ends_a_batch(here: Place) -> None:
    bench = here.bench(ONE, before='case "$input" in *1.0.in) exit 134;; esac')
    spec = msgspec.structs.replace(SPEC, mode="images", items=(0, 1, 2))
    seen: list[int] = []
    images = {n: [bytes(48 * 64 * 3)] for n in range(3)}
    trial = run_tool_images(bench, spec, images, lambda event, _path: seen.append(event.index))
    assert seen == [0]
    assert trial.failure is not None
    assert trial.failure.kind == "crash"


@pytest.mark.parametrize(
    ("exit_code", "kind"), [(1, None), (134, "crash"), (137, "killed"), (139, "crash")]
)
def test_an_exit_code_undoes_a_printed_result(there: Place, exit_code: int, kind: str) -> None:
    trial = run_tool_timed(there.bench(exit_code=exit_code), SPEC)
    assert trial.aggregate is None
    assert trial.failure is not None
    assert trial.exit_code == exit_code
    if kind is not None:
        assert trial.failure.kind == kind


def test_a_signal_is_seen_through_the_link(there: Place) -> None:
    trial = run_tool_timed(there.bench(before="kill -SEGV $$"), SPEC)
    assert trial.exit_code == 139
    assert trial.failure is not None
    assert trial.failure.kind == "crash"


def test_a_tool_that_hangs_is_ended_in_time(there: Place) -> None:
    spec = msgspec.structs.replace(SPEC, deadline_seconds=1.0)
    begun = time.monotonic()
    trial = run_tool_timed(there.bench(before="echo STARTING!; sleep 600"), spec)
    assert time.monotonic() - begun < 30
    assert trial.failure is not None
    assert trial.failure.kind == "timeout"
    # What it said until then is kept.
    assert there.blobs[str(trial.log_sha256)] == b"STARTING!\n"


def test_a_stopped_run_leaves_no_process(here: Place) -> None:
    bench = here.bench(before=f"echo $$ > {here.folder}/pid; sleep 600")
    timer = threading.Timer(1.0, bench.stop.now)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        run_tool_timed(bench, SPEC)
    pid = int((here.folder / "pid").read_text())
    assert not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text()


def test_output_without_end_is_cut(here: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tool_process, "LOG_LIMIT", 1 << 20)
    endless = 'yes "count=1 curr=5" | head -c 9000000'
    trial = run_tool_timed(here.bench(before=endless), SPEC)
    assert len(here.blobs[str(trial.log_sha256)]) == 1 << 20
    assert trial.failure is not None
    assert trial.failure.kind == "protocol"


def test_what_a_build_can_not_do_is_not_run(here: Place) -> None:
    bench = here.bench(flags=LITERT_FLAGS)
    spec = msgspec.structs.replace(SPEC, backend="nnapi")
    trial = run_tool_timed(bench, spec)
    assert trial.failure is not None
    assert (trial.failure.kind, trial.exit_code) == ("backend_unavailable", None)


def said(place: Place, spec: TrialSpec) -> str:
    """The words that the tool got."""
    marks = f'echo "$@" > {place.folder}/words'
    run_tool_timed(place.bench(before=marks), spec)
    return (place.folder / "words").read_text()


def test_the_tool_gets_what_was_asked_for(here: Place) -> None:
    words = said(here, msgspec.structs.replace(SPEC, threads=3, warmups=2))
    assert "--num_threads=3" in words
    assert "--warmup_runs=2 " in words
    assert "--max_secs=1.5" in words


def test_kernels_are_kept_and_told_of(here: Place) -> None:
    gpu = msgspec.structs.replace(SPEC, backend="gpu")
    log = LOG.replace(b"Use xnnpack: [1]\n", b"Use gpu: [1]\n").replace(b"XNNPACK", b"GPU")
    told = []
    for cache in ("cold", "warm", "cold", "none"):
        spec = msgspec.structs.replace(gpu, gpu=GpuOptions(cache=cache))
        report = run_tool_timed(here.bench(log), spec).report
        assert report is not None
        told.append(report.cache)
    assert told == ["cold", "warm", "cold", "none"]


def test_a_core_mask_binds_the_tool(here: Place) -> None:
    mark = f"grep Cpus_allowed: /proc/self/status > {here.folder}/mask"
    trial = run_tool_timed(here.bench(before=mark), msgspec.structs.replace(SPEC, core_mask=1))
    assert trial.status == "ok", trial.failure
    assert int((here.folder / "mask").read_text().split()[1].replace(",", ""), 16) == 1


class Flipping(LocalTransport):
    """A link that flips a bit of every file that is pulled."""

    def pull(self, source: str, target: Path, **words: object) -> None:
        super().pull(source, target, **words)  # type: ignore[arg-type]
        data = bytearray(target.read_bytes())
        data[len(data) // 2] ^= 1
        target.write_bytes(data)


def test_a_log_with_a_flipped_bit_is_no_evidence(tmp_path: Path) -> None:
    place = Place(Device.connect(Flipping(tmp_path / "root")), tmp_path / "root", tmp_path)
    with pytest.raises(TransferError, match="altered"):
        run_tool_timed(place.bench(), SPEC)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("#!/bin/sh\necho hello\n", "no flags of a benchmark tool"),
        ("\x7fELF not really", "can't execute|no flags"),
        ("#!/nowhere/at/all\n", "can't execute"),
    ],
)
def test_what_is_no_tool_is_refused(there: Place, text: str, problem: str) -> None:
    path = there.folder / "other"
    path.write_bytes(text.encode("latin-1"))
    placed = there.place(path, executable=True)
    with pytest.raises(EngineError, match=problem) as caught:
        ask_build(there.device, placed.path, "my tool")
    assert "my tool" in str(caught.value)


def test_a_device_that_is_lost_meanwhile(here: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = here.bench()
    real: Callable[..., CommandResult] = here.device.transport.run

    def broken(argv: object, **words: object) -> CommandResult:
        if words.get("alone"):
            raise TransferError("gone")
        return real(argv, **words)

    monkeypatch.setattr(here.device.transport, "run", broken)
    with pytest.raises(TransferError, match="gone"):
        run_tool_timed(bench, SPEC)
