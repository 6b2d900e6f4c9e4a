"""What the zoo's processes are doing just now, on a terminal's standard error."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bokehbench.text import clean


@contextmanager
def waiting() -> "Iterator[Callable[[str], None]]":
    """A line on a terminal's standard error that says what is being done and since when."""
    if not sys.stderr.isatty():
        yield lambda _what: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        TimeElapsedColumn(),
    )
    screen = Console(stderr=True)
    with Progress(*columns, console=screen, transient=True, refresh_per_second=2) as bars:
        task = bars.add_task("", total=None)
        yield lambda what: bars.update(task, description=clean(what))
