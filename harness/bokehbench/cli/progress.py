"""Progress of a run on standard error: a bar on a terminal, silence elsewhere."""

import sys
from types import TracebackType

from bokehbench.cli.output import clean, note
from bokehbench.facts import ImageScore, Trial, TrialSpec
from bokehbench.session import Observer


def is_terminal() -> bool:
    """Whether standard error is a person's screen."""
    return sys.stderr.isatty()


class TerminalObserver(Observer):
    """A rich bar over processes and images, with the time left."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("time left", markup=False),
            TimeRemainingColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
            # Drawing takes CPU from what is measured on this very machine.
            refresh_per_second=2,
        )
        self._bars = {
            "time": self._progress.add_task("timing", total=None),
            "images": self._progress.add_task("images", total=None, visible=False),
        }

    def __enter__(self) -> "TerminalObserver":
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def planned(self, timed: int, images: int) -> None:
        """Set what is still to come, on top of what is done."""
        for name, left in (("time", timed), ("images", images)):
            done = self._progress.tasks[self._bars[name]].completed
            self._progress.update(self._bars[name], total=done + left, visible=done + left > 0)

    def settling(self, left_seconds: float, why: str) -> None:
        """Say what is waited for."""
        text = f"settling: {clean(why)} (at most {left_seconds:.0f} s)"
        self._progress.update(self._bars["time"], description=text)

    def trial_started(self, spec: TrialSpec, label: str) -> None:
        """Name the model, the backend and the process."""
        text = f"{clean(label)} · {spec.backend} · {spec.mode} {spec.index + 1}"
        self._progress.update(self._bars[spec.mode], description=text)

    def trial_ended(self, spec: TrialSpec, trial: Trial) -> None:
        """Count a timed process; say at once when one failed."""
        if spec.mode == "time":
            self._progress.advance(self._bars["time"])
        if trial.failure is not None:
            self.warn(f"{spec.backend} {spec.mode} {spec.index + 1}: {trial.failure.message}")

    def image_scored(self, score: ImageScore) -> None:
        """Count an image."""
        self._progress.advance(self._bars["images"])
        if score.failure is not None:
            self.warn(f"image {score.name}: {score.failure}")

    def warn(self, text: str) -> None:
        """A line above the bars."""
        self._progress.console.print(f"warning: {clean(text)}", markup=False, highlight=False)


class QuietObserver(Observer):
    """Only warnings; for logs and pipes."""

    def __enter__(self) -> "QuietObserver":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def trial_ended(self, spec: TrialSpec, trial: Trial) -> None:
        """Say when a process failed."""
        if trial.failure is not None:
            self.warn(f"{spec.backend} {spec.mode} {spec.index + 1}: {trial.failure.message}")

    def image_scored(self, score: ImageScore) -> None:
        """Say when an image could not be scored."""
        if score.failure is not None:
            self.warn(f"image {score.name}: {score.failure}")

    def warn(self, text: str) -> None:
        """A line on standard error."""
        note(f"warning: {text}")
