"""`bokehbench parse` as a user and as a CI job meet it."""

import os
import subprocess
import sys
from pathlib import Path

from tests.runners.benchmark_model.corpus import FOLDER, NAMES, expected, log
from tests.support.command import Command

OK = FOLDER / "021_x86_xnnpack_default.txt"
FELL_BACK = FOLDER / "054_x86old_gpu_unsupported.txt"
FAILED = FOLDER / "037_x86_bad_input_layer.txt"
UNFINISHED = FOLDER / "039_x86_timeout_killed.txt"


def test_one_log_is_one_object(bokehbench: Command) -> None:
    ended = bokehbench("parse", OK, "--exit-code", 0, "--json", "-")
    assert (ended.code, ended.err) == (0, "")
    document = ended.json()
    assert document["format"] == "bokehbench-log/1"
    wanted = {key: value for key, value in expected()[OK.name].items() if key != "note"}
    assert {key: document[key] for key in wanted} == wanted
    assert document["warnings"] is None


def test_a_folder_is_a_list(bokehbench: Command) -> None:
    ended = bokehbench("parse", FOLDER, "--json", "-")
    document = ended.json()
    assert ended.code == 4
    assert document["format"] == "bokehbench-logs/1"
    assert [Path(entry["log"]).name for entry in document["logs"]] == NAMES


def test_exit_codes(bokehbench: Command) -> None:
    assert bokehbench("parse", OK).code == 0
    assert bokehbench("parse", FELL_BACK).code == 1
    assert bokehbench("parse", UNFINISHED).code == 1
    assert bokehbench("parse", FAILED).code == 4
    assert bokehbench("parse", OK, FELL_BACK).code == 1
    assert bokehbench("parse", OK, FELL_BACK, FAILED).code == 4
    assert bokehbench("parse", OK, "--exit-code", 1).code == 4
    assert bokehbench("parse", UNFINISHED, "--exit-code", 124).code == 4


def test_people_see_facts_or_a_table(bokehbench: Command) -> None:
    one = bokehbench("parse", FELL_BACK)
    assert "outcome     ok_with_fallback" in one.out
    assert "59749.6 us (59749.55 to 59749.65)" in one.out
    several = bokehbench("parse", OK, FELL_BACK)
    assert "59.750" in several.out
    assert "GPU acceleration is unsupported on this platform. (line 10)" in several.out


def test_explain_shows_where_facts_come_from(bokehbench: Command) -> None:
    ended = bokehbench("parse", FELL_BACK, "--explain")
    lines = ended.out.splitlines()
    assert any(line.startswith(" 7  Use gpu: [1]   <- requested_backend") for line in lines)
    assert any(line.startswith("18  count=5") and "<- count" in line for line in lines)
    assert "\x1b" not in ended.out
    refused = bokehbench("parse", FELL_BACK, "--explain", "--json", "-")
    assert refused.code == 2
    assert "--explain" in refused.complaint


def test_explain_of_a_long_log_shows_what_matters(bokehbench: Command, tmp_path: Path) -> None:
    text = log(OK.name).replace(b"Loaded model", b"noise\n" * 5000 + b"Loaded model")
    path = tmp_path / "long.log"
    path.write_bytes(text)
    out = bokehbench("parse", path, "--explain").out
    assert "5016" in out
    assert len(out.splitlines()) < 100


def test_explain_reads_standard_input_once(bokehbench: Command) -> None:
    ended = piped(bokehbench, log(FELL_BACK.name), "-", "--explain")
    assert b"<- requested_backend" in ended.stdout


def piped(bokehbench: Command, data: bytes, *words: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "bokehbench", "parse", *words],
        input=data,
        capture_output=True,
        env=bokehbench.variables(),
        cwd=bokehbench.home,
        timeout=120,
        check=False,
    )


def test_standard_input_in_powershell_s_encoding(bokehbench: Command) -> None:
    data = log(OK.name).decode().replace("\n", "\r\n").encode("utf-16")
    ended = piped(bokehbench, data, "-", "--exit-code", "0", "--json", "-")
    assert ended.returncode == 0
    assert b'"avg_us": 6128.43' in ended.stdout


def test_two_runs_in_one_log_are_told_apart(bokehbench: Command, tmp_path: Path) -> None:
    path = tmp_path / "both.log"
    path.write_bytes(log(OK.name) + log(FELL_BACK.name))
    ended = bokehbench("parse", path, "--json", "-")
    document = ended.json()
    assert document["format"] == "bokehbench-logs/1"
    assert [entry["outcome"] for entry in document["logs"]] == ["ok", "ok_with_fallback"]
    assert [entry["first_line"] for entry in document["logs"]] == [2, 19]
    assert ended.code == 1


def test_what_is_no_log_is_named(bokehbench: Command, tmp_path: Path) -> None:
    empty = tmp_path / "empty.log"
    empty.touch()
    binary = tmp_path / "binary.log"
    binary.write_bytes(bytes(range(256)) * 64)
    folder = tmp_path / "folder"
    folder.mkdir()
    for words, said in (
        ([], "no log given"),
        ([tmp_path / "nowhere.log"], "no such file"),
        ([empty], "is empty"),
        ([binary], "is not text"),
        ([folder], "no .log or .txt file"),
        ([OK, FELL_BACK, "--exit-code", 0], "belongs to one log"),
    ):
        ended = bokehbench("parse", *words)
        assert ended.code == 2
        assert said in ended.complaint


def test_a_bad_log_among_good_ones_loses_none(bokehbench: Command, tmp_path: Path) -> None:
    empty = tmp_path / "empty.log"
    empty.touch()
    ended = bokehbench("parse", OK, empty, "--json", "-")
    assert ended.code == 2
    assert [entry["outcome"] for entry in ended.json()["logs"]] == ["ok"]
    assert "is empty" in ended.complaint


def test_other_files_of_a_folder_are_passed_over(bokehbench: Command, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "run.LOG").write_bytes(log(OK.name))
    (tmp_path / "notes.txt").write_text("nothing of the kind\n")
    (tmp_path / "model.tflite").write_bytes(b"\x00" * 64)
    os.mkfifo(tmp_path / "pipe.log")
    ended = bokehbench("parse", tmp_path, "--json", "-")
    assert ended.code == 0
    assert len(ended.json()["logs"]) == 1
    assert "notes.txt" in ended.err


def test_names_and_lines_of_strangers_reach_no_terminal(
    bokehbench: Command, tmp_path: Path
) -> None:
    path = tmp_path / "a\x1b[31mb.log"
    path.write_bytes(
        b"STARTING!\nGraph: [\x1b]0;evil\x07m\x1b[2J.tflite]\n\x9b31mFailed to apply X"
    )
    for words in ((path,), (path, OK), (path, "--explain")):
        out = bokehbench("parse", *words).out
        assert "\x1b" not in out
        assert "\x9b" not in out
