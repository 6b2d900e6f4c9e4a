"""Version 1 of the app's control protocol, the host's side: requests out, lines in; pure.

docs/app-protocol.md is the contract. What the runner inside the app says is that of
bokehbench.runners.protocol, unchanged.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Literal, TypeVar

import msgspec

APP_PROTOCOL = 1
REQUEST_LIMIT = 262_144
LINE_LIMIT = 32 << 20
"""Bytes of one line."""

EVENTS_LIMIT = 32 << 20
"""Bytes of a run's events together, as in the shell."""

APP_LINE = b'{"app":'
EVENT_LINE = b'{"event":'

HEARTBEAT_LIMIT_SECONDS = 10.0
"""The app says something each second; one that is silent for longer hangs or was frozen."""

CHANGES_LIMIT = 1000
"""Changes of the activity that are kept of one run."""

State = Literal["created", "started", "resumed", "paused", "stopped", "destroyed"]
Change = State | Literal["focus_gained", "focus_lost"]


class Line(msgspec.Struct, frozen=True, tag_field="app"):
    """A line of the app's own."""


class Greeting(Line, frozen=True, tag="greeting"):
    """The first line to a client that is let in."""

    protocol: int
    runner_protocol: int
    build: str
    runner_build: str
    abi: str
    api_level: int
    pid: int
    uid: int
    nice: int | None
    cgroup: str | None
    oom_score_adj: int | None
    data_folder: str
    library: str | None
    library_folder: str | None
    state: State
    focused: bool
    used: bool
    monotonic_ns: int


class Pong(Line, frozen=True, tag="pong"):
    """The answer to `ping`."""

    running: bool
    state: State
    focused: bool
    monotonic_ns: int


class Library(Line, frozen=True, tag="library"):
    """One name of a `probe`: whether the app's linker finds it, and what came with it."""

    name: str
    loaded: bool
    error: str | None
    path: str | None
    mapped: tuple[str, ...]


class Probed(Line, frozen=True, tag="probed"):
    """The end of a `probe`."""

    libraries: int
    opencl: tuple[str, ...]


class Folder(Line, frozen=True, tag="folder"):
    """A folder was made."""

    path: str


class Pushed(Line, frozen=True, tag="pushed"):
    """A file arrived whole."""

    path: str
    size_bytes: int
    sha256: str


class File(Line, frozen=True, tag="file"):
    """A file's raw bytes follow."""

    path: str
    size_bytes: int


class Pulled(Line, frozen=True, tag="pulled"):
    """The file's raw bytes came before."""

    path: str
    sha256: str


class Removed(Line, frozen=True, tag="removed"):
    """Something was removed."""

    path: str
    entries: int


class Started(Line, frozen=True, tag="started"):
    """A run begins."""

    pid: int
    state: State
    focused: bool
    monotonic_ns: int


class End(Line, frozen=True, tag="end"):
    """A run is over."""

    exit_code: int
    reason: Literal["returned", "deadline"]
    in_front: bool
    monotonic_ns: int


class Activity(Line, frozen=True, tag="activity"):
    """The system changed what the activity is."""

    change: Change
    state: State
    focused: bool
    monotonic_ns: int


class Heartbeat(Line, frozen=True, tag="heartbeat"):
    """The app is alive."""

    monotonic_ns: int


class Stopping(Line, frozen=True, tag="stopping"):
    """The answer to `stop`."""

    running: bool


class AppError(Line, frozen=True, tag="error"):
    """A request was refused or failed."""

    code: str
    message: str
    request: str | None = None


AppLine = (
    Greeting
    | Pong
    | Library
    | Probed
    | Folder
    | Pushed
    | File
    | Pulled
    | Removed
    | Started
    | End
    | Activity
    | Heartbeat
    | Stopping
    | AppError
)
L = TypeVar("L", bound=Line)

_DECODER: msgspec.json.Decoder[AppLine] = msgspec.json.Decoder(AppLine)


class NotTheApp(Exception):
    """What came is no line of the protocol; the message says what it is."""


def request(name: str, **fields: object) -> bytes:
    """One request as its line.

    Raises:
        ValueError: it is longer than the app takes.
    """
    text = json.dumps({"request": name, **fields}, ensure_ascii=False, separators=(",", ":"))
    line = text.encode() + b"\n"
    if len(line) > REQUEST_LIMIT:
        raise ValueError(f"a request of {len(line)} bytes")
    return line


def parse_line(line: bytes) -> AppLine:
    """A line of the app's own.

    Raises:
        NotTheApp: it is none.
    """
    try:
        return _DECODER.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise NotTheApp(f"{error}: {line[:80]!r}") from error


class RunWatch:
    """A run's lines as they come: the runner's events apart from what the app says beside them.

    Only while a timed process warms up and measures, from its `backend` event to the next one, may
    the app be silent for long.
    """

    def __init__(self, mode: str) -> None:
        self.events = bytearray()
        self.changes: list[str] = []
        self.started: Started | None = None
        self.end: End | None = None
        self.error: AppError | None = None
        self._timed = mode == "time"
        self._measuring = False

    @property
    def may_be_silent(self) -> bool:
        """Whether no heartbeat is due."""
        return self._measuring

    @property
    def is_over(self) -> bool:
        """Whether the closing line came, or the refusal."""
        return self.end is not None or self.error is not None

    @property
    def stage(self) -> str:
        """What the run was doing, for messages."""
        if self.started is None:
            return "before the run began"
        if not self.events:
            return "before the runner spoke"
        if self._measuring:
            return "while it was measuring"
        return "while the model loaded" if b'"backend"' not in self.events else "in the run"

    def feed(self, line: bytes) -> None:
        """Take one line, its end included.

        Raises:
            NotTheApp: the line does not belong into a run.
        """
        if line.startswith(EVENT_LINE):
            if len(self.events) + len(line) > EVENTS_LIMIT:
                raise NotTheApp(f"more than {EVENTS_LIMIT} bytes of events")
            self.events += line
            self._measuring = self._timed and line.startswith(b'{"event":"backend"')
            return
        said = parse_line(line)
        if isinstance(said, Activity):
            if len(self.changes) < CHANGES_LIMIT:
                self.changes.append(said.change)
        elif isinstance(said, Started):
            self.started = said
        elif isinstance(said, End):
            self.end = said
            self._measuring = False
        elif isinstance(said, AppError):
            self.error = said
        elif not isinstance(said, Heartbeat | Stopping | Pong):
            raise NotTheApp(f"`{type(said).__name__.lower()}` in the middle of a run")


_STATUS_KEYS = ("pid", "reason", "status")


def exit_signal(exit_info: str, pid: int) -> tuple[str, int | None] | None:
    """How Android says that a process ended, from `dumpsys activity exit-info PACKAGE`.

    Returns:
        The reason in Android's words, and the signal where one ended it; None when it does not
        tell of that process (Android 11 and newer keep this).
    """
    fields: dict[str, str] = {}
    for word in _words(exit_info):
        key, mark, value = word.partition("=")
        if key == "ApplicationExitInfo":
            fields = {}
        if mark and key in _STATUS_KEYS:
            fields[key] = value
        if fields.get("pid") == str(pid) and "status" in fields and "reason" in fields:
            reason = _REASONS.get(fields["reason"], f"reason {fields['reason']}")
            status = fields["status"]
            by_signal = fields["reason"] in _BY_SIGNAL and status.isdigit() and int(status) > 0
            return reason, int(status) if by_signal else None
    return None


def _words(text: str) -> Sequence[str]:
    return text.replace("ApplicationExitInfo", "ApplicationExitInfo= ").split()


_BY_SIGNAL = frozenset({"2", "5"})

_REASONS: Mapping[str, str] = {
    "1": "it exited by itself",
    "2": "it was killed by a signal",
    "3": "the system killed it for want of memory",
    "4": "it crashed",
    "5": "it crashed in native code",
    "6": "it did not respond (ANR)",
    "7": "its initialization failed",
    "8": "its permissions changed",
    "9": "it used too many resources",
    "10": "the user or `am force-stop` ended it",
    "11": "its user was stopped",
    "12": "what it depends on died",
    "13": "the system killed it",
    "14": "the system's freezer killed it",
}
"""`ApplicationExitInfo.REASON_*` of Android's API, by number."""
