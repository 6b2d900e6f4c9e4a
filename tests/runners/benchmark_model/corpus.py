"""The captures: logs of real tools, and what a reader of each can know."""

import json
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "captures" / "benchmark_model"
NAMES = sorted(path.name for path in FOLDER.glob("*.txt"))
GOOD = ("ok", "ok_with_fallback")


@cache
def expected() -> dict[str, dict[str, Any]]:
    """What each log tells, by file name."""
    found: dict[str, dict[str, Any]] = json.loads((FOLDER / "expected.json").read_text())
    return found


@cache
def log(name: str) -> bytes:
    """The bytes of one log."""
    return (FOLDER / name).read_bytes()


def exit_code(name: str) -> int:
    """The exit code of the run that wrote a log."""
    code: int = expected()[name]["exit_code"]
    return code
