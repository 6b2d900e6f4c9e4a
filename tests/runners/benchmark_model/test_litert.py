"""Logs of LiteRT's Python tool that were made here: a GPU, parts on the CPU, and every refusal."""

from pathlib import Path

import pytest

from bokehbench.runners.benchmark_model import parse_log

FOLDER = Path(__file__).parents[1] / "captures" / "litert"

# Name: exit code, outcome, kind, asked for, ran, average, runs, delegated, all.
TOLD = {
    "cpu_custom_op": (1, "failed", "op_unsupported", "cpu", "xnnpack", None, None, None, None),
    "cpu_empty": (1, "failed", "model_invalid", "cpu", None, None, None, None, None),
    "cpu_garbage": (1, "failed", "model_invalid", "cpu", None, None, None, None, None),
    "cpu_too_new": (1, "failed", "op_unsupported", "cpu", None, None, None, None, None),
    "cpu_truncated": (-11, "failed", "crash", "cpu", None, None, None, None, None),
    "gpu_too_new": (1, "failed", "op_unsupported", "gpu", None, None, None, None, None),
    "gpu_webgpu": (0, "ok", None, "gpu", "gpu", 50, 20, None, None),
    "gpu_webgpu_part": (0, "ok_with_fallback", None, "gpu", "gpu", 210, 20, 1, 2),
    "gpu_webgpu_part_no_cpu": (1, "failed", "delegate_failed", "gpu", None, None, None, 1, 2),
    "no_model": (2, "failed", "usage", "cpu", None, None, None, None, None),
    "no_runs": (1, "failed", "usage", "cpu", "xnnpack", None, None, None, None),
    "no_signature": (1, "failed", "usage", "cpu", "xnnpack", None, None, None, None),
    "npu_required": (1, "failed", "delegate_failed", "npu", None, None, None, None, None),
    "one_run": (0, "ok", None, "cpu", "xnnpack", 420, 1, None, None),
    "unknown_flag": (2, "failed", "usage", "cpu", None, None, None, None, None),
}


@pytest.mark.parametrize("name", TOLD)
def test_what_a_log_tells(name: str) -> None:
    code, *told = TOLD[name]
    file = parse_log((FOLDER / f"{name}.txt").read_bytes(), exit_code=code)
    assert len(file.runs) == 1
    run = file.last
    assert [
        *(run.outcome, run.failure_kind, run.requested_backend, run.backend),
        *(run.avg_us, run.count, run.delegated_nodes, run.total_nodes),
    ] == told


def test_every_log_is_told_of() -> None:
    assert {path.stem for path in FOLDER.glob("*.txt")} == set(TOLD)


def test_a_gpu_in_software_is_told_of() -> None:
    run = parse_log((FOLDER / "gpu_webgpu_part.txt").read_bytes(), exit_code=0).last
    assert run.adapter is not None
    assert run.adapter.startswith("llvmpipe")
    assert run.gpu_api == "webgpu"
    assert run.unsupported_ops == ("L2_NORMALIZATION",)
    assert any("software" in text for text in run.warnings or ())
