"""One table through every renderer: escapes, footnotes, words instead of numbers."""

import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rich.console import Console

from bokehbench.errors import UsageError
from bokehbench.report import (
    FORMATS,
    Cell,
    Column,
    Table,
    build_challenge_table,
    build_table,
    render,
)
from bokehbench.report.codabench import left_out
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


TEXTS = [name for name in FORMATS if name != "codabench"]


@pytest.mark.parametrize("name", TEXTS)
def test_no_control_characters_and_one_last_newline(name: str) -> None:
    text = render(TABLE, name)
    if name != "json":
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text)
    assert "\x1b" not in text
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


def test_unknown_formats_are_refused() -> None:
    with pytest.raises(UsageError, match="use one of markdown, csv, latex, json, html, codabench"):
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
    assert row["lpips"] == {"value": None, "text": "N.A.", "notes": []}
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


@pytest.mark.parametrize("width", [30, 44, 60, 79, 100, 140])
def test_terminal_puts_columns_that_do_not_fit_below(width: int) -> None:
    table = build_challenge_table(
        [
            quick_record("gpu", label="x" * 30, psnr=22.76, ms=112),
            quick_record("xnnpack", label="x" * 30, psnr=22.76, ms=12879),
        ]
    )
    lines = _terminal(table, width).splitlines()
    assert max(map(len, lines)) <= width
    words = " ".join(lines).split()
    for whole in ("12879(1)", "112", "22.76", "0.8652"):
        assert whole in words
    # Every part begins with the rows' names.
    parts = sum(line.split() == ["Team"] or line.startswith(" Team") for line in lines)
    assert parts == 1 if width >= 100 else parts > 1


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
    for name in TEXTS:
        text = render(table, name)
        (tmp_path / name).write_text(text, encoding="utf-8")
        assert "Error" in text
        assert "N.A." in text
    assert r"100\% \textbar{} of\_it \& more" in render(table, "latex")
    assert r"100% \| of\_it \& more" in render(table, "markdown")


BEST = Table(
    title="Best",
    columns=(Column("team", "Team", numeric=False), Column("psnr", "PSNR", better="high")),
    rows=(
        (Cell("a", "a"), Cell(22.5, "22.50", (1,), best=True)),
        (Cell("b", "b"), Cell(21.0, "21.00")),
    ),
    footnotes=("note",),
)


def test_best_values_are_bold() -> None:
    assert r"a & \textbf{22.50}\textsuperscript{1} \\" in render(BEST, "latex")
    assert "| a | **22.50**<sup>1</sup> |" in render(BEST, "markdown")
    assert "<strong>22.50</strong>" in render(BEST, "html")
    assert to_json(BEST)["rows"][0]["psnr"]["best"] is True
    assert "best" not in to_json(BEST)["rows"][1]["psnr"]
    console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system="standard")
    console.print(renderable(BEST))
    file = console.file
    assert isinstance(file, io.StringIO)
    assert "\x1b[1m22.50\x1b[0m" in file.getvalue()


class _Reader(HTMLParser):
    """Checks that tags nest, and collects what tests ask about."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.scopes: list[str] = []
        self.tags: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.tags.append(tag)
        for key, value in attrs:
            if key == "id":
                self.ids.append(value or "")
            if key == "href":
                self.links.append(value or "")
            if key == "scope":
                self.scopes.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def _read(text: str) -> _Reader:
    reader = _Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


def test_html() -> None:
    text = render(TABLE, "html")
    reader = _read(text)
    # Hostile names are text, never tags.
    assert set(reader.tags) == {
        "section", "style", "div", "table", "caption", "thead", "tbody", "tr", "th", "td",
        "sup", "a", "ol", "li", "p",
    }  # fmt: skip
    shown = "".join(reader.text)
    assert 'a|b&c_d#e%f$g{h}~^\\<i>[j]*`"' in shown
    assert "multi line | " in shown
    assert reader.scopes.count("col") == 2
    assert reader.scopes.count("row") == 4
    assert len(set(reader.ids)) == len(reader.ids)
    # Every footnote that is pointed at is there.
    assert {link.removeprefix("#") for link in reader.links} <= set(reader.ids)
    assert len(reader.links) == 4
    for outside in ("http", "<script", "src=", "@import", "url("):
        assert outside not in text


def test_html_fragments_share_a_page() -> None:
    both = _read(render(TABLE, "html") + render(BEST, "html"))
    assert len(set(both.ids)) == len(both.ids)


def test_html_without_notes() -> None:
    bare = Table(title="t", columns=(Column("a", "A"),), rows=())
    assert '<div class="notes">' not in render(bare, "html")


def test_codabench() -> None:
    table = build_challenge_table(
        [quick_record("gpu", label="a", psnr=22.76, ms=28.1), quick_record("xnnpack", label="a")]
    )
    made = json.loads(render(table, "codabench"))
    assert made["gpu_ms"] == 28.1
    assert made["cpu_ms"] == 20.0
    assert made["score"] == pytest.approx(73.9, abs=0.01)
    assert all(isinstance(value, float) for value in made.values())
    assert set(made) == {"size_mib", "psnr", "ssim", "cpu_ms", "gpu_ms", "score"}
    assert left_out(table) == ["lpips (N.A.)"]


def test_codabench_takes_one_submission() -> None:
    records = [quick_record("gpu", label=name, psnr=22.0) for name in ("a", "b")]
    with pytest.raises(UsageError, match="choose one with --name: a, b"):
        render(build_table(records), "codabench")
    with pytest.raises(UsageError, match="there is none"):
        render(build_table([]), "codabench")
