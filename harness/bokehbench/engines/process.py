"""A program that fetches something: run with a deadline, its lines heard, its children ended."""

import contextlib
import os
import selectors
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from bokehbench.engines.effort import Effort

TAIL_LINES = 200
WAIT_SECONDS = 0.5


@dataclass(frozen=True)
class Ended:
    """How a program ended, and the last lines of what it said."""

    exit_code: int
    lines: list[str]


def run_program(argv: Sequence[str], effort: Effort, what: str) -> Ended:
    """Run a program in a process group of its own, which ends with this call in any case.

    Raises:
        EngineError: the effort's deadline has passed.
        OSError: the program can't be started.
    """
    child = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    lines: list[str] = []
    rest = b""
    try:
        assert child.stdout is not None
        descriptor = child.stdout.fileno()
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, selectors.EVENT_READ)
            while True:
                effort.tell(what)
                if not selector.select(min(WAIT_SECONDS, effort.remaining())):
                    continue
                data = os.read(descriptor, 65536)
                if not data:
                    break
                *whole, rest = (rest + data).split(b"\n")
                lines = [*lines, *(line.decode("utf-8", "replace").rstrip() for line in whole)]
                lines = lines[-TAIL_LINES:]
        while child.poll() is None:
            effort.tell(what)
            try:
                child.wait(min(WAIT_SECONDS, effort.remaining()))
            except subprocess.TimeoutExpired:
                continue
        return Ended(child.returncode, lines)
    finally:
        _end(child)


def _end(child: "subprocess.Popen[bytes]") -> None:
    """End what is left of the group: a build tool's children outlive a killed parent."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    if child.stdout is not None:
        child.stdout.close()
