"""adb's file service (`sync:`) on top of a byte stream; sizes of 64 bits throughout.

A request is a four-letter id, a little-endian u32 length and that many bytes (AOSP,
`adb/SYNC.TXT` and `adb/file_sync_protocol.h`). The device answers FAIL with a message as
soon as something is wrong and then swallows what is still sent, so a sender looks for
answers between blocks.
"""

import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from bokehbench.errors import DeviceLost
from bokehbench.phone.adb_stream import ByteStream
from bokehbench.phone.transport import Deadline

CHUNK = 64 * 1024
"""The most bytes that one DATA may hold (SYNC_DATA_MAX)."""

CHUNKS_AT_ONCE = 8
MESSAGE_LIMIT = 64 * 1024
PATH_LIMIT = 1024
_HEAD = struct.Struct("<4sI")
_STAT_1 = struct.Struct("<III")
_STAT_2 = struct.Struct("<IQQIIIIQqqq")


class SyncError(Exception):
    """The device's own words for why a file can't be written or read."""


class SyncGarbage(Exception):
    """An answer that the protocol does not know."""


@dataclass(frozen=True)
class RemoteStat:
    """Kind, permissions and size of a path on the device; `mode` 0 means it is not there."""

    mode: int
    size: int

    @property
    def may_be_folder(self) -> bool:
        """True for folders, and for links, which an old device does not follow."""
        return stat.S_ISDIR(self.mode) or stat.S_ISLNK(self.mode)


class Source(Protocol):
    """What is pushed: fills a buffer, says how much; 0 at the end."""

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Fill the beginning of `buffer`."""
        ...


class Sink(Protocol):
    """Where a pull goes: may take less than it is given."""

    def write(self, piece: memoryview, /) -> int | None:
        """Take the beginning of `piece`."""
        ...


def request(name: bytes, payload: bytes) -> bytes:
    """A request with its length and bytes.

    Raises:
        SyncError: a path that the device would not take.
    """
    if len(payload) > PATH_LIMIT:
        raise SyncError(f"a path of {len(payload)} bytes, adb takes {PATH_LIMIT}")
    return _HEAD.pack(name, len(payload)) + payload


def data_blocks(source: Source) -> Iterator[memoryview]:
    """DATA packets, several to a block; a block is good until the next one is asked for."""
    block = memoryview(bytearray(CHUNKS_AT_ONCE * (_HEAD.size + CHUNK)))
    while True:
        used = 0
        for _ in range(CHUNKS_AT_ONCE):
            start = used + _HEAD.size
            filled = _fill(source, block[start : start + CHUNK])
            if not filled:
                break
            _HEAD.pack_into(block, used, b"DATA", filled)
            used = start + filled
        if not used:
            return
        yield block[:used]


def _fill(source: Source, room: memoryview) -> int:
    """Read until there is no room or no more; some file systems give less than is asked for."""
    filled = 0
    while filled < len(room):
        more = source.readinto(room[filled:])
        if not more:
            break
        filled += more
    return filled


class SyncSession:
    """One open `sync:` service. An error leaves it useless: close its stream."""

    def __init__(self, stream: ByteStream, *, stat_2: bool) -> None:
        """`stat_2` says that the device has the feature stat_v2 (Android 8)."""
        self._stream = stream
        self._stat_2 = stat_2
        self._pending = memoryview(b"")

    def stat(self, path: bytes, deadline: Deadline) -> RemoteStat:
        """Look at a path; a device without stat_v2 tells the size modulo 4 GiB.

        Raises:
            DeviceLost, DeadlineExceeded: the link broke or is too slow.
            SyncGarbage: the answer is not one.
        """
        name = b"STA2" if self._stat_2 else b"STAT"
        self._stream.send(request(name, path), deadline)
        if (answer := self._exact(4, deadline)) != name:
            raise SyncGarbage(f"{answer!r} instead of {name!r}")
        if not self._stat_2:
            mode, size, _ = _STAT_1.unpack(self._exact(_STAT_1.size, deadline))
            return RemoteStat(mode, size)
        fields = _STAT_2.unpack(self._exact(_STAT_2.size, deadline))
        error, mode, size = fields[0], fields[3], fields[7]
        return RemoteStat(0, 0) if error else RemoteStat(mode, size)

    def same_size(self, path: bytes, size: int, deadline: Deadline) -> bool:
        """Whether a file has this size, as far as the device can tell."""
        found = self.stat(path, deadline).size
        return found == (size if self._stat_2 else size & 0xFFFFFFFF)

    def send(self, path: bytes, mode: int, source: Source, deadline: Deadline) -> int:
        """Write a file under its final name; the number of bytes sent.

        adbd makes missing folders and copies the owner's permissions to everyone, so the
        caller looks for the folder first and sets the mode afterwards.

        Raises:
            SyncError: the device can't write it; known before everything was sent.
            DeviceLost, DeadlineExceeded: the link broke or is too slow.
        """
        self._stream.send(request(b"SEND", b"%s,%d" % (path, stat.S_IFREG | mode)), deadline)
        sent = 0
        for block in data_blocks(source):
            if self._stream.ready():
                self._answer(deadline)
                raise SyncGarbage("an answer before the end of the file")
            self._stream.send(block, deadline)
            headers = -(-len(block) // (CHUNK + _HEAD.size))
            sent += len(block) - headers * _HEAD.size
        self._stream.send(_HEAD.pack(b"DONE", 0), deadline)
        if self._answer(deadline) != b"OKAY":
            raise SyncGarbage("no OKAY after the file")
        return sent

    def receive(self, path: bytes, sink: Sink, deadline: Deadline) -> None:
        """Copy a file's bytes into `sink`.

        Raises:
            SyncError: there is no such file or it can't be read.
            DeviceLost, DeadlineExceeded: the link broke or is too slow.
            OSError: the sink can't be written.
        """
        self._stream.send(request(b"RECV", path), deadline)
        while True:
            name, length = self._head(deadline)
            if name == b"DONE":
                return
            if name == b"FAIL":
                raise self._failure(length, deadline)
            if name != b"DATA" or length > CHUNK:
                raise SyncGarbage(f"{name!r} with {length} bytes in the middle of a file")
            while length:
                piece = self._some(length, deadline)
                write_all(sink, piece)
                length -= len(piece)

    def _answer(self, deadline: Deadline) -> bytes:
        name, length = self._head(deadline)
        if name == b"FAIL":
            raise self._failure(length, deadline)
        return name

    def _failure(self, length: int, deadline: Deadline) -> SyncError | SyncGarbage:
        if length > MESSAGE_LIMIT:
            return SyncGarbage(f"an error message of {length} bytes")
        return SyncError(self._exact(length, deadline).decode("utf-8", "replace").strip())

    def _head(self, deadline: Deadline) -> tuple[bytes, int]:
        name, length = _HEAD.unpack(self._exact(_HEAD.size, deadline))
        return name, length

    def _exact(self, length: int, deadline: Deadline) -> bytes:
        found = bytearray()
        while len(found) < length:
            found += self._some(length - len(found), deadline)
        return bytes(found)

    def _some(self, limit: int, deadline: Deadline) -> memoryview:
        if not self._pending:
            self._pending = memoryview(self._stream.recv(deadline))
            if not self._pending:
                raise DeviceLost("the device ended the file transfer")
        piece, self._pending = self._pending[:limit], self._pending[limit:]
        return piece


def write_all(sink: Sink, piece: memoryview) -> None:
    """Write all of a piece to a file without a buffer, which may take less at a time.

    Raises:
        OSError: the file can't be written.
    """
    while piece:
        piece = piece[sink.write(piece) :]
