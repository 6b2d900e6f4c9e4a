"""Rules parsed ahead say what their TOML says, and nothing of a file that was edited since."""

import hashlib
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from bokehbench.model import rulefiles
from bokehbench.model.rulefiles import FOLDER, PARSED, read_rules, write_parsed

FILES = sorted(FOLDER.glob("*.toml"))


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    rulefiles._parsed.cache_clear()
    yield
    rulefiles._parsed.cache_clear()


def refuse(data: bytes) -> None:
    raise AssertionError(f"parsed anew: {data[:40]!r}")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_the_build_parsed_is_what_the_file_says(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_parsed(FILES, tmp_path / PARSED)
    monkeypatch.setattr(rulefiles, "FOLDER", tmp_path)
    monkeypatch.setattr(rulefiles, "_parse", refuse)
    document, digest = read_rules(path)
    assert document == tomllib.loads(path.read_text(encoding="utf-8"))
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def test_an_edited_file_is_parsed_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.toml"
    path.write_text('title = "one"\n', encoding="utf-8")
    write_parsed([path], tmp_path / PARSED)
    monkeypatch.setattr(rulefiles, "FOLDER", tmp_path)
    path.write_text('title = "two"\n', encoding="utf-8")
    document, digest = read_rules(path)
    assert document == {"title": "two"}
    assert digest == hashlib.sha256(b'title = "two"\n').hexdigest()[:16]


@pytest.mark.parametrize("left", [None, b"", b'{"half": ', b"\xff", b"[1]"])
def test_rules_are_read_without_what_the_build_leaves(
    left: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if left is not None:
        (tmp_path / PARSED).write_bytes(left)
    monkeypatch.setattr(rulefiles, "FOLDER", tmp_path)
    document, _ = read_rules(FILES[0])
    assert document == tomllib.loads(FILES[0].read_text(encoding="utf-8"))


def test_the_installed_package_holds_its_rules_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rulefiles, "_parse", refuse)
    for path in FILES:
        read_rules(path)
