"""One shell on the device that runs many commands, one after the other: its script and its pool.

Starting a shell for each command costs a connection, a fork of adbd and a boot of the shell, more
than most commands themselves. The shared shell waits for a block on its stdin, runs the command
in a process group of its own with a guard beside it, as `adb_command.wrap` does, and says the
exit code behind all of stdout and all of stderr. It goes on only when the command left nothing
behind: no process of its group, and nobody who holds the pipe that it was given as descriptor 5.
Otherwise it ends, and the command ends as one with a shell of its own does.

Idle, it is one process that waits for a block, for the end of the link, or for IDLE_SECONDS.
"""

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from bokehbench.errors import DeviceError
from bokehbench.phone.adb_command import guard_seconds
from bokehbench.phone.adb_stream import ByteStream
from bokehbench.phone.shell_v2 import stdin_packets
from bokehbench.phone.transport import Deadline

IDLE_SECONDS = 5
"""How long a shell waits on the device for its next command: the most that a cut link leaves."""

TAKEN_SECONDS = 3.5
"""A shell that is idle for longer is not used again: it may be about to end."""

IDLE_SHELLS = 8
UNFIT = 98
"""Exit code of a shell that can't do what the script needs."""

_HEADER_BYTES = 14

# `read -N`, `|&` and a job of its own group without a terminal are mksh's, Android's shell. The
# first line keeps other shells from parsing the rest. The coprocess proves process groups and
# /proc, and leaves a pipe that nobody writes to: whoever is run gets its writing end, so its
# reading end tells when all of them are gone. A `read` fails with 1 at the end of a pipe.
# Children are waited for: one that ends in the middle of a `read` would break it. The guard kills
# the shell first, which would kill the guard as soon as the command has ended.
SCRIPT = r"""
case $KSH_VERSION in *MIRBSD*) ;; *) exit UNFIT;; esac
exec 3>&2 2>/dev/null; set -m; m=MARK
{ read -r a b c d e f </proc/self/stat; echo $e; } |&
g=$!; exec 6<&p; read -r -t 9 -u6 x; wait $g
[ "$x" = $g ] && [ -n "$BASHPID" ] && : 5>/proc/self/fd/6 || exit UNFIT
while read -r -t IDLE -N HEADER h; do
set -- $h; case $1$2 in *[!0-9]*) exit 1;; esac
read -r -t IDLE -N $1 c; case $c in *$m) c=${c%$m};; *) exit 1;; esac
({ echo "$m p$BASHPID" >&3; eval "$c" 2>&3 3>&-; } 5>/proc/self/fd/6 6<&-) </dev/null & x=$!
(read -t $2 -u3 y; [ $? = 2 ] && sleep $2; kill -9 -$$ -$x) </dev/null >/dev/null 6<&- & g=$!
wait $x; e=$?; kill -9 $g; wait $g; d=0
kill -9 -$x && d=1; read -r -t 0.05 -u6 y; [ $? = 1 ] || d=1
echo "$m e$e" >&3; [ $d = 0 ] || kill -9 -$$; echo "$m e$e"
done
"""


def script(mark: str) -> bytes:
    """The string for `sh -c` that waits for blocks."""
    text = SCRIPT.strip().replace("MARK", mark).replace("IDLE", str(IDLE_SECONDS))
    return text.replace("HEADER", str(_HEADER_BYTES)).replace("UNFIT", str(UNFIT)).encode()


def block(command: bytes, mark: str, seconds: float) -> bytes:
    """What the script reads for one command: lengths, the text for the shell, and its end."""
    text = command + mark.encode()
    return b"%-6d %-6d " % (len(text), guard_seconds(seconds)) + text


@dataclass
class SharedShell:
    """A shell on the device and the mark that tells its words from those of commands."""

    stream: ByteStream
    mark: str
    epoch: int
    idle_since: float = field(default_factory=time.monotonic)

    def packets(self, command: bytes, seconds: float) -> Iterator[bytes]:
        """What starts a command, to be ended on the device a second after so many."""
        return stdin_packets(block(command, self.mark, seconds))


class IdleShells:
    """The shells that wait for a command; any thread may take one and give it back."""

    def __init__(self) -> None:
        self.epoch = 0
        """Shells that were opened before the last `close` are not kept."""
        self._lock = threading.Lock()
        self._shells: list[SharedShell] = []

    def take(self, on_broken: Callable[[], None]) -> SharedShell | None:
        """A shell that seems alive, the last one used; `on_broken` hears of a broken link."""
        while True:
            with self._lock:
                if not self._shells:
                    return None
                shell = self._shells.pop()
            if shell.stream.ready():
                # An idle shell says nothing: this is its exit, or the end of the link.
                if not _has_data(shell.stream):
                    on_broken()
            elif time.monotonic() - shell.idle_since < TAKEN_SECONDS:
                return shell
            shell.stream.close()

    def give(self, shell: SharedShell) -> None:
        """Keep a shell for the next command."""
        shell.idle_since = time.monotonic()
        with self._lock:
            if shell.epoch == self.epoch and len(self._shells) < IDLE_SHELLS:
                self._shells.append(shell)
                return
        shell.stream.close()

    def close(self) -> None:
        """End all of them, also on the device."""
        with self._lock:
            shells, self._shells = self._shells, []
            self.epoch += 1
        for shell in shells:
            shell.stream.close()


def _has_data(stream: ByteStream) -> bool:
    """Whether something can be read from a stream that is ready."""
    try:
        return bool(stream.recv(Deadline.after(1.0)))
    except DeviceError:
        return False


def new_mark() -> str:
    """A text that no command prints by chance."""
    return f"@bokehbench-{secrets.token_hex(8)}"


class NotStarted(Exception):
    """The shell ended before it took the command: it was not run, and may be run elsewhere."""

    def __init__(self, code: int) -> None:
        super().__init__("the shared shell ended before the command")
        self.is_unfit = code == UNFIT
