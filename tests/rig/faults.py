"""Faults: where in a conversation something goes wrong, and what goes wrong there."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from tests.rig.wire import HEADER, MAX_PAYLOAD, checksum


class Way(Enum):
    """A direction, as seen by the proxy."""

    TO_TARGET = "to target"
    TO_CLIENT = "to client"


@dataclass(frozen=True)
class Step:
    """One adb packet that the proxy has seen. `number` counts from 0 in its direction."""

    way: Way
    number: int
    connection: int
    command: str
    arg0: int
    arg1: int
    length: int
    prefix: bytes


@dataclass
class Unit:
    """A piece of a stream: one adb packet, or what one recv() brought where there are none."""

    data: bytearray
    way: Way
    connection: int
    is_packet: bool
    start: int = 0
    number: int = 0
    of_command: int = 0

    @property
    def payload_at(self) -> int:
        """Where the payload begins."""
        return HEADER.size if self.is_packet else 0

    @property
    def command(self) -> str:
        """The packet's command; empty when it is none."""
        return self.data[:4].decode("latin-1") if self.is_packet else ""

    def step(self, prefix_bytes: int) -> Step:
        """What the trace keeps of a packet."""
        _, arg0, arg1, length, _, _ = HEADER.unpack_from(self.data)
        prefix = bytes(self.data[HEADER.size : HEADER.size + prefix_bytes])
        way, number, connection = self.way, self.number, self.connection
        return Step(way, number, connection, self.command, arg0, arg1, length, prefix)


def packet_length(header: bytearray) -> int | None:
    """The payload's length when 24 bytes begin an adb packet, else None."""
    name, _, _, length, _, magic = HEADER.unpack(header)
    is_packet = int.from_bytes(name, "little") ^ 0xFFFFFFFF == magic and length <= MAX_PAYLOAD
    return int(length) if is_packet else None


@dataclass(frozen=True)
class AfterBytes:
    """After that many bytes in one direction, counted over all connections."""

    way: Way
    count: int

    def place(self, unit: Unit) -> int | None:
        """The index in `unit` at which the fault happens, None when it isn't here."""
        index = self.count - unit.start
        return index if unit.way == self.way and 0 <= index <= len(unit.data) else None


@dataclass(frozen=True)
class AtMessage:
    """Before packet `number` (from 0) in one direction; with `command` only such count."""

    way: Way
    number: int
    command: str | None = None

    def place(self, unit: Unit) -> int | None:
        """0 when `unit` is that packet."""
        if not unit.is_packet or unit.way != self.way:
            return None
        if self.command is None:
            return 0 if unit.number == self.number else None
        return 0 if (unit.command, unit.of_command) == (self.command, self.number) else None


@dataclass(frozen=True)
class AtPayload:
    """Before the first piece in one direction whose payload contains `needle`."""

    way: Way
    needle: bytes

    def place(self, unit: Unit) -> int | None:
        """0 when the needle is in `unit`."""
        if unit.way != self.way or unit.data.find(self.needle, unit.payload_at) < 0:
            return None
        return 0


@dataclass(frozen=True)
class Cut:
    """End the connection, with FIN or with RST; `refuse` later ones too, as a pulled cable."""

    reset: bool = False
    refuse: bool = False


@dataclass(frozen=True)
class Stall:
    """Forward nothing more, in no direction and for no connection, for ever or a while."""

    seconds: float = math.inf


@dataclass(frozen=True)
class Slow:
    """From here on forward only that many bytes per second in this direction."""

    bytes_per_second: float


@dataclass(frozen=True)
class Corrupt:
    """Flip one bit of the payload: of its byte number `byte`, or of that after the needle's
    first, or of the very byte that AfterBytes names.

    With `fix_checksum` the packet's checksum fits what arrives, as if memory had failed
    and not the link.
    """

    byte: int = 0
    bit: int = 0
    fix_checksum: bool = False

    def apply(self, unit: Unit, where: "Where") -> None:
        """Change `unit`; one that has no such byte stays as it is."""
        at = unit.payload_at + self.byte
        if isinstance(where, AtPayload):
            at = unit.data.index(where.needle, unit.payload_at) + self.byte
        elif isinstance(where, AfterBytes):
            at = where.count - unit.start + self.byte
        if at >= len(unit.data):
            return
        unit.data[at] ^= 1 << self.bit
        if self.fix_checksum and unit.is_packet:
            name, arg0, arg1, length, check, magic = HEADER.unpack_from(unit.data)
            if check:  # 0 where both sides agreed to leave it out
                check = checksum(bytes(unit.data[HEADER.size :]))
            HEADER.pack_into(unit.data, 0, name, arg0, arg1, length, check, magic)


@dataclass(frozen=True)
class Call:
    """Call a function (power a device off, freeze it...) and wait for it."""

    function: Callable[[], object]


Where = AfterBytes | AtMessage | AtPayload
What = Cut | Stall | Slow | Corrupt | Call


@dataclass(frozen=True)
class Fault:
    """What happens, in that order, the first time that `where` is reached."""

    where: Where
    what: tuple[What, ...]

    def __init__(self, where: Where, *what: What) -> None:
        object.__setattr__(self, "where", where)
        object.__setattr__(self, "what", what)

    def place(self, unit: Unit) -> int | None:
        """The index in `unit` at which this happens, None when it isn't here."""
        place = self.where.place(unit)
        if place == len(unit.data) and any(isinstance(what, Corrupt) for what in self.what):
            return None  # the byte to change is the first of the next unit
        return place
