"""This machine as the device: the same runner under the same contract, no adb."""

import contextlib
import errno
import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from bokehbench.errors import DeviceError, TransferError
from bokehbench.phone.transport import DEFAULT_OUTPUT_LIMIT, CommandResult, Deadline

CHUNK = 1 << 16
COPY_CHUNK = 4 << 20
DRAIN_SECONDS = 0.5
"""How long output is still read after the end: a grandchild may hold the pipe open."""


class LocalTransport:
    """Runs commands as children of this process, in a private folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            # A parent made by someone else may leave the folder readable to others.
            root.chmod(0o700)
        except OSError as error:
            raise DeviceError(
                f"local device: can't make its folder {root}: {error.strerror}; "
                "set XDG_CACHE_HOME to a folder that can be written"
            ) from error

    @property
    def address(self) -> str:
        """The word for this device on the command line."""
        return "local"

    @property
    def root(self) -> str:
        """The private folder that stands for the phone's."""
        return str(self._root)

    def close(self) -> None:
        """There is no link to let go of."""

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
        """Run a command in a session of its own; see Transport.run."""
        started = time.monotonic_ns()
        try:
            process = subprocess.Popen(
                list(argv),
                stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                # Its own session: Ctrl-C reaches the host alone, and killpg the whole family.
                start_new_session=True,
            )
        except FileNotFoundError:
            return _not_started(argv, 127, "not found", started)
        except PermissionError:
            return _not_started(argv, 126, "permission denied", started)
        except OSError as error:
            return _not_started(argv, 126, error.strerror or str(error), started)
        with process:
            try:
                output = _Output(limit_bytes, on_stdout)
                timed_out = _pump(process, stdin, output, deadline)
            finally:
                # Also reached by KeyboardInterrupt: nothing that we started stays behind.
                _kill_group(process)
        code = process.returncode
        return CommandResult(
            argv=tuple(argv),
            exit_code=code if code >= 0 else 128 - code,
            stdout=bytes(output.stdout),
            stderr=bytes(output.stderr),
            wall_ns=time.monotonic_ns() - started,
            timed_out=timed_out,
            dropped_bytes=output.dropped,
        )

    def push(
        self, source: Path | bytes | memoryview, target: str, *, mode: int, deadline: Deadline
    ) -> None:
        """Write a file under a temporary name, then rename; see Transport.push."""
        with _arriving(Path(target), f"can't write {target}") as sink:
            if isinstance(source, Path):
                with open(source, "rb") as stream:
                    _copy(stream, sink, deadline, f"copy of {source}")
            else:
                sink.write(source)
            os.fchmod(sink.fileno(), mode)

    def pull(self, source: str, target: Path, *, deadline: Deadline) -> None:
        """Copy a file; see Transport.pull."""
        with _arriving(target, f"can't copy {source}") as sink, open(source, "rb") as stream:
            _copy(stream, sink, deadline, f"copy of {source}")


@contextlib.contextmanager
def _arriving(goal: Path, failure: str) -> Iterator[IO[bytes]]:
    """A file under a temporary name that becomes `goal` when it is whole, and nothing before."""
    part = goal.with_name(f".{goal.name}.{os.getpid()}.{threading.get_ident()}.part")
    try:
        with open(part, "wb") as sink:
            yield sink
        part.replace(goal)
    except OSError as error:
        raise TransferError(f"local device: {failure}: {_cure(error)}") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


class _Output:
    """The two streams of a command, each kept up to a limit."""

    def __init__(self, limit: int, on_stdout: Callable[[bytes], None] | None) -> None:
        self.stdout = bytearray()
        self.stderr = bytearray()
        self.dropped = 0
        self._limit = limit
        self._on_stdout = on_stdout

    def add(self, name: str, chunk: bytes) -> None:
        kept = self.stdout if name == "stdout" else self.stderr
        room = self._limit - len(kept)
        kept += chunk[:room]
        self.dropped += max(0, len(chunk) - room)
        if name == "stdout" and self._on_stdout:
            self._on_stdout(chunk)


def _pump(
    process: subprocess.Popen[bytes], stdin: bytes, output: _Output, deadline: Deadline
) -> bool:
    """Feed and read a process until it ends; True when the deadline ended it."""
    pending = memoryview(stdin)
    drain_until: float | None = None
    with selectors.DefaultSelector() as selector:
        for name, stream in (("stdout", process.stdout), ("stderr", process.stderr)):
            assert stream is not None
            selector.register(stream, selectors.EVENT_READ, name)
        if process.stdin is not None:
            os.set_blocking(process.stdin.fileno(), False)
            selector.register(process.stdin, selectors.EVENT_WRITE, "stdin")
        # The pidfd wakes us at the end of the process even while a grandchild keeps its pipes.
        pidfd = os.pidfd_open(process.pid)
        try:
            selector.register(pidfd, selectors.EVENT_READ, "end")
            while selector.get_map():
                left = deadline.remaining()
                if drain_until is not None:
                    left = min(left, drain_until - time.monotonic())
                    if left <= 0 or set(_names(selector)) == {"stdin"}:
                        return False
                elif left <= 0:
                    return True
                for key, _ in selector.select(left):
                    if key.data == "end":
                        selector.unregister(pidfd)
                        drain_until = time.monotonic() + DRAIN_SECONDS
                    elif key.data == "stdin":
                        pending = _feed(selector, process.stdin, pending)
                    else:
                        chunk = os.read(key.fd, CHUNK)
                        if chunk:
                            output.add(key.data, chunk)
                        else:
                            selector.unregister(key.fileobj)
        finally:
            os.close(pidfd)
    return False


def _names(selector: selectors.BaseSelector) -> list[str]:
    return [key.data for key in selector.get_map().values()]


def _feed(
    selector: selectors.BaseSelector, sink: IO[bytes] | None, pending: memoryview
) -> memoryview:
    """Write what the pipe takes now; close it when all is written or nobody reads."""
    assert sink is not None
    try:
        pending = pending[os.write(sink.fileno(), pending[:CHUNK]) :]
    except BlockingIOError:
        return pending
    except BrokenPipeError:
        pending = pending[:0]
    if not pending:
        selector.unregister(sink)
        with contextlib.suppress(BrokenPipeError):
            sink.close()
    return pending


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _copy(stream: IO[bytes], sink: IO[bytes], deadline: Deadline, what: str) -> None:
    while chunk := stream.read(COPY_CHUNK):
        deadline.check(what)
        sink.write(chunk)


def _cure(error: OSError) -> str:
    text = error.strerror or str(error)
    if error.errno == errno.ENOSPC:
        return f"{text}; free some space there and run again"
    return text


def _not_started(argv: Sequence[str], code: int, why: str, started: int) -> CommandResult:
    """The answer that a shell gives for a command that could not be started."""
    return CommandResult(
        argv=tuple(argv),
        exit_code=code,
        stdout=b"",
        stderr=f"{argv[0]}: {why}\n".encode(),
        wall_ns=time.monotonic_ns() - started,
    )
