"""Pictures that commands write: names that are refused early, and what went wrong in one line."""

from collections.abc import Callable, Sequence
from pathlib import Path

from bokehbench.errors import UsageError


def see_names(paths: Sequence[Path]) -> None:
    """See that every name is one of a picture, before anything else is done.

    Raises:
        UsageError: one is not.
    """
    for path in paths:
        if path.suffix not in (".png", ".svg"):
            raise UsageError(f"--plot {path}: give a name that ends in .png or .svg")


def draw(picture: Callable[[Path], None], path: Path) -> None:
    """Write one picture.

    Raises:
        UsageError: it can't be written, or there is nothing to draw.
    """
    try:
        picture(path)
    except (OSError, ValueError) as error:
        why = str(error.strerror or error) if isinstance(error, OSError) else str(error)
        raise UsageError(f"--plot {path}: can't be drawn: {why}") from error
