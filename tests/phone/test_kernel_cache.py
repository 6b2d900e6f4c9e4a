"""Compiled kernels on a device: a folder for each thing that they were compiled for."""

import hashlib
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from bokehbench.facts import EngineFacts, GpuOptions, Trial, TrialSpec
from bokehbench.model import read_model, resolve_io
from bokehbench.phone.device import Device, Placed
from bokehbench.phone.launcher import Bench, Stop, run_timed
from bokehbench.phone.local import LocalTransport
from bokehbench.runners import bundled_runner
from bokehbench.runners.kernel_cache import cache_key
from tests.runners.test_protocol import SPEC as ELSEWHERE
from tests.support import models
from tests.support.evidence import make_device, make_model
from tests.support.fake_tflite import build_fake_tflite

SPEC = msgspec.structs.replace(ELSEWHERE, core_mask=0)
KEPT = GpuOptions(cache="warm")


def gpu(spec: TrialSpec = SPEC, **options: object) -> TrialSpec:
    """A process on the GPU with these options."""
    changed = msgspec.structs.replace(KEPT, **options)
    return msgspec.structs.replace(spec, backend="gpu", gpu=changed)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """This machine, a model, and an engine whose GPU delegate is a stand-in."""
    device = Device.connect(LocalTransport(tmp_path / "root"))
    library, _ = build_fake_tflite(tmp_path / "engine")
    path = tmp_path / "net.tflite"
    path.write_bytes(models.conv())
    model = read_model(path)
    _, runner = bundled_runner(device.facts.platform, device.facts.abi)

    def place(source: Path, *, executable: bool = False) -> Placed:
        sha256 = hashlib.sha256(source.read_bytes()).hexdigest()
        return device.place(
            source, name=source.name, sha256=sha256, executable=executable, verify=False
        )

    return Bench(
        device=device,
        model=model,
        io=resolve_io(model, path),
        placed_model=place(path),
        placed_runner=place(runner, executable=True),
        engine="tflite",
        engine_facts=EngineFacts(name="tflite", version="2.16.1", library_sha256="0" * 64),
        engine_library=str(library),
        engine_folder=str(library.parent),
        rounding="half_even",
        put_blob=lambda data: hashlib.sha256(data).hexdigest(),
        stop=Stop(),
    )


def cache_of(trial: Trial) -> str:
    assert trial.status == "ok", trial.failure
    assert trial.report is not None
    return trial.report.cache


def test_kernels_are_kept_between_processes(bench: Bench) -> None:
    root = Path(bench.device.transport.root)
    assert cache_of(run_timed(bench, gpu(cache="none"))) == "none"
    assert not (root / "cache").exists()
    assert cache_of(run_timed(bench, gpu(cache="cold"))) == "cold"
    assert cache_of(run_timed(bench, gpu(cache="warm"))) == "warm"
    assert cache_of(run_timed(bench, gpu(cache="cold"))) == "cold"
    [folder] = (root / "cache").iterdir()
    key = cache_key(gpu(), bench.model, bench.device.facts, bench.engine_facts)
    assert folder.name == key
    [kernels] = folder.iterdir()
    assert kernels.name.startswith(key[:32])
    # The trials' own folders are gone, this one stays.
    assert not list((root / "work").iterdir())


def test_other_settings_have_kernels_of_their_own(bench: Bench) -> None:
    root = Path(bench.device.transport.root)
    assert cache_of(run_timed(bench, gpu(cache="cold"))) == "cold"
    fp16 = msgspec.structs.replace(SPEC, precision="fp16")
    assert cache_of(run_timed(bench, gpu(fp16, cache="warm"))) == "cold"
    assert cache_of(run_timed(bench, gpu(cache="warm"))) == "warm"
    other = replace(
        bench, engine_facts=msgspec.structs.replace(bench.engine_facts, library_sha256="1" * 64)
    )
    assert cache_of(run_timed(other, gpu(cache="warm"))) == "cold"
    assert len(list((root / "cache").iterdir())) == 3


def test_other_backends_know_no_cache(bench: Bench) -> None:
    spec = msgspec.structs.replace(SPEC, gpu=GpuOptions(cache="cold"))
    assert cache_of(run_timed(bench, spec)) == "none"
    assert not (Path(bench.device.transport.root) / "cache").exists()


def test_the_key_changes_with_all_that_kernels_depend_on() -> None:
    model, device = make_model(), make_device()
    engine = EngineFacts(name="tflite", version="2.16.1", library_sha256="0" * 64)
    keys = {
        cache_key(gpu(), model, device, engine),
        cache_key(gpu(), make_model(sha256="b" * 64), device, engine),
        cache_key(gpu(), model, make_device(fingerprint="HUAWEI/x"), engine),
        cache_key(gpu(), model, make_device(gles="OpenGL ES 3.2 v2"), engine),
        cache_key(gpu(), model, device, msgspec.structs.replace(engine, accelerators={"a": "1"})),
        cache_key(gpu(backend="opencl"), model, device, engine),
        cache_key(gpu(preference="sustained_speed"), model, device, engine),
        cache_key(gpu(max_partitions=2), model, device, engine),
        cache_key(
            gpu(msgspec.structs.replace(SPEC, input_shapes=((1, 9, 9, 3),))), model, device, engine
        ),
    }
    assert len(keys) == 9
    # What is asked of the cache is not a property of the kernels.
    same = {cache_key(gpu(cache=word), model, device, engine) for word in ("cold", "warm")}
    assert same <= keys
    assert len(same) == 1
