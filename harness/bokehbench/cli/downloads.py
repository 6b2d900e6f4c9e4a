"""Where engines are kept, how they are fetched, and the bar that shows it."""

import os
import shutil
import sys
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from bokehbench.engines import MavenWays, Routes
from bokehbench.text import clean

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

ROOT_VARIABLE = "BOKEHBENCH_ENGINES"
SETTINGS_VARIABLE = "BOKEHBENCH_MAVEN_SETTINGS"
RELEASE_VARIABLE = "BOKEHBENCH_RELEASE_URL"

MAX_TEXT = 44
"""Columns of a description, so that the bar has room on a narrow terminal."""


def engines_root() -> Path:
    """The folder of installed engines."""
    from bokehbench.engines.depot import default_root

    given = os.environ.get(ROOT_VARIABLE)
    return Path(given) if given else default_root()


def find_routes(settings: Path | None = None, release_url: str | None = None) -> Routes:
    """How engines are fetched here: what was said, or what the environment says."""
    mvn = shutil.which("mvn")
    named = os.environ.get(SETTINGS_VARIABLE)
    return Routes(
        MavenWays(
            mvn=Path(mvn) if mvn else None,
            settings=settings or (Path(named) if named else None),
        ),
        release_url or os.environ.get(RELEASE_VARIABLE) or None,
    )


class Downloads:
    """A bar for what is fetched just now, on a terminal; elsewhere nothing."""

    def __init__(self) -> None:
        self._bars: Progress | None = _bars() if sys.stderr.isatty() else None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def tell(self, what: str, done_bytes: int, total_bytes: int | None) -> None:
        """Show how far something is."""
        if self._bars is None:
            return
        if self._task is None:
            self._task = self._bars.add_task("", total=None)
        text = clean(what)
        short = text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"
        self._bars.update(self._task, description=short, completed=done_bytes, total=total_bytes)


def _bars() -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        refresh_per_second=4,
    )
