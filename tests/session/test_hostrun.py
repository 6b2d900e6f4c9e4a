"""The host's own run beside a device's: which images, what ran, and what happens when it fails."""

import os
import platform
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray

from bokehbench.engines import find_engine
from bokehbench.facts import Evidence, TrialSpec
from bokehbench.fidelity import get_protocol
from bokehbench.fidelity.pairs import open_dataset
from bokehbench.model.iospec import resolve_io
from bokehbench.model.reader import read_model
from bokehbench.phone.device import Placed
from bokehbench.phone.launcher import Bench, Stop
from bokehbench.phone.limited import LimitedTransport
from bokehbench.phone.local import LocalTransport
from bokehbench.phone.transport import Deadline
from bokehbench.runners import bundled_runner
from bokehbench.runners.protocol import OutputEvent
from bokehbench.schedule import Batch, PlannedRecord
from bokehbench.session.hostrun import HostSide, choose_images
from bokehbench.session.images import ImageBench, output_folder
from bokehbench.session.request import HostMachine, ModelInput
from tests.cli.conftest import make_pairs
from tests.store.samples import SCORE, make_evidence
from tests.support import models

SHAPE = (1, 48, 64, 3)


def _batch(*items: int, width: int = 64) -> Batch:
    return Batch(items, ((1, 48, width, 3),))


@pytest.mark.parametrize(
    ("count", "chosen"),
    [
        (0, set()),
        (1, {0}),
        (2, {0, 4}),
        (3, {0, 4, 9}),
        (4, {0, 1, 4, 9}),
        (99, {0, 1, 2, 4, 5, 9}),
    ],
)
def test_the_first_of_every_shape_come_first(count: int, chosen: set[int]) -> None:
    batches = (_batch(0, 1), _batch(2), _batch(4, 5, width=80), _batch(9, width=96))
    assert choose_images(batches, count) == chosen
    assert choose_images((), count) == frozenset()


class World:
    """A model, a machine and what a run knows of them; the device is another than this one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        path = folder / "net.tflite"
        path.write_bytes(models.conv(48, 64))
        facts = read_model(path)
        self.model = ModelInput(path, facts, resolve_io(facts, path), None)
        abi = platform.machine()
        self.target, runner = bundled_runner("linux", abi)
        self.machine = HostMachine(
            transport=LimitedTransport(LocalTransport(folder / "device")),
            engine=find_engine("litert", "linux", abi, gpu=False),
            target=self.target,
            runner=runner,
            threads=2,
        )
        self.warnings: list[str] = []
        self.images = 3
        self.local = False
        self.record = PlannedRecord("r1", 0, "gpu", "litert", "default", (SHAPE,), None, "")
        self.spec = TrialSpec(
            record_id="r1",
            index=0,
            mode="images",
            backend="gpu",
            precision="fp16",
            threads=1,
            core_mask=0,
            warmups=0,
            runs=1,
            min_runs=1,
            max_seconds=60.0,
            deadline_seconds=60.0,
            input_shapes=(SHAPE,),
            seed=0,
            items=(0, 1, 2, 3, 4),
        )

    def template(self, image_format: Any = "u8") -> Bench:
        """The device's bench; of its places nothing is used."""
        nowhere = Placed("/nowhere", "0" * 64, 0)
        device: Any = SimpleNamespace(is_this_machine=self.local)
        return Bench(
            device=device,
            model=self.model.facts,
            io=self.model.io,
            placed_model=nowhere,
            placed_runner=nowhere,
            engine="litert",
            engine_facts=self.machine.engine.facts,
            engine_library="/nowhere",
            engine_folder="/nowhere",
            rounding="half_even",
            put_blob=lambda _: None,
            stop=Stop(),
            image_format=image_format,
        )

    def side(self, **earlier: Evidence) -> HostSide:
        prepared: Any = SimpleNamespace(
            host=self.machine,
            device=SimpleNamespace(is_this_machine=self.local),
            plan=SimpleNamespace(batches={0: (_batch(0, 1, 2, 3, 4),)}),
            request=SimpleNamespace(
                images=SimpleNamespace(host_images=self.images), models=(self.model,)
            ),
        )
        return HostSide(prepared, Stop(), self.warnings.append, earlier)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def _inputs() -> dict[int, list[memoryview]]:
    rng = np.random.default_rng(3)
    images = rng.integers(0, 256, (5, 48, 64, 3), dtype=np.uint8)
    return {index: [memoryview(image.tobytes())] for index, image in enumerate(images)}


def test_the_chosen_images_are_run_on_the_cpu(world: World) -> None:
    side, found = world.side(), {7: np.zeros(1)}
    facts = side.run(world.template(), world.spec, world.record, _inputs(), found)
    assert facts is not None
    assert (facts.backend, facts.images, facts.threads, facts.failure) == ("cpu", 3, 2, None)
    assert f"{facts.platform}-{facts.abi}" == world.target
    assert set(found) == {0, 1, 2}
    assert [list(output.shape) for output in found.values()] == [list(SHAPE)] * 3
    assert {output.dtype for output in found.values()} == {np.dtype(np.uint8)}
    assert world.warnings == []
    # A batch without any of them leaves no word and nothing of the batch before.
    rest = {index: data for index, data in _inputs().items() if index > 2}
    assert side.run(world.template(), world.spec, world.record, rest, found) is None
    assert found == {}


def test_a_resumed_run_counts_what_was_compared_before(world: World) -> None:
    """Image 0 is run again, and counts once; image 7 was never compared."""
    images = tuple(
        replace(SCORE, index=index, reference_max_difference=difference)
        for index, difference in ((0, 0.0), (9, 1.0), (7, None))
    )
    side = world.side(r1=replace(make_evidence(), images=images))
    facts = side.run(world.template(), world.spec, world.record, _inputs(), {})
    assert facts is not None
    assert facts.images == 4


def test_real_values_are_run_as_real_values(world: World) -> None:
    found: dict[int, NDArray[Any]] = {}
    bytes_: dict[int, NDArray[Any]] = {}
    world.side().run(world.template("f32"), world.spec, world.record, _inputs(), found)
    world.side().run(world.template(), world.spec, world.record, _inputs(), bytes_)
    assert found[0].dtype == np.float32
    rounded = np.clip(np.rint(found[0].astype(np.float64) * 255), 0, 255)
    assert np.array_equal(rounded, bytes_[0])


@pytest.mark.parametrize(
    ("local", "backend", "images", "wanted"),
    [
        (False, "gpu", 3, True),
        (False, "cpu", 3, True),
        (True, "gpu", 3, True),
        (True, "xnnpack", 3, False),
        (True, "cpu", 3, False),
        (False, "gpu", 0, False),
    ],
)
def test_where_it_would_say_nothing_nothing_runs(
    world: World, local: bool, backend: Any, images: int, wanted: bool
) -> None:
    world.local, world.images = local, images
    record = PlannedRecord("r1", 0, backend, "litert", "default", (SHAPE,), None, "")
    found: dict[int, NDArray[Any]] = {}
    facts = world.side().run(world.template(), world.spec, record, _inputs(), found)
    assert (facts is not None) == wanted == bool(found)


def _with_runner(world: World, text: str) -> None:
    runner = world.folder / "other_runner"
    runner.write_text(f"#!/bin/sh\n{text}\n")
    machine = world.machine
    world.machine = HostMachine(
        machine.transport, machine.engine, machine.target, runner, machine.threads
    )


def test_a_failure_is_told_once_and_not_tried_again(world: World) -> None:
    _with_runner(world, f"echo x >> {world.folder}/calls; exit 70")
    side, found = world.side(), dict[int, NDArray[Any]]()
    for _ in range(3):
        facts = side.run(world.template(), world.spec, world.record, _inputs(), found)
        assert facts is not None
        assert facts.failure is not None
        assert (facts.images, found) == (0, {})
    assert len(world.warnings) == 1
    assert world.warnings[0].startswith("no output of this host to compare with: ")
    assert (world.folder / "calls").read_text() == "x\n"


def test_no_room_for_the_model_is_no_reason_to_stop(world: World) -> None:
    (world.folder / "device").chmod(0o700)
    (world.folder / "device").rename(world.folder / "moved")
    (world.folder / "device").write_text("a file where the folder was")
    found: dict[int, NDArray[Any]] = {}
    facts = world.side().run(world.template(), world.spec, world.record, _inputs(), found)
    assert facts is not None
    assert facts.failure
    assert found == {}
    assert len(world.warnings) == 1


def test_limits_reach_the_process(tmp_path: Path) -> None:
    transport = LimitedTransport(LocalTransport(tmp_path), memory_bytes=512 << 20)
    assert (transport.address, transport.root) == ("local", str(tmp_path))
    words = ["sh", "-c", 'echo "$1"; ulimit -v; ulimit -c; ulimit -t; ulimit -f', "sh", "a b"]
    result = transport.run(words, deadline=Deadline.after(10))
    said, memory, core, seconds, blocks = result.stdout.decode().split("\n")[:5]
    assert (said, memory, core, blocks) == ("a b", str(512 << 10), "0", str(1 << 24))
    assert 10 <= int(seconds) <= 12 * (os.cpu_count() or 1)
    code = "b = bytearray(1 << 30); print('more memory than there may be')"
    result = transport.run(["python3", "-c", code], deadline=Deadline.after(20))
    assert result.exit_code != 0
    assert b"MemoryError" in result.stderr


def test_what_is_only_reserved_may_be_left_free(tmp_path: Path) -> None:
    inner = LocalTransport(tmp_path)
    transport = LimitedTransport(inner, memory_bytes=512 << 20, address_space=False)
    words = ["sh", "-c", "ulimit -v; ulimit -d; ulimit -c"]
    result = transport.run(words, deadline=Deadline.after(10))
    assert result.stdout.decode().split() == ["unlimited", str(512 << 10), "0"]
    reserved = "import mmap; m = mmap.mmap(-1, 4 << 30, prot=0, flags=mmap.MAP_PRIVATE); print(1)"
    result = transport.run(["python3", "-c", reserved], deadline=Deadline.after(20))
    assert result.stdout == b"1\n"
    taken = "b = bytearray(1 << 30)"
    result = transport.run(["python3", "-c", taken], deadline=Deadline.after(20))
    assert b"MemoryError" in result.stderr


def _image_bench(world: World, name: str = "mai22") -> ImageBench:
    dataset = open_dataset(make_pairs(world.folder / "pairs", [(48, 64)] * 2))
    return ImageBench(dataset, world.model, "error", replace(get_protocol(name), lpips=None))


def _event(dtype: str = "u8") -> OutputEvent:
    return OutputEvent(
        index=1,
        path="1.out",
        sha256="0" * 64,
        size_bytes=9216,
        shape=SHAPE,
        dtype=dtype,
        input_ns=1,
        invoke_ns=1,
        output_ns=1,
        nonfinite=0,
        low=0.0,
        high=1.0,
    )


def test_an_output_is_compared_with_the_hosts(world: World, tmp_path: Path) -> None:
    bench = _image_bench(world)
    output = np.full(SHAPE, 100, np.uint8)
    path = tmp_path / "1.out"
    path.write_bytes(output.tobytes())
    alone = bench.score(_event(), path)
    assert (alone.reference_psnr, alone.reference_max_difference) == (None, None)
    bench.host_outputs[1] = output.copy()
    same = bench.score(_event(), path)
    assert (same.reference_psnr, same.reference_max_difference) == (None, 0.0)
    other = output.copy()
    other[0, 3, 4, 1] = 110
    bench.host_outputs[1] = other
    apart = bench.score(_event(), path)
    assert apart.reference_max_difference == 10.0
    assert apart.reference_psnr == pytest.approx(10 * np.log10(255**2 * output.size / 100))
    assert apart.psnr == same.psnr == alone.psnr
    assert bench.host_outputs == {}


def test_real_values_are_compared_in_steps_of_8_bit(world: World, tmp_path: Path) -> None:
    bench = _image_bench(world)
    bench.rules = replace(bench.rules, values="float", data_range=1.0)
    output = np.full(SHAPE, 0.25, "<f4")
    path = tmp_path / "1.out"
    path.write_bytes(output.tobytes())
    bench.host_outputs[1] = output + np.float32(0.5)
    score = bench.score(_event("f32"), path)
    assert score.reference_max_difference == pytest.approx(127.5)
    assert score.reference_psnr == pytest.approx(20 * np.log10(2))
    output[0, 0, 0] = np.nan, np.inf, -np.inf
    path.write_bytes(output.tobytes())
    again = bench.score(_event("f32"), path)
    assert again.status == "ok"
    assert again.psnr is not None


def test_outputs_are_kept_where_that_is_asked_for(world: World, tmp_path: Path) -> None:
    from PIL import Image

    bench = _image_bench(world)
    pixels = np.random.default_rng(0).integers(0, 256, SHAPE, dtype=np.uint8)
    path = tmp_path / "1.out"
    path.write_bytes(pixels.tobytes())
    bench.keep = tmp_path / "kept" / output_folder(world.record, world.model)
    bench.score(_event(), path)
    with Image.open(tmp_path / "kept" / "net-gpu-default-r1" / "1.png") as kept:
        assert np.array_equal(np.asarray(kept), pixels[0])
    # A folder that can't be made takes no score away, and is told.
    (tmp_path / "file").write_text("")
    bench.keep = tmp_path / "file" / "folder"
    score = bench.score(_event(), path)
    assert score.status == "ok"
    assert bench.trouble is not None
    assert "--keep-outputs" in bench.trouble
    named = ModelInput(world.model.path, world.model.facts, world.model.io, "a/../b c\n")
    assert output_folder(world.record, named) == "a_.._b_c_-gpu-default-r1"
