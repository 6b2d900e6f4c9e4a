"""`bokehbench run --runner benchmark_model`, the whole command, with stand-ins and a real tool."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.phone.test_tool import LOG, ONE, RESULT
from tests.rig import TestDevice, require_rig
from tests.support.carried_python import ON_DEVICE, carry_python
from tests.support.command import Command, Ended
from tests.support.standin_tool import LITERT_FLAGS, capture, write_standin

FIVE = ("--processes", 5, "--runs", 20, "--warmups", 2)


@pytest.fixture
def phone() -> Iterator[TestDevice]:
    """A test device of this test's own."""
    require_rig()
    with TestDevice() as device:
        yield device


@pytest.fixture
def real_tool(tmp_path: Path) -> Path:
    """The tool that LiteRT's wheel brings, as one file."""
    path = tmp_path / "benchmark_litert_model"
    module = "ai_edge_litert.tools.benchmark_litert_model"
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {module} "$@"\n')
    path.chmod(0o755)
    return path


def with_tool(path: Path) -> tuple[object, ...]:
    return "--runner", f"benchmark_model={path}"


def records(ended: Ended) -> list[dict[str, Any]]:
    found = ended.json()["records"]
    assert isinstance(found, list)
    return found


def test_the_real_tool_end_to_end(bokehbench: Command, model: Path, real_tool: Path) -> None:
    words = ("--device", "local", *with_tool(real_tool), "--backend", "xnnpack", *FIVE)
    ended = bokehbench("run", model, *words, "--json", "-")
    assert ended.code == 0, ended.err
    [record] = records(ended)
    assert (record["runner"]["name"], record["runner"]["protocol"]) == ("benchmark_model", 0)
    assert record["engine"]["version"].startswith("custom-")
    latency = record["latency"]
    assert (latency["processes"], latency["samples"], latency["aggregated_runs"]) == (5, 0, 100)
    assert latency["median_ms"] > 0
    assert latency["averaged_processes"] == 0
    assert latency["p90_ms"] is None
    for trial in record["trials"]:
        assert (trial["status"], trial["invoke_ns"]) == ("ok", [])
        assert trial["aggregate"]["count"] == 20
        assert trial["aggregate"]["warmup_count"] == 2
        assert trial["report"]["name"] == "xnnpack"
    # Nothing of it is ranked: nobody saw the runs.
    assert record["status"] == "provisional"
    assert "aggregates_only" in record["reasons"]


def test_the_real_tool_behind_adb(
    bokehbench: Command, phone: TestDevice, model: Path, tmp_path: Path
) -> None:
    carry_python(phone.tmp / "python")
    tool = tmp_path / "benchmark_litert_model"
    tool.write_text(ON_DEVICE)
    words = ("--device", f"tcp:{phone.address}", *with_tool(tool), "--backend", "xnnpack")
    ended = bokehbench("run", model, *words, "--quick", "--json", "-")
    assert ended.code == 0, ended.err
    [record] = records(ended)
    assert record["launch"] == "shell"
    [trial] = record["trials"]
    assert (trial["status"], trial["aggregate"]["count"]) == ("ok", 64)
    assert trial["report"]["name"] == "xnnpack"
    assert record["latency"]["median_ms"] > 0


def test_the_table_says_that_samples_are_missing(
    bokehbench: Command, model: Path, real_tool: Path
) -> None:
    ended = bokehbench("run", model, "--device", "local", *with_tool(real_tool), "--quick")
    assert ended.code == 0, ended.err
    assert "the runner kept no samples" in ended.out
    assert "1 process, 64 runs" in ended.out
    assert "raw samples are not available: medians of 64 runs" in ended.out


def test_a_device_behind_adb_with_images(
    bokehbench: Command, phone: TestDevice, model: Path, pairs: Path, tmp_path: Path
) -> None:
    tool = write_standin(tmp_path / "bm", LOG, result=RESULT, image_log=ONE)
    words = ("--device", f"tcp:{phone.address}", *with_tool(tool), "--backend", "xnnpack")
    # The stand-in is no convolution: what this host makes of the model is another thing.
    images = ("--dataset", pairs, "--reference-images", 0)
    ended = bokehbench("run", model, *words, *FIVE, *images, "--json", "-")
    assert ended.code == 0, ended.err
    [record] = records(ended)
    assert [image["status"] for image in record["images"]] == ["ok"] * 4
    # What the stand-in gives back is the input, whatever the model is.
    assert record["fidelity"]["psnr"] is not None
    assert record["fidelity"]["images"] == 4
    assert all(image["invoke_ns"] == 4_321_000 for image in record["images"])
    assert all(image["input_ns"] is None for image in record["images"])
    assert record["launch"] == "shell"
    root = phone.tmp / "bokehbench"
    assert {path.name for path in root.rglob("*") if path.is_file()} == {"runner", "model.tflite"}
    assert phone.processes() == []


def test_a_silent_fallback_is_invalid(bokehbench: Command, model: Path, tmp_path: Path) -> None:
    log = capture("054")
    tool = write_standin(tmp_path / "bm", log)
    words = ("--device", "local", *with_tool(tool), "--backend", "gpu", "--quick")
    ended = bokehbench("run", model, *words, "--json", "-")
    assert ended.code == 1
    [record] = records(ended)
    assert record["status"] == "invalid"
    assert "fallback" in record["reasons"]
    assert record["trials"][0]["status"] == "ok"


def test_a_replay_reads_the_logs_again(bokehbench: Command, model: Path, tmp_path: Path) -> None:
    tool = write_standin(tmp_path / "bm", LOG, result=RESULT)
    words = ("--device", "local", *with_tool(tool), "--backend", "xnnpack", *FIVE)
    [record] = records(bokehbench("run", model, *words, "--json", "-"))
    ended = bokehbench("replay", record["record_id"])
    assert ended.code == 0, ended.out + ended.err
    assert "5" in ended.out
    assert "something else" not in ended.out


def test_a_failing_invoke_is_a_failure(bokehbench: Command, model: Path, tmp_path: Path) -> None:
    tool = write_standin(tmp_path / "bm", LOG, exit_code=1)
    words = ("--device", "local", *with_tool(tool), "--backend", "xnnpack", "--quick")
    ended = bokehbench("run", model, *words, "--json", "-")
    assert ended.code == 4
    [record] = records(ended)
    assert record["latency"]["median_ms"] is None
    assert record["trials"][0]["failure"]["kind"] == "invoke_failed"


def test_the_next_backend_where_one_falls_back(
    bokehbench: Command, model: Path, tmp_path: Path
) -> None:
    refuses = (
        'case "$*" in *use_gpu=true*) echo "Use gpu: [1]"; '
        'echo "GPU acceleration is unsupported on this platform."; '
        'echo "Failed to apply GPU delegate."; exit 1;; esac'
    )
    script = write_standin(tmp_path / "bm", LOG, before=refuses)
    words = ("--device", "local", *with_tool(script), "--backend", "all", "--quick")
    ended = bokehbench("run", model, *words, "--json", "-")
    by_backend = {record["backend"]: record for record in records(ended)}
    assert set(by_backend) == {"gpu", "xnnpack", "cpu"}
    assert by_backend["gpu"]["status"] == "invalid"
    assert by_backend["xnnpack"]["latency"]["median_ms"] == pytest.approx(6.12843)
    assert ended.code == 0


def test_other_accelerators_have_their_column(
    bokehbench: Command, model: Path, tmp_path: Path
) -> None:
    log = LOG.replace(b"Use xnnpack: [1]\n", b"Use NNAPI: [1]\n").replace(b"XNNPACK", b"NNAPI")
    tool = write_standin(tmp_path / "bm", log)
    words = ("--device", "local", *with_tool(tool), "--backend", "nnapi")
    flag = ("--runner-flag", "nnapi_accelerator_name=qti-dsp")
    ended = bokehbench("run", model, *words, *flag, "--quick", "--json", tmp_path / "run.json")
    assert ended.code == 0, ended.err
    assert "nnapi" in ended.out
    assert "6.1" in ended.out
    assert "nnapi" in bokehbench("records", "list").out
    assert "nnapi_accelerator_name=qti-dsp" in (tmp_path / "run.json").read_text()


def test_a_run_that_was_cut_short_goes_on_with_its_tool(
    bokehbench: Command, model: Path, tmp_path: Path
) -> None:
    import signal
    import time

    tool = write_standin(tmp_path / "bm", LOG, before=f"echo x >> {tmp_path}/count; sleep 0.5")
    words = ("--device", "local", *with_tool(tool), "--backend", "xnnpack", *FIVE)
    process = bokehbench.start("run", model, *words, "--json", tmp_path / "cut.json")
    until = time.monotonic() + 60
    while not (tmp_path / "count").exists() and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(1.2)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    run_id = err.split("--resume ")[1].split("`")[0]
    ended = bokehbench("run", "--resume", run_id, "--json", "-")
    assert ended.code == 0, ended.err
    [record] = records(ended)
    assert [t["status"] for t in record["trials"]].count("ok") == 5
    assert record["runner"]["name"] == "benchmark_model"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--runner", "other"), "--runner other"),
        (("--runner", "bokehbench=x"), "--runner bokehbench=x"),
        (("--runner", "benchmark_model=/no/such/file"), "/no/such/file"),
        (("--backend", "nnapi"), "--runner benchmark_model"),
        (("--backend", "external"), "--runner benchmark_model"),
        (("--delegate", "/x.so"), "--delegate"),
        (("--runner-flag", "a=b"), "--runner-flag"),
    ],
)
def test_words_that_can_not_be(
    bokehbench: Command, model: Path, words: tuple[str, ...], said: str
) -> None:
    ended = bokehbench("run", model, "--device", "local", "--quick", *words)
    assert ended.code == 2
    assert said in ended.complaint


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--engine", "litert"), "--engine"),
        (("--sustained", "5"), "--sustained"),
        (("--backend", "external"), "--delegate"),
        (("--backend", "cpu", "--delegate", "/x.so"), "--delegate"),
        (("--runner-flag", "=x"), "--runner-flag"),
        (("--runner-flag", "unheard_of=1"), "unheard_of"),
        (("--runner-flag", "num_runs=1"), "num_runs"),
    ],
)
def test_words_that_can_not_be_with_a_tool(
    bokehbench: Command, model: Path, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    tool = write_standin(tmp_path / "bm", LOG)
    ended = bokehbench("run", model, "--device", "local", "--quick", *with_tool(tool), *words)
    assert ended.code == 2
    assert said in ended.complaint


def test_a_tool_that_takes_no_images_is_refused_at_once(
    bokehbench: Command, model: Path, pairs: Path, tmp_path: Path
) -> None:
    tool = write_standin(tmp_path / "bm", LOG, flags=LITERT_FLAGS)
    words = ("--device", "local", *with_tool(tool), "--quick", "--dataset", pairs)
    ended = bokehbench("run", model, *words)
    assert ended.code == 2
    assert "--dataset" in ended.complaint


def test_a_tool_that_may_not_be_executed(bokehbench: Command, model: Path, tmp_path: Path) -> None:
    tool = write_standin(tmp_path / "bm", LOG)
    tool.chmod(0o644)
    ended = bokehbench("run", model, "--device", "local", *with_tool(tool), "--quick")
    assert ended.code == 4
    assert "chmod +x" in ended.complaint


def test_a_dry_run_names_the_tool(bokehbench: Command, model: Path, tmp_path: Path) -> None:
    tool = write_standin(tmp_path / "bm", LOG)
    ended = bokehbench("run", model, "--device", "local", *with_tool(tool), "--dry-run")
    assert ended.code == 0, ended.err
    assert "benchmark_model custom-" in ended.out
