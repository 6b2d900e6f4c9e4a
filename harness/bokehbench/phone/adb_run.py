"""One wrapped command on a stream: fed, read and, at the deadline, killed on the device."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator

from bokehbench.errors import DeadlineExceeded, DeviceError, DeviceLost
from bokehbench.phone.adb_command import MarkFilter, kill_command
from bokehbench.phone.adb_shared import NotStarted, SharedShell
from bokehbench.phone.adb_stream import ByteStream
from bokehbench.phone.shell_v2 import Decoder, Exit, Output, ShellPacketError, encode_stdin
from bokehbench.phone.transport import Deadline

SERVICE = b"shell,v2,raw:"
DRAIN_SECONDS = 0.5
"""How long output is still read after the end: a process of another group may hold a pipe."""

KILLED = 128 + 9
MESSAGE_LIMIT = 64 * 1024

Opener = Callable[[bytes, Deadline], ByteStream]


def run_script(open_service: Opener, script: bytes, deadline: Deadline) -> tuple[int, str]:
    """Run a short command of ours that can't hang; its exit code and stderr.

    Raises:
        DeviceLost: the link broke before it ended.
        DeadlineExceeded: it did not end in time.
    """
    said = bytearray()
    decoder = Decoder()
    with contextlib.closing(open_service(SERVICE + script, deadline)) as stream:
        # The command may have ended already: what it said is still to be read.
        with contextlib.suppress(DeviceLost):
            for packet in encode_stdin(b""):
                stream.send(packet, deadline)
        while data := stream.recv(deadline):
            for event in _decoded(decoder, data):
                if isinstance(event, Exit):
                    return event.code, said.decode("utf-8", "replace").strip()
                if event.name == "stderr":
                    said += event.data[: MESSAGE_LIMIT - len(said)]
    raise DeviceLost("the link broke before the command ended")


class Running:
    """A command between its start and its end, with what it said so far."""

    def __init__(
        self,
        open_service: Opener,
        mark: str,
        limit_bytes: int,
        on_stdout: Callable[[bytes], None] | None,
    ) -> None:
        self.stdout = bytearray()
        self.stderr = bytearray()
        self.dropped = 0
        self.timed_out = False
        self.exit_code = KILLED
        self._open = open_service
        self._marks = MarkFilter(mark)
        self._behind_stdout: MarkFilter | None = None
        self._said_more = False
        self._decoder = Decoder()
        self._limit = limit_bytes
        self._on_stdout = on_stdout

    def run(self, command: bytes, stdin: bytes, deadline: Deadline, grace: float) -> None:
        """Run to the end or the deadline; nothing of the command runs afterwards.

        Raises:
            DeviceLost: the link broke, or the device did not even answer to the kill.
        """
        stream = open_shell(self._open, command, deadline)
        with contextlib.closing(stream):
            if stdin:
                with _feeding(stream, encode_stdin(stdin), deadline):
                    self._follow(stream, deadline, grace)
            else:
                _feed(stream, encode_stdin(b""), deadline)
                self._follow(stream, deadline, grace)
        self._keep(self.stderr, self._marks.rest())

    def run_in(self, shell: SharedShell, command: bytes, deadline: Deadline, grace: float) -> bool:
        """The same in a shared shell; True when that can take another command.

        The shell is closed when it can not.

        Raises:
            NotStarted: the shell ended without having taken the command.
            DeviceLost: as in `run`.
        """
        behind = self._behind_stdout = MarkFilter(shell.mark)
        goes_on = False
        try:
            _feed(shell.stream, shell.packets(command, deadline.remaining()), deadline)
            self._follow(shell.stream, deadline, grace)
            goes_on = self._is_over and not (self.timed_out or self._said_more)
        finally:
            if not goes_on:
                shell.stream.close()
        self._keep(self.stderr, self._marks.rest())
        self._keep_stdout(behind.rest())
        return goes_on

    @property
    def _is_over(self) -> bool:
        """Whether a shared shell has said on both streams that nothing more comes."""
        behind = self._behind_stdout
        return behind is not None and None not in (self._marks.code, behind.code)

    def _follow(self, stream: ByteStream, deadline: Deadline, grace: float) -> None:
        try:
            self._read(stream, deadline)
        except DeadlineExceeded:
            self.timed_out = True
            self._end(stream, Deadline(deadline.at + grace, grace))
        except (DeviceLost, NotStarted):
            raise
        except BaseException:
            # Ctrl-C, or a reader of stdout that failed: the command must not outlive us.
            with contextlib.suppress(DeviceError, NotStarted):
                self._end(stream, Deadline.after(grace))
            raise

    def _end(self, stream: ByteStream, late: Deadline) -> None:
        """Kill what runs and read what it had already said."""
        try:
            while self._marks.pid is None:
                if self._take(stream.recv(late)):
                    return
            run_script(self._open, kill_command(self._marks.pid), late)
        except DeadlineExceeded as error:
            raise DeviceLost("the device does not answer any more") from error
        with contextlib.suppress(DeadlineExceeded):
            self._read(stream, late)

    def _read(self, stream: ByteStream, deadline: Deadline) -> None:
        """Read to the exit packet, but not long after the command itself has ended."""
        drained: Deadline | None = None
        while True:
            try:
                if self._take(stream.recv(drained or deadline)):
                    return
            except DeadlineExceeded:
                if drained is None:
                    raise
                return
            if self._marks.code is not None and drained is None:
                until = min(deadline.at, time.monotonic() + DRAIN_SECONDS)
                drained = Deadline(until, DRAIN_SECONDS)

    def _take(self, data: bytes) -> bool:
        """Sort what arrived; True at the end of the command.

        Raises:
            DeviceLost: the stream ended before the command did.
            NotStarted: a shared shell ended, and with it all that it could have started.
        """
        if not data:
            # Even behind the code: a part of stdout may have been on its way.
            raise DeviceLost("the link broke before the command ended")
        for event in _decoded(self._decoder, data):
            self._said_more = self._is_over
            if isinstance(event, Exit):
                self._take_exit(event.code)
                return True
            if self._said_more:
                # Nobody is left who could say anything: it is of no command.
                return True
            if event.name == "stderr":
                self._keep(self.stderr, self._marks.feed(event.data))
                if self._marks.code is not None:
                    self.exit_code = self._marks.code
            elif self._behind_stdout is None:
                self._keep_stdout(event.data)
            else:
                self._keep_stdout(self._behind_stdout.feed(event.data))
        return self._is_over

    def _take_exit(self, code: int) -> None:
        if self._behind_stdout is None:
            # Without a mark the shell itself was killed, and its code is all there is.
            self.exit_code = code if self._marks.code is None else self._marks.code
        elif self._marks.pid is None and not self.timed_out:
            # adbd reports an exit when nobody holds the pipes any more: what has not even
            # said its process id by then was never started.
            raise NotStarted(code)

    def _keep_stdout(self, chunk: bytes) -> None:
        self._keep(self.stdout, chunk)
        if self._on_stdout is not None and chunk:
            self._on_stdout(chunk)

    def _keep(self, kept: bytearray, chunk: bytes) -> None:
        room = self._limit - len(kept)
        kept += chunk[:room]
        self.dropped += max(0, len(chunk) - room)


def _decoded(decoder: Decoder, data: bytes) -> list[Output | Exit]:
    try:
        return list(decoder.feed(data))
    except ShellPacketError as error:
        raise DeviceLost(f"the device sent what is no answer: {error}") from error


def open_shell(open_service: Opener, script: bytes, deadline: Deadline) -> ByteStream:
    """A shell on the device that runs this string.

    Raises:
        DeviceLost, DeviceError: it can't be opened, or not in time.
    """
    try:
        return open_service(SERVICE + script, deadline)
    except DeadlineExceeded as error:
        raise DeviceLost(f"no answer within {deadline.seconds:.1f} s") from error


def _feed(stream: ByteStream, packets: Iterable[bytes], deadline: Deadline) -> None:
    # A command that ended, or a link that broke, is seen by the reader.
    with contextlib.suppress(DeviceError):
        for packet in packets:
            stream.send(packet, deadline)


@contextlib.contextmanager
def _feeding(stream: ByteStream, packets: Iterable[bytes], deadline: Deadline) -> Iterator[None]:
    """Feed stdin from a thread, for a command may talk before it has read everything."""
    thread = threading.Thread(
        target=_feed, args=(stream, packets, deadline), name="bokehbench-stdin", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        stream.close()
        thread.join()
