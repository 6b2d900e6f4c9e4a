"""How long an installation may take, and whom it tells how far it is."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from bokehbench.errors import EngineError

Progress = Callable[[str, int, int | None], None]
"""What is being done, how many bytes of it, and of how many (None: not known)."""

INSTALL_SECONDS = 600.0
"""Deadline of one installation where nothing else was said."""


def quiet(_what: str, _done_bytes: int, _total_bytes: int | None) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Effort:
    """One installation's deadline, and where its progress goes."""

    ends_at: float
    seconds: float
    progress: Progress

    @classmethod
    def of(cls, seconds: float = INSTALL_SECONDS, progress: Progress = quiet) -> "Effort":
        """An effort that starts now."""
        return cls(time.monotonic() + seconds, seconds, progress)

    def remaining(self) -> float:
        """Seconds left, never below 0."""
        return max(0.0, self.ends_at - time.monotonic())

    def tell(self, what: str, done_bytes: int = 0, total_bytes: int | None = None) -> None:
        """Say how far it is.

        Raises:
            EngineError: the deadline has passed.
        """
        if self.remaining() <= 0:
            raise EngineError(
                f"{what}: not done within {self.seconds:.0f} s; nothing was installed; "
                "try again with a larger --seconds"
            )
        self.progress(what, done_bytes, total_bytes)
