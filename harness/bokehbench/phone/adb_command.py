"""One command as the string that adb's shell takes, and its marks taken out of stderr.

adbd runs our string with `sh -c` in a session of its own, and reports an exit only when
nobody holds the pipes any more. So the string says its process id first, runs the command
below itself, says the command's exit code, and then kills its process group: nothing that
the command left behind holds the pipes, and the host knows at any time whom to kill.

A guard in the same group reads from the command's stderr. adbd made that a pair of sockets
(AOSP, `adb/daemon/shell_service.cpp`) and never writes there, so the guard sees only its
end, when the link broke, or its own time-out, when the link broke and nobody noticed.
"""

import math
import shlex
from collections.abc import Sequence

COMMAND_LIMIT = 60_000
"""Bytes of one command: adb's request has four hexadecimal digits for its length."""

LONGEST_SECONDS = 999_999

GUARD_SECONDS = 1
"""How long after the host's deadline the guard on the device kills what still runs."""


def quoted(argv: Sequence[str]) -> bytes:
    """A command line for `sh` with quoting that keeps every argument as it is.

    Raises:
        ValueError: an argument holds a NUL, which no program can be given.
    """
    if any("\0" in word for word in argv):
        raise ValueError("embedded null byte")
    return shlex.join(argv).encode("utf-8", "surrogateescape")


def guard_seconds(seconds: float) -> int:
    """When the guard ends a command that has that long."""
    return min(math.ceil(seconds) + GUARD_SECONDS, LONGEST_SECONDS)


def wrap(command: bytes, mark: str, seconds: float) -> bytes:
    """The string for `sh -c` that runs one quoted command."""
    guard = guard_seconds(seconds)
    # fd 3 is the command's stderr; the shell's own, with its "Segmentation fault", is dropped.
    # A read that fails with 2 could not even begin: there the guard sleeps.
    before = (
        f"echo '{mark}' p$$ >&2; exec 3>&2 2>/dev/null; "
        f"(read -t {guard} -u3 x; [ $? = 2 ] && sleep {guard}; kill -9 -$$) "
        "</dev/null >/dev/null & (exec 2>&3 3>&-; exec "
    )
    after = f"); e=$?; echo '{mark}' e$e >&3; kill -9 -$$; exit $e"
    return before.encode() + command + after.encode()


def kill_command(pid: int) -> bytes:
    """The string that kills a wrapped command and all of its process group."""
    return b"kill -9 -%d %d 2>/dev/null; true" % (pid, pid)


class MarkFilter:
    """Takes marks out of a stream: one with the process id (`p4711`), one with the code (`e0`).

    The command's bytes pass as they are; no more than one unfinished mark is held back.
    """

    def __init__(self, mark: str) -> None:
        self._mark = mark.encode() + b" "
        self._held = b""
        self.pid: int | None = None
        self.code: int | None = None

    def feed(self, data: bytes) -> bytes:
        """The command's own bytes among these."""
        data, self._held = self._held + data, b""
        own = b""
        while True:
            before, mark, after = data.partition(self._mark)
            if not mark:
                keep = self._unfinished(data)
                self._held = data[len(data) - keep :]
                return own + data[: len(data) - keep]
            number, newline, rest = after.partition(b"\n")
            if not newline and len(after) < 12:
                self._held = mark + after
                return own + before
            if newline and len(number) < 12 and self._takes(number[:1], number[1:]):
                own, data = own + before, rest
            else:
                own, data = own + before + mark, after

    def rest(self) -> bytes:
        """What was held back, at the end of the stream."""
        held, self._held = self._held, b""
        return held

    @property
    def is_clean(self) -> bool:
        """Whether nothing is held back."""
        return not self._held

    def _takes(self, kind: bytes, digits: bytes) -> bool:
        number = int(digits) if digits.isdigit() else -1
        # To kill process 1 or 0, or their group, would be to kill all that is ours.
        if kind == b"p" and number > 1:
            self.pid = number
        elif kind == b"e" and number >= 0:
            self.code = number
        else:
            return False
        return True

    def _unfinished(self, data: bytes) -> int:
        """Length of the end of `data` that may be the beginning of a mark."""
        most = min(len(self._mark) - 1, len(data))
        return next((n for n in range(most, 0, -1) if self._mark.startswith(data[-n:])), 0)
