"""The packets of adb's `shell,v2` service: bytes in, events out, no I/O.

A packet is one id byte, a little-endian u32 length and that many bytes (AOSP,
`adb/shell_protocol.h`). Output is handed on as it arrives, so a packet that claims
4 GiB takes no more memory than the bytes that were fed.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

STDIN, STDOUT, STDERR, EXIT, CLOSE_STDIN = range(5)

STDIN_CHUNK = 32 * 1024
"""Bytes of stdin in one packet; adbd's own buffer takes no more than 40 KiB of one."""

_HEADER = struct.Struct("<BI")
_NAMES: dict[int, Literal["stdout", "stderr"]] = {STDOUT: "stdout", STDERR: "stderr"}


class ShellPacketError(ValueError):
    """The device sent something that is no packet of the shell protocol."""


@dataclass(frozen=True)
class Output:
    """A piece of the command's stdout or stderr."""

    name: Literal["stdout", "stderr"]
    data: bytes


@dataclass(frozen=True)
class Exit:
    """The end of the command; nothing comes after it."""

    code: int


Event = Output | Exit


class Decoder:
    """Turns the device's bytes, in pieces of any size, into events."""

    def __init__(self) -> None:
        self._header = bytearray()
        self._id = 0
        self._left = 0
        self._ended = False

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events that `data` completes; what follows an Exit is passed over.

        Raises:
            ShellPacketError: an id that a device never sends, or an exit of a wrong length.
        """
        view = memoryview(data)
        while view and not self._ended:
            if not self._left:
                need = _HEADER.size - len(self._header)
                self._header += view[:need]
                view = view[need:]
                if len(self._header) == _HEADER.size:
                    self._begin()
                continue
            piece, view = view[: self._left], view[self._left :]
            self._left -= len(piece)
            if self._id == EXIT:
                self._ended = True
                yield Exit(piece[0])
            else:
                yield Output(_NAMES[self._id], bytes(piece))

    @property
    def is_between(self) -> bool:
        """Whether all that was fed were whole packets."""
        return not self._header and not self._left

    def _begin(self) -> None:
        self._id, self._left = _HEADER.unpack(self._header)
        self._header.clear()
        if self._id == EXIT:
            if self._left != 1:
                raise ShellPacketError(f"an exit packet of {self._left} bytes")
        elif self._id not in _NAMES:
            raise ShellPacketError(f"a shell packet with id {self._id}")


def stdin_packets(data: bytes) -> Iterator[bytes]:
    """Packets that feed `data` to the command."""
    for start in range(0, len(data), STDIN_CHUNK):
        chunk = data[start : start + STDIN_CHUNK]
        yield _HEADER.pack(STDIN, len(chunk)) + chunk


def encode_stdin(data: bytes) -> Iterator[bytes]:
    """Packets that feed `data` to the command and then close its stdin."""
    yield from stdin_packets(data)
    yield _HEADER.pack(CLOSE_STDIN, 0)
