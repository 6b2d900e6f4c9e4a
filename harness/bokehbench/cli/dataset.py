"""`bokehbench dataset`: from raw photos to a challenge's folders."""

import click

from bokehbench.cli.lazy import LazyGroup

COMMANDS = {
    "align": "Align pairs of photos, crop them alike and write them at one height.",
    "check": "Say what is wrong with a dataset: files, sizes, duplicates, leakage.",
    "split": "Copy a dataset to train, val and test folders, by a seed.",
    "synth": "Make pairs out of photos with disparity maps.",
}
"""Command -> its line of help; its module is `dataset_NAME`, imported when it is called."""


@click.group("dataset", cls=LazyGroup, lines=COMMANDS, prefix="bokehbench.cli.dataset_")
def command() -> None:
    """Make a dataset of pairs: narrow aperture beside wide, in the layout of EBB!."""
