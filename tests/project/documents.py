"""Documents made from the code itself; a test holds them in step, `scripts/docs` writes them."""

from collections.abc import Iterator
from pathlib import Path

import click

from bokehbench.analysis.verdict import RULES
from bokehbench.cli import group

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
        "| code | effect | what to do |",
        "|---|---|---|",
        *(f"| `{rule.code}` | {rule.effect} | {rule.advice} |" for rule in RULES.values()),
    ]
    return "\n".join(lines) + "\n"


MADE = {"cli.md": cli, "findings.md": findings}


def main() -> None:
    """Write all of them."""
    for name, make in MADE.items():
        (DOCS / name).write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    main()
