"""`bokehbench run` on a GPU in software: proven, scored, never ranked, never chosen by itself."""

import csv
import io
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import make_pairs
from tests.rig import TestDevice, require_rig
from tests.rig.vulkan import require_software_gpu
from tests.support import models
from tests.support.command import Command

pytestmark = pytest.mark.real("lavapipe")

PROTOCOL = """
name = "two"
processes = 2
warmups = 1
runs = 3
min_runs = 1
max_seconds = 30
"""
"""Without the reference workload, which is no small one for a rasteriser."""


@pytest.fixture
def bokehbench(tmp_path: Path, vulkan: dict[str, str]) -> Command:
    """The command line on a machine with a GPU."""
    return Command(tmp_path, environment=vulkan)


@pytest.fixture
def fast(tmp_path: Path) -> tuple[object, ...]:
    """Words for few and short processes."""
    path = tmp_path / "two.toml"
    path.write_text(PROTOCOL)
    return ("--protocol", path)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A small convolution."""
    path = tmp_path / "net.tflite"
    path.write_bytes(models.conv(48, 64))
    return path


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Two pairs of its size."""
    return make_pairs(tmp_path / "pairs", [(48, 64)] * 2)


def records(bokehbench: Command, *words: object) -> list[dict[str, Any]]:
    ended = bokehbench("run", *words, "--json", "-")
    assert ended.code == 0, ended.err
    found: list[dict[str, Any]] = ended.json()["records"]
    return found


def check(gpu: dict[str, Any], cpu: dict[str, Any]) -> None:
    """A GPU that is proven and computes as the CPU does, and is not ranked."""
    assert "software_gpu" in gpu["reasons"]
    assert gpu["status"] == "provisional"
    assert "software_gpu" not in cpu["reasons"]
    for trial in (*gpu["trials"], *gpu["image_trials"]):
        assert trial["status"] == "ok"
        assert trial["report"]["name"] == "gpu"
        assert "llvmpipe" in trial["report"]["adapter"]
        assert trial["report"]["fully_accelerated"] is True
    assert abs(gpu["fidelity"]["psnr"] - cpu["fidelity"]["psnr"]) < 0.01
    assert abs(gpu["fidelity"]["ssim"] - cpu["fidelity"]["ssim"]) < 0.001
    assert gpu["score"] is None


def test_gpu_and_cpu_from_one_run_on_this_machine(
    bokehbench: Command, model: Path, pairs: Path, fast: tuple[object, ...]
) -> None:
    words = ("--device", "local", *fast, model, "--dataset", pairs, "--precision", "fp32")
    found = {r["backend"]: r for r in records(bokehbench, *words, "--backend", "all")}
    assert set(found) == {"gpu", "xnnpack", "cpu"}
    check(found["gpu"], found["xnnpack"])
    table = bokehbench("table", "--format", "csv")
    rows = csv.DictReader(io.StringIO(table.out))
    [row] = [row for row in rows if row["team"] == "net"]
    assert (row["gpu_ms"], row["score"]) == ("N.A.", "N.A.")
    assert float(row["cpu_ms"]) > 0


def test_gpu_on_a_device_over_adb(
    bokehbench: Command, model: Path, pairs: Path, fast: tuple[object, ...]
) -> None:
    require_rig()
    require_software_gpu(device=True)
    with TestDevice(gpu=True) as phone:
        words = ("--device", f"tcp:{phone.address}", *fast, model, "--dataset", pairs)
        both = records(bokehbench, *words, "--backend", "gpu", "--precision", "both")
        [cpu] = records(bokehbench, *words, "--backend", "xnnpack")
        assert phone.processes() == []
    assert [r["precision"] for r in both] == ["fp16", "fp32"]
    for gpu in both:
        check(gpu, cpu)


def test_auto_never_takes_software_for_a_gpu(
    bokehbench: Command, model: Path, tmp_path: Path, fast: tuple[object, ...]
) -> None:
    """A profile that tries the GPU whatever the device shows, as phones' profiles do."""
    folder = tmp_path / "config" / "bokehbench" / "profiles"
    folder.mkdir(parents=True)
    shipped = Path(__file__).parents[2] / "device_profiles" / "generic-linux.toml"
    text = shipped.read_text().replace("needs_gpu_node = true", "needs_gpu_node = false")
    assert text != shipped.read_text()
    (folder / "generic-linux.toml").write_text(text)
    found = {r["backend"]: r for r in records(bokehbench, "--device", "local", *fast, model)}
    assert set(found) == {"gpu", "xnnpack"}
    assert "software_gpu" in found["gpu"]["reasons"]
