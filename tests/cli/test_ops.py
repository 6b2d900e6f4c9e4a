"""`bokehbench ops`: the report of runs, of imported logs, of records of our own runner."""

from pathlib import Path

import pytest

from tests.support.command import Command
from tests.support.standin_tool import capture, write_standin

SIZE = b"The input model file size (MB)"


def profiled() -> bytes:
    """A real log with tables of operators, of a model that it does not tell the size of."""
    lines = capture("025").split(b"\n")
    return b"\n".join(line for line in lines if not line.startswith(SIZE))


def test_an_imported_log_with_a_profile(bokehbench: Command, model: Path, tmp_path: Path) -> None:
    log = tmp_path / "old.log"
    log.write_bytes(profiled())
    made = bokehbench("import-log", log, "--model", model, "--device", "Phone", "--json", "-")
    [record] = made.json()["records"]
    shown = bokehbench("ops", record["record_id"])
    assert shown.code == 0, shown.err
    assert "cpu was asked for, cpu ran" in shown.out
    assert "44 cheaper ones are left out" in shown.out
    assert "TFLite_Detection_PostProcess" in bokehbench("ops", record["record_id"], "--all").out
    ended = bokehbench("ops", record["record_id"], "--json", "-")
    document = ended.json()
    assert document["format"] == "bokehbench-ops/1"
    assert (document["processes"], len(document["ops"]), len(document["types"])) == (1, 64, 6)
    assert sum(op["share"] for op in document["ops"]) == pytest.approx(1)
    assert {op["where"] for op in document["ops"]} == {"cpu"}
    assert document["fell_back"] == []


def test_a_run_whose_tool_profiles(bokehbench: Command, model: Path, tmp_path: Path) -> None:
    log = profiled().replace(b"Use gpu", b"Use xnnpack: [0]\nUse gpu")
    tool = write_standin(tmp_path / "bm", log)
    words = ("--device", "local", "--runner", f"benchmark_model={tool}", "--backend", "cpu")
    flag = ("--runner-flag", "enable_op_profiling=true", "--processes", 3)
    ran = bokehbench("run", model, *words, *flag, "--json", "-")
    [record] = ran.json()["records"]
    document = bokehbench("ops", record["record_id"], "--json", "-").json()
    assert document["processes"] == 3
    assert document["types"][0]["type"] == "CONV_2D"


def test_our_own_runner(bokehbench: Command, own_record: str) -> None:
    shown = bokehbench("ops", own_record)
    assert shown.code == 0, shown.err
    assert "our runner times whole runs" in shown.out
    assert "CONV_2D" in shown.out
    assert bokehbench("ops", own_record, "--json", "-").json()["ops"] == []


@pytest.fixture
def own_record(bokehbench: Command, model: Path) -> str:
    """A record of our own runner on this machine."""
    words = ("--device", "local", "--backend", "xnnpack", "--quick", "--json", "-")
    ended = bokehbench("run", model, *words)
    [record] = ended.json()["records"]
    return str(record["record_id"])


def test_a_record_that_there_is_not(bokehbench: Command, model: Path, tmp_path: Path) -> None:
    # A store of one record.
    log = tmp_path / "old.log"
    log.write_bytes(profiled())
    bokehbench("import-log", log, "--model", model, "--device", "Phone")
    ended = bokehbench("ops", "nothing")
    assert ended.code == 2
    assert "'nothing'" in ended.complaint
    assert bokehbench("ops").code == 2


def test_no_store(bokehbench: Command) -> None:
    ended = bokehbench("ops", "abc")
    assert ended.code == 2
    assert ended.complaint
