"""A device without an adb server: adb-shell connects and signs, the streams are ours."""

import contextlib
import os
import re
import socket
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from bokehbench.errors import DeviceError, DeviceLost
from bokehbench.phone import adb_mux
from bokehbench.phone.adb_mux import AdbLink, Packet
from bokehbench.phone.adb_stream import ByteStream
from bokehbench.phone.adb_transport import AdbTransport
from bokehbench.phone.adb_wire import CONNECT_SECONDS, MAX_PAYLOAD, TcpWire, UsbWire, Wire
from bokehbench.phone.address import parse_address
from bokehbench.phone.transport import Deadline

BANNER = b"host::features=shell_v2,cmd,stat_v2"
ACCEPT_SECONDS = 30.0
"""How long the user has to accept our key on the phone's screen."""

AGAIN_SECONDS = 0.1
"""How long we wait before we greet an adbd again that hung up."""

_TOKEN, _SIGNATURE, _PUBLIC_KEY = 1, 2, 3


class DirectTransport(AdbTransport):
    """A device at `tcp:HOST:PORT` or `usb[:SERIAL]`, over one connection of our own."""

    def __init__(self, address: str, *, key: Path | None = None) -> None:
        """Nothing is connected yet.

        Args:
            key: the RSA key that phones know this computer by; made when missing.

        Raises:
            UsageError: the address is none.
            DeviceError: the address is of another kind.
        """
        super().__init__(address)
        self._key = key or Path.home() / ".android" / "adbkey"
        self._link: AdbLink | None = None
        self._linking = threading.Lock()
        self._where = parse_address(address)
        if self._where.kind not in ("tcp", "usb"):
            raise DeviceError(f"{address}: not a direct address; write tcp:HOST:PORT or usb:SERIAL")

    def close(self) -> None:
        """End the connection; a later call connects again."""
        super().close()
        with self._linking:
            if self._link is not None:
                self._link.close()
                self._link = None

    def _connect(self, deadline: Deadline) -> frozenset[str]:
        with self._linking:
            if self._link is not None and self._link.silent:
                self._link.close("the device stopped answering")
            return self._linked(deadline).features

    def _open(self, service: bytes, deadline: Deadline) -> ByteStream:
        with self._linking:
            link = self._linked(deadline)
        return link.open(service, deadline)

    def _linked(self, deadline: Deadline) -> AdbLink:
        if self._link is not None and self._link.lost:
            self._link.close()
            self._link = None
        if self._link is None:
            try:
                self._link = handshake(self._wire(deadline), self._key, deadline)
            except HungUp:
                # An adbd that still clears an earlier connection away may take the next one
                # with it.
                time.sleep(min(AGAIN_SECONDS, deadline.remaining()))
                self._link = handshake(self._wire(deadline), self._key, deadline)
        return self._link

    def _wire(self, deadline: Deadline) -> Wire:
        where = self._where
        if where.kind == "tcp":
            return TcpWire(where.host, where.port, deadline)
        return UsbWire(where.serial)


def handshake(wire: Wire, key: Path, deadline: Deadline) -> AdbLink:
    """Greet adbd and prove who we are.

    Raises:
        DeviceError: it is no adbd, does not answer, or does not accept our key.
    """
    # The library's packets are read with no deadline of their own: a watcher ends the wire.
    greeting = _Greeting(wire)
    try:
        greeting.until(min(deadline.remaining(), CONNECT_SECONDS))
        packet = greeting.exchange(adb_mux.CNXN, adb_mux.NO_CHECKSUM_VERSION, MAX_PAYLOAD, BANNER)
        if packet.command == adb_mux.AUTH:
            packet = _authenticate(greeting, packet, key, deadline)
        if packet.command == adb_mux.STLS:
            raise DeviceError(
                "the phone wants a paired connection; pair it with `adb pair` and "
                "reach it through the adb server"
            )
        if packet.command != adb_mux.CNXN:
            raise DeviceError("it does not speak the adb protocol; check the port")
    except BaseException:
        wire.close()
        wire.release()
        raise
    finally:
        greeting.done()
    return AdbLink(wire, packet.arg1, packet.arg0, features_of(packet.payload))


def features_of(banner: bytes | bytearray) -> frozenset[str]:
    """The features in adbd's greeting, `device::ro.product.name=x;features=a,b`."""
    match = re.search(r"(?:^|[;:])features=([^;\0]*)", banner.decode("utf-8", "replace"))
    return frozenset(match[1].split(",")) if match else frozenset()


def load_signer(key: Path) -> Any:
    """adb-shell's signer for a key file; the key is made when there is none.

    Raises:
        DeviceError: the key can't be read or made.
    """
    from adb_shell.auth.keygen import keygen, write_public_keyfile
    from adb_shell.auth.sign_pythonrsa import PythonRSASigner

    public = key.with_name(f"{key.name}.pub")
    try:
        if not key.exists():
            key.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=key.parent) as folder:
                made = Path(folder) / key.name
                keygen(str(made))
                made.chmod(0o600)
                # A link fails where another process was faster: then its key is the one.
                with contextlib.suppress(FileExistsError):
                    os.link(made, key)
        if not public.exists():
            write_public_keyfile(str(key), str(public))
        return PythonRSASigner.FromRSAKeyPath(str(key))
    except (OSError, ValueError) as error:
        raise DeviceError(
            f"can't use the key {key}: {error}; move it away and a new one is made"
        ) from error


class HungUp(DeviceError):
    """The other side ended the connection in the middle of the greeting."""


class _Greeting:
    """Packets before there is a link, bounded in time by closing the wire."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._seconds = 0.0
        self._is_late = False
        self._timer: threading.Timer | None = None

    def until(self, seconds: float) -> None:
        """End the wire that much later unless `done` comes first."""
        self.done()
        self._seconds = seconds
        self._timer = threading.Timer(max(0.05, seconds), self._hang_up)
        self._timer.daemon = True
        self._timer.start()

    def done(self) -> None:
        """Let the wire live."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _hang_up(self) -> None:
        self._is_late = True
        self._wire.close()

    def exchange(self, command: int, arg0: int, arg1: int, payload: bytes) -> Packet:
        """Send a packet and take the next one.

        Raises:
            DeviceError: the other side hung up, kept silent, or speaks something else.
        """
        header = adb_mux.header_of(command, arg0, arg1, payload, checksum=True)
        try:
            self._wire.write(header, payload, Deadline.after(self._seconds))
            return adb_mux.read_packet(self._wire, MAX_PAYLOAD, verify=False)
        except DeviceLost as error:
            kind = DeviceError if self._is_late else HungUp
            raise kind(
                f"no greeting of adbd within {self._seconds:.0f} s ({error}); "
                "check the port, and the phone's screen for a question"
            ) from error


def _authenticate(greeting: _Greeting, packet: Packet, key: Path, deadline: Deadline) -> Packet:
    """Sign adbd's token; when it does not know the key, offer it and wait for the user.

    Raises:
        DeviceError: the key was not accepted.
    """
    if packet.arg0 != _TOKEN:
        raise DeviceError("the phone asks for an authentication of an unknown kind")
    signer = load_signer(key)
    signature = signer.Sign(bytes(packet.payload))
    packet = greeting.exchange(adb_mux.AUTH, _SIGNATURE, 0, signature)
    if packet.command != adb_mux.AUTH:
        return packet
    greeting.until(min(deadline.remaining(), ACCEPT_SECONDS))
    public = signer.GetPublicKey().encode() + b"\0"
    try:
        packet = greeting.exchange(adb_mux.AUTH, _PUBLIC_KEY, 0, public)
    except DeviceError as error:
        raise DeviceError(
            f"the phone did not accept the key {key} of {socket.gethostname()}; unlock it, "
            "accept the key on its screen and run again"
        ) from error
    if packet.command == adb_mux.AUTH:
        raise DeviceError(f"the phone refuses the key {key}; revoke USB debugging keys on it")
    return packet
