"""A transport whose commands run under limits of memory and time, for models on the host itself."""

import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from bokehbench.phone.transport import DEFAULT_OUTPUT_LIMIT, CommandResult, Deadline, Transport

FILE_BLOCKS = 1 << 24
"""Largest file that a command may write, in blocks of 512 bytes: 8 GiB."""

_LIMIT = (
    'ulimit -c 0; ulimit -d "$1" && { [ "$4" = data ] || ulimit -v "$1"; } && ulimit -t "$2" && '
    'ulimit -f "$3" || exit 71; shift 4; exec "$@"'
)
"""No limit of processes: it would count all that the user runs, threads too, and root has none."""


class LimitedTransport:
    """Another transport; what it runs gets no more memory than the machine has, and an end.

    A model that asks for more fails as one that found no memory, and takes nothing else with it.
    There are no core dumps, and no file grows beyond 8 GiB. `address_space` also limits what is
    only reserved, which drivers of GPUs do with more than there is.
    """

    def __init__(
        self, inner: Transport, memory_bytes: int | None = None, *, address_space: bool = True
    ) -> None:
        self._inner = inner
        self._kind = "all" if address_space else "data"
        self._memory_kib = (memory_bytes or physical_memory()) // 1024

    @property
    def address(self) -> str:
        """The inner transport's."""
        return self._inner.address

    @property
    def root(self) -> str:
        """The inner transport's."""
        return self._inner.root

    def close(self) -> None:
        """Let go of the inner transport's link."""
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
        """Run a command under the limits; see Transport.run."""
        # Every core may count a second for each second that passes.
        cpu_seconds = math.ceil(deadline.remaining() + 1) * (os.cpu_count() or 1)
        limits = [str(self._memory_kib), str(cpu_seconds), str(FILE_BLOCKS), self._kind]
        return self._inner.run(
            ["sh", "-c", _LIMIT, "sh", *limits, *argv],
            deadline=deadline,
            stdin=stdin,
            on_stdout=on_stdout,
            limit_bytes=limit_bytes,
            alone=alone,
        )

    def push(
        self, source: Path | bytes | memoryview, target: str, *, mode: int, deadline: Deadline
    ) -> None:
        """Write a file; see Transport.push."""
        self._inner.push(source, target, mode=mode, deadline=deadline)

    def pull(self, source: str, target: Path, *, deadline: Deadline) -> None:
        """Copy a file; see Transport.pull."""
        self._inner.pull(source, target, deadline=deadline)


def physical_memory() -> int:
    """Bytes of memory that this machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
