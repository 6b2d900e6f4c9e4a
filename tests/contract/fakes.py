"""Small servers on loopback that answer as a test says: no adb, an old one, a strict phone."""

import socket
import struct
import threading
from collections.abc import Callable
from types import TracebackType


class FakeServer:
    """Hands every connection to `talk`; a talk may end with any error of a socket."""

    def __init__(self, talk: Callable[[socket.socket], None]) -> None:
        self._talk = talk
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._open: list[socket.socket] = []

    def __enter__(self) -> "FakeServer":
        self._threads[0].start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        self._listener.close()
        for connection in self._open:
            connection.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.settimeout(10)
            self._open.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,))
            thread.start()
            self._threads.append(thread)

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                self._talk(connection)
            except (OSError, struct.error, ValueError):
                return


def adb_server(answers: dict[str, bytes]) -> Callable[[socket.socket], None]:
    """A server that knows these requests; an answer begins with OKAY or FAIL."""

    def talk(connection: socket.socket) -> None:
        while size := connection.recv(4):
            request = connection.recv(int(size, 16)).decode()
            connection.sendall(answers.get(request, fail(f"unknown host service '{request}'")))
            if not request.startswith("host:transport"):
                return

    return talk


def silent(connection: socket.socket) -> None:
    """Read whatever comes and answer nothing."""
    while connection.recv(1 << 16):
        pass


def okay(text: str) -> bytes:
    """An OKAY with a text."""
    return b"OKAY%04x%s" % (len(text), text.encode())


def fail(text: str) -> bytes:
    """A FAIL with its reason."""
    return b"FAIL%04x%s" % (len(text), text.encode())


def packet(name: bytes, arg0: int, arg1: int, payload: bytes = b"") -> bytes:
    """One packet of adbd."""
    command = int.from_bytes(name, "little")
    return (
        struct.pack("<6I", command, arg0, arg1, len(payload), sum(payload), command ^ 0xFFFFFFFF)
        + payload
    )


def read_packet(connection: socket.socket) -> tuple[bytes, int, bytes]:
    """Name, first argument and payload of the client's next packet."""
    header = connection.recv(24, socket.MSG_WAITALL)
    command, arg0, _, length, _, _ = struct.unpack("<6I", header)
    payload = connection.recv(length, socket.MSG_WAITALL) if length else b""
    return command.to_bytes(4, "little"), arg0, payload
