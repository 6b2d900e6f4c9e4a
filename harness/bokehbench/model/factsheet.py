"""Text of a factsheet.toml -> Factsheet, or everything that is wrong with it, line by line."""

import re
import tomllib
from typing import Any

import msgspec

from bokehbench.facts import Factsheet
from bokehbench.text import clean

MAX_BYTES = 64 << 10
MAX_LINE = 200
MAX_NOTES = 4000

EXAMPLE = 'team = "…", author = "…" and framework = "…"'

_LONG = ("notes",)


def parse_factsheet(text: str, name: str) -> tuple[Factsheet | None, list[str]]:
    """The factsheet in `text`, or None with all problems, each headed by `name` and its line.

    Keys are the fields of `Factsheet`; team, author and framework have to be there.
    """
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        return None, [f"{name}: no valid TOML: {clean(str(error))}"]
    lines = _lines_of_keys(text)
    problems: list[str] = []

    def wrong(key: str, what: str) -> None:
        place = f"{name}, line {lines[key]}" if key in lines else name
        problems.append(f"{place}: {what}")

    fields = {field.name: field for field in msgspec.structs.fields(Factsheet)}
    values: dict[str, Any] = {}
    for key, value in document.items():
        if key not in fields:
            wrong(key, f"unknown key {clean(key)}; allowed: {', '.join(fields)}")
            continue
        problem = _flag_problem(value) if fields[key].type is bool else _text_problem(key, value)
        if problem:
            wrong(key, f"{key} {problem}")
        else:
            values[key] = value.strip() if isinstance(value, str) else value
    for key, field in fields.items():
        if field.required and key not in document:
            wrong(key, f'no {key}; add {key} = "…"')
    return (None, problems) if problems else (Factsheet(**values), [])


def _flag_problem(value: Any) -> str:
    return "" if isinstance(value, bool) else "is neither true nor false"


def _text_problem(key: str, value: Any) -> str:
    if not isinstance(value, str):
        return 'is no text; put it in quotes: "…"'
    if not value.strip():
        return "is empty"
    long = key in _LONG
    limit = MAX_NOTES if long else MAX_LINE
    if len(value) > limit:
        return f"has {len(value)} characters; at most {limit}"
    shown = value.replace("\n", " ").replace("\t", " ") if long else value
    if clean(shown) != shown:
        return "holds line ends or control characters; write plain text in one line"
    return ""


def _lines_of_keys(text: str) -> dict[str, int]:
    """Line numbers of the keys and tables at the top of the file, from 1."""
    found: dict[str, int] = {}
    fence = ""
    for number, line in enumerate(text.splitlines(), 1):
        if not fence:
            match = re.match(r"""\s*\[{0,2}\s*["']?([\w.-]+?)["']?\s*(?:=|\]|\.)""", line)
            if match:
                found.setdefault(match[1].split(".")[0], number)
        for mark in re.findall(r'"""|\'\'\'', line):
            # Inside a text of several lines nothing is a key.
            fence = "" if fence == mark else fence or mark
    return found
