"""Text that devices print -> lines, numbers and pairs; what every parser of it shares."""

import re
from collections.abc import Collection


def sections(text: str, names: Collection[str] | None = None) -> dict[str, list[str]]:
    """Split the output of a script at its `@name` lines, or at those of `names` alone."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith("@") and (names is None or line[1:].strip() in names):
            lines = found.setdefault(line[1:].strip(), [])
        else:
            lines.append(line)
    return found


def parse_getprop(lines: list[str]) -> dict[str, str]:
    """`[name]: [value]` lines as a mapping; other lines are passed over."""
    pattern = re.compile(r"^\[(?P<name>[^\]]+)\]: \[(?P<value>.*)\]\s*$")
    return {m["name"]: m["value"] for line in lines if (m := pattern.match(line))}


def key_values(lines: list[str]) -> dict[str, str]:
    """`NAME=value` lines as a mapping, quotes taken off; other lines are passed over."""
    pairs = (line.split("=", 1) for line in lines if "=" in line)
    return {key: value.strip().strip('"') for key, value in pairs}


def meminfo(lines: list[str]) -> dict[str, int]:
    """Bytes by name of /proc/meminfo, whose unit is kB."""
    pattern = re.compile(r"^(\w+):\s+(\d+) kB")
    return {m[1]: int(m[2]) * 1024 for line in lines if (m := pattern.match(line))}


def first_float(lines: list[str]) -> float | None:
    """The first word of the first line as a number, or None."""
    try:
        return float(lines[0].split()[0])
    except (IndexError, ValueError):
        return None


def whole_number(text: str | None) -> int | None:
    """A text as an integer, or None."""
    try:
        return int((text or "").strip())
    except ValueError:
        return None
