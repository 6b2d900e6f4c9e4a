"""Hurried: a transport with short deadlines that notes how long each operation took."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bokehbench.phone import launcher
from bokehbench.phone.transport import DEFAULT_OUTPUT_LIMIT, CommandResult, Deadline, Transport
from bokehbench.schedule import next as following

COMMAND_SECONDS = 2.0
COPY_SECONDS = 4.0
"""Deadlines here, where a run has 30 and 600 seconds."""

TRIAL_SECONDS = 3.0
"""Of a process; the host ends it `launcher.GRACE_SECONDS` later."""


class Hurried:
    """Hands everything on to a Transport, in less time."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self.late_seconds = -COPY_SECONDS
        """By how much the worst operation ended after its deadline."""
        self.late_what = ""

    @property
    def address(self) -> str:
        """See Transport.address."""
        return self._inner.address

    @property
    def root(self) -> str:
        """See Transport.root."""
        return self._inner.root

    def close(self) -> None:
        """See Transport.close."""
        self._inner.close()

    def run(
        self,
        argv: Sequence[str],
        *,
        deadline: Deadline,
        stdin: bytes = b"",
        on_stdout: Callable[[bytes], None] | None = None,
        limit_bytes: int = DEFAULT_OUTPUT_LIMIT,
        alone: bool = False,
    ) -> CommandResult:
        """See Transport.run."""
        # A trial has a deadline of its own; whatever else is a short command.
        hurried = deadline if alone else _sooner(deadline, COMMAND_SECONDS)
        with self._timed(" ".join(argv), hurried):
            return self._inner.run(
                argv,
                deadline=hurried,
                stdin=stdin,
                on_stdout=on_stdout,
                limit_bytes=limit_bytes,
                alone=alone,
            )

    def push(
        self, source: Path | bytes | memoryview, target: str, *, mode: int, deadline: Deadline
    ) -> None:
        """See Transport.push."""
        hurried = _sooner(deadline, COPY_SECONDS)
        with self._timed(f"push {target}", hurried):
            self._inner.push(source, target, mode=mode, deadline=hurried)

    def pull(self, source: str, target: Path, *, deadline: Deadline) -> None:
        """See Transport.pull."""
        hurried = _sooner(deadline, COPY_SECONDS)
        with self._timed(f"pull {source}", hurried):
            self._inner.pull(source, target, deadline=hurried)

    @contextmanager
    def _timed(self, what: str, deadline: Deadline) -> Iterator[None]:
        try:
            yield
        finally:
            late = time.monotonic() - deadline.at
            if late > self.late_seconds:
                self.late_seconds, self.late_what = late, what


def _sooner(deadline: Deadline, seconds: float) -> Deadline:
    return deadline if deadline.seconds <= seconds else Deadline.after(seconds)


@contextmanager
def short_trials(max_seconds: float) -> Iterator[None]:
    """While it lasts, a process has TRIAL_SECONDS, timed or over images."""
    before = [(place, name, getattr(place, name)) for place, name, _ in _SHORT]
    try:
        for place, name, value in _SHORT:
            setattr(place, name, value)
        following.LOAD_ALLOWANCE_SECONDS = TRIAL_SECONDS - max_seconds
        yield
    finally:
        for place, name, value in before:
            setattr(place, name, value)


_SHORT = (
    (following, "LOAD_ALLOWANCE_SECONDS", TRIAL_SECONDS),
    (following, "SLOWEST_RUN_SECONDS", 0.0),
    (following, "IMAGE_SECONDS", 0.0),
    (launcher, "GRACE_SECONDS", 1.0),
)
