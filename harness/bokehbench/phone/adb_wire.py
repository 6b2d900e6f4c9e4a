"""The wires below a direct connection: adb-shell's TCP and USB transports, made quick.

adb-shell leaves Nagle's algorithm on (46 ms a round trip) and copies what it reads, so the
TCP wire takes the library's connected socket and reads and writes it itself.
"""

import contextlib
import select
import socket
import struct
from typing import Any, Protocol

from bokehbench.errors import DeviceError, DeviceLost
from bokehbench.phone.address import host_port_text
from bokehbench.phone.transport import Deadline

MAX_PAYLOAD = 1 << 20
USB_PAYLOAD = 64 * 1024
CONNECT_SECONDS = 10.0
LONGEST_POLL_SECONDS = 86400.0
"""poll() takes no more than 24 days."""

HEADER = struct.Struct("<6I")
"""Command, two arguments, length, checksum and the command's complement (AOSP, protocol.txt)."""


class Wire(Protocol):
    """Carries whole packets; one thread reads, writers take turns."""

    max_payload: int

    def read(self, length: int) -> bytearray:
        """Exactly `length` bytes, however long it takes.

        Raises:
            DeviceLost: the wire broke or was closed.
        """
        ...

    def write(self, header: bytes, payload: bytes | memoryview, deadline: Deadline) -> None:
        """One packet.

        Raises:
            DeviceLost: the wire broke, or did not take the packet in time and is now useless.
        """
        ...

    def close(self) -> None:
        """End the connection; a read in another thread ends with DeviceLost."""
        ...

    def release(self) -> None:
        """Give the operating system's parts back, once nobody reads any more."""
        ...


class TcpWire:
    """A TCP connection to adbd."""

    max_payload = MAX_PAYLOAD

    def __init__(self, host: str, port: int, deadline: Deadline) -> None:
        """Connect.

        Raises:
            DeviceError: nothing there accepts the connection.
        """
        # adb-shell wants half a second to import, and local devices never need it.
        from adb_shell.transport.tcp_transport import TcpTransport

        self._library = TcpTransport(host, port)
        seconds = max(1e-3, min(deadline.remaining(), CONNECT_SECONDS))
        try:
            self._library.connect(seconds)
        except OSError as error:
            why = "no answer" if isinstance(error, TimeoutError) else error.strerror or str(error)
            raise DeviceError(
                f"no device at {host_port_text(host, port)} ({why}); turn the phone on, and "
                "TCP debugging with `adb tcpip 5555`, and check the address"
            ) from error
        self._socket: socket.socket = self._library._connection
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._readable = _poll(self._socket, select.POLLIN)
        self._writable = _poll(self._socket, select.POLLOUT)

    def read(self, length: int) -> bytearray:
        """See Wire.read."""
        found = bytearray(length)
        view = memoryview(found)
        while view:
            try:
                count = self._socket.recv_into(view)
            except BlockingIOError:
                self._readable.poll()
                continue
            except OSError as error:
                raise DeviceLost(f"the connection broke ({error.strerror})") from error
            if not count:
                raise DeviceLost("the device ended the connection")
            view = view[count:]
        return found

    def write(self, header: bytes, payload: bytes | memoryview, deadline: Deadline) -> None:
        """See Wire.write."""
        parts = [memoryview(header), memoryview(payload)]
        while parts:
            try:
                count = self._socket.sendmsg(parts)
            except BlockingIOError:
                if not self._writable.poll(min(deadline.remaining(), LONGEST_POLL_SECONDS) * 1000):
                    raise DeviceLost("the device takes no more bytes") from None
                continue
            except OSError as error:
                raise DeviceLost(f"the connection broke ({error.strerror})") from error
            while parts and count >= len(parts[0]):
                count -= len(parts.pop(0))
            if parts:
                parts[0] = parts[0][count:]

    def close(self) -> None:
        """See Wire.close."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def release(self) -> None:
        """See Wire.release."""
        self._library.close()


class UsbWire:
    """The bulk endpoints of a phone on USB, through adb-shell's libusb transport."""

    max_payload = USB_PAYLOAD
    POLL_SECONDS = 0.25

    def __init__(self, serial: str | None) -> None:
        """Claim the phone's adb interface.

        Raises:
            DeviceError: no such phone, no permission, an adb server holds it, or no libusb.
        """
        try:
            from adb_shell.exceptions import UsbDeviceNotFoundError
            from adb_shell.transport.usb_transport import UsbTransport
        except Exception as error:
            # ImportError without the package; OSError or libusb's own error without libusb.
            raise DeviceError(
                "usb: needs libusb (the package libusb-1.0-0) and "
                "`pip install '.[usb]'` in the checkout"
            ) from error
        try:
            self._library: Any = UsbTransport.find_adb(serial=serial)
            self._library.connect()
        except UsbDeviceNotFoundError as error:
            raise DeviceError(
                f"no phone{f' {serial}' if serial else ''} on USB with debugging on; plug it in, "
                "turn on USB debugging in its developer options"
            ) from error
        except Exception as error:
            # libusb's own classes, which exist only where it is installed.
            raise DeviceError(
                f"can't use the phone on USB ({error}); stop a running adb server with "
                "`adb kill-server`, and add a udev rule for the phone"
            ) from error
        self._closed = False

    def read(self, length: int) -> bytearray:
        """See Wire.read."""
        found = bytearray()
        while len(found) < length:
            if self._closed:
                raise DeviceLost("the connection was closed")
            try:
                found += self._library.bulk_read(length - len(found), self.POLL_SECONDS)
            except Exception as error:
                if type(getattr(error, "usb_error", None)).__name__ != "USBErrorTimeout":
                    raise DeviceLost(f"USB: {error}") from error
        return found

    def write(self, header: bytes, payload: bytes | memoryview, deadline: Deadline) -> None:
        """See Wire.write."""
        for part in (header, bytes(payload)):
            if not part:
                continue
            try:
                seconds = max(0.05, deadline.remaining())
                written = self._library.bulk_write(part, seconds)
            except Exception as error:
                raise DeviceLost(f"USB: {error}") from error
            if written != len(part):
                raise DeviceLost("USB: the device took a part of a packet")

    def close(self) -> None:
        """See Wire.close."""
        self._closed = True

    def release(self) -> None:
        """See Wire.release."""
        self._library.close()


def _poll(source: socket.socket, event: int) -> "select.poll":
    poll = select.poll()
    poll.register(source, event)
    return poll
