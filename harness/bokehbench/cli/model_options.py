"""The size at which a model of free size is looked at, and the model at that size."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from bokehbench.model.structure import ModelStructure

MAX_SIDE = 1 << 16


def parse_size(
    _context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[int, int] | None:
    """`512x768` as height and width."""
    if value is None:
        return None
    match = re.fullmatch(r"(\d{1,6})[xX](\d{1,6})", value)
    sides = (int(match[1]), int(match[2])) if match else (0, 0)
    if not all(1 <= side <= MAX_SIDE for side in sides):
        raise click.BadParameter(
            f"{value!r} is no size; give HEIGHTxWIDTH in pixels, like 512x768", param=parameter
        )
    return sides


size_option = click.option(
    "--size",
    metavar="HxW",
    callback=parse_size,
    help="Height and width where MODEL leaves them free.  [default: 1024x1024]",
)


def side_of(model: Path, size: tuple[int, int] | None) -> "ModelStructure":
    """The model, its free sides as `size` says.

    Raises:
        ModelError: the file can't be used.
    """
    from bokehbench.model.describe import read_structure
    from bokehbench.model.structure import TIMING_SIDE

    return read_structure(model, free=size or (TIMING_SIDE, TIMING_SIDE))
