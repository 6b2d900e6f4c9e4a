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
    """A bar for each thing that is fetched, on a terminal; elsewhere nothing."""

    def __init__(self) -> None:
        self._bars: Progress | None = _bars() if sys.stderr.isatty() else None
        self._tasks: dict[str, TaskID] = {}

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
        if what not in self._tasks:
            self._tasks[what] = self._bars.add_task(clean(what), total=None)
        self._bars.update(self._tasks[what], completed=done_bytes, total=total_bytes)


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
