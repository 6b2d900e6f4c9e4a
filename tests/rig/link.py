"""Link: one connection that a proxy forwards, which another thread may cut at any time."""

import contextlib
import socket
import struct

CHUNK = 1 << 16

POLL_SECONDS = 0.1
"""How long a blocked thread takes, at most, to see that its connection was cut."""


class Link:
    """One forwarded connection. Its sockets are closed by the last thread that uses them."""

    def __init__(self, client: socket.socket, target: socket.socket, number: int) -> None:
        self.client = client
        self.target = target
        self.number = number
        self.is_cut = False
        self.users = 2
        for sock in (client, target):
            sock.settimeout(POLL_SECONDS)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def cut(self, reset: bool) -> None:
        """Have the connection end, at both sides."""
        self.is_cut = True
        for sock in (self.client, self.target):
            with contextlib.suppress(OSError):
                if reset:
                    # close() will send RST. SHUT_RD sends nothing: it wakes the reader.
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    sock.shutdown(socket.SHUT_RD)
                else:
                    sock.shutdown(socket.SHUT_RDWR)

    def check(self) -> None:
        """Raise ConnectionAbortedError when the connection was cut."""
        if self.is_cut:
            raise ConnectionAbortedError

    def receive(self, source: socket.socket, count: int) -> bytes:
        """Up to `count` bytes, none at the end of the stream."""
        while True:
            self.check()
            with contextlib.suppress(TimeoutError):
                return source.recv(min(CHUNK, count))

    def read(self, source: socket.socket, count: int) -> bytearray:
        """That many bytes, or fewer when the stream ends before."""
        data = bytearray()
        while len(data) < count and (chunk := self.receive(source, count - len(data))):
            data += chunk
        return data

    def send(self, sink: socket.socket, data: memoryview) -> None:
        """Send all of it."""
        while data:
            self.check()
            with contextlib.suppress(TimeoutError):
                data = data[sink.send(data) :]
