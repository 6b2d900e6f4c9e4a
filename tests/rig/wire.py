"""Wire: adb's packets, and just enough of a client to ask one adbd without a server."""

import socket
import struct
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

HEADER = struct.Struct("<4s5I")
"""Command, two arguments, payload length, payload checksum, command with all bits flipped."""

VERSION = 0x01000001
MAX_PAYLOAD = 1 << 20

STDOUT, STDERR, EXIT = 1, 2, 3
"""Packet ids of the shell protocol that we read."""


class WireError(Exception):
    """The other side closed the connection or said what adb never says."""


@dataclass(frozen=True)
class Message:
    """One adb packet. `check` is the checksum as sent: 0 where both sides skip it."""

    command: str
    arg0: int
    arg1: int
    payload: bytes = b""
    check: int = 0

    def encoded(self) -> bytes:
        """The packet's bytes."""
        name = self.command.encode("latin-1")
        magic = int.from_bytes(name, "little") ^ 0xFFFFFFFF
        fields = (name, self.arg0, self.arg1, len(self.payload), self.check, magic)
        return HEADER.pack(*fields) + self.payload


def checksum(payload: bytes) -> int:
    """What adb calls a CRC: the sum of the bytes."""
    return sum(payload) & 0xFFFFFFFF


def read_exactly(sock: socket.socket, count: int) -> bytes:
    """That many bytes.

    Raises:
        WireError: the connection ended before.
    """
    parts = bytearray()
    while len(parts) < count:
        chunk = sock.recv(min(count - len(parts), 1 << 16))
        if not chunk:
            raise WireError(f"closed after {len(parts)} of {count} bytes")
        parts += chunk
    return bytes(parts)


def read_message(sock: socket.socket) -> Message:
    """The next packet.

    Raises:
        WireError: the connection ended, or what came is no packet.
    """
    header = read_exactly(sock, HEADER.size)
    name, arg0, arg1, length, check, magic = HEADER.unpack(header)
    if int.from_bytes(name, "little") ^ 0xFFFFFFFF != magic or length > MAX_PAYLOAD:
        raise WireError(f"not an adb packet: {header.hex()}")
    return Message(name.decode("latin-1"), arg0, arg1, read_exactly(sock, length), check)


def handshake(port: int, timeout: float) -> tuple[socket.socket, str]:
    """A connection to the adbd on loopback that has said who it is, and its banner.

    Raises:
        OSError: nobody listens or nobody answers in time.
        WireError: what answers is no adbd that lets us in.
    """
    sock = socket.create_connection(("127.0.0.1", port), timeout=timeout)
    try:
        hello = b"host::features=shell_v2,cmd"
        sock.sendall(Message("CNXN", VERSION, MAX_PAYLOAD, hello, checksum(hello)).encoded())
        answer = read_message(sock)
    except BaseException:
        sock.close()
        raise
    if answer.command != "CNXN":
        sock.close()
        raise WireError(f"{answer.command} instead of CNXN")
    return sock, answer.payload.decode("utf-8", "replace")


def banner(port: int, timeout: float = 5.0) -> str:
    """What the adbd on that port says about itself."""
    sock, text = handshake(port, timeout)
    sock.close()
    return text


@dataclass(frozen=True)
class ShellResult:
    """What one command printed and how it ended."""

    exit_code: int
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        """stdout as text, without white space around it."""
        return self.stdout.decode("utf-8", "replace").strip()


def shell(port: int, command: str, timeout: float = 20.0) -> ShellResult:
    """Run a command line on the device with an empty stdin.

    Raises:
        OSError: no answer for `timeout` seconds.
        WireError: the connection ended before the command did.
    """
    sock, _ = handshake(port, timeout)
    with closing(sock):
        code = None
        streams = {STDOUT: bytearray(), STDERR: bytearray()}
        for packet_id, payload in _shell_packets(_stream(sock, f"shell,v2,raw:{command}")):
            if packet_id in streams:
                streams[packet_id] += payload
            elif packet_id == EXIT:
                code = payload[0]
        if code is None:
            raise WireError(f"no exit code came from `{command[:80]}`")
        return ShellResult(code, bytes(streams[STDOUT]), bytes(streams[STDERR]))


def _stream(sock: socket.socket, service: str) -> Iterator[bytes]:
    """What one service sends until it closes."""
    sock.sendall(Message("OPEN", 1, 0, service.encode() + b"\0").encoded())
    remote = 0
    while True:
        message = read_message(sock)
        if message.command == "OKAY":
            remote = message.arg0
            if not remote:
                raise WireError("a stream without a number")
        elif message.command == "WRTE":
            sock.sendall(Message("OKAY", 1, message.arg0).encoded())
            yield message.payload
        elif message.command == "CLSE":
            return
        else:
            raise WireError(f"unexpected {message.command}")


def _shell_packets(chunks: Iterator[bytes]) -> Iterator[tuple[int, bytes]]:
    pending = b""
    for chunk in chunks:
        pending += chunk
        while len(pending) >= 5:
            packet_id, length = struct.unpack_from("<BI", pending)
            if len(pending) < 5 + length:
                break
            yield packet_id, pending[5 : 5 + length]
            pending = pending[5 + length :]
