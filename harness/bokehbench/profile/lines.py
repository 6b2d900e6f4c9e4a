"""Where something stands in a TOML text: its path in words, its line, and what is wrong there."""

import re
import tomllib
from collections.abc import Sequence
from typing import Any

Step = str | int
"""A key of a table, or the index of an array's element."""


class Wrong(Exception):
    """A rule that a parsed document breaks, with the place."""

    def __init__(self, path: Sequence[Step], problem: str) -> None:
        super().__init__(problem)
        self.path = tuple(path)
        self.problem = problem


def spell(path: Sequence[Step]) -> str:
    """A path as people write it: `sensors[2].unit`, counted from 1."""
    text = ""
    for step in path:
        text += f"[{step + 1}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def line_of(text: str, path: Sequence[Step]) -> int:
    """The line, from 1, in which the statement begins that gives `path` its value.

    TOML's parser keeps no positions. Any beginning of a TOML text that ends with a whole
    statement is TOML too, so the first beginning that holds the key ends with its statement.
    Where the key itself is named on a later line of that statement, it is that line.
    """
    lines = text.splitlines()
    begun = 0
    for end in range(1, len(lines) + 1):
        try:
            document = tomllib.loads("\n".join(lines[:end]))
        except tomllib.TOMLDecodeError:
            continue
        if _holds(document, path):
            return _within(lines, begun, end, path)
        begun = end
    return 1


def _holds(value: Any, path: Sequence[Step]) -> bool:
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return False
    return True


def _within(lines: Sequence[str], begun: int, end: int, path: Sequence[Step]) -> int:
    name = next((step for step in reversed(path) if isinstance(step, str)), "")
    spelled = re.compile(rf"(?<![\w.-]){re.escape(name)}[\"']?\s*[=\].]")
    for number in range(begun, end):
        if not lines[number].lstrip().startswith("#") and spelled.search(lines[number]):
            return number + 1
    return next((n + 1 for n in range(begun, end) if _says_something(lines[n])), end)


def _says_something(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")
