"""Leash: child processes that end with us, whichever way we end, and a look at their offspring."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

HOLD = 'env --default-signal=INT,QUIT,HUP "$@" & read -r line; kill -KILL $! 2>/dev/null; wait'
"""The holder: a shell that ends its child once the pipe to us is closed.

A kernel closes the pipe even when we are killed. PR_SET_PDEATHSIG alone would not do: it
fires when the THREAD that started the child ends. A shell has background commands ignore
SIGINT and SIGQUIT, and `nohup` SIGHUP, which everything on a device would inherit.
"""


BEGIN_SECONDS = 3.0


class Leash:
    """A child process held by a small shell, which is held by a pipe to this process."""

    def __init__(
        self,
        argv: Sequence[str],
        log: Path,
        env: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
    ) -> None:
        with open(log, "ab") as stream:
            self._holder = subprocess.Popen(
                ["sh", "-c", HOLD, "holder", *argv],
                stdin=subprocess.PIPE,
                stdout=stream,
                stderr=stream,
                env=env,
                pass_fds=pass_fds,
                start_new_session=True,
            )

    @property
    def child(self) -> int | None:
        """The pid of the child, None when it has ended."""
        return next(iter(children(self._holder.pid)), None)

    def ended_early(self) -> bool:
        """Whether the child has ended by itself.

        On a busy machine the holder takes its time to start it: only after `BEGIN_SECONDS`
        without a child there is none.
        """
        until = time.monotonic() + BEGIN_SECONDS
        while self.child is None:
            if time.monotonic() > until:
                return True
            time.sleep(0.02)
        return False

    def end(self) -> None:
        """Kill the child and wait until it and its holder are gone."""
        if self._holder.stdin and not self._holder.stdin.closed:
            self._holder.stdin.close()
        self._holder.wait(timeout=20)


def wait_until(what: str, is_true: Callable[[], bool], seconds: float) -> None:
    """Poll until `is_true()`.

    Raises:
        TimeoutError: it wasn't within that time.
    """
    deadline = time.monotonic() + seconds
    while not is_true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:.1f} s")
        time.sleep(0.005)


def children(pid: int) -> list[int]:
    """Live processes whose parent is `pid`."""
    return parents().get(pid, [])


def descendants(pid: int) -> list[int]:
    """Live processes below `pid`, parents before their children."""
    table = parents()
    found = list(table.get(pid, []))
    for one in found:
        found.extend(table.get(one, []))
    return found


def parents() -> dict[int, list[int]]:
    """The live processes of this machine by their parent; a zombie isn't alive."""
    table: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            text = (folder / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        state, parent = text.rpartition(")")[2].split()[:2]
        if state != "Z":
            table.setdefault(int(parent), []).append(int(folder.name))
    return table


def argv_of(pid: int) -> tuple[str, ...]:
    """The command line of a process; empty when it has just ended."""
    try:
        data = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return ()
    return tuple(data.decode("utf-8", "replace").split("\0")[:-1])


def is_alive(pid: int) -> bool:
    """Whether a process runs (or is stopped); a zombie doesn't."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] != "Z"


def send(pid: int | None, number: signal.Signals) -> None:
    """Send a signal to a process of ours."""
    if pid is None:
        raise ProcessLookupError("the process has ended")
    os.kill(pid, number)
