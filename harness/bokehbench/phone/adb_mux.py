"""Many streams over one wire to adbd: packets, flow control, and a thread that reads.

The protocol is AOSP's `adb/protocol.txt`. Each side sends one WRTE of a stream and waits
for its OKAY, so a stream holds no more than QUEUE_BYTES and one packet of unread data.
"""

import contextlib
import itertools
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from bokehbench.errors import DeadlineExceeded, DeviceError, DeviceLost
from bokehbench.phone.adb_stream import Refused
from bokehbench.phone.adb_wire import HEADER, Wire
from bokehbench.phone.transport import Deadline

SYNC, CNXN, OPEN, OKAY, CLSE, WRTE, AUTH, STLS = (
    int.from_bytes(name, "little")
    for name in (b"SYNC", b"CNXN", b"OPEN", b"OKAY", b"CLSE", b"WRTE", b"AUTH", b"STLS")
)
KNOWN = {SYNC, CNXN, OPEN, OKAY, CLSE, WRTE, AUTH, STLS}

NO_CHECKSUM_VERSION = 0x01000001
QUEUE_BYTES = 2 << 20
REPLY_SECONDS = 5.0
PACKET_GRACE_SECONDS = 0.5
"""A packet that was begun before a deadline is finished: half of one would ruin the wire."""

SILENT_SECONDS = 0.5


@dataclass(frozen=True)
class Packet:
    """One message of adbd."""

    command: int
    arg0: int
    arg1: int
    payload: bytearray


def read_packet(wire: Wire, max_payload: int, *, verify: bool) -> Packet:
    """The next packet.

    Raises:
        DeviceLost: the wire broke, or what came is no packet.
    """
    try:
        command, arg0, arg1, length, checksum, magic = HEADER.unpack(wire.read(HEADER.size))
    except struct.error as error:
        raise DeviceLost("half a packet") from error
    if command not in KNOWN or command ^ magic != 0xFFFFFFFF or length > max_payload:
        raise DeviceLost("what the device sends is not the adb protocol")
    payload = wire.read(length) if length else bytearray()
    if verify and sum(payload) & 0xFFFFFFFF != checksum:
        raise DeviceLost("a packet arrived altered")
    return Packet(command, arg0, arg1, payload)


def header_of(
    command: int, arg0: int, arg1: int, payload: bytes | memoryview, *, checksum: bool
) -> bytes:
    """The 24 bytes before a payload; without a checksum where the device wants none."""
    total = sum(payload) & 0xFFFFFFFF if checksum else 0
    return HEADER.pack(command, arg0, arg1, len(payload), total, command ^ 0xFFFFFFFF)


@dataclass
class _State:
    """What the reader knows of a stream; guarded by the link's lock."""

    remote_id: int = 0
    may_send: bool = False
    closed: bool = False
    queue: deque[bytearray] = field(default_factory=deque)
    queued_bytes: int = 0
    owed_okay: bool = False


class AdbLink:
    """An authenticated connection to adbd. Any thread may open streams on it."""

    def __init__(self, wire: Wire, max_payload: int, version: int, features: frozenset[str]):
        self.features = features
        self.lost: str | None = None
        self.max_payload = min(wire.max_payload, max_payload)
        self._wire = wire
        self._checksum = version < NO_CHECKSUM_VERSION
        self._changed = threading.Condition()
        self._writing = threading.Lock()
        self._streams: dict[int, _State] = {}
        self._ids = itertools.count(1)
        self._sent_at = self._heard_at = time.monotonic()
        self._reader = threading.Thread(target=self._read, name="bokehbench-adb", daemon=True)
        self._reader.start()

    @property
    def silent(self) -> bool:
        """Whether the device owes an answer for longer than a living one would."""
        unanswered = self._sent_at > self._heard_at
        return unanswered and time.monotonic() - self._sent_at > SILENT_SECONDS

    def open(self, service: bytes, deadline: Deadline) -> "LinkStream":
        """Open a service of adbd.

        Raises:
            DeviceError: the device does not offer it.
            DeviceLost, DeadlineExceeded: the link broke or is too slow.
        """
        state = _State()
        with self._changed:
            local_id = next(self._ids)
            self._streams[local_id] = state
        stream = LinkStream(self, local_id, state)
        try:
            self.write(OPEN, local_id, 0, service + b"\0", deadline)
            self.wait(lambda: state.remote_id or state.closed, "opening a service", deadline)
        except BaseException:
            stream.close()
            raise
        if not state.remote_id:
            stream.close()
            raise Refused(f"the device refuses the service {service[:20]!r}")
        return stream

    def close(self, why: str = "the connection was closed") -> None:
        """End the connection and all its streams."""
        self._lose(why)
        if threading.current_thread() is not self._reader:
            self._reader.join(REPLY_SECONDS)
            with self._writing:
                self._wire.release()

    def write(
        self, command: int, arg0: int, arg1: int, payload: bytes | memoryview, deadline: Deadline
    ) -> None:
        """Send one packet whole.

        Raises:
            DeviceLost: the link broke, or did not take the packet in time.
            DeadlineExceeded: other threads' packets were in the way until the deadline.
        """
        header = header_of(command, arg0, arg1, payload, checksum=self._checksum)
        if not self._writing.acquire(timeout=deadline.remaining() + PACKET_GRACE_SECONDS):
            raise DeadlineExceeded(f"sending did not end within {deadline.seconds:.1f} s")
        try:
            if self.lost:
                raise DeviceLost(self.lost)
            seconds = deadline.remaining() + PACKET_GRACE_SECONDS
            self._wire.write(header, payload, Deadline.after(seconds))
            if self._sent_at <= self._heard_at:
                self._sent_at = time.monotonic()
        except BaseException as error:
            # Perhaps half a packet is out: nobody can use this wire any more.
            self._lose(str(error) or "interrupted")
            raise
        finally:
            self._writing.release()

    def wait(self, ready: Callable[[], object], what: str, deadline: Deadline) -> None:
        """Wait for a change that the reader makes.

        Raises:
            DeviceLost: the link broke before.
            DeadlineExceeded: it did not come in time.
        """
        with self._changed:
            self._changed.wait_for(lambda: ready() or self.lost, deadline.remaining())
            if ready():
                return
            if self.lost:
                raise DeviceLost(self.lost)
        raise DeadlineExceeded(f"{what} did not end within {deadline.seconds:.1f} s")

    def take(self, local_id: int, state: _State) -> bytearray:
        """The next bytes of a stream, and the OKAY that lets the device send more."""
        with self._changed:
            data = state.queue.popleft()
            state.queued_bytes -= len(data)
            owed, state.owed_okay = state.owed_okay, False
        if owed:
            with contextlib.suppress(DeviceError):
                self._reply(OKAY, local_id, state.remote_id)
        return data

    def forget(self, local_id: int, state: _State) -> None:
        """Close our side of a stream."""
        with self._changed:
            known = self._streams.pop(local_id, None)
            tell = known is not None and state.remote_id and not state.closed
            state.closed = True
            self._changed.notify_all()
        if tell and not self.lost:
            with contextlib.suppress(DeviceError):
                self._reply(CLSE, local_id, state.remote_id)

    def _reply(self, command: int, local_id: int, remote_id: int) -> None:
        self.write(command, local_id, remote_id, b"", Deadline.after(REPLY_SECONDS))

    def _lose(self, why: str) -> None:
        with self._changed:
            self.lost = self.lost or why
            self._changed.notify_all()
        self._wire.close()

    def _read(self) -> None:
        try:
            while True:
                packet = read_packet(self._wire, self._wire.max_payload, verify=self._checksum)
                self._heard_at = time.monotonic()
                self._sort(packet)
        except DeviceLost as error:
            self._lose(str(error))
        except Exception as error:
            self._lose(f"{type(error).__name__}: {error}")

    def _sort(self, packet: Packet) -> None:
        """Give a packet to its stream."""
        local_id, acknowledge = packet.arg1, False
        state = self._streams.get(local_id)
        if state is None:
            # A service that opened after we gave it up has to end, and its command with it.
            if packet.command == OKAY:
                self._reply(CLSE, local_id, packet.arg0)
            return
        with self._changed:
            if packet.command == OKAY:
                state.remote_id = state.remote_id or packet.arg0
                state.may_send = True
            elif packet.command == CLSE:
                state.closed = True
            elif packet.command == WRTE:
                state.queue.append(packet.payload)
                state.queued_bytes += len(packet.payload)
                acknowledge = state.queued_bytes < QUEUE_BYTES
                state.owed_okay = not acknowledge
            self._changed.notify_all()
        if acknowledge:
            self._reply(OKAY, local_id, state.remote_id)


class LinkStream:
    """One stream of a link; see ByteStream."""

    def __init__(self, link: AdbLink, local_id: int, state: _State) -> None:
        self._link = link
        self._local_id = local_id
        self._state = state

    def recv(self, deadline: Deadline) -> bytes:
        """See ByteStream.recv."""
        state = self._state
        self._link.wait(self.ready, "reading from the device", deadline)
        if not state.queue:
            if not state.closed:
                raise DeviceLost(self._link.lost or "the connection broke")
            return b""
        return bytes(self._link.take(self._local_id, state))

    def send(self, data: bytes | memoryview, deadline: Deadline) -> None:
        """See ByteStream.send."""
        state, view = self._state, memoryview(data)
        while view:
            piece, view = view[: self._link.max_payload], view[self._link.max_payload :]
            self._link.wait(
                lambda: state.may_send or state.closed, "sending to the device", deadline
            )
            if state.closed:
                raise DeviceLost("the device closed the stream")
            state.may_send = False
            self._link.write(WRTE, self._local_id, state.remote_id, piece, deadline)

    def ready(self) -> bool:
        """See ByteStream.ready."""
        return bool(self._state.queue) or self._state.closed or self._link.lost is not None

    def close(self) -> None:
        """See ByteStream.close."""
        self._link.forget(self._local_id, self._state)
