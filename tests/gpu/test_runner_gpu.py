"""The real runner on a real GPU path: LiteRT's WebGPU accelerator on Mesa's lavapipe."""

import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from android_app import build
from android_app.build import build_runner, host_target
from tests.native.bench import Bench, Outcome
from tests.native.test_runner import IMAGE, OUT, UNIT, interpret, random_bytes, unit
from tests.support import models

pytestmark = pytest.mark.real("lavapipe")

SIDE = 256
SEEDS = (1, 2, 3)
ASYNCHRONOUS_SHARE = 0.5
"""Less of the process's time than this inside the timed region means that nobody waited."""


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-5), ("fp16", 5e-3)])
def test_outputs_agree_with_the_cpu(bench: Bench, precision: str, tolerance: float) -> None:
    model = models.conv()
    items = [f"{seed}\tfile:out.{seed}\tseed:{seed}" for seed in SEEDS]
    outcome = bench.run(
        model,
        [IMAGE],
        OUT,
        items,
        backend="gpu",
        mode="images",
        output_format="f32",
        precision=precision,
    )
    assert outcome.code == 0, outcome.errors
    report = outcome.one("backend")
    assert report["name"] == "gpu"
    assert report["fully_accelerated"] is True
    assert "llvmpipe" in report["adapter"]
    for seed in SEEDS:
        reals = np.fromfile(bench.folder / f"out.{seed}", np.float32).reshape(1, 8, 8, 3)
        image = unit(random_bytes(seed, 0, 192).reshape(1, 8, 8, 3))
        np.testing.assert_allclose(reals, interpret(model, image), rtol=0, atol=tolerance)


def test_a_part_on_the_gpu_is_counted(bench: Bench) -> None:
    outcome = bench.run(
        models.with_normalisation(), [IMAGE], OUT, ["0\tnone\tseed:1"], backend="gpu"
    )
    assert outcome.code == 0, outcome.errors
    report = outcome.one("backend")
    assert report["fully_accelerated"] is False
    assert (report["delegated_nodes"], report["total_nodes"]) == (1, 2)
    assert any("L2_NORMALIZATION" in line for line in report["log"])


def share_in_the_region(bench: Bench) -> float:
    """How much of a process's life after loading the samples account for."""
    started = time.monotonic_ns()
    outcome: Outcome = bench.run(
        models.conv(SIDE, SIDE),
        [f"1x{SIDE}x{SIDE}x3:{UNIT}"],
        OUT,
        ["0\tnone\tseed:1"],
        backend="gpu",
        warmups=2,
        runs=60,
    )
    wall_ns = time.monotonic_ns() - started
    assert outcome.code == 0, outcome.errors
    samples = outcome.one("samples")
    inside = sum(samples["warmup_ns"]) + sum(samples["invoke_ns"])
    return float(inside / (wall_ns - outcome.one("backend")["load_ns"]))


def altered(folder: Path, name: str, *, waits: bool, reads: bool) -> Path:
    """A runner that does not tell the engine to wait, or does not read the output, or neither."""
    sources = folder / f"{name}-sources"
    shutil.copytree(build.SOURCES, sources, ignore=shutil.ignore_patterns("tests"))
    if not waits:
        engine = sources / "litert_options.c"
        text = engine.read_text()
        assert text.count("wait_type = 1") == 1
        engine.write_text(text.replace("wait_type = 1", "wait_type = 0"))
    if not reads:
        trial = sources / "trial.c"
        region, mark, rest = trial.read_text().partition("static bool loop_runs(")
        loop = "for (size_t i = 0; i < outputs; i++)"
        assert (region.count(loop), mark != "") == (1, True)
        region = region.replace(loop, "for (; outputs > 99;)").replace("OUTPUT, i,", "OUTPUT, 0,")
        trial.write_text(region + mark + rest)
    path = folder / name
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "SOURCES", sources)
        build_runner(host_target(), path)
    return path


@pytest.mark.parametrize(
    ("waits", "reads", "honest"), [(True, True, True), (False, True, True), (False, False, False)]
)
def test_the_timed_region_waits_for_the_gpu(
    bench: Bench, tmp_path: Path, waits: bool, reads: bool, honest: bool
) -> None:
    """Runs on the GPU return at once: unless the output is read, nobody knows what they took.

    Reading it is enough, also where the engine does not wait; without both this check fails.
    """
    runner = bench.runner
    if not (waits and reads):
        runner = altered(tmp_path, "altered", waits=waits, reads=reads)
    folder = tmp_path / "work"
    folder.mkdir()
    share = share_in_the_region(Bench(runner, folder))
    assert (share > ASYNCHRONOUS_SHARE) is honest, share
