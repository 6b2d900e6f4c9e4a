"""One connection to the app: a greeting that counts, requests with answers, files, a run."""

import contextlib
import hashlib
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Protocol, TypeVar, runtime_checkable

from bokehbench.errors import AppTrouble, DeadlineExceeded, DeviceError, DeviceLost, TransferError
from bokehbench.facts.app import SOCKET_NAME
from bokehbench.phone.adb_stream import ByteStream
from bokehbench.phone.transport import Deadline
from bokehbench.runners.app_protocol import (
    APP_PROTOCOL,
    HEARTBEAT_LIMIT_SECONDS,
    LINE_LIMIT,
    AppError,
    AppLine,
    File,
    Folder,
    Greeting,
    Library,
    Line,
    NotTheApp,
    Pong,
    Probed,
    Pulled,
    Pushed,
    Removed,
    RunWatch,
    parse_line,
    request,
)
from bokehbench.runners.protocol import PROTOCOL
from bokehbench.text import clean

ANSWER_SECONDS = 10.0
"""Deadline of a request that the app answers at once."""

FILE_SECONDS = 300.0
"""Deadline of a file on its way."""

PROBE_SECONDS = 60.0
"""A driver's constructor may take its time."""

LOOK_SECONDS = 0.5
"""How often a run that says nothing is asked whether it was stopped."""

_CHUNK = 1 << 20
L = TypeVar("L", bound=Line)


class AppGone(AppTrouble):
    """The stream ended without a closing line: the app died, or the link."""


class AppSilent(AppTrouble):
    """The app said nothing for longer than its heartbeat allows."""


class AppRefused(AppTrouble):
    """The app refused a request; `code` is its own word."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"the app refuses ({clean(code)}): {clean(message)[:200]}")
        self.code = code


@runtime_checkable
class Opening(Protocol):
    """A transport that opens services of a device's adbd; see AdbTransport.open_service."""

    def open_service(self, service: bytes, deadline: Deadline) -> ByteStream:
        """Open a service.

        Raises:
            DeviceError: it is not offered, or the device is lost.
        """
        ...


class AppLink:
    """A client of the app, alone: the app takes one at a time."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._buffer = bytearray()
        self.greeting: Greeting
        self.in_step = True
        """Whether what comes next is a line; not so after a file that broke off in the middle."""

    @classmethod
    def greeted(
        cls, transport: Opening, deadline: Deadline, *, socket: str = SOCKET_NAME
    ) -> "AppLink":
        """Connect and take the greeting; a connection alone says nothing.

        Raises:
            AppRefused: the app lets us not in: another client is connected, or we are strangers.
            AppGone, DeadlineExceeded: nobody greets there.
            AppTrouble: it greets as another version does, or it is no app of ours.
            DeviceError: nobody listens, or the device is lost.
        """
        link = cls(transport.open_service(f"localabstract:{socket}".encode(), deadline))
        try:
            link.greeting = link._expect(Greeting, deadline)
            link._check()
        except BaseException:
            link.close()
            raise
        return link

    def close(self) -> None:
        """End the connection; the app stays."""
        self._stream.close()

    def ping(self) -> Pong:
        """What the activity is now."""
        return self._ask("ping", Pong)

    def probe(self, names: Sequence[str]) -> tuple[list[Library], tuple[str, ...]]:
        """Have the app open libraries by name: what its linker says, and OpenCL files in memory.

        A process that did so makes no more trials.
        """
        deadline = Deadline.after(PROBE_SECONDS)
        self._send(request("probe", libraries=list(names)), deadline)
        found: list[Library] = []
        while True:
            said = self._next(deadline)
            if isinstance(said, Library):
                found.append(said)
            elif isinstance(said, Probed):
                return found, said.opencl
            else:
                raise self._unexpected(said)

    def folder(self, path: str) -> str:
        """Make a folder in the app's own data; its absolute path."""
        return self._ask("folder", Folder, path=path).path

    def push(self, path: str, data: bytes | memoryview) -> str:
        """Write a file in the app's own data; its absolute path.

        Raises:
            TransferError: it did not arrive whole.
        """
        deadline = Deadline.after(FILE_SECONDS)
        size = data.nbytes if isinstance(data, memoryview) else len(data)
        digest = hashlib.sha256(data).hexdigest()
        self._send(request("push", path=path, size_bytes=size, sha256=digest), deadline)
        try:
            self._stream.send(data, deadline)
            pushed = self._expect(Pushed, deadline)
        except AppRefused as error:
            raise TransferError(f"push to the app: {path}: {error}") from error
        if pushed.sha256 != digest or pushed.size_bytes != size:
            raise TransferError(f"push to the app: {path} arrived altered")
        return pushed.path

    def pull(
        self,
        path: str,
        target: Path,
        seconds: float = FILE_SECONDS,
        limit_bytes: int | None = None,
    ) -> str:
        """Copy a file of the app's; its sha256. No target is left when it fails.

        Args:
            limit_bytes: of a longer file its first bytes; the sha256 is the whole file's.

        Raises:
            TransferError: there is no such file, or it did not come whole.
        """
        deadline = Deadline.after(seconds)
        number, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with open(number, "wb") as sink:
                digest = self._receive(path, sink, deadline, limit_bytes)
            Path(name).replace(target)
        except OSError as error:
            raise TransferError(f"{target}: can't be written: {error.strerror}") from error
        except AppRefused as error:
            self.in_step = True
            raise TransferError(f"pull from the app: {path}: {error}") from error
        finally:
            with contextlib.suppress(FileNotFoundError):
                Path(name).unlink()
        return digest

    def remove(self, path: str) -> None:
        """Remove a file or a folder with all that is in it; what is not there is fine."""
        try:
            self._ask("remove", Removed, path=path)
        except AppRefused as error:
            if error.code != "missing":
                raise

    def run(
        self,
        argv: Sequence[str],
        mode: str,
        deadline: Deadline,
        check: Callable[[], None],
    ) -> RunWatch:
        """Have the app make one trial, and take all that is said until its closing line.

        Args:
            check: called twice a second; what it raises ends the waiting.

        Raises:
            AppGone: the stream ended before; what came is in the exception's `watch`.
            AppSilent, DeadlineExceeded: it hangs; likewise.
            DeviceLost: the link broke; likewise.
        """
        watch = RunWatch(mode)
        try:
            self._send(request("run", argv=list(argv)), Deadline.after(ANSWER_SECONDS))
            heard = time.monotonic()
            while not watch.is_over:
                check()
                deadline.check("the app's run")
                line = self._line_within(min(LOOK_SECONDS, deadline.remaining()))
                if line is not None:
                    watch.feed(line)
                    heard = time.monotonic()
                elif not watch.may_be_silent:
                    silent = time.monotonic() - heard
                    if silent > HEARTBEAT_LIMIT_SECONDS:
                        raise AppSilent(
                            f"the app fell silent for {silent:.0f} s {watch.stage}: "
                            "it hangs, or the system froze it"
                        )
        except NotTheApp as error:
            raise _with_watch(AppTrouble(f"the app's lines: {clean(str(error))}"), watch) from error
        except DeviceError as error:
            raise _with_watch(error, watch) from None
        return watch

    def _check(self) -> None:
        greeting = self.greeting
        if greeting.protocol != APP_PROTOCOL or greeting.runner_protocol != PROTOCOL:
            raise AppTrouble(
                f"the app speaks version {greeting.protocol} (runner {greeting.runner_protocol}), "
                f"not {APP_PROTOCOL} (runner {PROTOCOL}); remove it with "
                "`bokehbench apk uninstall` and run again"
            )

    def _ask(self, name: str, kind: type[L], **fields: object) -> L:
        deadline = Deadline.after(ANSWER_SECONDS)
        self._send(request(name, **fields), deadline)
        return self._expect(kind, deadline)

    def _send(self, line: bytes, deadline: Deadline) -> None:
        try:
            self._stream.send(line, deadline)
        except DeviceLost as error:
            # What the app said before it hung up is the better reason.
            with contextlib.suppress(DeadlineExceeded, DeviceLost, AppGone):
                self._raise_refusal(self._next(Deadline.after(0.5)))
            raise AppGone(f"the app ended the connection: {error}") from error

    def _expect(self, kind: type[L], deadline: Deadline) -> L:
        said = self._next(deadline)
        if not isinstance(said, kind):
            raise self._unexpected(said)
        return said

    def _next(self, deadline: Deadline) -> AppLine:
        line = self._line(deadline)
        try:
            said = parse_line(line)
        except NotTheApp as error:
            raise AppTrouble(f"what answers is not the app: {clean(str(error))}") from error
        self._raise_refusal(said)
        return said

    def _raise_refusal(self, said: AppLine) -> None:
        if isinstance(said, AppError):
            raise AppRefused(said.code, said.message)

    def _unexpected(self, said: AppLine) -> AppTrouble:
        return AppTrouble(f"the app answers `{type(said).__name__.lower()}` where it should not")

    def _line(self, deadline: Deadline) -> bytes:
        while True:
            line = self._take_line()
            if line is not None:
                return line
            self._read(deadline)

    def _line_within(self, seconds: float) -> bytes | None:
        """The next line if it comes that soon."""
        with contextlib.suppress(DeadlineExceeded):
            return self._line(Deadline.after(max(seconds, 0.01)))
        return None

    def _take_line(self) -> bytes | None:
        end = self._buffer.find(b"\n")
        if end < 0:
            if len(self._buffer) > LINE_LIMIT:
                raise AppTrouble(f"a line of the app is longer than {LINE_LIMIT} bytes")
            return None
        line = bytes(self._buffer[: end + 1])
        del self._buffer[: end + 1]
        return line

    def _read(self, deadline: Deadline) -> None:
        data = self._stream.recv(deadline)
        if not data:
            raise AppGone("the app ended the connection without a closing line: it died")
        self._buffer += data

    def _receive(
        self, path: str, sink: IO[bytes], deadline: Deadline, limit_bytes: int | None
    ) -> str:
        self._send(request("pull", path=path), deadline)
        self.in_step = False
        left = self._expect(File, deadline).size_bytes
        room = left if limit_bytes is None else limit_bytes
        digest = hashlib.sha256()
        while left:
            if not self._buffer:
                self._read(deadline)
            piece = bytes(self._buffer[: min(left, _CHUNK)])
            del self._buffer[: len(piece)]
            sink.write(piece[:room])
            room -= min(room, len(piece))
            digest.update(piece)
            left -= len(piece)
        pulled = self._expect(Pulled, deadline)
        self.in_step = True
        if pulled.sha256 != digest.hexdigest():
            raise TransferError(f"pull from the app: {path} arrived altered")
        return digest.hexdigest()


_E = TypeVar("_E", bound=DeviceError)


def _with_watch(error: _E, watch: RunWatch) -> _E:
    error.watch = watch  # type: ignore[attr-defined]
    return error


def watch_of(error: DeviceError) -> RunWatch | None:
    """What a run had said when it failed."""
    found = getattr(error, "watch", None)
    return found if isinstance(found, RunWatch) else None
