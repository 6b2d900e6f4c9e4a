"""Proxy: a TCP link on loopback that fails where and how a test says."""

import contextlib
import math
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from types import TracebackType

from tests.rig.faults import (
    Call,
    Corrupt,
    Cut,
    Fault,
    Slow,
    Stall,
    Step,
    Unit,
    Way,
    packet_length,
)
from tests.rig.link import CHUNK, POLL_SECONDS, Link
from tests.rig.wire import HEADER

SLICES_PER_SECOND = 20
JOIN_SECONDS = 10.0


class FaultProxy:
    """Forwards connections to `target` ("127.0.0.1:PORT") until a fault says otherwise.

    Between a client and an adbd it understands adb's packets, and forwards each once it is
    whole. With `raw` it doesn't try, as between a client and an adb server.

    A fault happens once. A target that can't be reached shows as a connection that is closed
    at once, because the proxy has accepted it by then. How many packets a command takes may
    differ from run to run: adbd packs what a program has printed by then.
    """

    def __init__(
        self,
        target: str,
        *faults: Fault,
        raw: bool = False,
        trace_limit: int = 10_000,
        prefix_bytes: int = 64,
    ) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._raw = raw
        self._trace_limit = trace_limit
        self._prefix_bytes = prefix_bytes
        self._lock = threading.Lock()
        self._pending = list(faults)
        self._progress = threading.Condition(self._lock)
        self._done = 0
        self.fired: list[Fault] = []
        self.trace: list[Step] = []
        self.messages: Counter[Way] = Counter()
        self.bytes: Counter[Way] = Counter()
        self.connections = 0
        self._commands: Counter[tuple[Way, str]] = Counter()
        self._rates: dict[Way, float] = {}
        self._links: list[Link] = []
        self._errors: list[BaseException] = []
        self._closed = threading.Event()
        self._flowing = threading.Event()
        self._flowing.set()
        self._resume_at = math.inf
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._pumps: list[threading.Thread] = []
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def __enter__(self) -> "FaultProxy":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def address(self) -> str:
        """What a client connects to."""
        return f"127.0.0.1:{self.port}"

    def add(self, *faults: Fault) -> None:
        """Plan more faults; what they count includes what has passed already."""
        with self._lock:
            self._pending.extend(faults)

    def wait_fired(self, count: int = 1, timeout: float = 20.0) -> None:
        """Wait until that many faults have happened; `fired` names those that have begun.

        Raises:
            TimeoutError: they haven't in that time.
        """
        with self._lock:
            if not self._progress.wait_for(lambda: self._done >= count, timeout):
                raise TimeoutError(f"{self._done} of {count} faults happened")

    def stall(self, seconds: float = math.inf) -> None:
        """Forward nothing, in no direction, until `resume()` or for that long."""
        self._resume_at = time.monotonic() + seconds
        self._flowing.clear()

    def resume(self) -> None:
        """Undo a stall."""
        self._flowing.set()

    def cut(self, *, reset: bool = False, refuse: bool = False) -> None:
        """End all connections now."""
        if refuse:
            self._stop_listening()
        with self._lock:
            links = list(self._links)
        for link in links:
            link.cut(reset)

    def close(self) -> None:
        """End everything; raise what a fault's own function raised."""
        self._closed.set()
        self._flowing.set()
        self._stop_listening()
        self.cut()
        self._acceptor.join(JOIN_SECONDS)
        for thread in (self._acceptor, *self._pumps):
            thread.join(JOIN_SECONDS)
            if thread.is_alive():
                raise RuntimeError("a thread of the proxy does not end")
        if self._errors:
            raise self._errors.pop()

    def _stop_listening(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                target = socket.create_connection(self._target, timeout=5)
            except OSError:
                client.close()
                continue
            with self._lock:
                link = Link(client, target, self.connections)
                self.connections += 1
                self._links.append(link)
            if self._closed.is_set():
                link.cut(reset=False)
            self._pumps = [thread for thread in self._pumps if thread.is_alive()]
            for way in Way:
                thread = threading.Thread(target=self._pump, args=(link, way), daemon=True)
                self._pumps.append(thread)
                thread.start()

    def _pump(self, link: Link, way: Way) -> None:
        ends = (link.client, link.target)
        source, sink = ends if way == Way.TO_TARGET else reversed(ends)
        try:
            for unit in self._units(link, source, way):
                self._pass(link, unit, sink)
            link.check()
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            # One side is gone, so the other has to go; a cut link stays as it was cut.
            if not link.is_cut:
                link.cut(reset=True)
        except BaseException as error:
            self._errors.append(error)
            link.cut(reset=True)
        finally:
            with self._lock:
                link.users -= 1
                if not link.users:
                    self._links.remove(link)
                    link.client.close()
                    link.target.close()

    def _units(self, link: Link, source: socket.socket, way: Way) -> Iterator[Unit]:
        packets = not self._raw
        while packets:
            data = link.read(source, HEADER.size)
            length = packet_length(data) if len(data) == HEADER.size else None
            if length is not None:
                data += link.read(source, length)
            packets = length is not None and len(data) == HEADER.size + length
            if data:
                yield Unit(data, way, link.number, packets)
        while chunk := link.receive(source, CHUNK):
            yield Unit(bytearray(chunk), way, link.number, False)

    def _pass(self, link: Link, unit: Unit, sink: socket.socket) -> None:
        """Forward one unit; what faults there are happen at their place in it."""
        sent = 0
        for place, fault in self._claim(unit):
            for what in fault.what:
                if isinstance(what, Corrupt):
                    what.apply(unit, fault.where)
            self._send(link, sink, unit, sent, place)
            sent = place
            self.fired.append(fault)
            for what in fault.what:
                self._happen(what, unit.way)
            with self._lock:
                self._done += 1
                self._progress.notify_all()
        self._send(link, sink, unit, sent, len(unit.data))

    def _claim(self, unit: Unit) -> list[tuple[int, Fault]]:
        """Count the unit and take the faults that happen in it, in order."""
        with self._lock:
            key = (unit.way, unit.command)
            unit.start, unit.number = self.bytes[unit.way], self.messages[unit.way]
            unit.of_command = self._commands[key]
            self.bytes[unit.way] += len(unit.data)
            if unit.is_packet:
                self.messages[unit.way] += 1
                self._commands[key] += 1
                if len(self.trace) < self._trace_limit:
                    self.trace.append(unit.step(self._prefix_bytes))
            found = [
                (place, fault)
                for fault in self._pending
                if (place := fault.place(unit)) is not None
            ]
            for _, fault in found:
                self._pending.remove(fault)
        return sorted(found, key=lambda pair: pair[0])

    def _happen(self, what: object, way: Way) -> None:
        if isinstance(what, Cut):
            self.cut(reset=what.reset, refuse=what.refuse)
        elif isinstance(what, Stall):
            self.stall(what.seconds)
        elif isinstance(what, Slow):
            self._rates[way] = what.bytes_per_second
        elif isinstance(what, Call):
            what.function()

    def _send(self, link: Link, sink: socket.socket, unit: Unit, start: int, end: int) -> None:
        while start < end:
            while not self._flowing.wait(POLL_SECONDS):
                link.check()
                if time.monotonic() >= self._resume_at:
                    self.resume()
            rate = self._rates.get(unit.way)
            size = end - start if rate is None else max(1, int(rate / SLICES_PER_SECOND))
            piece = memoryview(unit.data)[start : min(end, start + size)]
            link.send(sink, piece)
            start += len(piece)
            if rate is not None:
                self._closed.wait(len(piece) / rate)
