"""What an adb server says, as pure text: its list of devices, and errors with their cure."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class AdbDevice:
    """One line of `adb devices -l`; what the server did not say is empty."""

    serial: str
    state: str
    product: str = ""
    model: str = ""
    device: str = ""
    transport_id: str = ""

    @property
    def usable(self) -> bool:
        """Whether commands can be run on it."""
        return self.state == "device"


def parse_devices(text: str) -> list[AdbDevice]:
    """The answer to `host:devices-l`, or the output of `adb devices -l` with its chatter."""
    found = []
    for line in text.splitlines():
        if not line.strip() or line.startswith(("*", "List of devices")):
            continue
        # `no permissions (user in plugdev group; ...)` is a state of several words.
        match = re.match(r"^(\S+)\s+(no permissions|\S+)\s*(.*)$", line.strip())
        if match is None:
            continue
        more = dict(re.findall(r"(?<!\S)(product|model|device|transport_id):(\S*)", match[3]))
        found.append(AdbDevice(match[1], match[2], **more))
    return found


def is_network(serial: str) -> bool:
    """Whether a serial is the HOST:PORT of a device that the server reaches by TCP."""
    return re.fullmatch(r"[^\s:]+:\d{1,5}|\[[0-9A-Fa-f:.]+\]:\d{1,5}", serial) is not None


_CURES = (
    ("unauthorized", "unlock the phone and accept this computer's key on its screen"),
    ("authorizing", "unlock the phone and accept this computer's key on its screen"),
    ("no permissions", "add a udev rule for the phone or run `adb kill-server` and start it again"),
    ("offline", "plug the phone in again, or run `adb reconnect offline`"),
    ("not found", "see `adb devices -l` for the serials that this server knows"),
    ("no devices", "plug a phone in and turn on USB debugging in its developer options"),
    ("unknown host service", "the server is too old; update platform-tools"),
    ("failed to connect", "is the phone on, and `adb tcpip PORT` or wireless debugging active?"),
    ("cannot connect", "is the phone on, and `adb tcpip PORT` or wireless debugging active?"),
    ("unable to connect", "is the phone on, and `adb tcpip PORT` or wireless debugging active?"),
)


def advice_for(message: str) -> str | None:
    """What to do about a state or an error of the server, where we know it."""
    lower = message.lower()
    return next((advice for word, advice in _CURES if word in lower), None)


def cure(message: str, server: str) -> str:
    """An error of the server in one line, with what to do about it."""
    first = message.strip().splitlines()[0][:300] if message.strip() else "no reason given"
    advice = advice_for(message)
    return f"adb server at {server}: {first}" + (f"; {advice}" if advice else "")
