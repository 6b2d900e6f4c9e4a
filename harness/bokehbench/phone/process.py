"""One program on a device: started with the words that were sent, watched, ended in time."""

import posixpath
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from bokehbench.errors import TransferError
from bokehbench.phone.device import Device
from bokehbench.phone.digest import Digest
from bokehbench.phone.sampler import Sampler
from bokehbench.phone.transport import CommandResult, Deadline

GRACE_SECONDS = 2.0
"""Our runner ends itself at its deadline; this much later the host ends a program."""

NOT_STARTED = {
    113: "the program's options arrived altered; nothing was run",
    114: "the runner's process id can't be written; is the disk full?",
}
"""Exit codes of START for what kept it from starting the program."""

START = (
    'want=$1; shift; got=$(printf "%s\\n" "$@" | HASH); '
    '[ "${got%% *}" = "$want" ] || exit 113; '
    'echo $$ > "$0" || exit 114; '
    '[ -z "$1" ] || export LD_LIBRARY_PATH="$1${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"; '
    'shift; exec "$@"'
)
"""Starts the runner, if all words arrived as they were sent: a link can flip a digit.

HASH stands for the device's own program. The first word that is hashed is where libraries are
to be looked for, or nothing.
"""

LOG_BLOCKS = 2_097_152
"""Of 512 bytes, 1 GiB: what a program may write into one file before it is killed."""

START_WITH_LOG = START.replace(
    'shift; exec "$@"',
    f'l=$2; shift 2; ulimit -f {LOG_BLOCKS} 2>/dev/null; exec "$@" > "$l" 2>&1',
)
"""As START; the second word is the file for all that the program says."""


class Stop:
    """Lets another thread end a run: the process on the device is killed, no other starts."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._kill: Callable[[], None] | None = None

    def now(self) -> None:
        """End the run; to be called again until it ended, as a process may just be starting."""
        self._event.set()
        if (kill := self._kill) is not None:
            kill()

    @contextmanager
    def watching(self, kill: Callable[[], None]) -> Iterator[None]:
        """While a process runs that `kill` ends.

        Raises:
            KeyboardInterrupt: the run was stopped, before or meanwhile.
        """
        self.check()
        self._kill = kill
        try:
            yield
        finally:
            self._kill = None
        self.check()

    def check(self) -> None:
        """Raise KeyboardInterrupt, as Ctrl-C does in the main thread, once the run is stopped."""
        if self._event.is_set():
            raise KeyboardInterrupt


def run_program(
    device: Device,
    argv: Sequence[str],
    folder: str,
    *,
    seconds: float,
    library_path: str,
    stop: Stop,
    sampler: Sampler | None,
    limit_bytes: int,
    log: str | None = None,
) -> CommandResult:
    """Run a program in a trial's work folder to its end or its deadline.

    Args:
        seconds: its deadline; the host waits for GRACE_SECONDS more.
        library_path: folders where its libraries are to be looked for, or nothing.
        sampler: what reads sensors meanwhile, or None.
        limit_bytes: what is kept of its output.
        log: a file on the device that takes all its output instead, in the order of writing.

    Raises:
        TransferError: it was not started, as what was sent did not arrive.
        DeviceLost: the link broke.
        KeyboardInterrupt: the run was stopped.
    """
    pid_file = posixpath.join(folder, "pid")
    words = [library_path, *argv] if log is None else [library_path, log, *argv]
    start = START if log is None else START_WITH_LOG
    command = [
        *("sh", "-c", start.replace("HASH", device.digest.program), pid_file),
        *(digest_of_words(words, device.digest), *words),
    ]
    if sampler is not None:
        command = sampler.around(command, folder, seconds)
    try:
        with stop.watching(lambda: device.kill(pid_file)):
            result = device.transport.run(
                command,
                deadline=Deadline.after(seconds + GRACE_SECONDS),
                limit_bytes=limit_bytes,
                alone=True,
            )
    except BaseException:
        # Ctrl-C or a broken link: the process on the device must not outlive us.
        device.kill(pid_file)
        raise
    if result.exit_code in NOT_STARTED and not result.stdout:
        raise TransferError(f"{device.facts.address}: {NOT_STARTED[result.exit_code]}")
    return result


def digest_of_words(words: Sequence[str], digest: Digest) -> str:
    """What START compares; an argument travels as the bytes that the file system has."""
    lines = "".join(f"{word}\n" for word in words)
    return digest.of(lines.encode("utf-8", "surrogateescape"))
