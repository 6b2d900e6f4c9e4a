"""The fallback matrix: what a GPU delegate can do wrong, on a real adbd, end to end.

The engine is a stand-in for TFLite's two libraries (support/fake_tflite.c), which behaves as a
word in the model tells it; everything else, the runner, the link and the verdict, is real.
"""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.cli.conftest import make_pairs
from tests.rig import TestDevice, require_rig
from tests.support.builder import Builder, Ops
from tests.support.command import Command
from tests.support.fake_tflite import build_fake_tflite, with_behaviour

PROTOCOL = """
name = "two"
processes = 2
warmups = 1
runs = 3
min_runs = 1
max_seconds = 5
"""


def halved(height: int, width: int) -> bytes:
    """image / 2 + 1/4, which is what the stand-in computes whatever the file says."""
    builder = Builder()
    shape = (1, height, width, 3)
    source = builder.tensor("image", shape)
    scaled = builder.tensor("scaled", shape)
    target = builder.tensor("bokeh", shape)
    half, quarter = builder.constant("half", [0.5]), builder.constant("quarter", [0.25])
    builder.op(Ops.MUL, [source, half], [scaled], schema.MulOptionsT())
    builder.op(Ops.ADD, [scaled, quarter], [target], schema.AddOptionsT())
    return builder.finish([source], [target])


@pytest.fixture(scope="module")
def phone() -> Iterator[TestDevice]:
    require_rig()
    with TestDevice() as device:
        yield device


class Lab:
    """A device, an engine that misbehaves on demand, and a command line."""

    def __init__(self, bokehbench: Command, phone: TestDevice, folder: Path) -> None:
        self.bokehbench, self.phone, self.folder = bokehbench, phone, folder
        self.pairs = make_pairs(folder / "pairs", [(32, 48)] * 2)
        self.protocol = folder / "two.toml"
        self.protocol.write_text(PROTOCOL)
        self.gpu_library = True

    def install(self, *, gpu_library: bool = True) -> None:
        """Install the stand-in as the engine tflite."""
        engine, gpu = build_fake_tflite(self.folder / "engine")
        words = ["engines", "install", "tflite", "--platform", "linux", "--abi", "x86_64"]
        words += ["--from", str(engine), *(["--from", str(gpu)] if gpu_library else [])]
        ended = self.bokehbench(*words)
        assert ended.code == 0, ended.err

    def run(self, behaviour: str, *words: object, code: int = 0) -> dict[str, dict[str, Any]]:
        """Run a model that makes the engine behave so; records by backend."""
        model = self.folder / f"{behaviour}.tflite"
        model.write_bytes(with_behaviour(halved(32, 48), behaviour))
        ended = self.bokehbench(
            *("run", "--device", f"tcp:{self.phone.address}", "--engine", "tflite"),
            *("--protocol", self.protocol, "--process-timeout", 5, model),
            *("--dataset", self.pairs, *words, "--json", "-"),
        )
        assert ended.code == code, ended.err
        assert self.phone.processes() == []
        return {record["backend"]: record for record in ended.json()["records"]}

    def row(self, behaviour: str) -> dict[str, str]:
        """The table's row of that model."""
        table = self.bokehbench("table", "--format", "csv")
        rows = list(csv.DictReader(io.StringIO(table.out)))
        [row] = [row for row in rows if row["team"] == behaviour]
        return row


@pytest.fixture
def lab(bokehbench: Command, phone: TestDevice, tmp_path: Path) -> Lab:
    """A lab with the engine installed."""
    lab = Lab(bokehbench, phone, tmp_path)
    lab.install()
    return lab


def kinds(record: dict[str, Any]) -> set[str]:
    return {trial["failure"]["kind"] for trial in record["trials"] if trial["failure"]}


def test_all_is_well(lab: Lab) -> None:
    found = lab.run("ok", "--backend", "all")
    gpu = found["gpu"]
    assert gpu["status"] != "invalid", gpu["findings"]
    for trial in gpu["trials"]:
        assert trial["report"]["delegated_nodes"] == trial["report"]["total_nodes"] == 35
        assert trial["report"]["gpu_api"] == "OpenCL"
    assert gpu["images"][0]["reference_max_difference"] <= 1
    row = lab.row("ok")
    assert float(row["gpu_ms"]) > 0
    assert float(row["cpu_ms"]) > 0


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        ("no_gpu", {"backend_unavailable", "delegate_failed"}),
        ("refuse", {"delegate_failed"}),
        ("reject", {"op_unsupported", "delegate_failed"}),
        ("crash", {"crash"}),
        ("hang", {"timeout"}),
        ("run_fail", {"invoke_failed"}),
        ("run_crash", {"crash"}),
    ],
)
def test_a_gpu_that_fails_is_an_error_cell_and_auto_goes_on(
    lab: Lab, behaviour: str, kind: set[str]
) -> None:
    found = lab.run(behaviour, "--backend", "all")
    gpu, cpu = found["gpu"], found["xnnpack"]
    assert gpu["status"] == "invalid"
    assert "trial_failed" in gpu["reasons"]
    assert kinds(gpu) <= kind
    assert kinds(gpu)
    assert all(trial["status"] == "ok" for trial in cpu["trials"])
    row = lab.row(behaviour)
    assert row["gpu_ms"] == "Error"
    assert row["score"] == "N.A."
    assert float(row["cpu_ms"]) > 0
    assert "gpu: " in row["notes"]


def test_auto_runs_on_the_cpu_what_the_gpu_refuses(lab: Lab, tmp_path: Path) -> None:
    """A profile that tries the GPU whatever the device shows, as phones' profiles do."""
    shipped = Path(__file__).parents[2] / "device_profiles" / "generic-linux.toml"
    profiles = tmp_path / "profiles"
    profiles.mkdir()
    text = shipped.read_text().replace("needs_gpu_node = true", "needs_gpu_node = false")
    (profiles / "generic-linux.toml").write_text(text)
    found = lab.run("refuse", "--profile-dir", profiles)
    assert set(found) == {"gpu", "xnnpack"}
    assert found["gpu"]["status"] == "invalid"
    assert found["xnnpack"]["status"] != "invalid"


def test_gpu_library_missing(bokehbench: Command, phone: TestDevice, tmp_path: Path) -> None:
    lab = Lab(bokehbench, phone, tmp_path)
    lab.install(gpu_library=False)
    found = lab.run("ok", "--backend", "all")
    assert kinds(found["gpu"]) <= {"backend_unavailable", "engine_missing"}
    assert kinds(found["gpu"])
    assert lab.row("ok")["gpu_ms"] == "Error"


def test_opencl_missing_is_another_backend_and_says_so(lab: Lab) -> None:
    gpu = lab.run("opengl", "--backend", "gpu")["gpu"]
    assert {trial["report"]["gpu_api"] for trial in gpu["trials"]} == {"OpenGL"}
    forced = lab.run("opengl", "--backend", "gpu", "--gpu-api", "opencl", code=4)["gpu"]
    assert kinds(forced) <= {"delegate_failed", "backend_unavailable"}
    assert kinds(forced)


def test_opengl_where_opencl_was_forced_is_no_success(lab: Lab) -> None:
    gpu = lab.run("unforced", "--backend", "gpu", "--gpu-api", "opencl", code=4)["gpu"]
    assert kinds(gpu) == {"delegate_failed"}


def test_a_part_on_the_gpu_carries_its_counts_into_the_table(lab: Lab) -> None:
    gpu = lab.run("partial", "--backend", "gpu")["gpu"]
    for trial in gpu["trials"]:
        assert (trial["report"]["delegated_nodes"], trial["report"]["total_nodes"]) == (12, 35)
    assert "12 of 35" in lab.row("partial")["notes"]
    more = lab.run("partial", "--backend", "gpu", "--max-partitions", 2)["gpu"]
    assert {trial["report"]["delegated_nodes"] for trial in more["trials"]} == {20}


def test_wrong_and_nan_outputs_take_the_number_away(lab: Lab) -> None:
    wrong = lab.run("wrong", "--backend", "gpu", code=1)["gpu"]
    assert "output_differs_from_reference" in wrong["reasons"]
    assert lab.row("wrong")["gpu_ms"] == "invalid"
    nan = lab.run("nan", "--backend", "gpu", code=1)["gpu"]
    assert "nan_output" in nan["reasons"]
    assert lab.row("nan")["gpu_ms"] == "invalid"


def test_a_delegate_that_shows_nothing_is_no_proof(lab: Lab) -> None:
    ended = lab.run("opaque", "--backend", "all")
    gpu = ended["gpu"]
    assert gpu["status"] == "invalid"
    assert {"no_gpu_proof", "trial_failed"} & set(gpu["reasons"])
    assert lab.row("opaque")["gpu_ms"] in ("invalid", "Error")


def test_cold_and_warm_loads(lab: Lab) -> None:
    gpu = lab.run("ok", "--backend", "gpu", "--gpu-cache", "both")["gpu"]
    assert [trial["report"]["cache"] for trial in gpu["trials"]] == ["cold", "warm"]
    assert gpu["latency"]["load_cold_ms"] is not None
    assert gpu["latency"]["load_warm_ms"] is not None
    assert np.isfinite(gpu["latency"]["load_warm_ms"])
