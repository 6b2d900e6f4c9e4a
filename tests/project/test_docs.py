"""Documents say what is there now."""

import re
import shlex
from pathlib import Path

import click
import msgspec
import pytest

from bokehbench.cli import group
from bokehbench.facts import Record
from tests.project.documents import DOCS, MADE

ROOT = Path(__file__).parents[2]
TEXTS = [ROOT / "README.md", *sorted(DOCS.glob("*.md")), *sorted((ROOT / "examples").glob("*.md"))]


@pytest.mark.parametrize("name", MADE)
def test_made_documents_are_in_step(name: str) -> None:
    made = (DOCS / name).read_text(encoding="utf-8")
    # Word for word; where lines break is up to the version of click.
    assert made.split() == MADE[name]().split(), "run scripts/docs"


def fields(kind: object) -> set[str]:
    """Names of all JSON fields below a Struct type."""
    found: set[str] = set()
    for one in getattr(kind, "__args__", ()):
        found |= fields(one)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        for field in msgspec.structs.fields(kind):
            found |= {field.encode_name} | fields(field.type)
    return found


def test_every_field_of_a_record_is_described() -> None:
    text = (DOCS / "record.md").read_text(encoding="utf-8")
    described = set(re.findall(r"`(\w+)`", text))
    missing = fields(Record) - {"evidence", "derived"} - described
    assert not missing, sorted(missing)


@pytest.mark.parametrize("path", TEXTS, ids=lambda p: p.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (path.parent / target).exists(), target


def shell_lines(path: Path) -> list[str]:
    """`bokehbench …` lines of the code blocks, continuation lines joined."""
    blocks = re.findall(r"```sh\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)
    text = "\n".join(blocks).replace("\\\n", " ")
    return [line for line in text.splitlines() if line.startswith("bokehbench ")]


@pytest.mark.parametrize("path", TEXTS, ids=lambda p: p.name)
def test_commands_in_documents_parse(path: Path) -> None:
    for line in shell_lines(path):
        words = shlex.split(line, comments=True)[1:]
        for mark in ("|", ">", "&&"):
            if mark in words:
                words = words[: words.index(mark)]
        command: click.Command = group
        context = click.Context(group, info_name="bokehbench")
        while isinstance(command, click.Group) and words and not words[0].startswith("-"):
            inner = command.get_command(context, words[0])
            assert inner is not None, line
            command, words = inner, words[1:]
        # Parses words and types; a model that is not there is the command's own business.
        command.make_context(command.name, words, resilient_parsing=False)
