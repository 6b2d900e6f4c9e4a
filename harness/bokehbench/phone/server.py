"""Devices behind an adb server: pure-python-adb opens connections, framing is ours."""

import contextlib
import select
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator

from ppadb.client import Client

from bokehbench.errors import DeadlineExceeded, DeviceError, DeviceLost
from bokehbench.phone.adb_server_text import AdbDevice, cure, is_network, parse_devices
from bokehbench.phone.adb_stream import ByteStream, RefusedOrLost
from bokehbench.phone.adb_transport import AdbTransport
from bokehbench.phone.address import host_port_text
from bokehbench.phone.transport import Deadline

HOST = "127.0.0.1"
PORT = 5037
ASK_SECONDS = 5.0
"""Deadline of a question that the server answers itself."""

CONNECT_SECONDS = 10.0
PING_SECONDS = 3.0
"""A device on the network that is silent for longer is disconnected and connected anew."""

OLDEST_VERSION = 36
"""The first server that tells a device's features (platform-tools 24, for Android 7)."""

RECV_BYTES = 512 * 1024
"""A pull is 1.2 times as fast as with 64 KiB."""

REPLY_LIMIT = 0xFFFF

QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)
"""Linux only, and good until the next packet. The server leaves Nagle's algorithm on: what it
sends waits until what it sent before is acknowledged, which takes 40 ms if nothing hurries us."""


class SocketStream:
    """A connection to the adb server: the one place where its deadlines are kept."""

    def __init__(self, connection: socket.socket) -> None:
        self._receiving = connection
        # A timeout belongs to a socket object: a second one lets a thread send meanwhile.
        self._sending = connection.dup()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def recv(self, deadline: Deadline) -> bytes:
        """See ByteStream.recv."""
        return self.recv_at_most(RECV_BYTES, deadline)

    def recv_at_most(self, limit: int, deadline: Deadline) -> bytes:
        """Some bytes but no more than `limit`; errors as in `recv`."""
        deadline.check("reading from the device")
        try:
            if QUICKACK is not None:
                self._receiving.setsockopt(socket.IPPROTO_TCP, QUICKACK, 1)
            self._receiving.settimeout(deadline.remaining() or 1e-3)
            return self._receiving.recv(limit)
        except TimeoutError as error:
            raise _late("reading from the device", deadline) from error
        except OSError as error:
            raise DeviceLost(f"the adb server ended the connection ({error.strerror})") from error

    def send(self, data: bytes | memoryview, deadline: Deadline) -> None:
        """See ByteStream.send."""
        deadline.check("sending to the device")
        try:
            self._sending.settimeout(deadline.remaining() or 1e-3)
            self._sending.sendall(data)
        except TimeoutError as error:
            raise _late("sending to the device", deadline) from error
        except OSError as error:
            raise DeviceLost(f"the adb server ended the connection ({error.strerror})") from error

    def ready(self) -> bool:
        """See ByteStream.ready."""
        poll = select.poll()
        poll.register(self._receiving, select.POLLIN)
        return bool(poll.poll(0))

    def close(self) -> None:
        """See ByteStream.close."""
        for end in (self._receiving, self._sending):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._receiving.close()
        self._sending.close()


class AdbServer:
    """An adb server and the questions it answers."""

    def __init__(self, host: str = HOST, port: int = PORT) -> None:
        self.name = host_port_text(host, port)
        self._host = host
        self._port = port

    def connect(self, deadline: Deadline) -> SocketStream:
        """A fresh connection.

        Raises:
            DeviceError: nothing listens there.
        """
        seconds = max(1e-3, min(deadline.remaining(), CONNECT_SECONDS))
        try:
            # The library's connect() raises RuntimeError for each error of the socket.
            connection = Client(self._host, self._port).create_connection(timeout=seconds)
        except (RuntimeError, OSError) as error:
            raise DeviceError(
                f"no adb server at {self.name}; start it with `adb start-server`, or reach the "
                "device without one: --device tcp:HOST:PORT or usb:"
            ) from error
        return SocketStream(connection.socket)

    def ask(self, question: str, deadline: Deadline) -> str:
        """A question about the server or its devices, with its answer.

        Raises:
            DeviceError: the server refuses, or it is no adb server.
            DeadlineExceeded: it did not answer in time.
        """
        with contextlib.closing(self.connect(deadline)) as stream:
            self.request(stream, question.encode(), deadline)
            return self._text(stream, deadline)

    def open(self, serial: str, service: bytes, deadline: Deadline) -> SocketStream:
        """A service of a device's adbd.

        Raises:
            DeviceError: the server knows no such device or can't use it.
            DeviceLost, DeadlineExceeded: the connection broke or is too slow.
        """
        stream = self.connect(deadline)
        try:
            self.request(stream, f"host:transport:{serial}".encode(), deadline)
            self.request(stream, service, deadline, serial)
        except BaseException:
            stream.close()
            raise
        return stream

    def request(
        self, stream: SocketStream, text: bytes, deadline: Deadline, serial: str = ""
    ) -> None:
        """Send a request and take its OKAY; errors as in `ask`."""
        stream.send(b"%04x" % len(text) + text, deadline)
        try:
            status = _exact(stream, 4, deadline)
        except DeviceLost as error:
            if serial:
                raise
            raise self._no_adb("ended the connection") from error
        if status == b"FAIL":
            message = self._text(stream, deadline)
            if serial:
                # The transport was there a moment ago, so it is the device that went, or that
                # refused: the server says `closed` of both.
                kind = RefusedOrLost if message == "closed" else DeviceLost
                raise kind(f"the adb server says: {message}")
            raise DeviceError(cure(message, self.name))
        if status != b"OKAY":
            raise self._no_adb(f"answers {status!r}")

    def _text(self, stream: SocketStream, deadline: Deadline) -> str:
        digits = _exact(stream, 4, deadline)
        try:
            length = int(digits, 16)
        except ValueError as error:
            raise self._no_adb(f"answers {digits!r}") from error
        return _exact(stream, min(length, REPLY_LIMIT), deadline).decode("utf-8", "replace")

    def _no_adb(self, what: str) -> DeviceError:
        return DeviceError(
            f"{self.name} is not an adb server (it {what}); give the port of `adb start-server`"
        )


class ServerTransport(AdbTransport):
    """A device by its serial, through an adb server."""

    def __init__(self, serial: str, *, host: str = HOST, port: int = PORT) -> None:
        super().__init__(serial)
        self._server = AdbServer(host, port)
        self._serial = serial

    def _open(self, service: bytes, deadline: Deadline) -> ByteStream:
        return self._server.open(self._serial, service, deadline)

    def _connect(self, deadline: Deadline) -> frozenset[str]:
        """Check server and device; a device on the network is connected when it is not."""
        version = server_version(self._server, deadline)
        if version < OLDEST_VERSION:
            raise DeviceError(
                f"the adb server at {self._server.name} is of version {version}, "
                f"{OLDEST_VERSION} or newer is needed; stop it with `adb kill-server` and "
                "start one from current platform-tools"
            )
        if is_network(self._serial):
            # The server believes in a link for long after it was cut.
            try:
                return self._features_now(Deadline.after(min(deadline.remaining(), PING_SECONDS)))
            except DeviceError:
                self._revive(deadline)
        return self._features_now(deadline)

    def _features_now(self, deadline: Deadline) -> frozenset[str]:
        """The device's features, when its adbd answers."""
        answer = self._server.ask(f"host-serial:{self._serial}:features", deadline)
        with contextlib.closing(self._open(b"shell,v2,raw:true", deadline)) as stream:
            while stream.recv(deadline):
                pass
        return frozenset(answer.split(","))

    def _revive(self, deadline: Deadline) -> None:
        """Disconnect, connect and wait: a bare connect leaves a restarted device offline."""
        bounded = Deadline.after(min(deadline.remaining(), CONNECT_SECONDS))
        while True:
            with contextlib.suppress(DeviceError):
                self._server.ask(f"host:disconnect:{self._serial}", bounded)
            answer = self._server.ask(f"host:connect:{self._serial}", bounded)
            if "connected to" not in answer:
                raise DeviceError(cure(answer, self._server.name))
            # The server's own attempt to connect may come in between: then again.
            for _ in _pauses(Deadline.after(min(bounded.remaining(), 1.0))):
                with contextlib.suppress(DeviceError):
                    question = f"host-serial:{self._serial}:get-state"
                    if self._server.ask(question, bounded) == "device":
                        return
            bounded.check(f"connecting {self._serial}")


def list_devices(host: str = HOST, port: int = PORT) -> list[AdbDevice]:
    """The devices that an adb server sees, usable or not.

    Raises:
        DeviceError: there is no adb server at that port.
    """
    return parse_devices(AdbServer(host, port).ask("host:devices-l", Deadline.after(ASK_SECONDS)))


def server_version(server: AdbServer, deadline: Deadline | None = None) -> int:
    """The version of an adb server, such as 41.

    Raises:
        DeviceError: there is no adb server at that port.
    """
    answer = server.ask("host:version", deadline or Deadline.after(ASK_SECONDS))
    try:
        return int(answer, 16)
    except ValueError as error:
        raise DeviceError(f"the adb server at {server.name} has no version: {answer!r}") from error


def start_server(adb: str = "adb", *, port: int = PORT, seconds: float = 20.0) -> None:
    """Start an adb server with the `adb` program.

    Raises:
        DeviceError: there is no such program, or it can't start a server.
    """
    program = shutil.which(adb)
    if program is None:
        raise DeviceError(
            f"no program `{adb}`; install platform-tools, or use --device tcp: or usb:"
        )
    try:
        subprocess.run(
            [program, "-P", str(port), "start-server"],
            check=True,
            capture_output=True,
            timeout=seconds,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise DeviceError(f"`{program} start-server` failed: {error}") from error


def _exact(stream: SocketStream, length: int, deadline: Deadline) -> bytes:
    found = b""
    while len(found) < length:
        data = stream.recv_at_most(length - len(found), deadline)
        if not data:
            raise DeviceLost("the adb server ended the connection")
        found += data
    return found


def _late(what: str, deadline: Deadline) -> DeadlineExceeded:
    return DeadlineExceeded(f"{what} did not end within {deadline.seconds:.1f} s")


def _pauses(deadline: Deadline, seconds: float = 0.05) -> Iterator[None]:
    while deadline.remaining() > 0:
        yield
        time.sleep(seconds)
