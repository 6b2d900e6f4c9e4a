"""A byte stream to one service of adbd, whatever carries it."""

from typing import Protocol

from bokehbench.errors import DeviceError, DeviceLost
from bokehbench.phone.transport import Deadline


class Refused(DeviceError):
    """The device is there, and does not offer the service."""


class RefusedOrLost(Refused, DeviceLost):
    """As Refused where that can't be told from a device that went a moment ago."""


class ByteStream(Protocol):
    """What both links to adbd offer; one thread may send while another one receives."""

    def recv(self, deadline: Deadline) -> bytes:
        """Some bytes, at most 1 MiB; none at the end of the stream.

        Raises:
            DeadlineExceeded: nothing came in time.
            DeviceLost: the link broke.
        """
        ...

    def send(self, data: bytes | memoryview, deadline: Deadline) -> None:
        """Send all of `data`.

        Raises:
            DeadlineExceeded: the device did not take it in time.
            DeviceLost: the link broke, or the other side closed the stream.
        """
        ...

    def ready(self) -> bool:
        """Whether `recv` would return at once."""
        ...

    def close(self) -> None:
        """End the stream; a `send` or `recv` of another thread ends with an error."""
        ...
