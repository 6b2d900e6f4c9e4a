"""One wrapped command on a stream: fed, read and, at the deadline, killed on the device."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from bokehbench.errors import DeadlineExceeded, DeviceError, DeviceLost
from bokehbench.phone.adb_command import MarkFilter, kill_command
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
        self._decoder = Decoder()
        self._limit = limit_bytes
        self._on_stdout = on_stdout

    def run(self, command: bytes, stdin: bytes, deadline: Deadline, grace: float) -> None:
        """Run to the end or the deadline; nothing of the command runs afterwards.

        Raises:
            DeviceLost: the link broke, or the device did not even answer to the kill.
        """
        try:
            stream = self._open(SERVICE + command, deadline)
        except DeadlineExceeded as error:
            raise DeviceLost(f"no answer within {deadline.seconds:.1f} s") from error
        with contextlib.closing(stream), _feeding(stream, stdin, deadline):
            try:
                self._read(stream, deadline)
            except DeadlineExceeded:
                self.timed_out = True
                self._end(stream, Deadline(deadline.at + grace, grace))
            except DeviceLost:
                raise
            except BaseException:
                # Ctrl-C, or a reader of stdout that failed: the command must not outlive us.
                with contextlib.suppress(DeviceError):
                    self._end(stream, Deadline.after(grace))
                raise
        self._keep(self.stderr, self._marks.rest())

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
        """
        if not data:
            if self._marks.code is not None:
                return True
            raise DeviceLost("the link broke before the command ended")
        for event in _decoded(self._decoder, data):
            if isinstance(event, Exit):
                # Without a mark the shell itself was killed, and its code is all there is.
                self.exit_code = event.code if self._marks.code is None else self._marks.code
                return True
            if event.name == "stderr":
                self._keep(self.stderr, self._marks.feed(event.data))
                if self._marks.code is not None:
                    self.exit_code = self._marks.code
            else:
                self._keep(self.stdout, event.data)
                if self._on_stdout is not None:
                    self._on_stdout(event.data)
        return False

    def _keep(self, kept: bytearray, chunk: bytes) -> None:
        room = self._limit - len(kept)
        kept += chunk[:room]
        self.dropped += max(0, len(chunk) - room)


def _decoded(decoder: Decoder, data: bytes) -> list[Output | Exit]:
    try:
        return list(decoder.feed(data))
    except ShellPacketError as error:
        raise DeviceLost(f"the device sent what is no answer: {error}") from error


@contextlib.contextmanager
def _feeding(stream: ByteStream, stdin: bytes, deadline: Deadline) -> Iterator[None]:
    """Feed stdin from a thread, for a command may talk before it has read everything."""

    def feed() -> None:
        # A command that ended, or a link that broke, is seen by the reader.
        with contextlib.suppress(DeviceError):
            for packet in encode_stdin(stdin):
                stream.send(packet, deadline)

    if not stdin:
        feed()
        yield
        return
    thread = threading.Thread(target=feed, name="bokehbench-stdin", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stream.close()
        thread.join()
