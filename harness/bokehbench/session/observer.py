"""What a run tells while it goes on; the command line draws it, the library stays silent."""

from bokehbench.facts import ImageScore, Trial, TrialSpec


class Observer:
    """Silent; a caller overrides what it wants to see."""

    def planned(self, timed: int, images: int) -> None:
        """Processes and images still to come, again whenever the plan changes."""

    def settling(self, left_seconds: float, why: str) -> None:
        """The device is not settled yet."""

    def trial_started(self, spec: TrialSpec, label: str) -> None:
        """A process starts."""

    def trial_ended(self, spec: TrialSpec, trial: Trial) -> None:
        """A process ended, well or not."""

    def image_scored(self, score: ImageScore) -> None:
        """An image was compared with its reference, or could not be."""

    def tell(self, text: str) -> None:
        """Something goes on that the user may have to look at."""

    def warn(self, text: str) -> None:
        """Something that the user should know and that does not end the run."""
