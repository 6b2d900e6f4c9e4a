"""Which process a run belongs to, and whether that process still lives."""

import os
import socket
from pathlib import Path

import msgspec


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """One process on one host. `started` tells it from a later process of the same pid.

    `started` is the kernel's boot id and the process's start in clock ticks since boot.
    """

    host: str
    pid: int
    started: str

    def alive(self) -> bool | None:
        """Whether the process lives; None where this host can't know: it ran on another."""
        if self.host != socket.gethostname():
            return None
        return _started(self.pid) == self.started


def this_process() -> Owner:
    """The calling process as an Owner."""
    pid = os.getpid()
    return Owner(host=socket.gethostname(), pid=pid, started=_started(pid) or "")


def _started(pid: int) -> str | None:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    # The command's name is in parentheses and may itself hold spaces and parentheses.
    fields = stat[stat.rindex(b")") + 2 :].split()
    if fields[0] in (b"Z", b"X"):  # a zombie has ended; only its parent doesn't know yet
        return None
    return f"{boot}/{int(fields[19])}"
