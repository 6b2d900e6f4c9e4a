"""Submission folders: what a sound one holds, and every problem of an unsound one at once."""

from pathlib import Path

import pytest

from bokehbench.errors import SubmissionError
from bokehbench.facts import Factsheet
from bokehbench.model.factsheet import parse_factsheet
from bokehbench.model.submission import check_submission, is_submission, open_submission
from tests.support import models

SHEET = 'team = "Antins_cv"\nauthor = "xiaokaoji"\nframework = "Keras / TensorFlow"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sound submission."""
    made = tmp_path / "entry"
    made.mkdir()
    (made / "model.tflite").write_bytes(models.conv())
    (made / "factsheet.toml").write_text(SHEET)
    return made


def _problems(folder: Path) -> list[str]:
    with pytest.raises(SubmissionError) as caught:
        check_submission(folder)
    assert "\n" not in str(caught.value)
    return [problem.replace(str(folder), "DIR") for problem in caught.value.problems]


def test_a_sound_submission(folder: Path) -> None:
    (folder / "readme.txt").write_text("hello")
    submission, model, io = check_submission(folder)
    assert submission == open_submission(folder)
    assert submission.factsheet == Factsheet(
        team="Antins_cv", author="xiaokaoji", framework="Keras / TensorFlow"
    )
    assert submission.model == folder / "model.tflite"
    assert (submission.io_file, submission.extras) == (None, ("readme.txt",))
    assert model.size_bytes == len(models.conv())
    assert io.source == "default"
    assert is_submission(folder)


def test_what_is_meant_as_a_submission(tmp_path: Path, folder: Path) -> None:
    assert not is_submission(tmp_path)
    assert not is_submission(folder / "model.tflite")
    (folder / "model.tflite").unlink()
    assert is_submission(folder)


def test_an_io_spec_is_found_and_used(folder: Path) -> None:
    (folder / "model.tflite").write_bytes(models.add())
    [problem] = _problems(folder)
    assert "io.toml" in problem
    (folder / "model.io.toml").write_text("[[inputs]]\ntensor = 99\n")
    [problem] = _problems(folder)
    assert "DIR/model.io.toml" in problem


def test_all_problems_are_listed_with_their_lines(folder: Path) -> None:
    (folder / "factsheet.toml").write_text(
        '# ours\nteam = ""\n\nframework = ["a"]\nnotes = """\nauthor = 1\n"""\nteem = "x"\n'
        'baseline = "yes"\n[extra]\na = 1\n'
    )
    (folder / "model.tflite").write_bytes(b"no model at all")
    found = _problems(folder)
    assert found[:6] == [
        "DIR/factsheet.toml, line 2: team is empty",
        'DIR/factsheet.toml, line 4: framework is no text; put it in quotes: "…"',
        "DIR/factsheet.toml, line 8: unknown key teem; allowed: team, author, framework, "
        "affiliation, url, extra_data, notes, baseline",
        "DIR/factsheet.toml, line 9: baseline is neither true nor false",
        "DIR/factsheet.toml, line 10: unknown key extra; allowed: team, author, framework, "
        "affiliation, url, extra_data, notes, baseline",
        'DIR/factsheet.toml: no author; add author = "…"',
    ]
    assert len(found) == 7
    assert found[6].startswith("DIR/model.tflite: ")
    with pytest.raises(SubmissionError, match="team is empty; and 5 more: `bokehbench challenge"):
        open_submission(folder)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('affiliation = "a\\nb"', "affiliation holds line ends or control characters"),
        ('url = "\\u001b[31m"', "url holds line ends or control characters"),
        (f'url = "{"x" * 201}"', "url has 201 characters; at most 200"),
        (f'notes = "{"x" * 4001}"', "notes has 4001 characters; at most 4000"),
        ('notes = "\\u0000"', "notes holds"),
        ("team = 1", "no valid TOML"),
        ("= 3", "no valid TOML"),
        ('"te\\tam" = "x"', "unknown key te am"),
    ],
)
def test_wrong_lines(line: str, words: str) -> None:
    sheet, problems = parse_factsheet(f"{SHEET}{line}\n", "f")
    assert sheet is None
    assert len(problems) == 1
    assert words in problems[0]
    assert problems[0].isprintable()


def test_a_whole_factsheet() -> None:
    text = (
        f"{SHEET}affiliation = 'ETH'\nurl = 'https://example.org'\nextra_data = 'none'\n"
        'notes = """two\nlines"""\nbaseline = true\n'
    )
    sheet, problems = parse_factsheet(text, "f")
    assert problems == []
    assert sheet == Factsheet(
        team="Antins_cv",
        author="xiaokaoji",
        framework="Keras / TensorFlow",
        affiliation="ETH",
        url="https://example.org",
        extra_data="none",
        notes="two\nlines",
        baseline=True,
    )


def test_missing_parts(tmp_path: Path, folder: Path) -> None:
    assert _problems(tmp_path / "none") == [
        "DIR: no such folder; a submission is a folder with model.tflite"
    ]
    (folder / "model.tflite").rename(folder / "net.tflite")
    (folder / "factsheet.toml").unlink()
    assert _problems(folder) == [
        "DIR: no model.tflite; rename net.tflite",
        'DIR: no factsheet.toml; add one with team = "…", author = "…" and framework = "…"',
    ]


def test_files_of_other_kinds(folder: Path) -> None:
    (folder / "factsheet.toml").write_bytes(b"team = '\xff'")
    (folder / "model.tflite").unlink()
    (folder / "model.tflite").mkdir()
    assert _problems(folder) == [
        "DIR/model.tflite: not a file",
        "DIR/factsheet.toml: byte 8 is no UTF-8; save it as UTF-8",
    ]
    (folder / "factsheet.toml").write_text("# " + "x" * (64 << 10))
    assert "larger than 64 KiB" in _problems(folder)[1]


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path, folder: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SHEET)
    (folder / "factsheet.toml").unlink()
    (folder / "factsheet.toml").symlink_to(secret)
    assert _problems(folder) == [
        "DIR/factsheet.toml: a link that leaves the folder; put the file itself there"
    ]
    (folder / "sheet").write_text(SHEET)
    (folder / "factsheet.toml").unlink()
    (folder / "factsheet.toml").symlink_to("sheet")
    assert open_submission(folder).factsheet.team == "Antins_cv"
