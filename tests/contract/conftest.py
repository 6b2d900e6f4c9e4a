"""The links that keep one contract: this machine, an adb server, adbd itself, shared or alone."""

import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from bokehbench.phone.direct import DirectTransport
from bokehbench.phone.local import LocalTransport
from bokehbench.phone.server import ServerTransport
from bokehbench.phone.transport import DEFAULT_OUTPUT_LIMIT, CommandResult, Deadline, Transport
from tests.rig import TestDevice, require_rig
from tests.rig.server import AdbServer

LINKS = ("local", "server", "direct")
ALONE = ("server alone", "direct alone")
"""The same links with a shell for each command."""


@pytest.fixture(scope="session")
def adb_server() -> Iterator[AdbServer]:
    """A private adb server for the whole session."""
    require_rig()
    with AdbServer() as server:
        yield server


@pytest.fixture(scope="session")
def shared_device() -> Iterator[TestDevice]:
    """A device that no test breaks."""
    require_rig()
    with TestDevice() as device:
        yield device


def adb_transport(
    link: str, device: TestDevice, server: AdbServer, key: Path
) -> ServerTransport | DirectTransport:
    """A transport to a device of the rig."""
    if link == "direct":
        return DirectTransport(f"tcp:{device.address}", key=key)
    return ServerTransport(device.address, port=server.port)


class Alone:
    """A transport whose commands are all alone."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self.address, self.root = inner.address, inner.root
        self.push, self.pull, self.close = inner.push, inner.pull, inner.close

    def run(
        self,
        argv: Sequence[str],
        *,
        deadline: Deadline,
        stdin: bytes = b"",
        on_stdout: Callable[[bytes], None] | None = None,
        limit_bytes: int = DEFAULT_OUTPUT_LIMIT,
        alone: bool = True,
    ) -> CommandResult:
        """See Transport.run."""
        return self._inner.run(
            argv,
            deadline=deadline,
            stdin=stdin,
            on_stdout=on_stdout,
            limit_bytes=limit_bytes,
            alone=True,
        )


@pytest.fixture(params=LINKS + ALONE)
def transport(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Transport]:
    """Each transport in turn, with an empty root."""
    if request.param == "local":
        yield LocalTransport(tmp_path / "device")
        return
    device: TestDevice = request.getfixturevalue("shared_device")
    server: AdbServer = request.getfixturevalue("adb_server")
    made = adb_transport(request.param.split()[0], device, server, tmp_path / "adbkey")
    yield Alone(made) if request.param in ALONE else made
    made.close()
    shutil.rmtree(device.tmp / "bokehbench", ignore_errors=True)
    assert settled(device) == []


def settled(device: TestDevice, seconds: float = 2.0) -> list[tuple[int, tuple[str, ...]]]:
    """What still runs on a device once processes that were just killed are gone."""
    deadline = Deadline.after(seconds)
    while (left := device.processes()) and deadline.remaining():
        time.sleep(0.01)
    return left


@pytest.fixture(params=("server", "direct"))
def link(request: pytest.FixtureRequest) -> str:
    """The name of a link that goes over adb."""
    name: str = request.param
    return name


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many tests of the contract each link has passed."""
    counts: dict[str, Counter[str]] = {name: Counter() for name in LINKS + ALONE}
    for outcome in ("passed", "failed", "skipped"):
        for report in terminalreporter.stats.get(outcome, []):
            path, _, case = report.nodeid.partition("[")
            name = case.rstrip("]").split("-")[0]
            if "tests/contract" in path and name in counts and report.when == "call":
                counts[name][outcome] += 1
    if any(counts.values()):
        told = (
            f"{name} {count['passed']} passed"
            + (f", {count['failed']} FAILED" if count["failed"] else "")
            for name, count in counts.items()
        )
        terminalreporter.write_line(f"transport contract: {'; '.join(told)}")
