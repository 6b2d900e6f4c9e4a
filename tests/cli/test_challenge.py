"""`challenge` and the challenge's tables through the real command line."""

import csv
import io
import json
from pathlib import Path

import pytest

from bokehbench.report.printed import DATA
from tests.cli.test_bad_input import refused
from tests.support import models
from tests.support.command import Command
from tests.support.evidence import failed_trial, make_device, make_model, quick_record
from tests.support.records import keep

FORMATS = ["terminal", "markdown", "csv", "latex", "json", "html"]


@pytest.fixture
def stored(bokehbench: Command) -> Command:
    """Two teams on a phone, one of them also on a laptop."""
    one, two = make_model(sha256="1" * 64), make_model(sha256="2" * 64)
    laptop = make_device(device_id="laptop", manufacturer="Acme", model="Laptop", soc=None)
    keep(
        bokehbench.store,
        [
            quick_record("gpu", label="one", model=one, psnr=22.76, ms=28.1, record_id="a"),
            quick_record("xnnpack", label="one", model=one, psnr=22.76, ms=125, record_id="b"),
            quick_record(
                "gpu", label="two", model=two, trials=[failed_trial("gpu")], record_id="c"
            ),
            quick_record(
                "xnnpack", label="two", model=two, psnr=23.5, device=laptop, record_id="d"
            ),
        ],
    )
    return bokehbench


def test_the_reports_tables_are_reproduced(bokehbench: Command) -> None:
    ended = bokehbench("challenge", "reproduce", "mai22")
    assert ended.code == 0
    assert "Table 1: 70 of 70 cells as printed, 7 of them computed" in ended.out
    assert "Table 2: 56 of 56 cells as printed" in ended.out
    assert "Order of table 1: as printed" in ended.out
    for number in ("12879", "0.06", "N.A.", "Error", "0.8780"):
        assert number in ended.out


def test_reproduction_as_json(bokehbench: Command, tmp_path: Path) -> None:
    document = bokehbench("challenge", "reproduce", "mai22", "--json", "-").json()
    assert document["equal"] is True
    assert len(document["cells"]) == 126
    assert document["cells"][0] == {
        "table": 1,
        "team": "Antins_cv",
        "column": "team",
        "printed": "Antins_cv",
        "made": "Antins_cv",
        "computed": False,
        "equal": True,
    }
    path = tmp_path / "cells.json"
    ended = bokehbench("challenge", "reproduce", "mai22", "--c", "2.41e10", "--json", path)
    assert ended.code == 1
    assert "Table 1: 69 of 70" in ended.out
    assert "Table 1, Antins_cv, score: printed 74, made 75" in ended.out
    assert json.loads(path.read_text())["equal"] is False


def test_c_of_the_printed_table(bokehbench: Command) -> None:
    ended = bokehbench("challenge", "fit-c", DATA / "mai22.json")
    assert ended.code == 0
    assert "PSNR and runtime as printed: 2.410033e+10 to 2.437440e+10" in ended.out
    document = bokehbench("challenge", "fit-c", DATA / "mai22.json", "--json").json()
    low, high = document["as_printed"]
    assert low < 2**34.5 < high
    assert len(document["rows"]) == 4


def test_c_of_a_csv_table_without_any(bokehbench: Command, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text(
        "team,psnr,gpu_ms,score\na,20.00,50.0,22.0\nb,20.00,50.0,44.0\nc,21,Error,N.A.\n"
    )
    ended = bokehbench("challenge", "fit-c", table)
    assert ended.code == 1
    assert "no C" in ended.out
    assert "furthest apart: a and b" in ended.out


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "can't be read"),
        (b"", "no row has numbers"),
        (b"a,b\n1,2\n", "no row has numbers"),
        (b"{", "no valid JSON"),
        (b'{"rows": 1}', "no list `rows`"),
        (b"\xff\xfe", "no UTF-8"),
        (b"psnr,gpu_ms,score\n20,0,1\n", "above zero"),
        (b"psnr,gpu_ms,score\n1e400,1e400,1\n", "row 1: a value beyond 1E+100"),
        (b"psnr,gpu_ms,score\n20,1,1\n1e400,1,1\n", "row 2: a value beyond 1E+100"),
        (b"psnr,gpu_ms,score\n20,1E-9999999,1\n", "digits after its point"),
        (b"psnr,gpu_ms,score\n20,nan,1\n", "not finite"),
        (b"psnr,gpu_ms,score\n600,1,1\n", "row 1: a PSNR of 600 dB is beyond any C"),
        (b"psnr,gpu_ms,score\n-600,1,1\n", "row 1: a PSNR of -600 dB is beyond any C"),
        (b'[{"psnr": 1E-9999999999999999999999, "gpu_ms": 1, "score": 1}]', "no valid JSON"),
        (b"psnr,gpu_ms,score\n" + b"2" * 200_000 + b",1,1\n", "no valid CSV"),
        (b"psnr,gpu_ms,score\n" * (1 << 20), "larger than 16 MiB"),
    ],
)
def test_tables_without_c(
    bokehbench: Command, tmp_path: Path, content: bytes | None, words: str
) -> None:
    table = tmp_path / "table"
    if content is not None:
        table.write_bytes(content)
    refused(bokehbench("challenge", "fit-c", table), 2, words)


def test_a_sound_submission(bokehbench: Command, tmp_path: Path) -> None:
    folder = tmp_path / "entry"
    folder.mkdir()
    (folder / "model.tflite").write_bytes(models.conv())
    (folder / "factsheet.toml").write_text('team = "A"\nauthor = "b"\nframework = "Keras"\n')
    (folder / "notes.pdf").write_bytes(b"%PDF")
    ended = bokehbench("challenge", "check", folder)
    assert ended.code == 0
    assert "sound; A (b), Keras" in ended.out
    assert "not read: notes.pdf" in ended.err
    document = bokehbench("challenge", "check", folder, "--json").json()
    assert document["sound"] is True
    assert document["factsheet"]["team"] == "A"
    assert document["model"]["file_name"] == "model.tflite"


def test_an_unsound_submission_lists_all_problems(bokehbench: Command, tmp_path: Path) -> None:
    folder = tmp_path / "entry"
    folder.mkdir()
    (folder / "factsheet.toml").write_text('team = ""\nautor = "b"\n')
    ended = bokehbench("challenge", "check", folder)
    assert (ended.code, ended.out) == (2, "")
    lines = ended.err.splitlines()
    assert len(lines) == 5
    assert all(line.startswith("bokehbench: ") for line in lines)
    assert any("line 2: unknown key autor" in line for line in lines)
    assert any("no model.tflite" in line for line in lines)
    document = bokehbench("challenge", "check", folder, "--json")
    assert document.code == 2
    assert len(document.json()["problems"]) == 5
    refused(bokehbench("challenge", "check", tmp_path / "none"), 2, "no such folder")


@pytest.mark.parametrize("kind", FORMATS)
def test_a_challenges_table_in_every_format(stored: Command, tmp_path: Path, kind: str) -> None:
    words = ("table", "--challenge", "mai22", "--device", "phone-1", "--format", kind)
    ended = stored(*words)
    assert ended.code == 0
    for word in ("one", "two", "73.89" if kind == "csv" else "74", "Error", "22.76"):
        assert word in ended.out
    path = tmp_path / "table"
    assert stored(*words, "-o", path).out == ""
    assert path.read_text().split() == ended.out.split()


def test_scores_for_codabench(stored: Command) -> None:
    words = ("table", "--challenge", "mai22", "--device", "phone-1", "--format", "codabench")
    ended = stored(*words, "--name", "one")
    assert ended.code == 0
    assert ended.json()["gpu_ms"] == 28.1
    assert set(ended.json()) == {"size_mib", "psnr", "ssim", "cpu_ms", "gpu_ms", "score"}
    assert "left out, because they are no numbers: lpips (N.A.)" in ended.err
    partial = stored(*words, "--name", "two")
    assert set(partial.json()) == {"size_mib", "psnr", "ssim"}
    refused(stored(*words), 2, "choose one with --name: one, two")


def test_the_device_whose_runtimes_count(stored: Command) -> None:
    refused(stored("table", "--challenge", "mai22"), 2, "2 devices", "--device", "laptop")
    ended = stored("table", "--challenge", "mai22", "--device", "phone-1", "--format", "csv")
    rows = {row["team"]: row for row in csv.DictReader(io.StringIO(ended.out))}
    assert rows["two"]["psnr"] == "23.5"
    assert "on Acme Laptop" in rows["two"]["notes"]
    assert rows["two"]["rank"] == "N.A."
    baseline = stored(
        "table",
        "--challenge",
        "mai22",
        "--device",
        "phone-1",
        "--baseline",
        "one",
        "--format",
        "csv",
    )
    assert [row["team"] for row in csv.DictReader(io.StringIO(baseline.out))] == ["two", "one"]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--track", "2"], "--track and --baseline go with --challenge"),
        (["--baseline", "one"], "--track and --baseline go with --challenge"),
        (["--challenge", "mai22", "--track", "2"], "name a study or ratings with --mos"),
        (["--challenge", "mai99"], "mai99"),
        (["--name", "three"], "--name three: no records of it; there are one, two"),
        (["--challenge", "mai22", "--device", "tablet"], "--device tablet: no records of it"),
        (["--format", "html", "-o", "/nowhere/table.html"], "can't be written"),
    ],
)
def test_wrong_words(stored: Command, words: list[str], complaint: str) -> None:
    refused(stored("table", *words), 2, complaint)
