"""Progress of a run on standard error: bars on a terminal, only warnings elsewhere."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from bokehbench.cli.output import note
from bokehbench.facts import ImageScore, Trial, TrialSpec
from bokehbench.session import Observer, Prepared
from bokehbench.text import clean

if TYPE_CHECKING:
    from rich.progress import Progress


class Screen:
    """What people see while a run goes on; one live display for all devices."""

    def __init__(self, devices: int) -> None:
        self._several = devices > 1
        self._bars: Progress | None = _bars() if sys.stderr.isatty() else None

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

    def observer(self, prepared: Prepared) -> Observer:
        """The observer of one device's run."""
        prefix = f"{prepared.device.facts.address}: " if self._several else ""
        return ScreenObserver(self, prefix, self._bars)

    def warn(self, text: str) -> None:
        """A line that says that it warns."""
        self.tell(f"warning: {text}")

    def tell(self, text: str) -> None:
        """One line, above the bars where there are any."""
        if self._bars is None:
            note(text)
        else:
            self._bars.console.print(clean(text), markup=False, highlight=False)


def _bars() -> "Progress":
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("time left", markup=False),
        TimeRemainingColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        # Drawing takes CPU from what is measured when the device is this very machine.
        refresh_per_second=2,
    )


@contextmanager
def image_bar(total: int) -> Iterator[Callable[[], None]]:
    """A bar over images, on standard error; call what it gives after each."""
    with _bars() as bars:
        task = bars.add_task("images", total=total)
        yield lambda: bars.advance(task)


class ScreenObserver(Observer):
    """Tells a screen about one device: two bars, and a line for what went wrong."""

    def __init__(self, screen: Screen, prefix: str, bars: "Progress | None") -> None:
        self._screen = screen
        self._prefix = prefix
        self._bars = bars
        self._tasks: dict[str, Any] = {}
        if bars is not None:
            self._tasks["time"] = bars.add_task(f"{clean(prefix)}timing", total=None)
            self._tasks["images"] = bars.add_task(
                f"{clean(prefix)}images", total=None, visible=False
            )

    def planned(self, timed: int, images: int) -> None:
        """Set what is still to come, on top of what is done."""
        if self._bars is None:
            return
        for name, left in (("time", timed), ("images", images)):
            task = self._tasks[name]
            done = next(t for t in self._bars.tasks if t.id == task).completed
            self._bars.update(task, total=done + left, visible=done + left > 0)

    def settling(self, left_seconds: float, why: str) -> None:
        """Say what is waited for."""
        self._describe("time", f"settling: {why} (at most {left_seconds:.0f} s)")

    def trial_started(self, spec: TrialSpec, label: str) -> None:
        """Name the model, the backend and the process."""
        self._describe(spec.mode, f"{label} · {spec.backend} · {spec.mode} {spec.index + 1}")

    def trial_ended(self, spec: TrialSpec, trial: Trial) -> None:
        """Count a timed process; say at once when one failed."""
        if spec.mode == "time":
            self._advance("time")
        if trial.failure is not None:
            self.warn(f"{spec.backend} {spec.mode} {spec.index + 1}: {trial.failure.message}")

    def image_scored(self, score: ImageScore) -> None:
        """Count an image; say at once when it could not be scored."""
        self._advance("images")
        if score.failure is not None:
            self.warn(f"image {score.name}: {score.failure}")

    def tell(self, text: str) -> None:
        """As `warn`, of what is as it should be."""
        self._screen.tell(f"{self._prefix}{text}")

    def warn(self, text: str) -> None:
        """A line that names the device where there are several."""
        self._screen.warn(f"{self._prefix}{text}")

    def _describe(self, name: str, text: str) -> None:
        if self._bars is not None:
            self._bars.update(self._tasks[name], description=clean(f"{self._prefix}{text}"))

    def _advance(self, name: str) -> None:
        if self._bars is not None:
            self._bars.advance(self._tasks[name])
