"""Where output goes: never over what is read, and one sentence where it can't go."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import make_pairs
from tests.support.command import Command

QUICK = ("run", "--device", "local", "--quick", "--runs", "3", "--warmups", "0")


def shell(bokehbench: Command, line: str) -> subprocess.CompletedProcess[str]:
    """One command as a shell starts it, with redirections."""
    return subprocess.run(
        ["sh", "-c", f'"$0" -m bokehbench {line}', sys.executable],
        capture_output=True,
        text=True,
        env=dict(bokehbench.variables()),
        cwd=bokehbench.home,
        check=False,
        timeout=120,
    )


def test_no_document_replaces_what_is_read(
    bokehbench: Command, model: Path, tmp_path: Path
) -> None:
    folder = make_pairs(tmp_path / "pairs", [(64, 64)])
    photo = next(folder.glob("original/*"))
    other = next(folder.glob("bokeh/*"))
    votes = bokehbench.home / "votes.csv"
    votes.write_text("rater,image,entrant,vote\n", encoding="utf-8")
    link = bokehbench.home / "link"
    link.symlink_to(model)
    assert bokehbench(*QUICK, model).code == 0
    held = {path: path.read_bytes() for path in (model, photo, other, votes)}
    for words in (
        ("inspect", model, "--json", model),
        ("inspect", model, "--graph", link),
        (*QUICK, model, "--dry-run", "--json", model),
        ("fidelity", photo, other, "--montage", photo),
        ("fidelity", folder / "original", folder / "bokeh", "--montage", other),
        ("table", "-o", bokehbench.store),
        ("records", "export", "-o", bokehbench.store),
        ("mos", "import", votes, "--json", votes),
    ):
        ended = bokehbench(*words)
        assert ended.code == 2, words
        assert "give another file" in ended.complaint
    assert {path: path.read_bytes() for path in held} == held
    assert json.loads(bokehbench("table", "--format", "json").out)


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_closed_streams_lead_nowhere(bokehbench: Command, model: Path, closed: str) -> None:
    ended = shell(bokehbench, f"inspect {model} --json out.json {closed}")
    assert (ended.returncode, "Traceback" in ended.stderr) == (0, False)
    assert json.loads((bokehbench.home / "out.json").read_text(encoding="utf-8"))
    missing = shell(bokehbench, f"inspect missing.tflite {closed}")
    assert (missing.returncode, "Traceback" in missing.stderr) == (2, False)


def test_nothing_on_a_closed_input(bokehbench: Command) -> None:
    ended = shell(bokehbench, "parse - <&-")
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("--help > /dev/full", "standard output"),
        ("inspect net.tflite > /dev/full", "standard output"),
        ("inspect net.tflite --json - > /dev/full", "--json -"),
        ("inspect net.tflite --json /dev/full", "--json /dev/full"),
        ("inspect missing.tflite 2> /dev/full", ""),
    ],
)
def test_a_full_disk_is_one_sentence(
    bokehbench: Command, model: Path, line: str, named: str
) -> None:
    ended = shell(bokehbench, line.replace("net.tflite", str(model)))
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == (1 if named else 0), ended.stderr
    assert named in ended.stderr
    assert not named or "free space" in ended.stderr


def test_a_run_whose_table_has_no_room_says_where_its_records_are(
    bokehbench: Command, model: Path
) -> None:
    ended = shell(bokehbench, f"{' '.join(QUICK)} {model} > /dev/full")
    assert ended.returncode == 2
    assert "the records are stored; `bokehbench records export --run" in ended.stderr
    assert len(json.loads(bokehbench("table", "--format", "json").out)["rows"]) == 1
