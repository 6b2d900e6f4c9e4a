"""The word after `--device` -> which link it means; pure."""

import re
from dataclasses import dataclass
from typing import Literal

from bokehbench.errors import UsageError

DEFAULT_ADB_SERVER = ("127.0.0.1", 5037)
DEFAULT_ADBD_PORT = 5555

Kind = Literal["local", "server", "tcp", "usb"]


@dataclass(frozen=True)
class Address:
    """One device by the link that reaches it.

    `local` is this machine; `server` a serial of an adb server; `tcp` and `usb` reach adbd
    without any server. `serial` is None for "the only one".
    """

    kind: Kind
    text: str
    serial: str | None = None
    host: str = ""
    port: int = 0


def parse_address(text: str) -> Address:
    """`local`, `tcp:HOST[:PORT]`, `usb[:SERIAL]`, or the serial that an adb server knows.

    Raises:
        UsageError: the word can be none of them.
    """
    if text == "local":
        return Address("local", text)
    if text == "usb" or text.startswith("usb:"):
        return Address("usb", text, serial=text[4:] or None)
    if text.startswith("tcp:"):
        host, port = host_and_port(text[4:], DEFAULT_ADBD_PORT, f"--device {text}")
        return Address("tcp", text, host=host, port=port)
    # Serials are what USB descriptors and adb print; anything else is a slip of the keyboard.
    if not text or re.search(r"[\s\x00-\x1f\x7f]", text):
        raise UsageError(
            f"--device {text!r}: not a device; give local, SERIAL, tcp:HOST:PORT or usb[:SERIAL]"
        )
    return Address("server", text, serial=text)


def host_and_port(text: str, default_port: int, where: str) -> tuple[str, int]:
    """`HOST`, `HOST:PORT` or `[V6]:PORT`.

    Raises:
        UsageError: no host, or a port that is none; the message begins with `where`.
    """
    match = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(?::(\d{1,5}))?", text)
    port = int(match[2]) if match and match[2] else default_port
    if match is None or not 1 <= port <= 65535:
        raise UsageError(f"{where}: not HOST:PORT; give for example 192.168.1.20:5555")
    return match[1].strip("[]"), port


def host_port_text(host: str, port: int) -> str:
    """The reverse of `host_and_port`: an IPv6 address gets its brackets again."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
