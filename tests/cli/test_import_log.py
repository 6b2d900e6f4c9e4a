"""`bokehbench import-log`: old logs in the store, in tables, and what keeps wrong ones out."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command import Command
from tests.support.models import conv
from tests.support.standin_tool import CAPTURES, capture

SIZE = b"The input model file size (MB): "


def of_model(log: bytes, model: Path) -> bytes:
    """A capture as it would be of this model."""
    lines = [
        SIZE + f"{model.stat().st_size / 1e6:g}".encode() if line.startswith(SIZE) else line
        for line in log.split(b"\n")
    ]
    return b"\n".join(lines)


@pytest.fixture
def log(tmp_path: Path, model: Path) -> Path:
    """A run on XNNPACK."""
    path = tmp_path / "one.log"
    path.write_bytes(of_model(capture("021"), model))
    return path


def words(model: Path) -> tuple[object, ...]:
    return "--model", model, "--device", "Old Phone"


def test_a_log_becomes_a_provisional_record(bokehbench: Command, model: Path, log: Path) -> None:
    extra = ("--soc", "Chip 1", "--date", "2021-05-06", "--name", "old", "--json", "-")
    ended = bokehbench("import-log", log, *words(model), *extra)
    assert ended.code == 0, ended.err
    [record] = ended.json()["records"]
    assert (record["launch"], record["status"], record["backend"]) == (
        "imported", "provisional", "xnnpack"
    )  # fmt: skip
    assert {"imported", "aggregates_only"} <= set(record["reasons"])
    assert record["created"] == "2021-05-06T00:00:00.000Z"
    assert (record["device"]["model"], record["device"]["soc"]) == ("Old Phone", "Chip 1")
    assert record["latency"]["median_ms"] == pytest.approx(6.12843)
    assert record["trials"][0]["exit_code"] is None
    assert record["seal"]


def test_it_enters_the_tables_beside_others(bokehbench: Command, model: Path, log: Path) -> None:
    assert bokehbench("import-log", log, *words(model)).code == 0
    table = bokehbench("table")
    assert table.code == 0, table.err
    assert "6.1" in table.out
    assert "imported" in table.out
    assert "Old Phone" in table.out


def test_several_logs_are_processes_of_one_record(
    bokehbench: Command, model: Path, tmp_path: Path
) -> None:
    logs = []
    for number in range(5):
        text = of_model(capture("021"), model).replace(b"6128.43", f"612{number}.43".encode())
        logs.append(tmp_path / f"{number}.log")
        logs[-1].write_bytes(text)
    ended = bokehbench("import-log", *logs, *words(model), "--json", "-")
    assert ended.code == 0, ended.err
    [record] = ended.json()["records"]
    assert record["latency"]["processes"] == 5
    assert record["latency"]["median_ms"] == pytest.approx(6.12243)
    assert "too_few_samples" not in record["reasons"]


def test_backends_make_records_of_their_own(
    bokehbench: Command, model: Path, log: Path, tmp_path: Path
) -> None:
    other = tmp_path / "cpu.log"
    other.write_bytes(of_model(capture("023"), model))
    ended = bokehbench("import-log", log, other, *words(model), "--json", "-")
    assert [r["backend"] for r in ended.json()["records"]] == ["xnnpack", "cpu"]


def test_the_same_again_changes_nothing(bokehbench: Command, model: Path, log: Path) -> None:
    first = bokehbench("import-log", log, *words(model), "--json", "-").json()["records"]
    again = bokehbench("import-log", log, *words(model), "--json", "-")
    assert again.code == 0
    assert "was imported before" in again.err
    assert again.json()["records"] == first
    assert len(bokehbench("records", "list").out.strip().splitlines()) == 2


def test_other_words_make_another_record(bokehbench: Command, log: Path, tmp_path: Path) -> None:
    free = tmp_path / "free.tflite"
    free.write_bytes(conv(open_sides=True))
    log.write_bytes(of_model(capture("021"), free))
    first: tuple[object, ...] = ("import-log", log, *words(free), "--size", "256x256")
    corrections: list[tuple[object, ...]] = [
        (),
        ("--size", "512x512"),
        ("--name", "right"),
        ("--date", "2021-05-06"),
        ("--date", "2021-05-07"),
        ("--soc", "Chip 1"),
        ("--platform", "android"),
        ("--input-range", "0,255"),
    ]
    made = []
    for more in corrections:
        ended = bokehbench(*first, *more, "--json", "-")
        assert (ended.code, ended.err) == (0, ""), more
        made += [record["record_id"] for record in ended.json()["records"]]
    assert len(set(made)) == len(corrections)
    # Without --date a file's time is no word: a copy is the same import.
    os.utime(log, (1e9, 1e9))
    again = bokehbench(*first, "--json", "-")
    assert [record["record_id"] for record in again.json()["records"]] == made[:1]
    assert "was imported before" in again.err


def test_its_log_is_kept_and_read_again(bokehbench: Command, model: Path, log: Path) -> None:
    ended = bokehbench("import-log", log, *words(model), "--json", "-")
    [record] = ended.json()["records"]
    replay = bokehbench("replay", record["record_id"])
    assert replay.code == 0, replay.err
    assert "1 event stream" in replay.out
    log.unlink()
    assert bokehbench("replay", record["record_id"]).code == 0


def test_a_fallback_is_invalid(bokehbench: Command, model: Path, tmp_path: Path) -> None:
    path = tmp_path / "gpu.log"
    path.write_bytes(of_model(capture("054"), model))
    ended = bokehbench("import-log", path, *words(model), "--json", "-")
    assert ended.code == 1
    [record] = ended.json()["records"]
    assert (record["backend"], record["status"]) == ("gpu", "invalid")
    assert "fallback" in record["reasons"]


def test_an_exit_code_undoes_a_result(bokehbench: Command, model: Path, log: Path) -> None:
    ended = bokehbench("import-log", log, *words(model), "--exit-code", 1, "--json", "-")
    assert ended.code == 4
    [record] = ended.json()["records"]
    assert record["latency"]["median_ms"] is None
    assert record["trials"][0]["exit_code"] == 1


def test_a_log_of_several_runs(bokehbench: Command, model: Path, tmp_path: Path) -> None:
    path = tmp_path / "two.log"
    first = of_model(capture("021"), model)
    path.write_bytes(first + first.replace(b"6128.43", b"6200.43").replace(b"5554", b"5555"))
    [record] = bokehbench("import-log", path, *words(model), "--json", "-").json()["records"]
    assert record["latency"]["processes"] == 2
    replay = bokehbench("replay", record["record_id"])
    assert "something else" not in replay.out + replay.err
    assert replay.code == 0, replay.err


def test_a_folder_of_logs(bokehbench: Command, model: Path, log: Path, tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.txt").write_bytes(log.read_bytes())
    (folder / "deep" / "copy.log").write_bytes(log.read_bytes())
    (folder / "deep" / "b.log").write_bytes(log.read_bytes().replace(b"6128.43", b"6200.43"))
    (folder / "notes.txt").write_text("bought the phone\n")
    with (folder / "huge.log").open("wb") as stream:
        stream.truncate((32 << 20) + 1)
    ended = bokehbench("import-log", folder, *words(model), "--json", "-")
    assert ended.code == 0, ended.err
    # One content is one process, however often it lies there.
    assert "copy.log: holds the same as" in ended.err
    assert "notes.txt: no line is" in ended.err
    assert "huge.log: longer than 32 MiB" in ended.err
    [record] = ended.json()["records"]
    assert record["latency"]["processes"] == 2


def test_a_log_of_powershell(bokehbench: Command, model: Path, log: Path) -> None:
    log.write_bytes(log.read_text().replace("\n", "\r\n").encode("utf-16"))
    ended = bokehbench("import-log", log, *words(model), "--json", "-")
    assert ended.code == 0, ended.err
    [record] = ended.json()["records"]
    assert record["latency"]["median_ms"] == pytest.approx(6.12843)


def test_standard_input(bokehbench: Command, model: Path, log: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "bokehbench", "import-log", "-", *map(str, words(model))],
        input=log.read_bytes(),
        env=bokehbench.variables(),
        capture_output=True,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr
    assert b"xnnpack: provisional" in ended.stdout


def test_a_model_of_free_size_needs_one(bokehbench: Command, log: Path, tmp_path: Path) -> None:
    free = tmp_path / "free.tflite"
    free.write_bytes(conv(open_sides=True))
    log.write_bytes(of_model(capture("021"), free))
    refused = bokehbench("import-log", log, *words(free))
    assert refused.code == 2
    assert "--size" in refused.complaint
    [record] = bokehbench(
        "import-log", log, *words(free), "--size", "512x768", "--json", "-"
    ).json()["records"]
    assert record["timing_shape"] == [1, 512, 768, 3]


def test_a_log_of_another_model_is_refused(
    bokehbench: Command, model: Path, tmp_path: Path
) -> None:
    path = tmp_path / "other.log"
    path.write_bytes(capture("021"))
    ended = bokehbench("import-log", path, *words(model))
    assert ended.code == 2
    assert "give the model that was measured" in ended.complaint


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "is empty"), (b"\0\1\2\3" * 99, "no line is"), (b"hello\n", "no line is")],
)
def test_what_is_no_log_is_refused(
    bokehbench: Command, model: Path, tmp_path: Path, content: bytes, said: str
) -> None:
    path = tmp_path / "x.log"
    path.write_bytes(content)
    ended = bokehbench("import-log", path, *words(model))
    assert ended.code == 2
    assert said in ended.complaint


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        (("--backend", "gpu"), "--backend gpu"),
        (("--size", "4x4"), "--size"),
        (("--device", " "), "--device"),
    ],
)
def test_words_that_contradict_the_log(
    bokehbench: Command, model: Path, log: Path, extra: tuple[str, ...], said: str
) -> None:
    ended = bokehbench("import-log", log, *words(model), *extra)
    assert ended.code == 2
    assert said in ended.complaint
    # Nothing was stored.
    assert not bokehbench.store.exists() or "xnnpack" not in bokehbench("records", "list").out


def test_a_file_or_a_model_that_is_missing(bokehbench: Command, model: Path, log: Path) -> None:
    for words_ in ((log.with_name("no.log"), *words(model)), (log, *words(model.with_name("no")))):
        ended = bokehbench("import-log", *words_)
        assert ended.code == 2
        assert ended.complaint


def test_the_script_of_litert_on_a_software_gpu(bokehbench: Command, tmp_path: Path) -> None:
    log = CAPTURES / "litert" / "gpu_webgpu.txt"
    model = tmp_path / "net.tflite"
    model.write_bytes(conv(48, 64))
    ended = bokehbench("import-log", log, *words(model), "--json", "-")
    assert ended.code == 0, ended.err
    [record] = ended.json()["records"]
    assert record["backend"] == "gpu"
    assert "no_gpu_proof" not in record["reasons"]
    assert "software_gpu" in record["reasons"]
