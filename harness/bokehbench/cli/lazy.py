"""A group of commands whose modules are imported when they are called."""

import importlib
from collections.abc import Mapping
from typing import Any

import click


class LazyGroup(click.Group):
    """A group that lists its commands without importing any of them.

    Args:
        lines: each command and its line of help, in the order of listing.
        prefix: what the name of a command's module begins with; dashes of the command become
            underscores. The module's `command` is called.
    """

    def __init__(self, *words: Any, lines: Mapping[str, str], prefix: str, **options: Any) -> None:
        super().__init__(*words, **options)
        self._lines = lines
        self._prefix = prefix

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Commands in their own order, not the alphabet's."""
        return list(self._lines)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of one command."""
        if cmd_name not in self._lines:
            return None
        module = importlib.import_module(self._prefix + cmd_name.replace("-", "_"))
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, from their lines of help."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self._lines.items()))
