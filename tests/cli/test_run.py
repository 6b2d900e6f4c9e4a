"""`bokehbench run` on the real runner and the real engine of this machine."""

import json
import os
import signal
import sqlite3
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray
from PIL import Image
from skimage.metrics import structural_similarity

from tests.cli.conftest import make_pairs
from tests.support import models
from tests.support.command import Command, Ended

FAST = ("--device", "local", "--runs", "8", "--warmups", "2")


def only_record(ended: Ended) -> dict[str, Any]:
    assert ended.code == 0, ended.err
    [record] = ended.json()["records"]
    assert isinstance(record, dict)
    return record


def test_one_document_with_everything_a_reader_needs(
    bokehbench: Command, model: Path, pairs: Path
) -> None:
    ended = bokehbench(
        "run", "--device", "local", model, "--dataset", pairs, "--runs", 16, "--json", "-"
    )
    record = only_record(ended)
    assert ended.json()["format"] == "bokehbench-run/1"
    assert ended.json()["run_id"] == record["run_id"]
    check_ranked(record)
    assert record["model"]["size_bytes"] == model.stat().st_size
    assert record["model"]["name"] == "net"
    assert record["device"]["abi"] == os.uname().machine
    assert [t["backend"] for t in record["trials"]] == ["xnnpack"] * 5
    for trial in record["trials"]:
        assert trial["status"] == "ok"
        assert (len(trial["warmup_ns"]), len(trial["invoke_ns"])) == (10, 16)
        assert min(trial["invoke_ns"]) > 0
        assert trial["load_ns"] > 0
        assert trial["peak_memory_bytes"] > 1_000_000
        assert trial["failure"] is None
        assert trial["region"] == "lock_write+run+lock_read"
    latency = record["latency"]
    assert (latency["processes"], latency["samples"]) == (5, 80)
    low, high = latency["ci95_ms"]
    assert low <= latency["median_ms"] <= high
    assert latency["p90_ms"] >= latency["median_ms"]
    assert latency["first_ms"] > 0
    assert latency["load_ms"] > 0
    assert record["fidelity"]["protocol"] == "mai22"
    assert record["fidelity"]["images"] == len(record["fidelity"]["per_image"]) == 4
    assert record["score"] is None


def test_the_runners_median_is_that_of_its_samples(bokehbench: Command, model: Path) -> None:
    record = only_record(bokehbench("run", *FAST, model, "--processes", 2, "--json", "-"))
    medians = sorted(float(np.median(t["invoke_ns"])) / 1e6 for t in record["trials"])
    assert record["latency"]["median_ms"] == pytest.approx(sum(medians) / 2)
    assert record["latency"]["ci95_ms"] is None
    assert record["latency"]["p90_ms"] is None
    assert record["reasons"] == ["too_few_samples"]
    assert record["status"] == "provisional"


def interpreter_image(model: bytes, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What LiteRT's own Interpreter makes of an image, in bytes."""
    net = Interpreter(model_content=model)
    index = net.get_input_details()[0]["index"]
    net.resize_tensor_input(index, (1, *image.shape))
    net.allocate_tensors()
    net.set_tensor(index, image[None].astype(np.float32) / np.float32(255))
    net.invoke()
    out: NDArray[np.float32] = net.get_tensor(net.get_output_details()[0]["index"])[0]
    return np.clip(np.rint(out * 255), 0, 255).astype(np.uint8)


def test_fidelity_is_that_of_the_interpreters_own_images(
    bokehbench: Command, free_model: Path, tmp_path: Path
) -> None:
    pairs = make_pairs(tmp_path / "mixed", [(48, 64), (40, 56), (48, 64)])
    ended = bokehbench("run", *FAST, "--quick", free_model, "--dataset", pairs, "--json", "-")
    record = only_record(ended)
    for score in record["fidelity"]["per_image"]:
        name = f"{score['name']}.png"
        image = np.asarray(Image.open(pairs / "original" / name))
        wanted = np.asarray(Image.open(pairs / "bokeh" / name))
        made = interpreter_image(free_model.read_bytes(), image)
        error = np.mean((made.astype(float) - wanted) ** 2)
        assert score["psnr"] == pytest.approx(10 * np.log10(255**2 / error), abs=1e-3)
        ssim = structural_similarity(
            made,
            wanted,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            channel_axis=2,
            data_range=255,
        )
        assert score["ssim"] == pytest.approx(ssim, abs=1e-4)
    mean = np.mean([score["psnr"] for score in record["fidelity"]["per_image"]])
    assert record["fidelity"]["psnr"] == pytest.approx(mean)
    assert record["fidelity"]["same_shape_as_timing"] is False


def test_the_score_takes_the_backend_that_was_asked_for(
    bokehbench: Command, model: Path, pairs: Path
) -> None:
    words = ("run", *FAST, "--quick", model, "--dataset", pairs, "--json", "-")
    record = only_record(bokehbench(*words, "--score-backend", "xnnpack"))
    psnr, ms = record["fidelity"]["psnr"], record["latency"]["median_ms"]
    assert record["score"] == pytest.approx(2 ** (2 * psnr) / (2**34.5 * ms))


def test_int8_and_fixed_models_run(bokehbench: Command, tmp_path: Path, pairs: Path) -> None:
    model = tmp_path / "int8.tflite"
    model.write_bytes(models.conv_int8(48, 64))
    ended = bokehbench("run", *FAST, "--quick", model, "--dataset", pairs, "--json", "-")
    record = only_record(ended)
    assert record["timing_shape"] == [1, 48, 64, 3]
    assert record["fidelity"]["images"] == 4


def test_several_models_take_turns(bokehbench: Command, model: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.tflite"
    other.write_bytes(models.conv(16, 16))
    names = ("--name", "one", "--name", "two")
    ended = bokehbench("run", *FAST, "--processes", 4, model, other, *names, "--json", "-")
    assert ended.code == 0, ended.err
    trials = sorted(
        (trial["started"], record["label"])
        for record in ended.json()["records"]
        for trial in record["trials"]
    )
    rounds = [{name for _, name in trials[i : i + 2]} for i in range(0, 8, 2)]
    assert rounds == [{"one", "two"}] * 4


def test_all_backends_and_the_table(bokehbench: Command, model: Path) -> None:
    ended = bokehbench("run", *FAST, "--quick", "--backend", "all", model, "--json", "-")
    assert ended.code == 0, ended.err
    records = {record["backend"]: record for record in ended.json()["records"]}
    assert set(records) == {"gpu", "xnnpack", "cpu"}
    assert "XNNPACK" in records["xnnpack"]["trials"][0]["report"]["delegate"]
    assert records["cpu"]["trials"][0]["report"]["delegate"] is None
    table = bokehbench("table", "--format", "json")
    assert table.code == 0, table.err
    csv = bokehbench("table", "--format", "csv")
    assert "net" in csv.out


def test_nan_output_is_invalid_and_said_so(bokehbench: Command, tmp_path: Path) -> None:
    model = tmp_path / "nan.tflite"
    model.write_bytes(models.nan(16, 16))
    ended = bokehbench("run", *FAST, "--quick", model, "--json", "-")
    assert ended.code == 1, ended.err
    [record] = ended.json()["records"]
    assert record["status"] == "invalid"
    assert "nan_output" in record["reasons"]


def test_an_operator_that_no_engine_has_is_a_failure(bokehbench: Command, tmp_path: Path) -> None:
    model = tmp_path / "custom.tflite"
    model.write_bytes(models.custom_op())
    ended = bokehbench("run", *FAST, model, "--json", "-")
    assert ended.code == 4, ended.err
    [record] = ended.json()["records"]
    assert record["status"] == "invalid"
    assert record["trials"][0]["failure"]["kind"] in ("op_unsupported", "model_invalid")
    assert record["latency"]["median_ms"] is None
    assert bokehbench("table", "--format", "csv").out.count("Error") >= 1


def runner_pids(home: Path) -> list[int]:
    """Processes whose program lies in the local device of this home."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            program = str((entry / "exe").readlink())
        except OSError:
            continue
        if program.startswith(str(home / "cache")):
            found.append(int(entry.name))
    return found


def wait_for_runner(home: Path) -> int:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if pids := runner_pids(home):
            return pids[0]
        time.sleep(0.01)
    raise AssertionError("no runner was started")


BUSY = {
    "bimodal",
    "drift_within_process",
    "foreign_load",
    "throttled",
    "unstable_between_processes",
}
"""Findings that a machine which is shared may honestly have."""

LONG = ("--device", "local", "--runs", "100000", "--max-seconds", "20")


def test_a_killed_runner_is_a_failure(bokehbench: Command, model: Path) -> None:
    process = bokehbench.start("run", *LONG, "--quick", model, "--json", "-")
    os.kill(wait_for_runner(bokehbench.home), signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 4, err
    [record] = json.loads(out)["records"]
    failure = record["trials"][0]["failure"]
    assert failure["kind"] == "killed"
    assert "SIGKILL" in failure["message"]


def test_ctrl_c_keeps_what_was_measured(bokehbench: Command, model: Path) -> None:
    words = ("--device", "local", "--runs", 20, "--processes", 1000)
    process = bokehbench.start("run", *words, model, "--json", "-")
    until = time.monotonic() + 30
    while time.monotonic() < until and journal_rows(bokehbench.store) < 3:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    [record] = json.loads(out)["records"]
    assert len(record["trials"]) >= 2
    assert record["status"] == "provisional"
    assert "incomplete" in record["reasons"]
    assert record["seal"] is None
    assert runner_pids(bokehbench.home) == []
    [row] = bokehbench("records", "list", "--json").json()["records"]
    assert row["state"] == "incomplete"


def interrupted_run(bokehbench: Command, *words: object, after: int) -> dict[str, Any]:
    """A run that Ctrl-C ended once its journal had `after` rows; its document."""
    process = bokehbench.start("run", "--device", "local", *words, "--json", "-")
    until = time.monotonic() + 30
    while time.monotonic() < until and journal_rows(bokehbench.store) < after:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    document = json.loads(out)
    assert isinstance(document, dict)
    return document


def test_an_interrupted_run_goes_on(bokehbench: Command, model: Path, pairs: Path) -> None:
    words = ("--runs", 2000, "--processes", 6, model, "--dataset", pairs)
    first = interrupted_run(bokehbench, *words, after=3)
    [before] = first["records"]
    ended = bokehbench("run", "--resume", first["run_id"], "--json", "-")
    record = only_record(ended)
    assert record["record_id"] == before["record_id"]
    assert record["trials"][: len(before["trials"])] == before["trials"]
    assert len(before["trials"]) < len(record["trials"]) == 6
    assert record["fidelity"]["images"] == 4
    check_ranked(record)
    assert record["seal"] is not None
    [row] = bokehbench("records", "list", "--json").json()["records"]
    assert row["state"] == "sealed"
    again = bokehbench("run", "--resume", first["run_id"])
    assert again.code == 2
    assert "came to its end" in again.complaint


def test_a_run_does_not_go_on_with_another_engine(bokehbench: Command, model: Path) -> None:
    first = interrupted_run(bokehbench, "--runs", 2000, "--processes", 6, model, after=2)
    connection = sqlite3.connect(bokehbench.store)
    text = connection.execute("SELECT evidence FROM bokehbench_records").fetchone()[0]
    version = first["records"][0]["engine"]["version"]
    other = text.replace(f'"version":"{version}"', '"version":"0.0.1"')
    assert other != text
    connection.execute("UPDATE bokehbench_records SET evidence = ?", (other,))
    connection.commit()
    connection.close()
    ended = bokehbench("run", "--resume", first["run_id"])
    assert ended.code == 2
    assert "engine changed since" in ended.complaint


def test_a_run_does_not_go_on_with_another_model(bokehbench: Command, model: Path) -> None:
    first = interrupted_run(bokehbench, "--runs", 2000, "--processes", 6, model, after=2)
    model.write_bytes(models.conv(16, 16))
    ended = bokehbench("run", "--resume", first["run_id"])
    assert ended.code == 2
    assert "has changed since" in ended.complaint
    assert "no such run" in bokehbench("run", "--resume", "none").complaint


def test_a_run_that_was_killed_leaves_its_journal(bokehbench: Command, model: Path) -> None:
    words = ("--device", "local", "--runs", 20, "--processes", 1000)
    process = bokehbench.start("run", *words, model)
    until = time.monotonic() + 30
    while time.monotonic() < until and journal_rows(bokehbench.store) < 3:
        time.sleep(0.05)
    process.kill()
    process.communicate()
    [row] = bokehbench("records", "list", "--json").json()["records"]
    assert row["state"] == "incomplete"
    shown = bokehbench("records", "show", row["record_id"], "--json")
    assert shown.code == 0, shown.err
    assert len(shown.json()["trials"]) >= 2
    assert "incomplete" in shown.json()["reasons"]


def check_ranked(record: dict[str, Any]) -> None:
    """Nothing speaks against a record but that this machine has other things to do."""
    assert set(record["reasons"]) <= BUSY
    assert record["status"] == ("provisional" if record["reasons"] else "ranked")


def journal_rows(store: Path) -> int:
    """Rows of a store that another process is writing, those of the reference workload left out."""
    if not store.exists():
        return 0
    connection = sqlite3.connect(f"file:{store}?mode=ro", uri=True)
    try:
        query = "SELECT count(*) FROM bokehbench_journal WHERE kind NOT LIKE 'reference%'"
        return int(connection.execute(query).fetchone()[0])
    except sqlite3.OperationalError:
        return 0
    finally:
        connection.close()


def test_dry_run_touches_nothing(bokehbench: Command, model: Path, pairs: Path) -> None:
    ended = bokehbench("run", "--device", "local", model, "--dataset", pairs, "--dry-run")
    assert ended.code == 0, ended.err
    assert "xnnpack" in ended.out
    one = bokehbench("run", "--device", "local", model, "--quick", "--threads", 1, "--dry-run")
    assert "1 thread, protocol quick: 1 process of " in one.out
    assert not bokehbench.store.exists()
    assert not list((bokehbench.home / "cache").rglob("*.tflite"))


def test_a_dry_run_writes_its_document_where_it_is_told(bokehbench: Command, model: Path) -> None:
    words = ("run", "--device", "local", model, "--dry-run", "--json")
    whole = bokehbench(*words, "-")
    plan = json.loads(whole.out)
    assert [device["device"] for device in plan["devices"]] == ["local"]
    target = bokehbench.home / "plan.json"
    assert "dry run" in bokehbench(*words, target).out
    assert json.loads(target.read_text(encoding="utf-8")) == plan
    # A pipe by its name among the process's files: no path leads to what it is.
    assert bokehbench(*words, "/dev/stderr").err == whole.out


@pytest.mark.parametrize("name", ["a b", "it's", 'x"y', "$HOME", "ü 日本", "-dash", "%s", "a\tb"])
def test_odd_file_names(bokehbench: Command, model: Path, name: str) -> None:
    odd = model.with_name(f"{name}.tflite")
    model.rename(odd)
    ended = bokehbench("run", *FAST, "--quick", "--json", "-", "--", odd.name)
    record = only_record(ended)
    assert record["model"]["file_name"].startswith(name[0])


def test_raw_evidence_can_be_shown(bokehbench: Command, model: Path) -> None:
    record = only_record(bokehbench("run", *FAST, "--quick", model, "--json", "-"))
    events = bokehbench("records", "show", record["record_id"][:6], "--evidence", "events")
    assert events.code == 0, events.err
    names = [json.loads(line)["event"] for line in events.out.splitlines()]
    assert names[0] == "hello"
    assert names[-1] == "done"


@pytest.mark.parametrize("depth_size", [(24, 32), (48, 64), (96, 128)])
def test_rgbd_and_half_size_inputs(
    bokehbench: Command, tmp_path: Path, depth_size: tuple[int, int]
) -> None:
    """The form of PyNET: half resolution, depth as fourth channel, an image of full size back."""
    pairs = make_pairs(tmp_path / "rgbd", [(48, 64)] * 2)
    (pairs / "original_depth").mkdir()
    for number in range(2):
        depth = np.full(depth_size, 40 * (number + 1), np.uint8)
        Image.fromarray(depth).save(pairs / "original_depth" / f"{number}.png")
    model = tmp_path / "pynet.tflite"
    model.write_bytes(models.rgbd_double(24, 32))
    (tmp_path / "pynet.io.toml").write_text(
        '[[inputs]]\ntensor = 0\nchannels = "rgbd"\nsize = 0.5\n[output]\ntensor = 0\n'
    )
    ended = bokehbench("run", *FAST, "--quick", model, "--dataset", pairs, "--json", "-")
    record = only_record(ended)
    assert record["io"]["inputs"][0]["channels"] == "rgbd"
    assert record["fidelity"]["images"] == 2
    assert record["fidelity"]["same_shape_as_timing"] is True


def test_two_named_inputs_with_a_spec(bokehbench: Command, tmp_path: Path, pairs: Path) -> None:
    model = tmp_path / "two.tflite"
    model.write_bytes(models.add(48, 64))
    (tmp_path / "two.io.toml").write_text(
        '[[inputs]]\ntensor = "left"\nrange = [0.0, 0.5]\n'
        '[[inputs]]\ntensor = "right"\nrange = [0.0, 0.5]\n'
    )
    ended = bokehbench("run", *FAST, "--quick", model, "--dataset", pairs, "--json", "-")
    record = only_record(ended)
    # Half of an image plus its other half is the image itself, whose PSNR to `bokeh` is known.
    image = np.asarray(Image.open(pairs / "original" / "0.png")).astype(float)
    wanted = np.asarray(Image.open(pairs / "bokeh" / "0.png"))
    psnr = 10 * np.log10(255**2 / np.mean((image - wanted) ** 2))
    assert record["fidelity"]["per_image"][0]["psnr"] == pytest.approx(psnr, abs=1e-9)
