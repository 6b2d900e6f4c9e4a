"""Server: a private adb server, away from the user's own, and its client program."""

import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from tests.rig import leash
from tests.rig.device import TestDevice, hold_port
from tests.rig.root import host_command
from tests.rig.wire import WireError, read_exactly

READY_SECONDS = 20.0

CONNECT_SECONDS = 1.0
"""A connected device is usable after some milliseconds, or not before the next try."""

QUIET = {"ADB_MDNS": "0", "ADB_USB": "0", "ADB_EMU": "0"}
"""No look at the network, at USB or at emulators: only devices that a test connects."""


class AdbError(Exception):
    """The server refused a request."""


def find_adb() -> list[str]:
    """The argv of the adb program: adbutils' own, else the one on PATH, else Debian's.

    Raises:
        RigMissing: there is none, and Debian's can't be fetched.
    """
    found = importlib.util.find_spec("adbutils")
    if found and found.origin:
        program = Path(found.origin).with_name("binaries") / "adb"
        if program.exists():
            return [str(program)]
    on_path = shutil.which("adb")
    return [on_path] if on_path else host_command("usr/lib/android-sdk/platform-tools/adb")


class AdbServer:
    """`adb nodaemon server` on a port and a HOME of its own."""

    def __init__(self, adb: Sequence[str] | None = None) -> None:
        """Start it; `adb` is the argv of the program, or what `find_adb` finds."""
        self._adb = list(adb or find_adb())
        self._home = Path(tempfile.mkdtemp(prefix="bokehbench-adb-"))
        held = hold_port(None)
        self.port: int = held.getsockname()[1]
        held.close()
        self._env = {k: v for k, v in os.environ.items() if not k.startswith(("ADB_", "ANDROID_"))}
        self._env |= {"HOME": str(self._home), "TMPDIR": str(self._home), **QUIET}
        # The client programs of a test find this server by the variable.
        self._env["ANDROID_ADB_SERVER_PORT"] = str(self.port)
        self._leash = leash.Leash(
            [*self._adb, "-P", str(self.port), "nodaemon", "server"], self._log, env=self._env
        )
        try:
            leash.wait_until("adb server", self._answers, READY_SECONDS)
        except BaseException as error:
            error.add_note(self._log.read_text(encoding="utf-8", errors="replace")[-2000:])
            self.close()
            raise

    def __enter__(self) -> "AdbServer":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def address(self) -> tuple[str, int]:
        """Where client libraries find it."""
        return "127.0.0.1", self.port

    @property
    def version(self) -> int:
        """The number that clients compare with their own (41 since adb 1.0.41)."""
        return int(self.request("host:version"), 16)

    def connect(self, device: TestDevice | str, timeout: float = READY_SECONDS) -> str:
        """Connect a device (or an address, as of a proxy) and wait until it is usable.

        An earlier connection to the same address is given up first: after a restart of the
        device it may stay offline for ever.

        Returns:
            The serial by which clients name it.
        """
        address = device if isinstance(device, str) else device.address
        deadline = time.monotonic() + timeout
        while True:
            self.disconnect(address)
            said = self.request(f"host:connect:{address}", timeout)
            if "connected to" not in said:
                raise AdbError(said)
            remaining = deadline - time.monotonic()
            try:
                self.wait_for_state(address, "device", min(CONNECT_SECONDS, remaining))
            except TimeoutError:
                # The server's own attempt to reconnect can get in between: then the
                # device stays offline until it is connected anew.
                if remaining <= CONNECT_SECONDS:
                    raise
            else:
                return address

    def disconnect(self, address: str) -> None:
        """Give up a connection, if there is one."""
        if self.state(address) is not None:
            self.request(f"host:disconnect:{address}")

    def state(self, address: str) -> str | None:
        """`device`, `offline`..., None when the server doesn't know that address."""
        return self.states().get(address)

    def states(self) -> dict[str, str]:
        """The state of everything that the server knows."""
        lines = (line.split("\t") for line in self.request("host:devices").splitlines())
        return {line[0]: line[1] for line in lines}

    def wait_for_state(self, address: str, state: str, timeout: float = READY_SECONDS) -> None:
        """Wait until a device is in that state."""
        leash.wait_until(f"{address} as {state}", lambda: self.state(address) == state, timeout)

    def devices_long(self) -> str:
        """What `adb devices -l` prints below its heading."""
        return self.request("host:devices-l")

    def run(
        self, *args: str, stdin: bytes = b"", timeout: float = 60.0
    ) -> subprocess.CompletedProcess[bytes]:
        """Run the adb program as a client of this server."""
        return subprocess.run(
            [*self._adb, "-P", str(self.port), *args],
            input=stdin,
            capture_output=True,
            env=self._env,
            timeout=timeout,
            check=False,
        )

    def request(self, service: str, timeout: float = READY_SECONDS) -> str:
        """Ask the server one thing; its answer.

        Raises:
            AdbError: it refused.
        """
        with socket.create_connection(self.address, timeout=timeout) as sock:
            data = service.encode()
            sock.sendall(b"%04x%b" % (len(data), data))
            status = read_exactly(sock, 4)
            text = read_exactly(sock, int(read_exactly(sock, 4), 16)).decode("utf-8", "replace")
        if status != b"OKAY":
            raise AdbError(f"{service}: {text}")
        return text

    def close(self) -> None:
        """End the server and delete its HOME."""
        self._leash.end()
        shutil.rmtree(self._home, ignore_errors=True)

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which client programs find this server."""
        return dict(self._env)

    @property
    def _log(self) -> Path:
        return self._home / "server.log"

    def _answers(self) -> bool:
        try:
            return self.version > 0
        except (OSError, WireError):
            return False
