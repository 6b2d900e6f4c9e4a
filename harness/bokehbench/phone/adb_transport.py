"""What both adb transports share: run, push and pull on streams that a subclass opens."""

import contextlib
import posixpath
import secrets
import shlex
import threading
import time
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bokehbench.errors import DeadlineExceeded, DeviceError, DeviceLost, TransferError
from bokehbench.phone import adb_files
from bokehbench.phone.adb_command import COMMAND_LIMIT, quoted, wrap
from bokehbench.phone.adb_run import Running, open_shell, run_script
from bokehbench.phone.adb_shared import IdleShells, NotStarted, SharedShell, new_mark, script
from bokehbench.phone.adb_stream import ByteStream, Refused
from bokehbench.phone.sync import Source, SyncError, SyncGarbage, SyncSession
from bokehbench.phone.transport import DEFAULT_OUTPUT_LIMIT, CommandResult, Deadline

ROOT = "/data/local/tmp/bokehbench"
"""The folder on a phone that is ours; /data/local/tmp is where `adb shell` may execute."""

GRACE_SECONDS = 0.8
"""How long after a deadline we still tidy up on the device."""


class AdbTransport(ABC):
    """A Transport over streams to adbd; see bokehbench.phone.transport.Transport."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._features: frozenset[str] | None = None
        self._leftovers: set[str] = set()
        self._preparing = threading.Lock()
        self._idle = IdleShells()
        # An owner who forgets to close us leaves no shell behind.
        weakref.finalize(self, self._idle.close).atexit = False
        self._can_share = True

    @property
    def address(self) -> str:
        """What the user wrote after `--device`."""
        return self._address

    @property
    def root(self) -> str:
        """The folder on the device that is ours."""
        return ROOT

    @abstractmethod
    def _connect(self, deadline: Deadline) -> frozenset[str]:
        """Make sure that the device is there; the features that its adbd has."""

    @abstractmethod
    def _open(self, service: bytes, deadline: Deadline) -> ByteStream:
        """Open a service of adbd.

        Raises:
            DeviceLost, DeadlineExceeded, DeviceError: it can't be opened.
        """

    def close(self) -> None:
        """Let go of the link; a later call connects again."""
        self._idle.close()
        with self._preparing:
            self._features = None

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
        """Run one command in a process group of its own; see Transport.run."""
        started = time.monotonic_ns()
        command = quoted(argv)
        if len(command) > COMMAND_LIMIT:
            return CommandResult(
                argv=tuple(argv),
                exit_code=126,
                stdout=b"",
                stderr=f"{argv[0]}: argument list too long\n".encode(),
                wall_ns=time.monotonic_ns() - started,
            )
        if alone:
            self._idle.close()
        with self._losing("command"):
            self._reach(deadline)
            running = None
            if not (alone or stdin):
                running = self._run_shared(b"exec " + command, deadline, limit_bytes, on_stdout)
            if running is None:
                mark = new_mark()
                running = Running(self._open, mark, limit_bytes, on_stdout)
                command = wrap(command, mark, deadline.remaining())
                running.run(command, stdin, deadline, GRACE_SECONDS)
        return CommandResult(
            argv=tuple(argv),
            exit_code=running.exit_code,
            stdout=bytes(running.stdout),
            stderr=bytes(running.stderr),
            wall_ns=time.monotonic_ns() - started,
            timed_out=running.timed_out,
            dropped_bytes=running.dropped,
        )

    def push(
        self, source: Path | bytes | memoryview, target: str, *, mode: int, deadline: Deadline
    ) -> None:
        """Send to a hidden name, compare the size, rename; see Transport.push."""
        folder, name = posixpath.split(target)
        part = posixpath.join(folder, f".{name}.{secrets.token_hex(4)}.part")
        what = f"push to {target}"
        with self._losing(what, target):
            deadline.check(what)
            try:
                with adb_files.reading(source) as stream:
                    self._send(stream, part, folder, deadline)
                self._rename(part, target, mode, deadline)
            except BaseException as error:
                self._discard(part, error, deadline)
                raise

    def pull(self, source: str, target: Path, *, deadline: Deadline) -> None:
        """Receive into a hidden file, rename; see Transport.pull."""
        what = f"pull of {source}"
        with self._losing(what, source):
            deadline.check(what)
            with adb_files.writing(target) as sink, self._sync(deadline) as session:
                session.receive(_encoded(source), sink, deadline)

    def open_service(self, service: bytes, deadline: Deadline) -> ByteStream:
        """Open a service of adbd, such as `localabstract:NAME`; no forward is needed.

        Raises:
            Refused: the device does not offer it: nobody listens there.
            DeviceLost, DeviceError: the link broke, or there is no usable device.
        """
        name = service.decode("utf-8", "replace")
        with self._losing(f"opening {name}"):
            self._reach(deadline)
            try:
                return self._open(service, deadline)
            except Refused as error:
                refused = error
        raise Refused(self._named(f"nobody listens at {name}")) from refused

    def _run_shared(
        self,
        text: bytes,
        deadline: Deadline,
        limit_bytes: int = DEFAULT_OUTPUT_LIMIT,
        on_stdout: Callable[[bytes], None] | None = None,
    ) -> Running | None:
        """Run a text in a shared shell; None when that was not even begun."""
        if not self._can_share:
            return None
        shell = self._idle.take(self._doubt)
        self._reach(deadline)
        if shell is None:
            epoch, mark = self._idle.epoch, new_mark()
            stream = open_shell(self._open, script(mark), deadline)
            shell = SharedShell(stream, mark, epoch)
        running = Running(self._open, shell.mark, limit_bytes, on_stdout)
        try:
            if running.run_in(shell, text, deadline, GRACE_SECONDS):
                self._idle.give(shell)
        except NotStarted as ended:
            self._can_share = not ended.is_unfit
            return None
        return running

    def _run_script(self, text: str, deadline: Deadline) -> tuple[int, str]:
        """Run a short script of ours; its exit code and what it says on stderr.

        Raises:
            DeviceLost, DeadlineExceeded: the link broke, or it did not end in time.
        """
        # Jobs of a subshell without `set +m` would have groups of their own.
        running = self._run_shared(_encoded(f"set +m; {text}"), deadline)
        if running is None:
            return run_script(self._open, _encoded(text), deadline)
        if running.timed_out:
            raise DeadlineExceeded(f"a command did not end within {deadline.seconds:.1f} s")
        return running.exit_code, running.stderr.decode("utf-8", "replace").strip()

    def _send(self, source: Source, part: str, folder: str, deadline: Deadline) -> None:
        with self._sync(deadline) as session:
            # adbd would make the folder, with permissions of its own choice.
            if not session.stat(_encoded(folder), deadline).may_be_folder:
                raise SyncError(f"{folder}: no such folder")
            sent = session.send(_encoded(part), 0o600, source, deadline)
            if not session.same_size(_encoded(part), sent, deadline):
                raise SyncError(f"fewer than {sent} bytes arrived; is the disk full?")

    def _rename(self, part: str, target: str, mode: int, deadline: Deadline) -> None:
        leftovers = tuple(self._leftovers)
        old, new = shlex.quote(part), shlex.quote(target)
        text = f"chmod {mode:o} {old} && [ ! -d {new} ] && mv -f {old} {new}"
        if leftovers:
            text = f"rm -f {' '.join(map(shlex.quote, leftovers))}; {text}"
        code, said = self._run_script(text, deadline)
        if code != 0:
            raise SyncError(said or f"{target}: can't be renamed to; is it a folder?")
        self._leftovers.difference_update(leftovers)

    def _discard(self, part: str, error: BaseException, deadline: Deadline) -> None:
        """Remove what a failed push left, now or, without a link, with the next push."""
        self._leftovers.add(part)
        if isinstance(error, DeviceLost):
            return
        late = _grace(deadline)
        with contextlib.suppress(DeviceError):
            run_script(self._open, _encoded(f"rm -f {shlex.quote(part)}"), late)
            self._leftovers.discard(part)

    def _reach(self, deadline: Deadline) -> None:
        """As `_prepare`, for commands: a device that does not answer in time is lost."""
        try:
            self._prepare(deadline)
        except DeadlineExceeded as error:
            raise DeviceLost(f"no answer within {deadline.seconds:.1f} s") from error

    def _prepare(self, deadline: Deadline) -> frozenset[str]:
        """Connect and make our folder, once and again after the link was in doubt.

        Raises:
            DeviceError: there is no usable device at the other end.
        """
        with self._preparing:
            if self._features is not None:
                return self._features
            features = self._connect(deadline)
            self._idle.close()
            if "shell_v2" not in features:
                raise DeviceError(
                    f"{self.address}: its adbd has no shell_v2; Android 7 or newer is needed"
                )
            code, said = run_script(self._open, f"mkdir -p {ROOT}".encode(), deadline)
            if code != 0:
                raise DeviceError(
                    f"{self.address}: can't make {ROOT}: {said}; "
                    "free some space on the device or remove that path"
                )
            self._features = features
            return features

    @contextlib.contextmanager
    def _sync(self, deadline: Deadline) -> Iterator[SyncSession]:
        features = self._prepare(deadline)
        with contextlib.closing(self._open(b"sync:", deadline)) as stream:
            yield SyncSession(stream, stat_2="stat_v2" in features)

    @contextlib.contextmanager
    def _losing(self, what: str, path: str = "") -> Iterator[None]:
        """Name the device in errors, and connect anew after the link was lost."""
        try:
            yield
        except DeviceLost as error:
            self._features = None
            raise DeviceLost(self._named(f"{what}: {error}")) from error
        except DeadlineExceeded as error:
            # Perhaps slow, perhaps frozen: look again before the next operation.
            self._features = None
            raise DeadlineExceeded(self._named(str(error))) from error
        except SyncError as error:
            hint = adb_files.hint(str(error))
            raise TransferError(self._named(f"{what}: {path}: {error}{hint}")) from error
        except TransferError as error:
            raise TransferError(self._named(f"{what}: {error}")) from error
        except DeviceError as error:
            raise DeviceError(self._named(str(error))) from error
        except SyncGarbage as error:
            self._features = None
            raise DeviceLost(self._named(f"{what}: not an answer of adb: {error}")) from error

    def _doubt(self) -> None:
        """Connect anew before the next operation."""
        self._features = None

    def _named(self, text: str) -> str:
        return text if text.startswith(self.address) else f"{self.address}: {text}"


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _grace(deadline: Deadline) -> Deadline:
    """A little longer than the deadline, and never long from now."""
    now = time.monotonic()
    return Deadline(min(now, deadline.at) + GRACE_SECONDS, GRACE_SECONDS)
