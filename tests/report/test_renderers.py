"""One table through every renderer: escapes, footnotes, words instead of numbers."""

import csv
import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console

from bokehbench.errors import UsageError
from bokehbench.report import FORMATS, Cell, Column, Table, build_table, render
from bokehbench.report.json import to_json
from bokehbench.report.terminal import renderable
from tests.support.evidence import failed_trial, quick_record

HOSTILE = 'a|b&c_d#e%f$g{h}~^\\<i>[j]*`"\n\x1b[31mk'

TABLE = Table(
    title="T & co_1",
    columns=(Column("team", "Team", numeric=False), Column("gpu_ms", "GPU, ms")),
    rows=(
        (Cell(HOSTILE, HOSTILE), Cell(28.123456789, "28.1", (1, 2))),
        (Cell("b", "b*", (2,)), Cell("Error", "Error", (3,))),
        (Cell("c", "c"), Cell(None, "N.A.")),
        (Cell("d", "d"), Cell(None, "")),
    ),
    footnotes=("one & two", "multi\nline | \x1b]0;x\x07", "gpu: crash"),
    caption=("Fidelity: mai22_x", "Device: #1"),
)


def _terminal(table: Table, width: int = 120) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=False, color_system=None)
    console.print(renderable(table))
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


@pytest.mark.parametrize("name", FORMATS)
def test_no_control_characters_and_one_last_newline(name: str) -> None:
    text = render(TABLE, name)
    if name != "json":
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text)
    assert "\x1b" not in text
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


def test_unknown_formats_are_refused() -> None:
    with pytest.raises(UsageError, match="use one of markdown, csv, latex, json"):
        render(TABLE, "terminal")
    with pytest.raises(UsageError):
        render(TABLE, "../cells")


def test_markdown() -> None:
    lines = render(TABLE, "markdown").splitlines()
    assert lines[0] == r"**T \& co\_1**"
    assert lines[2] == "| Team | GPU, ms |"
    assert lines[3] == "| :--- | ---: |"
    escaped = r"a\|b\&c\_d\#e%f\$g\{h\}\~\^\\\<i\>\[j\]\*\`" + '" \ufffd' + r"\[31mk"
    assert lines[4] == f"| {escaped} | 28.1<sup>1,2</sup> |"
    assert lines[5] == r"| b\*<sup>2</sup> | Error<sup>3</sup> |"
    assert lines[6] == "| c | N.A. |"
    assert lines[7] == "| d |  |"
    # Every line of the grid has the same number of bare bars.
    bars = [len(re.findall(r"(?<!\\)\|", line)) for line in lines[2:8]]
    assert bars == [3] * 6
    assert r"<sup>1</sup> one \& two" in lines
    assert "<sup>3</sup> gpu: crash" in lines
    assert r"Fidelity: mai22\_x" in lines
    assert r"Device: \#1" in lines


def test_csv() -> None:
    text = render(TABLE, "csv")
    rows = list(csv.reader(io.StringIO(text)))
    assert rows[0] == ["team", "gpu_ms", "notes", "table"]
    assert rows[1][1] == "28.123456789"
    assert rows[1][0].startswith('a|b&c_d#e%f$g{h}~^\\<i>[j]*`" ')
    assert rows[1][2] == "one & two; multi line | \ufffd]0;x\ufffd"
    assert rows[2][:2] == ["b", "Error"]
    assert rows[2][2].endswith("; gpu: crash")
    assert rows[3][1:3] == ["N.A.", ""]
    assert rows[4][1] == ""
    assert all(row[3] == "Fidelity: mai22_x; Device: #1" for row in rows[1:])
    assert len(text.splitlines()) == 5


def test_latex() -> None:
    text = render(TABLE, "latex")
    lines = text.splitlines()
    assert r"\caption{T \& co\_1}" in lines
    assert r"\begin{tabular}{lr}" in lines
    assert r"Team & GPU, ms \\" in lines
    escaped = (
        r"a\textbar{}b\&c\_d\#e\%f\$g\{h\}\textasciitilde{}\textasciicircum{}\textbackslash{}"
        r"\textless{}i\textgreater{}{[}j{]}\textasteriskcentered{}\textasciigrave{}"
        '" \ufffd{[}31mk'
    )
    assert rf"{escaped} & 28.1\textsuperscript{{1,2}} \\" in lines
    row = r"b\textasteriskcentered{}\textsuperscript{2} & Error\textsuperscript{3} \\"
    assert row in lines
    assert r"c & N.A. \\" in lines
    assert r"\textsuperscript{1} one \& two\\" in lines
    assert r"Device: \#1\\" in lines
    for word in ("toprule", "midrule", "bottomrule", "end{tabular}", "end{table}"):
        assert f"\\{word}" in lines
    depth = 0
    for brace in re.findall(r"(?<!\\)[{}]", text):
        depth += 1 if brace == "{" else -1
        assert depth >= 0
    assert depth == 0


def test_json() -> None:
    table = build_table([quick_record("gpu", psnr=22.0), quick_record("xnnpack")])
    value = to_json(table)
    assert json.loads(render(table, "json")) == value
    assert value["format"] == "bokehbench-table/1"
    row = value["rows"][0]
    assert list(row) == [column["key"] for column in value["columns"]]
    assert row["gpu_ms"] == {"value": 20.0, "text": "20.0", "notes": []}
    assert row["cpu_ms"]["notes"] == [1]
    assert value["footnotes"] == ["CPU: xnnpack"]
    assert row["lpips"] == {"value": None, "text": "", "notes": []}
    assert value["caption"][0].startswith("Fidelity: mai22")


def test_terminal() -> None:
    text = _terminal(TABLE)
    assert "\x1b" not in text
    assert "\x07" not in text
    assert 'a|b&c_d#e%f$g{h}~^\\<i>[j]*`"' in text
    assert "28.1(1,2)" in text
    assert "Error(3)" in text
    assert "N.A." in text
    assert "(1) one & two" in text
    assert "Device: #1" in text
    assert "T & co_1" in text


def test_terminal_takes_brackets_as_text() -> None:
    table = build_table([quick_record("gpu", label="[red]PyNET[/red] [21]")])
    assert "[red]PyNET[/red] [21]" in _terminal(table)


def test_terminal_never_breaks_a_number() -> None:
    records = [
        quick_record("gpu", label="x" * 60, psnr=22.76, trials=[failed_trial("gpu")]),
        quick_record("xnnpack", label="x" * 60, psnr=22.76, ms=12879),
    ]
    text = _terminal(build_table(records), width=80)
    for whole in ("12879(", "Error(", "22.76(", "0.8652", "N.A.", "xxxxxxxx", "TensorFl"):
        assert whole in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_whole_table_in_every_format(tmp_path: Path) -> None:
    records = [
        quick_record("gpu", trials=[failed_trial("gpu", message="100% | of_it & more")]),
        quick_record("xnnpack", psnr=22.0),
    ]
    table = build_table(records)
    for name in FORMATS:
        text = render(table, name)
        (tmp_path / name).write_text(text, encoding="utf-8")
        assert "Error" in text
        assert "N.A." in text
    assert r"100\% \textbar{} of\_it \& more" in render(table, "latex")
    assert r"100% \| of\_it \& more" in render(table, "markdown")
