"""Documents made from the code itself; a test holds them in step, `scripts/docs` writes them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import click
import msgspec

from bokehbench.analysis.verdict import RULES
from bokehbench.cli import group
from bokehbench.profile import DeviceProfile

DOCS = Path(__file__).parents[2] / "docs"


def commands(
    command: click.Command, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], click.Context]]:
    """Every command with its path, in the order of its group."""
    context = click.Context(
        command, info_name=" ".join(path), terminal_width=96, max_content_width=96
    )
    yield path, context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from commands(inner, (*path, name))


def cli() -> str:
    """`--help` of every command."""
    parts = ["# Commands\n\nMade from `--help` by `scripts/docs`.\n"]
    for path, context in commands(group, ("bokehbench",)):
        text = context.get_help().rstrip()
        parts.append(f"## {' '.join(path)}\n\n```text\n{text}\n```\n")
    return "\n".join(parts)


def findings() -> str:
    """The closed list of findings."""
    lines = [
        "# Findings",
        "",
        "Why a number is less than ranked: a closed list, made from the code by `scripts/docs`.",
        "One `invalid` finding takes the number away; `provisional` ones keep it out of rankings.",
        "The codes are a Record's `reasons`; its `findings` carry the evidence in words.",
        "",
        "| code | effect | when, and after whom | what to do |",
        "|---|---|---|---|",
        *(
            f"| `{rule.code}` | {rule.effect} | {rule.threshold} | {rule.advice} |"
            for rule in RULES.values()
        ),
    ]
    return "\n".join(lines) + "\n"


def profiles() -> str:
    """docs/profiles.md with the keys of a profile as its schema has them."""
    text = (DOCS / "profiles.md").read_text(encoding="utf-8")
    begin, end = "made from the schema by scripts/docs -->\n", "<!-- end of keys -->"
    head, _, rest = text.partition(begin)
    table = "\n".join(["| key | meaning |", "|---|---|", *_keys(DeviceProfile, "")])
    return f"{head}{begin}\n{table}\n\n{end}{rest.partition(end)[2]}"


def _keys(kind: type[msgspec.Struct], above: str) -> Iterator[str]:
    """A row for every key, those of a section below the section's own."""
    for field in msgspec.structs.fields(kind):
        if field.name in ("verified", "unverified"):
            continue
        inner, meaning, is_list = _inner(field.type)
        key = f"{above}{field.name}"
        if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            yield f"| `{'[[' if is_list else '['}{key}{']]' if is_list else ']'}` | {meaning} |"
            yield from _keys(inner, f"{key}.")
        else:
            needed = ", needed" if field.required else ""
            words = [f"`{word}`" for word in _words(inner)]
            choice = f" ({', '.join(words)})" if words else ""
            yield f"| `{key}` | {meaning}{choice}{needed} |"


def _inner(kind: Any) -> tuple[Any, str, bool]:
    """A type without its wrapping, its description, and whether it is a list of tables."""
    meaning = ""
    while hasattr(kind, "__metadata__"):
        meaning = meaning or next((m.description for m in kind.__metadata__ if m.description), "")
        kind = kind.__origin__
    if get_origin(kind) is list and isinstance(get_args(kind)[0], type):
        item = get_args(kind)[0]
        if issubclass(item, msgspec.Struct):
            return item, meaning, True
    return kind, meaning, False


def _words(kind: Any) -> list[str]:
    """The words that a key may have, where it is a choice."""
    if get_origin(kind) is Literal:
        return [str(word) for word in get_args(kind)]
    return [word for part in get_args(kind) for word in _words(part)]


MADE = {"cli.md": cli, "findings.md": findings, "profiles.md": profiles}


def main() -> None:
    """Write all of them."""
    for name, make in MADE.items():
        (DOCS / name).write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    main()
