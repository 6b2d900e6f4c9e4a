"""Transport: how commands and files reach a device; one primitive, `run`, and two copies.

Every transport keeps the same contract (tests/contract): exit codes 0-255 with 128+N
for signal N, separate and binary-exact stdout and stderr, bounded memory, and nothing that
outlives its Deadline on the host or on the device.
"""

import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bokehbench.errors import DeadlineExceeded

DEFAULT_OUTPUT_LIMIT = 64 * 1024 * 1024
"""Bytes of stdout or of stderr kept from one command; what comes after is counted only."""


@dataclass(frozen=True)
class Deadline:
    """A moment by which an operation has ended; inner calls get what remains of it."""

    at: float
    seconds: float

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        """The deadline that many seconds from now."""
        return cls(time.monotonic() + seconds, seconds)

    def remaining(self) -> float:
        """Seconds left, never below 0."""
        return max(0.0, self.at - time.monotonic())

    def check(self, what: str) -> None:
        """Raise DeadlineExceeded, naming `what`, when the moment has passed."""
        if self.remaining() <= 0:
            raise DeadlineExceeded(f"{what} did not end within {self.seconds:.0f} s")


@dataclass(frozen=True)
class CommandResult:
    """What one command left behind. `dropped_bytes` counts output beyond the limit."""

    argv: tuple[str, ...]
    exit_code: int
    stdout: bytes
    stderr: bytes
    wall_ns: int
    timed_out: bool = False
    dropped_bytes: int = 0

    def describe(self) -> str:
        """The command and how it ended, in one line, for messages."""
        tail = self.stderr.decode("utf-8", "replace").strip().splitlines()
        last = f": {tail[-1][:200]}" if tail else ""
        return f"`{shlex.join(self.argv)[:120]}` ended with exit code {self.exit_code}{last}"


class Transport(Protocol):
    """The link to one device."""

    @property
    def address(self) -> str:
        """What the user wrote after `--device`."""
        ...

    @property
    def root(self) -> str:
        """The folder on the device that is ours."""
        ...

    def close(self) -> None:
        """Let go of the link; a later call makes it anew."""
        ...

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
        """Run one command to its end or to the deadline.

        At the deadline the command and its children are killed on the device and the
        result says `timed_out`. `on_stdout` sees chunks as they come. With `alone` the
        command shares nothing with others, and nothing of ours waits on the device beside
        it: for what is measured, and for programs that may do anything.

        Raises:
            DeviceLost: the link broke, or the deadline came and the device does not answer.
            DeviceError: the device can't be reached at all.
        """
        ...

    def push(
        self, source: Path | bytes | memoryview, target: str, *, mode: int, deadline: Deadline
    ) -> None:
        """Write a file on the device, whole or not at all.

        Raises:
            TransferError: it could not be written (no space, no permission).
            DeadlineExceeded: it did not end in time.
        """
        ...

    def pull(self, source: str, target: Path, *, deadline: Deadline) -> None:
        """Copy a file from the device to `target`; no target is left when it fails.

        Raises:
            TransferError: there is no such file, or it can't be read or written.
            DeadlineExceeded: it did not end in time.
        """
        ...
