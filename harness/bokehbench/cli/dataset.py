"""`bokehbench dataset`: from raw photos to a challenge's folders."""

import importlib

import click

COMMANDS = {
    "align": "Align pairs of photos, crop them alike and write them at one height.",
    "check": "Say what is wrong with a dataset: files, sizes, duplicates, leakage.",
    "split": "Copy a dataset to train, val and test folders, by a seed.",
    "synth": "Make pairs out of photos with disparity maps.",
}
"""Command -> its line of help; its module is `dataset_NAME`, imported when it is called."""


class DatasetGroup(click.Group):
    """A group whose commands live in modules of their own."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Commands in the order of making a dataset."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of one command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"bokehbench.cli.dataset_{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, from their lines here."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group("dataset", cls=DatasetGroup)
def command() -> None:
    """Make a dataset of pairs: narrow aperture beside wide, in the layout of EBB!."""
